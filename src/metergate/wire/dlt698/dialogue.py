"""The reader's end: questions to a meter as generators (`wire.base.Dialogue`).

Each ends with its result or with an exception: `NoAnswer`; `ApplicationError` where the meter has no such data;
`Refused` where it says no to an order; another `DecodeError` where its answer cannot be read. Every question has a
number of its own (PIID), so that late answers are known and dropped. What the meter begins by itself meanwhile - login,
heartbeat, reports - is answered in passing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from metergate.errors import ApplicationError, DecodeError, NoAnswer, Refused
from metergate.model import Reading
from metergate.model.command import Outcome
from metergate.wire.base import MORE, Ask, Dialogue, Problem
from metergate.wire.dlt698 import objects
from metergate.wire.dlt698.apdu import Apdu
from metergate.wire.dlt698.decode import Found, listed, readings, results
from metergate.wire.dlt698.frame import (
    EVERYBODY,
    STARTED,
    USER,
    Address,
    Frame,
    Joiner,
    acknowledge,
    acknowledges,
    blocks,
    hunter,
)
from metergate.wire.dlt698.values import (
    ARRAY,
    DATE_TIME_S,
    ENUM,
    NOTHING,
    OAD,
    STRUCTURE,
    UINT8,
    UINT16,
    Data,
)

Fields = Mapping[str, Any]
Rows = tuple[int, Any]
"""A selector of rows, as `values.RSD_CODEC` has it."""
ALL_ROWS: Rows = (0, None)
PER_LIST = 8
"""Most attributes in one question."""


@dataclass(frozen=True, slots=True)
class Line:
    """How to speak on a line: seconds to wait, how often to ask, octets FE before a frame, most octets of a frame."""

    timeout: float = 2.0
    tries: int = 3
    wake: int = 4
    most: int = 1024
    client: int = 0x10
    utc_offset: int | None = None
    """Minutes of the meter's clock, for times of records and demand maxima."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """How a meter's relay is worked; the numbers are to be checked per meter.

    Methods of object 8000 to trip and to close, the attribute that shows the relay, its bit that says "open".
    """

    trip: int = 0x80008100
    close: int = 0x80008200
    state: int = 0x80000300
    open_bit: int = 0
    relay: int = 0xF2050201


LINE, BREAKER = Line(), Breaker()


def limits(most: int = 1024) -> dict[str, Any]:
    """The fields of a connect-request that asks for all services and functions with frames of `most` octets."""
    sizes = {"send_frame": most, "receive_frame": most, "window": 1, "apdu_size": 4 * most, "timeout_s": 100}
    return {"version": 0x0010, "protocol": b"\xff" * 8, "functions": b"\xff" * 16, **sizes}


@dataclass
class Reader:
    """One meter as its reader sees it. `reports`: what it told unasked while it was being asked."""

    who: Address
    line: Line = LINE
    reports: list[Apdu] = field(default_factory=list)
    _number: int = 0

    # --- question and answer -----------------------------------------------------------------------------------------
    def ask(self, service: str, fields: Fields, tries: int | None = None) -> Dialogue[Apdu]:
        """The answer to a question, asked `tries` times at most; NoAnswer."""
        for _ in range(tries or self.line.tries):
            self._number = self._number % 63 + 1
            request = Apdu(service, {**fields, "piid": self._number})
            reply = yield from self._exchange(request)
            if reply is not None:
                return reply
        raise NoAnswer(f"meter {self.who.text} is silent")

    def _exchange(self, request: Apdu) -> Dialogue[Apdu | None]:
        """Send once, part by part if it is long, and wait for the reply."""
        frame = Frame(self.who, request.encode(), STARTED | USER, self.line.client)
        pieces = blocks(frame, self.line.most)
        hunt, joiner = hunter(), Joiner()
        data = yield Ask(pieces[0].encode(self.line.wake), self.line.timeout)
        while data:
            back = b""
            for catch in hunt.feed(data):
                if isinstance(catch, Problem):
                    continue
                heard = Frame.of(catch[1])
                if not heard.from_meter or not self.who.names(heard.address.text):
                    continue
                apdu, answer = self._take(heard, joiner, pieces)
                back += answer
                if apdu is not None and _replies(request, apdu):
                    if back:
                        yield Ask(back, 0)
                    return apdu
            data = (yield Ask(back, self.line.timeout)) if back else (yield MORE)
        return None

    def _take(self, heard: Frame, joiner: Joiner, pieces: Sequence[Frame]) -> tuple[Apdu | None, bytes]:
        """The APDU that a frame completes, and what has to be sent because of it."""
        try:
            for number in acknowledges(heard):
                return None, pieces[number + 1].encode() if number + 1 < len(pieces) else b""
            back = acknowledge(heard).encode() if heard.split else b""
            octets = joiner.add(heard.apdu) if heard.split else heard.apdu
            if octets is None:
                return None, back
            apdu = Apdu.decode(octets)
        except DecodeError:
            return None, b""
        told = answer_to(apdu)
        if told is not None:
            if apdu.service.startswith("report"):
                self.reports.append(apdu)
            control = heard.control & ~0x80 & ~0x20
            back += replace(heard, control=control, apdu=told.encode()).encode()
        return apdu, back

    # --- reading -----------------------------------------------------------------------------------------------------
    def get(self, service: str, fields: Fields) -> Dialogue[list[Found]]:
        """Every attribute of the answer to a get-request, blocks put together."""
        reply = yield from self.ask(f"get-request-{service}", fields)
        found = [*results(reply)]
        if reply.service != "get-response-next":
            return found
        tables: list[Any] = []
        while True:
            which, part = reply.fields["part"]
            if which == 0:
                raise ApplicationError(f"meter {self.who.text}: {objects.dar_text(part)}")
            tables.append((which, part))
            if reply.fields["last"]:
                return [one for table in tables for one in listed(table)]
            block = reply.fields["block"]
            reply = yield from self.ask("get-request-next", {"block": block})
            if reply.fields.get("block") != block + 1 & 0xFFFF:
                raise DecodeError(f"block {reply.fields.get('block')} after block {block}")

    def value(self, oad: int) -> Dialogue[Data]:
        """One attribute. ApplicationError with the meter's reason."""
        found = yield from self.get("normal", {"oad": oad})
        for one in found:
            if one.oad == oad and one.result[0]:
                value: Data = one.result[1]
                return value
        reason = objects.dar_text(found[0].result[1]) if found and not found[0].result[0] else "no value"
        raise ApplicationError(f"meter {self.who.text} on {oad:08x}: {reason}")

    def read(self, oads: Sequence[int]) -> Dialogue[tuple[Reading, ...]]:
        """Several attributes as readings; those that the meter does not have are left out."""
        found: list[Found] = []
        for at in range(0, len(oads), PER_LIST):
            some = tuple(oads[at : at + PER_LIST])
            found += yield from self.get("list", {"oads": some})
        asked = [one for one in found if one.oad in oads and one.result[0]]
        return self._readings(asked)

    def records(self, table: int, columns: Iterable[int], rows: Rows) -> Dialogue[tuple[Reading, ...]]:
        """Rows of a table (its object, as 5004) as readings at the rows' times. ApplicationError."""
        query = {"oad": table << 16 | 0x0200, "rows": rows, "columns": tuple((0, column) for column in columns)}
        found = yield from self.get("record", {"query": query})
        for one in found:
            if not one.result[0]:
                raise ApplicationError(f"meter {self.who.text} on {table:04x}: {objects.dar_text(one.result[1])}")
        return self._readings(found)

    def _readings(self, found: Iterable[Found]) -> tuple[Reading, ...]:
        meter, offset = self.who.text, self.line.utc_offset
        return tuple(reading for one in found for reading in readings(meter, one, None, offset))

    def history(self, table: int, oads: Sequence[int], begin: datetime, end: datetime) -> Dialogue[tuple[Reading, ...]]:
        """What was frozen, `begin` <= time < `end` of the meter's own clock; `oads` are attributes or elements."""
        rows = between(objects.FROZEN_AT, begin, end)
        return (yield from self.records(table, (objects.FROZEN_AT, *oads), rows))

    def events(self, event: int, begin: datetime, end: datetime) -> Dialogue[tuple[Reading, ...]]:
        """The records of one event (as 3011) that began in a time of the meter's own clock."""
        columns = (objects.EVENT_NUMBER, objects.EVENT_BEGIN, objects.EVENT_END)
        return (yield from self.records(event, columns, between(objects.EVENT_BEGIN, begin, end)))

    def clock(self) -> Dialogue[datetime]:
        """The meter's own clock, naive. DecodeError if it shows none."""
        shown = yield from self.value(objects.CLOCK)
        if not isinstance(shown.value, datetime):
            raise DecodeError(f"meter {self.who.text} shows no date and time")
        return shown.value

    # --- writing -----------------------------------------------------------------------------------------------------
    def write(self, oad: int, value: Data, tries: int | None = None) -> Dialogue[None]:
        """Set an attribute. Refused with the meter's reason."""
        reply = yield from self.ask("set-request-normal", {"setting": (oad, value)}, tries)
        if reply.fields["done"][1]:
            raise Refused(f"meter {self.who.text} refuses {oad:08x}: {objects.dar_text(reply.fields['done'][1])}")

    def act(self, method: int, value: Data = NOTHING) -> Dialogue[Data | None]:
        """Call a method, once: NoAnswer leaves open whether it was done. Refused with the meter's reason."""
        reply = yield from self.ask("action-request-normal", {"setting": (method, value)}, 1)
        _, dar, back = reply.fields["called"]
        if dar:
            raise Refused(f"meter {self.who.text} refuses {method:08x}: {objects.dar_text(dar)}")
        return back if isinstance(back, Data) else None

    def set_clock(self, local: datetime) -> Dialogue[None]:
        """Set the clock, once: sent late, it would set it wrong."""
        yield from self.write(objects.CLOCK, Data(DATE_TIME_S, local.replace(microsecond=0)), 1)

    def freeze(self, method: int = 0x50000300) -> Dialogue[None]:
        """Keep what the registers show now, by the method of the object of freezes at once."""
        yield from self.act(method, Data(UINT16, 0))

    def relay_is_open(self, breaker: Breaker = BREAKER) -> Dialogue[bool]:
        """Whether the relay is open (supply off)."""
        shown = yield from self.value(breaker.state)
        word = shown if shown.tag != ARRAY else shown.value[0]
        count, octets = word.value
        return breaker.open_bit < count and bool(octets[breaker.open_bit // 8] >> 7 - breaker.open_bit % 8 & 1)

    def relay(self, trip: bool, breaker: Breaker = BREAKER) -> Dialogue[Outcome]:
        """Trip or close, then read back: DONE only when the meter shows it; after silence the state is read first."""
        heard = False
        for _ in range(self.line.tries):
            try:
                yield from self.act(*_relay_order(trip, breaker))
                heard = True
            except Refused:
                return Outcome.REFUSED
            except NoAnswer:
                pass
            try:
                opened = yield from self.relay_is_open(breaker)
            except (NoAnswer, DecodeError):
                return Outcome.UNSURE if heard else Outcome.NO_ANSWER
            if opened is trip:
                return Outcome.DONE
            if heard:
                return Outcome.UNSURE
        return Outcome.NO_ANSWER

    # --- association -------------------------------------------------------------------------------------------------
    def connect(self, password: str | None = None) -> Dialogue[Apdu]:
        """Associate, openly or by password. Refused if the meter does not want to."""
        mechanism = (0, b"") if password is None else (1, password)
        reply = yield from self.ask("connect-request", {**limits(self.line.most), "mechanism": mechanism})
        if reply.fields["result"]:
            raise Refused(f"meter {self.who.text} does not associate: result {reply.fields['result']}")
        return reply

    def release(self) -> Dialogue[None]:
        """End the association."""
        yield from self.ask("release-request", {})

    def relayed(self, meter: Address, oads: Sequence[int], wait_s: int = 10) -> Dialogue[tuple[Reading, ...]]:
        """Attributes of a meter behind this terminal (proxy). ApplicationError if it has none of them."""
        asked = {"wait_s": wait_s, "meters": ((meter.octets, wait_s, tuple(oads)),)}
        reply = yield from self.ask("proxy-request-get-list", asked)
        found: list[Reading] = []
        for octets, attributes in reply.fields["meters"]:
            if octets == meter.octets:
                for one in attributes:
                    found += readings(meter.text, Found(*one), None, self.line.utc_offset)
        if not any(reading.value is not None for reading in found):
            raise ApplicationError(f"meter {meter.text} gave nothing through {self.who.text}")
        return tuple(found)


def _relay_order(trip: bool, breaker: Breaker) -> tuple[int, Data]:
    relay = Data(OAD, breaker.relay)
    if trip:
        order = (relay, Data(UINT8, 0), Data(UINT16, 0), Data(3, False))
        return breaker.trip, Data(ARRAY, (Data(STRUCTURE, order),))
    return breaker.close, Data(ARRAY, (Data(STRUCTURE, (relay, Data(ENUM, 1))),))


def between(column: int, begin: datetime, end: datetime) -> Rows:
    """The rows whose `column` lies from `begin` on and before `end`."""
    return 2, (column, Data(DATE_TIME_S, begin), Data(DATE_TIME_S, end), NOTHING)


def last(count: int) -> Rows:
    """The last `count` rows."""
    return 10, (count, (0, None))


def nth_last(number: int) -> Rows:
    """The `number`-th last row."""
    return 9, number


def broadcast_time(local: datetime, line: Line = LINE, method: int = 0x40007F00) -> Dialogue[None]:
    """Tell all meters the time (their local one); nobody answers."""
    request = Apdu("action-request-normal", {"setting": (method, Data(DATE_TIME_S, local.replace(microsecond=0)))})
    yield Ask(Frame(EVERYBODY, request.encode(), STARTED | USER, line.client).encode(line.wake), 0)


def read_address(line: Line = LINE, pattern: str = "a" * 12) -> Dialogue[str]:
    """The address of the only meter that `pattern` allows. NoAnswer, DecodeError."""
    reader = Reader(Address(pattern, 1), line)
    shown = yield from reader.value(objects.ADDRESS)
    if not isinstance(shown.value, bytes):
        raise DecodeError("the meter's address is no octet string")
    return shown.value.hex()


def _replies(request: Apdu, reply: Apdu) -> bool:
    """Whether this answers that: the same service, the same number, the same attributes."""
    if reply.piid & 0x3F != request.piid & 0x3F or not reply.service.startswith(_SAME[request.service.split("-")[0]]):
        return False
    if reply.service == "get-response-next":
        return request.service.startswith("get")
    if reply.service != request.service.replace("request", "response"):
        return False
    return _wanted(request) == _given(reply)


_SAME = {"get": "get-r", "set": "set-r", "action": "action-r", "connect": "connect-", "release": "release-"}
_SAME |= {"proxy": "proxy-"}


def _wanted(request: Apdu) -> list[Any]:
    fields = request.fields
    one = [fields["setting"][0]] if "setting" in fields else [fields["oad"]] if "oad" in fields else []
    query = [fields["query"]["oad"]] if "query" in fields else []
    return [*one, *query, *fields.get("oads", ())]


def _given(reply: Apdu) -> list[Any]:
    fields = reply.fields
    one = [fields[name][0] for name in ("attribute", "done", "called", "table") if name in fields]
    return [*one, *[each[0] for each in fields.get("attributes", ())]]


def answer_to(apdu: Apdu) -> Apdu | None:
    """What the station says to what a meter begins: login, heartbeat, logout, a report. None for anything else."""
    if apdu.service == "link-request":
        sent = apdu.fields["sent"]
        times = {"sent": sent, "received": sent, "answered": sent}
        return Apdu("link-response", {"piid": apdu.piid & 0x3F, "result": 0x80, **times})
    if apdu.service.startswith("report-notification"):
        oads = [one[0] for name in ("attributes", "tables") for one in apdu.fields.get(name, ())]
        return Apdu(apdu.service.replace("notification", "response"), {"piid": apdu.piid & 0x3F, "oads": tuple(oads)})
    return None
