"""The master's dialogues: reading by primary and secondary address, searching the bus, writing (EN 13757-2 §5, -3).

All are `wire.base.Dialogue`s: they yield what is to be sent and are sent what arrived. The frame count bit toggles only
after a right answer, so that an answer that got lost is asked for again and none is skipped or counted twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from metergate.errors import ApplicationError, BadChecksum, BadValue, DecodeError, NoAnswer, Refused
from metergate.model import Reading
from metergate.wire.base import MORE, Ask, Dialogue, Problem, Retune, Telegram
from metergate.wire.mbus.dib import Dib
from metergate.wire.mbus.frame import (
    BROADCAST,
    FCB,
    PRIMARY,
    REQ_UD2,
    SELECTED,
    SND_NKE,
    SND_UD,
    Frame,
    Framer,
    parse,
)
from metergate.wire.mbus.records import record
from metergate.wire.mbus.secondary import DIGITS, Secondary
from metergate.wire.mbus.telegram import BAUD, BUSY, DATA_SEND, LONG, RESET, SELECT, Decoder, LongHeader

MOST_TELEGRAMS = 32
"""A readout has at most so many telegrams."""
_BITS = 330


@dataclass(frozen=True, slots=True)
class Settings:
    """How the line behaves. `delay` is what converters add; a busy slave is asked again after `busy` seconds."""

    baud: int = 2400
    delay: float = 0.5
    tries: int = 3
    busy: float = 1.0

    @property
    def timeout(self) -> float:
        """How long a slave may take to begin its answer: 330 bits and 50 ms, and the converter's delay."""
        return _BITS / self.baud + 0.05 + self.delay


@dataclass(frozen=True, slots=True)
class Readout:
    """What a meter answered. `complete` is False if it announced further telegrams and did not send them."""

    telegrams: tuple[Telegram, ...]
    complete: bool = True

    @property
    def readings(self) -> tuple[Reading, ...]:
        """The readings of all telegrams."""
        return tuple(reading for telegram in self.telegrams for reading in telegram.readings)


@dataclass(frozen=True, slots=True)
class Hit:
    """A slave that the search found; `address` is its primary one."""

    secondary: Secondary
    address: int
    telegram: Telegram


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a search. `collisions` are addresses that several slaves share and nothing tells apart."""

    hits: tuple[Hit, ...]
    collisions: tuple[Secondary, ...] = ()


@dataclass(slots=True)
class _Heard:
    """What came back: the frame wanted, or whether there was anything at all."""

    frame: bytes = b""
    garbled: bool = False
    unwanted: list[bytes] = field(default_factory=list)


Wanted = Callable[[bytes], bool]
Target = int | Secondary
"""A slave: where it is, or who it is."""


def _exchange(data: bytes, wanted: Wanted, timeout: float) -> Dialogue[_Heard]:
    """Send a frame, wait for one that is wanted. The own echo and answers of others are passed over."""
    framer, heard = Framer(), _Heard()
    step: Ask | object = Ask(data, timeout)
    while True:
        chunk: bytes = yield step  # type: ignore[misc]
        catches = framer.feed(chunk) if chunk else framer.silence()
        for catch in catches:
            _take(heard, catch, wanted)
        if heard.frame or not chunk:
            return heard
        step = MORE


def _take(heard: _Heard, catch: tuple[int, bytes] | Problem, wanted: Wanted) -> None:
    if isinstance(catch, Problem):
        heard.garbled = True
    elif not parse(catch[1]).from_master:
        if heard.frame or not wanted(catch[1]):
            heard.unwanted.append(catch[1])
        else:
            heard.frame = catch[1]


def _is_ack(frame: bytes) -> bool:
    return len(frame) == 1


def _acknowledged(data: bytes, settings: Settings, who: str) -> Dialogue[None]:
    """Send until E5 comes back. NoAnswer, or BadChecksum if what came was garbled."""
    heard = _Heard()
    for _ in range(settings.tries):
        heard = yield from _exchange(data, _is_ack, settings.timeout)
        if heard.frame:
            return
    raise _silent(heard, who)


def _silent(heard: _Heard, who: str) -> DecodeError | NoAnswer:
    if heard.garbled:
        return BadChecksum(f"{who} answers, but garbled: noise, or several slaves with this address")
    return NoAnswer(f"{who} does not answer")


def initialise(address: int, settings: Settings | None = None) -> Dialogue[None]:
    """SND_NKE: the slave forgets the frame count (and, at 253, its selection). NoAnswer or BadChecksum."""
    yield from _acknowledged(Frame(SND_NKE, address).octets, settings or Settings(), f"slave {address}")


def _begin(target: Target, settings: Settings) -> Dialogue[int]:
    """Make the slave ready, its frame count forgotten; the address at which it answers now."""
    if isinstance(target, Secondary):
        yield from select(target, settings)
        return SELECTED
    yield from initialise(target, settings)
    return target


def read(
    target: Target, *, settings: Settings | None = None, decoder: Decoder | None = None, expect: Secondary | None = None
) -> Dialogue[Readout]:
    """All telegrams of the slave at a primary address (254: of the only slave) or with a secondary one.

    Answers of other addresses, or of a meter that `expect` does not match, are passed over. NoAnswer, BadChecksum,
    ApplicationError if the meter reports an error, or another DecodeError if a telegram cannot be decoded.
    """
    settings, decoder = settings or Settings(), decoder or Decoder()
    address = yield from _begin(target, settings)
    wanted = _Wanted(address, target if isinstance(target, Secondary) else expect)
    telegrams: list[Telegram] = []
    count = FCB
    while True:
        found = yield from _telegram(Frame(REQ_UD2 | count, address).octets, settings, decoder, wanted)
        if found is None:
            return Readout(tuple(telegrams), complete=False)
        if telegrams and _content(found) == _content(telegrams[0]):
            return Readout(tuple(telegrams))
        telegrams.append(found)
        if not found.frame.get("more"):
            return Readout(tuple(telegrams))
        if len(telegrams) == MOST_TELEGRAMS:
            return Readout(tuple(telegrams), complete=False)
        wanted.last = found.data
        count ^= FCB


def _content(telegram: Telegram) -> bytes:
    """The telegram without what changes when it is sent again: access number, status, check sum."""
    return telegram.data[:15] + telegram.data[17:-2]


@dataclass(slots=True)
class _Wanted:
    """An answer of the slave asked, and not the one before sent twice."""

    address: int
    expect: Secondary | None = None
    last: bytes = b""

    def __call__(self, octets: bytes) -> bool:
        frame = parse(octets)
        if frame.ci is None or octets == self.last:
            return False
        if self.address < SELECTED and frame.address != self.address:
            return False
        return self.expect is None or _is(frame, self.expect)


def _is(frame: Frame, expect: Secondary) -> bool:
    try:
        return frame.ci != LONG or expect.matches(LongHeader.parse(frame.data))
    except DecodeError:
        return True


def _telegram(request: bytes, settings: Settings, decoder: Decoder, wanted: _Wanted) -> Dialogue[Telegram | None]:
    """One REQ_UD2 with its retries. None if only the telegram before came again."""
    heard, busy = _Heard(), False
    who = f"slave {wanted.expect or wanted.address}"
    for _ in range(settings.tries):
        heard = yield from _exchange(request, wanted, settings.timeout)
        if not heard.frame:
            continue
        found = decoder.telegram(heard.frame)
        busy = found.frame.get("error") == BUSY
        if not busy:
            return _decoded(found)
        yield from _pause(settings.busy)
    if busy:
        raise ApplicationError(f"{who} stays busy")
    if wanted.last in heard.unwanted:
        return None
    raise _silent(heard, who)


def _pause(seconds: float) -> Dialogue[None]:
    """Let time pass; what arrives meanwhile is nobody's answer."""
    if (yield Ask(b"", seconds)):
        while (yield MORE):
            pass


def _decoded(telegram: Telegram) -> Telegram:
    """The telegram, or the error that it is one with a problem."""
    if telegram.problems:
        problem = telegram.problems[0]
        kinds = {kind.code: kind for kind in DecodeError.__subclasses__()}
        raise kinds.get(problem.code, BadValue)(problem.message, problem.offset)
    return telegram


def select(secondary: Secondary, settings: Settings | None = None) -> Dialogue[None]:
    """Select the slave with a secondary address; it then answers at address 253. NoAnswer or BadChecksum."""
    frame = Frame(SND_UD, SELECTED, SELECT, secondary.octets)
    yield from _acknowledged(frame.octets, settings or Settings(), f"slave {secondary}")


def scan(addresses: Iterable[int] = PRIMARY, settings: Settings | None = None) -> Dialogue[tuple[int, ...]]:
    """The primary addresses at which something answers SND_NKE, be it garbled because several share it."""
    settings = settings or Settings()
    present = []
    for address in addresses:
        for _ in range(settings.tries):
            heard = yield from _exchange(Frame(SND_NKE, address).octets, _is_ack, settings.timeout)
            if heard.frame or heard.garbled:
                present.append(address)
                break
    return tuple(present)


def search(
    within: Secondary | None = None,
    *,
    makers: Iterable[str] = (),
    digits: str = DIGITS,
    settings: Settings | None = None,
    decoder: Decoder | None = None,
) -> Dialogue[Found]:
    """Every slave whose secondary address `within` matches (all, where None), by narrowing down wildcards.

    Where several slaves have one number, `makers` are tried, then versions, then media. Some makers use A-E in their
    numbers: `digits` then has to name them too.
    """
    settings, decoder, makers = settings or Settings(), decoder or Decoder(), tuple(makers)
    hits: dict[Secondary, Hit] = {}
    collisions: list[Secondary] = []
    masks = [within or Secondary()]
    while masks:
        mask = masks.pop()
        found = yield from _probe(mask, settings, decoder)
        if isinstance(found, Hit):
            hits.setdefault(found.secondary, found)
        elif found:
            parts = list(mask.narrower(makers, digits))
            masks += reversed(parts)
            collisions += [] if parts else [mask]
    return Found(tuple(hits.values()), tuple(collisions))


def _header(telegram: Telegram) -> LongHeader:
    return LongHeader.parse(telegram.data[7:-2])


def _probe(mask: Secondary, settings: Settings, decoder: Decoder) -> Dialogue[Hit | bool]:
    """The slave that alone answers to `mask`; True if several do, False if none."""
    selection = Frame(SND_UD, SELECTED, SELECT, mask.octets).octets
    garbled = False
    for _ in range(settings.tries):
        heard = yield from _exchange(selection, _is_ack, settings.timeout)
        garbled = garbled or heard.garbled
        if not heard.frame:
            continue
        request = Frame(REQ_UD2 | FCB, SELECTED).octets
        heard = yield from _exchange(request, _Wanted(SELECTED, mask), settings.timeout)
        if heard.frame and not heard.garbled and not heard.unwanted:
            telegram = decoder.telegram(heard.frame)
            if telegram.meter and telegram.frame["ci"] == LONG:
                return Hit(Secondary.of(_header(telegram)), parse(heard.frame).address, telegram)
        garbled = True
    return garbled


def write(target: Target, ci: int, data: bytes = b"", settings: Settings | None = None) -> Dialogue[None]:
    """SND_UD: give the slave `data` under a CI field; repeats carry the same frame count.

    NoAnswer or BadChecksum. E5 only says that the slave has understood the frame.
    """
    settings = settings or Settings()
    address = yield from _begin(target, settings)
    yield from _acknowledged(Frame(SND_UD | FCB, address, ci, data).octets, settings, f"slave {target}")


def set_address(target: Target, new: int, settings: Settings | None = None) -> Dialogue[None]:
    """Give the slave another primary address, and see that it answers there.

    BadValue for an address that no slave may have, Refused if somebody answers there already; else as `write`.
    """
    if new not in PRIMARY or new == 0:
        raise BadValue(f"{new} is no primary address: 1 to 250")
    if (yield from scan([new], settings)):
        raise Refused(f"primary address {new} is taken")
    try:
        yield from write(target, DATA_SEND, bytes((0x01, 0x7A, new)), settings)
    except (NoAnswer, BadChecksum):
        pass  # only its acknowledgement may be lost: the new address tells
    yield from initialise(new, settings)


def set_baud(target: Target, baud: int, settings: Settings | None = None) -> Dialogue[Settings]:
    """Tell the slave to change its baud rate, follow it, and see that it answers; the settings to go on with.

    The acknowledgement comes at the old rate. Where the slave does not answer at the new one the line goes back and it
    is NoAnswer or BadChecksum. BadValue for a rate that M-Bus does not have.
    """
    settings = settings or Settings()
    code = next((ci for ci, rate in BAUD.items() if rate == baud), None)
    if code is None:
        raise BadValue(f"{baud} is no baud rate of M-Bus: {', '.join(map(str, BAUD.values()))}")
    try:
        yield from write(target, code, b"", settings)
    except (NoAnswer, BadChecksum):
        pass  # only its acknowledgement may be lost: the new rate tells
    yield Retune(baud)
    try:
        yield from _begin(target, replace(settings, baud=baud))
    except (NoAnswer, BadChecksum):
        yield Retune(settings.baud)
        raise
    return replace(settings, baud=baud)


def clock_record(local: datetime, *, seconds: bool = False) -> bytes:
    """The record that sets a clock: date and time to the minute (VIF 6D, type F) or, where asked, to the second (I)."""
    return record(Dib("int", 6 if seconds else 4), b"\x6d", local.replace(tzinfo=None).isoformat()).octets


def set_clock(
    target: Target, local: datetime, settings: Settings | None = None, *, seconds: bool = False
) -> Dialogue[None]:
    """Set the clock to `local`, the time of the meter's own zone when the order is sent; else as `write`."""
    yield from write(target, DATA_SEND, clock_record(local, seconds=seconds), settings)


def broadcast_clock(local: datetime, *, seconds: bool = False) -> Dialogue[None]:
    """Set the clock of every slave of the line; nobody answers."""
    frame = Frame(SND_UD, BROADCAST, DATA_SEND, clock_record(local, seconds=seconds))
    yield Ask(frame.octets, 0)


def reset_application(target: Target, subcode: int | None = None, settings: Settings | None = None) -> Dialogue[None]:
    """Application reset (CI 50): the next readout begins with the first telegram, of kind `subcode`. As `write`."""
    yield from write(target, RESET, b"" if subcode is None else bytes((subcode,)), settings)


def deselect(settings: Settings | None = None) -> Dialogue[None]:
    """SND_NKE to 253: the selected slave is no longer selected. NoAnswer if none was."""
    yield from initialise(SELECTED, settings)
