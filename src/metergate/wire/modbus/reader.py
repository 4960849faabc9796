"""The reader's end of Modbus: questions as generators (`wire.base.Dialogue`).

`NoAnswer`, `ApplicationError` (the meter answers with an exception) or `Refused` (the same, to an order). Answers that
belong to an earlier question are dropped: Modbus TCP tells them by the transaction id; in RTU unit, function and length
must agree, and where an answer of the same length may still be on its way, another length is asked for first: once that
is answered, no older answer can come any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pymodbus.pdu import ModbusPDU, ReadDeviceInformationRequest, ReadHoldingRegistersRequest
from pymodbus.pdu.register_message import (
    ReadInputRegistersRequest,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from metergate.errors import ApplicationError, NoAnswer, Refused
from metergate.wire.base import MORE, Ask, Dialogue
from metergate.wire.modbus import RTU
from metergate.wire.modbus.frame import answers, build, caught, exception_name, fits
from metergate.wire.modbus.plan import Block, Planner, Span

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ACKNOWLEDGE, BUSY, NO_PATH, NO_TARGET = 1, 2, 5, 6, 10, 11
Words = dict[tuple[int, int], int]


@dataclass(frozen=True, slots=True)
class Settings:
    """How the line behaves, seconds. `rest`: silence before a question (RTU: 3.5 characters); `flush`: how long a late
    answer may take that nobody waits for any more; `busy`: when a busy meter is asked again."""

    framing: str = RTU
    timeout: float = 1.0
    tries: int = 3
    rest: float = 0.005
    flush: float = 0.3
    busy: float = 0.5


@dataclass(frozen=True, slots=True)
class Identification:
    """What a device tells of itself (function 2B/0E): objects 0 to 2, and those beyond by number."""

    vendor: str = ""
    product: str = ""
    revision: str = ""
    others: tuple[tuple[int, str], ...] = ()


class Reader:
    """Asks one unit. `transaction`: the number of the first question (Modbus TCP)."""

    def __init__(self, unit: int, settings: Settings | None = None, transaction: int = 0) -> None:
        self.unit = unit
        self.settings = settings or Settings()
        self._transaction = transaction
        self._owed: set[int] = set()  # RTU: how many registers those answers have that may come late

    def exchange(self, request: ModbusPDU, tries: int | None = None) -> Dialogue[ModbusPDU]:
        """The answer to a request, be it an exception. NoAnswer."""
        if request.count in self._owed:
            yield from self._catch_up(request)
        busy, doubt = None, bool(self._owed)
        for attempt in range(tries or self.settings.tries):
            yield from self._quiet(attempt)
            found = yield from self._once(request)
            if found is None:
                continue
            if doubt and found.isError():  # an exception has no length: it may be the late answer to something else
                doubt = False
                continue
            self._settle(request, attempt)
            if not found.isError() or found.exception_code not in _AGAIN:
                return found
            if found.exception_code in (ACKNOWLEDGE, BUSY):
                busy = found
                yield from quiet(self.settings.busy)
        if busy is not None:
            return busy
        raise NoAnswer(f"unit {self.unit} is silent")

    def _settle(self, request: ModbusPDU, attempt: int) -> None:
        """Answers come in the order of the questions: what is older than this one came before it or never will."""
        self._owed = {request.count} if attempt and self.settings.framing == RTU else set()

    def _catch_up(self, request: ModbusPDU) -> Dialogue[None]:
        """Ask for a number of registers that no late answer can have, until that is answered. NoAnswer."""
        count = next(number for number in range(1, len(self._owed) + 2) if number not in self._owed)
        for attempt in range(self.settings.tries):
            yield from self._quiet(attempt)
            if (yield from self._once(_reading(request.function_code, request.address, count))) is not None:
                self._settle(_reading(request.function_code, request.address, count), attempt)
                return
        raise NoAnswer(f"unit {self.unit} is silent")

    def _quiet(self, attempt: int) -> Dialogue[None]:
        if self.settings.framing == RTU:
            yield from quiet(self.settings.flush if attempt else self.settings.rest)

    def _once(self, request: ModbusPDU) -> Dialogue[ModbusPDU | None]:
        framing = self.settings.framing
        self._transaction = self._transaction % 0xFFFF + 1
        request.dev_id, request.transaction_id = self.unit, self._transaction
        hunter = answers(framing, request)
        data = yield Ask(build(framing, request), self.settings.timeout)
        while True:
            frames = hunter.feed(data) if data else hunter.silence()
            found = [pdu for pdu in caught(framing, frames, asking=False) if fits(framing, request, pdu)]
            if not found and not data and framing == RTU and request.function_code in _READS:
                self._owed.add(request.count)
            if found or not data:
                return found[0] if found else None
            data = yield MORE

    def registers(self, function: int, address: int, count: int) -> Dialogue[Sequence[int]]:
        """Holding (3) or input (4) registers, at most 125. NoAnswer, ApplicationError."""
        answer = yield from self.exchange(_reading(function, address, count))
        if answer.isError():
            raise ApplicationError(_complaint(self.unit, answer, f"registers {address} to {address + count - 1}"))
        return answer.registers

    def read(self, spans: Iterable[Span], planner: Planner | None = None) -> Dialogue[Words]:
        """All words of the spans that the unit has. NoAnswer, ApplicationError."""
        planner = planner or Planner()
        words: Words = {}
        todo = planner.blocks(spans)
        while todo:
            block = todo.pop(0)
            answer = yield from self.exchange(_reading(block.function, block.address, block.count))
            if not answer.isError():
                words |= _held(block, answer.registers)
            elif answer.exception_code == ILLEGAL_ADDRESS:
                planner.refused(block)
                todo[:0] = planner.blocks(block.spans)
            else:
                raise ApplicationError(_complaint(self.unit, answer, f"registers from {block.address}"))
        return words

    def write(self, address: int, words: Sequence[int]) -> Dialogue[None]:
        """Write holding registers, one by function 06, several by 16, and read them back. Sent again only where they
        do not hold what was sent. NoAnswer, Refused."""
        for _ in range(self.settings.tries):
            try:
                answer = yield from self.exchange(_writing(address, words), tries=1)
            except NoAnswer:
                answer = None
            if answer is not None and answer.isError():
                raise Refused(_complaint(self.unit, answer, f"writing register {address}"))
            held = yield from self.registers(3, address, len(words))
            if list(held) == list(words):
                return
        raise Refused(f"unit {self.unit}: register {address} does not keep what is written")

    def identify(self) -> Dialogue[Identification | None]:
        """Who it is (2B/0E, all basic objects); None if it knows no such function. NoAnswer."""
        found: dict[int, str] = {}
        number = 0
        for _ in range(_PAGES):
            answer = yield from self.exchange(ReadDeviceInformationRequest(1, number))
            if answer.isError():
                return None
            objects = getattr(answer, "information", {})
            found |= {key: _text(value) for key, value in objects.items()}
            following = int(getattr(answer, "next_object_id", 0))
            if not int(getattr(answer, "more_follows", 0)) or following <= number:
                break
            number = following
        others = tuple(sorted((key, text) for key, text in found.items() if key > 2))
        return Identification(found.get(0, ""), found.get(1, ""), found.get(2, ""), others)


_PAGES = 8
_AGAIN = (ACKNOWLEDGE, BUSY, NO_PATH, NO_TARGET)
_READS = (3, 4)


def quiet(seconds: float) -> Dialogue[None]:
    """Until nothing comes any more for so long; what comes is nobody's answer."""
    data = yield Ask(b"", seconds)
    while data:
        data = yield MORE


def spans_of(places: Iterable[tuple[int, int, int]]) -> list[Span]:
    """Spans of function, address, number."""
    return [Span(*place) for place in places]


def _reading(function: int, address: int, count: int) -> ModbusPDU:
    kind = ReadHoldingRegistersRequest if function == 3 else ReadInputRegistersRequest
    return kind(address=address, count=count)


def _writing(address: int, words: Sequence[int]) -> ModbusPDU:
    kind = WriteSingleRegisterRequest if len(words) == 1 else WriteMultipleRegistersRequest
    return kind(address=address, registers=list(words))


def _held(block: Block, registers: Sequence[int]) -> Words:
    return {(block.function, block.address + at): word for at, word in enumerate(registers)}


def _complaint(unit: int, answer: ModbusPDU, what: str) -> str:
    return f"unit {unit}: {what}: {exception_name(answer.exception_code)}"


def _text(value: object) -> str:
    first = value[0] if isinstance(value, list) and value else value
    return first.decode("ascii", "replace").strip("\0 ") if isinstance(first, bytes) else ""
