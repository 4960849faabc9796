"""Check sums of every protocol computed a second time, bit by bit and by nobody else's code, and telegrams sealed anew.

`Seal.right(frame)`: whether a telegram that gave readings carries the check it must carry. `Seal.open` takes the
content out of a frame, `Seal.close` puts a frame with right lengths and checks around any content: so a damaged content
reaches the decoders behind the check.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from itertools import pairwise


def _table(polynomial: int) -> tuple[int, ...]:
    """Of a reflected CRC-16."""

    def entry(octet: int) -> int:
        for _ in range(8):
            octet = octet >> 1 ^ (polynomial if octet & 1 else 0)
        return octet

    return tuple(map(entry, range(256)))


_CCITT, _MODBUS = _table(0x8408), _table(0xA001)


def _reflected(table: tuple[int, ...], start: int, data: bytes) -> int:
    for octet in data:
        start = start >> 8 ^ table[(start ^ octet) & 0xFF]
    return start


def x25(data: bytes) -> bytes:
    """Two octets, low one first."""
    return (_reflected(_CCITT, 0xFFFF, data) ^ 0xFFFF).to_bytes(2, "little")


def kermit(data: bytes) -> bytes:
    """Two octets, high one first."""
    return _reflected(_CCITT, 0, data).to_bytes(2, "big")


def modbus(data: bytes) -> bytes:
    """Two octets, low one first."""
    return _reflected(_MODBUS, 0xFFFF, data).to_bytes(2, "little")


def en13757(data: bytes) -> bytes:
    """Two octets, high one first."""
    value = 0
    for octet in data:
        value ^= octet << 8
        for _ in range(8):
            value = (value << 1 ^ (0x3D65 if value & 0x8000 else 0)) & 0xFFFF
    return (value ^ 0xFFFF).to_bytes(2, "big")


def total(data: bytes) -> bytes:
    """The sum of all octets, as an octet."""
    return bytes((sum(data) % 256,))


class Seal(ABC):
    """How one protocol protects its telegrams."""

    @abstractmethod
    def open(self, frame: bytes) -> bytes | None:
        """The content of a right frame; None if it is none."""

    @abstractmethod
    def close(self, content: bytes) -> bytes:
        """A frame around it, every outer length and check right."""

    def inside(self, content: bytes) -> bytes:
        """The content with its own inner checks right."""
        return content

    @abstractmethod
    def right(self, frame: bytes) -> bool:
        """Whether a frame that gives readings is protected as it must be."""


class Sml(Seal):
    """Transport CRC over all, and a CRC in every message."""

    ESCAPE = b"\x1b" * 4
    HEAD = ESCAPE + b"\x01" * 4
    SPOKEN = (b"\x01\x01", b"\x02\x01")
    """Tags of messages that never give a reading: open and close."""

    def open(self, frame: bytes) -> bytes | None:
        if not frame.startswith(self.HEAD) or len(frame) < 16:
            return None
        return frame[8 : -8 - min(frame[-3], 3)].replace(self.ESCAPE * 2, self.ESCAPE)

    def close(self, content: bytes) -> bytes:
        pad = -len(content) % 4
        body = self.HEAD + content.replace(self.ESCAPE, self.ESCAPE * 2) + bytes(pad) + self.ESCAPE + bytes((0x1A, pad))
        return body + x25(body)

    def inside(self, content: bytes) -> bytes:
        made, at = bytearray(content), 0
        while at < len(made) and (message := self._message(content, at)):
            end, _ = message
            made[end : end + 4] = b"\x63" + x25(content[at:end]) + b"\0"
            at = end + 4
        return bytes(made)

    def right(self, frame: bytes) -> bool:
        sealed = frame[-2:] in (x25(frame[:-2]), kermit(frame[:-2]))
        return sealed and frame.startswith(self.HEAD) and any(self._lists(self.open(frame) or b""))

    def _lists(self, content: bytes) -> Iterator[bool]:
        """One True for every message with a right CRC of its own that may hold readings, wherever it begins."""
        at = content.find(b"\x76")
        while at >= 0:
            if (message := self._message(content, at)) and message[1] not in self.SPOKEN:
                end = message[0]
                size = content[end] & 15
                stored = content[end + 1 : end + size].rjust(2, b"\0")
                if size in (2, 3) and stored in (x25(content[at:end]), kermit(content[at:end])):
                    yield True
            at = content.find(b"\x76", at + 1)

    def _message(self, content: bytes, at: int) -> tuple[int, bytes] | None:
        """Where the check of the message that begins at `at` stands, and the message's tag."""
        if content[at] != 0x76:
            return None
        try:
            body = _skip(content, _skip(content, _skip(content, at + 1)))
            end = _skip(content, body)
            return (end, content[body + 1 : _skip(content, body + 1)][-2:]) if end < len(content) else None
        except (IndexError, RecursionError):
            return None


def _skip(data: bytes, at: int) -> int:
    """Behind the SML element that begins at `at`. IndexError if it is not whole."""
    begin, size, kind = at, data[at] & 15, data[at] >> 4 & 7
    while data[at] & 0x80:
        at += 1
        size = (size << 4 | data[at] & 15) & 0xFFFFFF
    at += 1
    if kind == 7:
        for _ in range(size):
            at = _skip(data, at)
        return at
    end = max(begin + size, at)
    if end > len(data):
        raise IndexError
    return end


class Summed(Seal):
    """`68 ... CS 16`, CS the sum of octets `begin` to CS."""

    def __init__(self, begin: int, length: Callable[[bytes], int], marks: dict[int, int]) -> None:
        self._begin, self._length, self._marks = begin, length, marks

    def right(self, frame: bytes) -> bool:
        marked = all(frame[at] == octet for at, octet in self._marks.items())
        whole = len(frame) == self._length(frame) and frame[-1] == 0x16
        return marked and whole and frame[-2:-1] == total(frame[self._begin : -2])

    def open(self, frame: bytes) -> bytes | None:
        frame = frame.lstrip(b"\xfe")
        return self._content(frame) if len(frame) > max(self._marks) + 4 and self.right(frame) else None

    def _content(self, frame: bytes) -> bytes:
        return frame[4:-2]

    def close(self, content: bytes) -> bytes:
        body = self._head(content[: 255 + self._fixed].ljust(self._fixed, b"\0"))
        return body + total(body[self._begin :]) + b"\x16"

    _fixed = 3

    def _head(self, content: bytes) -> bytes:
        content = content[:255]
        return bytes((0x68, len(content), len(content), 0x68)) + content


class Mbus(Summed):
    """EN 13757-2, long frame."""

    def __init__(self) -> None:
        super().__init__(4, lambda frame: frame[1] + 6 if frame[1] == frame[2] else 0, {0: 0x68, 3: 0x68})


class Mgc1(Seal):
    """CRC over all but the first octet, and one in every record of 24 octets. Content: address, number, function,
    payload."""

    RECORDS = (0x83, 0x84, 0x85)

    def open(self, frame: bytes) -> bytes | None:
        return frame[2:6] + frame[8:-2] if self._sealed(frame) else None

    def close(self, content: bytes) -> bytes:
        content = content[: 4 + 1024].ljust(4, b"\0")
        body = b"\x01" + content[:4] + (len(content) - 4).to_bytes(2) + content[4:]
        return b"\x7e" + body + modbus(body)

    def inside(self, content: bytes) -> bytes:
        made = bytearray(content)
        for at in range(5, len(content) - 23, 24) if content[3:4] and content[3] in self.RECORDS else ():
            made[at + 22 : at + 24] = modbus(content[at : at + 22])
        return bytes(made)

    def right(self, frame: bytes) -> bool:
        records = frame[9:-3] if frame[5] == 0x85 else frame[9:-2]
        parts = [records[at : at + 24] for at in range(0, len(records), 24)]
        return self._sealed(frame) and all(modbus(part[:-2]) == part[-2:] for part in parts)

    def _sealed(self, frame: bytes) -> bool:
        length = int.from_bytes(frame[6:8]) + 10
        return frame[:2] == b"\x7e\x01" and len(frame) == length and frame[-2:] == modbus(frame[1:-2])


class Modbus(Seal):
    """RTU: a CRC at the end. Content: unit, function and what follows."""

    def open(self, frame: bytes) -> bytes | None:
        return frame[:-2] if self.right(frame) else None

    def close(self, content: bytes) -> bytes:
        return content[:254] + modbus(content[:254])

    def right(self, frame: bytes) -> bool:
        return len(frame) >= 4 and frame[-2:] == modbus(frame[:-2])


class ModbusTcp(Seal):
    """A header with number, 0000 and length. Content: the number, then unit, function and what follows."""

    def open(self, frame: bytes) -> bytes | None:
        return frame[:2] + frame[6:] if self.right(frame) else None

    def close(self, content: bytes) -> bytes:
        number, rest = content[:2].ljust(2, b"\0"), content[2:256]
        return number + b"\0\0" + len(rest).to_bytes(2, "big") + rest

    def right(self, frame: bytes) -> bool:
        return len(frame) >= 8 and frame[2:4] == b"\0\0" and int.from_bytes(frame[4:6], "big") + 6 == len(frame)


class Wmbus(Seal):
    """Frame format A (`first` 10, then 16 octets a CRC) or B (126, then the rest). Content: the frame without CRCs."""

    def __init__(self, form: str) -> None:
        self._cuts = (10, 16) if form == "A" else (126, 256)
        self._counts = form == "B"

    def open(self, frame: bytes) -> bytes | None:
        return None

    def close(self, content: bytes) -> bytes:
        first, following = self._cuts
        content = content[:250].ljust(10, b"\0")
        places = [0, *range(first, len(content), following), len(content)]
        length = len(content) - 1 + (2 * (len(places) - 1) if self._counts else 0)
        content = bytes((length,)) + content[1:]
        parts = (content[begin:end] for begin, end in pairwise(places))
        return b"".join(part + en13757(part) for part in parts)

    def right(self, frame: bytes) -> bool:
        first, following = self._cuts
        step, at = first, 0
        while at < len(frame):
            end = min(at + step, len(frame) - 2)
            if end <= at or en13757(frame[at:end]) != frame[end : end + 2]:
                return False
            at, step = end + 2, following
        return True


class Bare(Seal):
    """Wireless M-Bus whose CRCs a stick removed: there is no check, only a length."""

    def open(self, frame: bytes) -> bytes | None:
        return frame

    def close(self, content: bytes) -> bytes:
        content = content[:256].ljust(10, b"\0")
        return bytes((len(content) - 1,)) + content[1:]

    def right(self, frame: bytes) -> bool:
        return len(frame) == frame[0] + 1
