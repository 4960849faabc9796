"""What carries notifications to the listener: from bytes in any chunking to whole APDUs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

from metergate.bits import sum8
from metergate.errors import BadChecksum, BadValue, ConfigError, DecodeError
from metergate.wire.base import Problem
from metergate.wire.dlms.push.assembly import HORIZON, LIMIT, Assembly, Message, bare
from metergate.wire.hdlc.frame import FLAG, header_size
from metergate.wire.hdlc.framer import Framer
from metergate.wire.hunt import Catch, Hunter

Carried = Message | Problem
MBUS_START = 0x68
PAST = HORIZON + (1 << 17)
"""Bytes that are kept of a stream: the longest wait for a message, the longest frame and what came with it."""
_WRAPPER = b"\x00\x01"
_SEGMENTED = 0x08


class Frames(ABC):
    """A carrier whose frames a hunter finds."""

    def __init__(self, hunter: Hunter) -> None:
        self._hunter = hunter
        self._assembly = Assembly()
        self._past = bytearray()

    @property
    def position(self) -> int:
        """Bytes received so far."""
        return self._hunter.position

    @position.setter
    def position(self, value: int) -> None:
        self._hunter.position = value

    def feed(self, data: bytes) -> Iterator[Carried]:
        """Take in bytes; yield what they complete."""
        self._past += data
        for catch in self._hunter.feed(data):
            yield from self._caught(catch)
        if len(self._past) > 2 * PAST:
            del self._past[:-PAST]

    def silence(self) -> Iterator[Carried]:
        """Give up what is unfinished."""
        for catch in self._hunter.silence():
            yield from self._caught(catch)
        yield from self._assembly.silence()
        self._past.clear()

    def _caught(self, catch: Catch) -> Iterator[Carried]:
        if isinstance(catch, Problem):
            yield catch
            yield from self._assembly.interrupted()
        else:
            for item in self._frame(*catch):
                yield item if isinstance(item, Problem) else item._replace(data=self._between(item.offset, item.end))

    def _between(self, begin: int, end: int) -> bytes:
        base = self.position - len(self._past)
        return bytes(self._past[begin - base : end - base])

    @abstractmethod
    def _frame(self, offset: int, frame: bytes) -> Iterator[Carried]:
        """What a right frame completes."""


class HdlcFrames(Frames):
    """HDLC: UI or I frames; the segment bit says that more follows."""

    def __init__(self) -> None:
        super().__init__(Framer())

    def _frame(self, offset: int, frame: bytes) -> Iterator[Carried]:
        size = header_size(frame)
        control = frame[size]
        information = frame[size + 3 : -3]
        if (control & 1 and control & 0xEF != 0x03) or not information:
            yield Problem("unsupported", offset, f"a frame with control {control:02X} carries no push")
            return
        yield from self._assembly.add(
            (offset, offset + len(frame)), frame[3:size], information, bool(frame[1] & _SEGMENTED)
        )


class MbusFrames(Frames):
    """Wired M-Bus long frames: CI 00..0F number the segments, 10 and above is the last one."""

    def __init__(self) -> None:
        super().__init__(Hunter(MBUS_START, _mbus_measure, _mbus_verify))

    def _frame(self, offset: int, frame: bytes) -> Iterator[Carried]:
        control, segment = frame[4], frame[6]
        if segment > 0x1F:
            yield Problem("unsupported", offset, f"CI {segment:02X} carries no DLMS")
            return
        sender = bytes((control, frame[5])) + frame[7:9]
        yield from self._assembly.add((offset, offset + len(frame)), sender, frame[9:-2], segment < 0x10, segment & 15)


def _mbus_measure(octets: bytes | bytearray, at: int) -> int:
    head = octets[at : at + 4]
    if len(head) > 1 and len(head) < 4 and head[1] >= 6:
        return 0 if len(head) < 3 or head[2] == head[1] else -1
    if len(head) < 2:
        return 0
    return head[1] + 6 if len(head) == 4 and head[1] == head[2] and head[1] >= 6 and head[3] == MBUS_START else -1


def _mbus_verify(frame: bytes, offset: int) -> DecodeError | None:
    if sum8(frame[4:-2]) != frame[-2]:
        return BadChecksum("the check sum of the M-Bus frame is wrong", offset)
    return None if frame[-1] == 0x16 else BadValue("the M-Bus frame does not end with 16H", offset)


class Wrappers(Frames):
    """The wrapper of TCP and UDP: version, two ports, length."""

    def __init__(self) -> None:
        super().__init__(Hunter(0x00, _wrapper_measure, lambda frame, offset: None))

    def _frame(self, offset: int, frame: bytes) -> Iterator[Carried]:
        yield from self._assembly.add((offset, offset + len(frame)), frame[2:6], frame[8:], False)


def _wrapper_measure(octets: bytes | bytearray, at: int) -> int:
    head = octets[at : at + 8]
    if head[:2] != _WRAPPER[: len(head)]:
        return -1
    if len(head) < 8:
        return 0
    length = int.from_bytes(head[6:8], "big")
    return 8 + length if length else -1


class Whole:
    """Nothing around: all that comes between two silences is one APDU, with or without LLC header."""

    def __init__(self, at: int = 0) -> None:
        self.position = at
        self._held = bytearray()
        self._lost = 0

    def feed(self, data: bytes) -> Iterator[Carried]:
        """Take in bytes; nothing is complete before the silence."""
        self.position += len(data)
        room = LIMIT - len(self._held)
        self._held += data[:room]
        self._lost += len(data[room:])
        return iter(())

    def silence(self) -> Iterator[Carried]:
        """What was received is the APDU."""
        held, begin = bytes(self._held), self.position - len(self._held) - self._lost
        lost, self._lost = self._lost, 0
        self._held.clear()
        if lost:
            yield Problem("bad_value", begin, f"more than {LIMIT} bytes without a silence")
        elif held:
            try:
                yield Message(begin, begin + len(held), held, bare(held))
            except DecodeError as error:
                yield Problem(error.code, begin, error.reason)


Maker = Callable[[], Frames | Whole]
_CARRIERS: dict[str, Maker] = {
    "hdlc": HdlcFrames,
    "mbus": MbusFrames,
    "wrapper": Wrappers,
    "apdu": Whole,
    "llc+apdu": Whole,
    "body": Whole,
}


class Carrier:
    """One of the above: the one that the setting names, or the one that the first octets after a silence look like."""

    def __init__(self, make: Maker | None, body: bool) -> None:
        self._make = make
        self._chosen: Frames | Whole | None = make() if make else None
        self._head = bytearray()
        self._position = 0
        self._body = body

    @property
    def body(self) -> bool:
        """Whether what comes is the body of a notification, without anything around."""
        return self._body

    @property
    def position(self) -> int:
        """Bytes received so far."""
        return self._chosen.position if self._chosen else self._position

    @position.setter
    def position(self, value: int) -> None:
        self._position = value
        if self._chosen:
            self._chosen.position = value

    def feed(self, data: bytes) -> Iterator[Carried]:
        """Take in bytes; yield what they complete."""
        if not data:
            return
        if self._chosen is None:
            self._head += data
            self._position += len(data)
            make = looks_like(self._head)
            if make is None:
                return
            data = bytes(self._head)
            yield from self._choose(make).feed(data)
        else:
            yield from self._chosen.feed(data)

    def silence(self) -> Iterator[Carried]:
        """Give up what is unfinished; what comes next may be carried otherwise."""
        if self._chosen is None and self._head:
            data = bytes(self._head)
            for _ in self._choose(Whole).feed(data):
                pass
        if self._chosen is not None:
            yield from self._chosen.silence()
            self._position = self._chosen.position
        if self._make is None:
            self._chosen = None

    def _choose(self, make: Maker) -> Frames | Whole:
        self._chosen = chosen = make()
        chosen.position = self._position - len(self._head)
        self._head.clear()
        return chosen


def looks_like(head: bytes | bytearray) -> Maker | None:
    """What the first octets are; None: more of them are needed."""
    if head[0] == FLAG:
        return HdlcFrames
    if head[0] == MBUS_START:
        return MbusFrames
    if head[0] == 0:
        return None if len(head) < 2 else Wrappers if head[1] == 1 else HdlcFrames
    return Whole if head[0] in _APDUS else HdlcFrames


_APDUS = frozenset((0xE6, 0x0F, 0x01, 0x02, 0xC2, *range(0xC8, 0xE1)))
"""First octets of APDUs that are pushed, of the LLC header, and of a notification's body."""


def carrier_of(layer: str) -> Carrier:
    """The carrier of a setting `layer`: its first word says which. ConfigError if there is none of that name."""
    if not layer:
        return Carrier(None, False)
    name = "body" if layer == "notification-body" else layer.split()[0]
    if name not in _CARRIERS:
        raise ConfigError(f"layer={layer!r} is none of {', '.join(_CARRIERS)}")
    return Carrier(_CARRIERS[name], name == "body")
