"""Radio in both directions (modes T2, C2, S2): reading and writing in the meter's access window, and installation.

A meter listens only for a moment after it has sent. So the reader waits until it hears the meter, and asks at once.
Which telegrams open a window is not settled by any capture: by default all do, `heed_access` asks for the flag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from metergate.errors import BadValue, DecodeError, NoAnswer
from metergate.wire.base import MORE, Ask, Dialogue, Telegram
from metergate.wire.wmbus.decode import Decoder
from metergate.wire.wmbus.layers import LONG, Tpl
from metergate.wire.wmbus.link import Address, Format, Link, seal
from metergate.wire.wmbus.receiver import Receiver
from metergate.wire.wmbus.sender import Sender

ACK, CNF_IR, RSP_UD, SND_NKE, SND_NR, SND_IR = 0x00, 0x06, 0x08, 0x40, 0x44, 0x46
ACC_NR, ACC_DMD, SND_UD, REQ_UD1, REQ_UD2 = 0x47, 0x48, 0x53, 0x5A, 0x5B
FCB = 0x20
"""Frame count bit of SND_UD and REQ_UD: toggles with every new one, stays for a repetition."""
TO_METER, FROM_METER = 0x80, 0x8A
"""CI of telegrams without data: long header down, short header up."""
COMMAND = 0x5B
"""CI of data for the meter, long header."""
BIDIRECTIONAL, ACCESSIBLE = 0x8000, 0x4000
"""Bits of the configuration word: the meter can be talked to; it listens now."""
ELL_ACCESSIBLE = 0x84
"""The same two in the control octet of the extended link layer."""


@dataclass(frozen=True, slots=True)
class Window:
    """How long is waited for the meter to speak, and for its answer (seconds); how often one is asked for."""

    wait: float = 300.0
    answer: float = 0.5
    tries: int = 3
    heed_access: bool = False


@dataclass(slots=True)
class Station:
    """The reader's end. `address`: its own; `mode`: how what it writes is secured (0, 5, 7, 10) with the meter's `key`.

    One station a meter; `access`, `count` (the frame count bit) and the counters of `down` go on over dialogues.
    """

    address: Address
    meter: Address
    decoder: Decoder = field(default_factory=Decoder)
    key: bytes | None = field(default=None, repr=False)
    mode: int = 0
    form: Format = Format.A
    window: Window = field(default_factory=Window)
    access: int = 0
    count: int = 0
    down: Sender = field(init=False)

    def __post_init__(self) -> None:
        self.down = Sender(self.meter, self.key, self.mode, self.form, LONG, adapter=self.address)

    def counted(self, control: int) -> int:
        """A C field with the frame count bit of a new question."""
        self.count ^= FCB
        return control | self.count

    def manage(self, control: int) -> bytes:
        """A telegram without data: REQ_UD2, SND_NKE, CNF_IR."""
        self.access = (self.access + 1) & 0xFF
        tpl = Tpl(TO_METER, self.meter, self.access, 0)
        return seal(Link(control, self.address).octets + tpl.octets, self.form)


Wanted = Callable[[Telegram], bool]


def control(telegram: Telegram) -> int:
    """The C field of a telegram."""
    return int(str(telegram.frame["control"]), 16)


def accessible(telegram: Telegram) -> bool:
    """Whether a telegram says that its meter listens now."""
    word, ell = telegram.frame.get("configuration", 0), telegram.frame.get("ell_control", 0)
    by_word = isinstance(word, int) and word & (BIDIRECTIONAL | ACCESSIBLE) == BIDIRECTIONAL | ACCESSIBLE
    return by_word or (isinstance(ell, int) and ell & ELL_ACCESSIBLE == ELL_ACCESSIBLE)


def _hear(station: Station, data: bytes, wanted: Wanted, timeout: float) -> Dialogue[Telegram | None]:
    """Send, then wait for a telegram of the meter that is wanted; what others say is passed over."""
    receiver = Receiver(station.decoder.decode, station.form)
    chunk = yield Ask(data, timeout)
    while chunk:
        for item in receiver.receive(chunk):
            if isinstance(item, Telegram) and _mine(station, item) and wanted(item):
                return item
        chunk = yield MORE
    return None


def _mine(station: Station, telegram: Telegram) -> bool:
    return telegram.frame["sender"] == station.meter.octets.hex()


def _opening(station: Station) -> Dialogue[Telegram]:
    """Wait for the meter's access window. NoAnswer if it does not come."""

    def opens(telegram: Telegram) -> bool:
        spoken = control(telegram) in (SND_NR, SND_IR, ACC_NR, ACC_DMD)
        return spoken and (accessible(telegram) or not station.window.heed_access)

    found = yield from _hear(station, b"", opens, station.window.wait)
    if found is None:
        raise NoAnswer(f"meter {station.meter.id} opened no access window in {station.window.wait:g} s")
    return found


def _asked(station: Station, request: bytes, answer: int) -> Dialogue[Telegram]:
    """Ask in the window until the answer comes; a window that closed meanwhile is waited for again."""
    for _ in range(station.window.tries):
        yield from _opening(station)
        found = yield from _hear(station, request, lambda one: control(one) & 0x0F == answer, station.window.answer)
        if found is not None:
            return found
    raise NoAnswer(f"meter {station.meter.id} does not answer in its access window")


def read(station: Station) -> Dialogue[Telegram]:
    """Ask the meter for its data in its next access window, then let go of it.

    NoAnswer, or the DecodeError of what it answered.
    """
    found = yield from _asked(station, station.manage(station.counted(REQ_UD2)), RSP_UD)
    yield Ask(station.manage(SND_NKE), 0)
    return _decoded(found)


def write(station: Station, payload: bytes, ci: int = COMMAND) -> Dialogue[None]:
    """Give the meter data in its next access window. It acknowledges that it understood, no more.

    NoAnswer; BadValue if the data does not fit one telegram.
    """
    (frame, *more) = station.down.send(ci, payload, control=station.counted(SND_UD))
    if more:
        raise BadValue("what is written to a meter has to fit one telegram")
    yield from _asked(station, frame, ACK)
    yield Ask(station.manage(SND_NKE), 0)


def install(station: Station, seconds: float = 3600.0) -> Dialogue[Telegram]:
    """Wait for the meter's installation request (SND_IR), confirm it, and give it back. NoAnswer after `seconds`."""
    found = yield from _hear(station, b"", lambda one: control(one) == SND_IR, seconds)
    if found is None:
        raise NoAnswer(f"meter {station.meter.id} sent no installation request in {seconds:g} s")
    yield Ask(station.manage(CNF_IR), 0)
    return found


def _decoded(telegram: Telegram) -> Telegram:
    if telegram.problems:
        problem = telegram.problems[0]
        kinds: Mapping[str, type[DecodeError]] = {kind.code: kind for kind in DecodeError.__subclasses__()}
        raise kinds.get(problem.code, BadValue)(problem.message, problem.offset)
    return telegram


def requests(telegrams: Iterator[object]) -> Iterator[Telegram]:
    """Those of `telegrams` that ask a meter for something."""
    asked = {SND_NKE, CNF_IR, SND_UD, SND_UD | FCB, REQ_UD1, REQ_UD1 | FCB, REQ_UD2, REQ_UD2 | FCB}
    yield from (one for one in telegrams if isinstance(one, Telegram) and control(one) in asked)
