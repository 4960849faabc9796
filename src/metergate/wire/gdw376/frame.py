"""The Q/GDW 376.1 frame: `68 L L 68 C A1 A2 A3 AFN SEQ units [PW] [EC] [Tp] CS 16` (Q/GDW 376.1).

L, sent twice, is the number of octets from C to before CS, times four, plus the edition's mark. CS is their sum.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from metergate.bits import sum8
from metergate.errors import BadChecksum, BadValue, DecodeError, Truncated
from metergate.wire.hunt import Hunter

START, END = 0x68, 0x16
UP, STARTED, EVENT, VALID = 0x80, 0x40, 0x20, 0x10
"""Bits of C: from the terminal, by who begins, FCB or (up) events are waiting, FCV."""
TIMED, FIRST, LAST, CONFIRM = 0x80, 0x40, 0x20, 0x10
"""Bits of SEQ: Tp is there, first frame, last frame, a confirmation is wanted; below them the number."""
MARK = 2
"""Protocol mark of 376.1 in the length; 1 is that of the edition of 2005."""
OVERHEAD, LEAST, MOST = 8, 8, 16383
PASSWORD, COUNTERS, STAMP = 16, 2, 6
"""Octets of PW, EC and Tp."""
ACKNOWLEDGE, RESET, LINK, SET, CONTROL, IDENTIFY, CONFIGURATION = 0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x09
QUERY, TASK, CLASS_1, CLASS_2, CLASS_3, FILE, FORWARD = 0x0A, 0x0B, 0x0C, 0x0D, 0x0E, 0x0F, 0x10
NAMES = {
    ACKNOWLEDGE: "confirm or deny",
    RESET: "reset",
    LINK: "link check",
    0x03: "relay station",
    SET: "set parameters",
    CONTROL: "control",
    IDENTIFY: "authentication",
    0x08: "cascaded terminals",
    CONFIGURATION: "terminal configuration",
    QUERY: "query parameters",
    TASK: "task data",
    CLASS_1: "class 1 data",
    CLASS_2: "class 2 data",
    CLASS_3: "class 3 data, events",
    FILE: "file transfer",
    FORWARD: "forward",
}
SECRET = frozenset((RESET, SET, CONTROL, IDENTIFY, FILE, FORWARD))
"""Functions whose requests carry a password."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `address` as printed: A1 four digits, A2 four hex digits; `body` without PW, EC and Tp."""

    address: str
    afn: int
    seq: int
    body: bytes
    control: int = STARTED
    station: int = 0
    """A3: the station's address, times two, plus one for a group address."""
    password: bytes = field(default=b"", repr=False)
    events: bytes = b""
    stamp: bytes = b""

    @property
    def from_terminal(self) -> bool:
        """Sent upwards."""
        return bool(self.control & UP)

    @property
    def number(self) -> int:
        """PSEQ of a question, RSEQ of an answer: 0..15."""
        return self.seq & 0x0F

    def encode(self) -> bytes:
        """The octets. BadValue if a field cannot be sent."""
        head = bytes((self.control,)) + address_octets(self.address) + bytes((self.station, self.afn, self.seq))
        body = head + self.body + self.password + self.events + self.stamp
        if len(body) > MOST:
            raise BadValue(f"{len(body)} octets do not fit a frame")
        length = (len(body) << 2 | MARK).to_bytes(2, "little")
        return b"\x68" + length * 2 + b"\x68" + body + bytes((sum8(body), END))

    @classmethod
    def decode(cls, octets: bytes, password: int = PASSWORD) -> Frame:
        """From the octets of one whole frame; `password` octets in requests that carry one. DecodeError."""
        if measure(octets, 0) != len(octets):
            raise BadValue("not one Q/GDW 376.1 frame")
        if wrong := verify(octets, 0):
            raise wrong
        return cls.of(octets, password)

    @classmethod
    def of(cls, octets: bytes, password: int = PASSWORD) -> Frame:
        """As `decode`, of octets that a hunter has checked. Truncated if the parts behind the data do not fit."""
        control, afn, seq = octets[6], octets[12], octets[13]
        upward = bool(control & UP)
        sizes = (
            PASSWORD and password if not upward and afn in SECRET else 0,
            COUNTERS if upward and control & EVENT else 0,
            STAMP if seq & TIMED else 0,
        )
        rest = octets[14:-2]
        if sum(sizes) > len(rest):
            raise Truncated(f"{sum(sizes)} octets behind the data announced, {len(rest)} are there", 14)
        end = len(rest) - sum(sizes)
        secret, events, stamp = (
            rest[end : end + sizes[0]],
            rest[end + sizes[0] : len(rest) - sizes[2]],
            rest[len(rest) - sizes[2] :],
        )
        return cls(
            octets[8:6:-1].hex() + octets[10:8:-1].hex(),
            afn,
            seq,
            rest[:end],
            control,
            octets[11],
            secret,
            events,
            stamp,
        )


def address_octets(text: str) -> bytes:
    """A1 and A2 as sent, low octet first each."""
    digits = text.lower()
    if len(digits) != 8 or set(digits) - set("0123456789abcdef"):
        raise BadValue(f"{text!r} is no terminal address: four digits of the region, four hex digits of the terminal")
    octets = bytes.fromhex(digits)
    return octets[1::-1] + octets[:1:-1]


def measure(buffer: bytes | bytearray, at: int) -> int:
    """See `hunt.Measure`: both lengths must agree and the second 68 stand behind them."""
    size = len(buffer) - at
    if size < 6:
        return -1 if size > 1 and buffer[at + 1] & 3 not in (1, MARK) else 0
    if buffer[at + 1 : at + 3] != buffer[at + 3 : at + 5] or buffer[at + 5] != START:
        return -1
    length = buffer[at + 1] >> 2 | buffer[at + 2] << 6
    return length + OVERHEAD if length >= LEAST and buffer[at + 1] & 3 in (1, MARK) else -1


def verify(frame: bytes, offset: int) -> DecodeError | None:
    """See `hunt.Verify`: sum and end octet."""
    if sum8(frame[6:-2]) != frame[-2]:
        return BadChecksum(f"check octet {frame[-2]:02x}, {sum8(frame[6:-2]):02x} computed", offset)
    return None if frame[-1] == END else BadValue(f"the frame ends with {frame[-1]:02x}, not 16", offset + len(frame))


def hunter() -> Hunter:
    """A hunter for frames of this protocol."""
    return Hunter(START, measure, verify)


# --- data units ------------------------------------------------------------------------------------------------------
def point_octets(number: int) -> bytes:
    """DA of one measuring point; 0 is the terminal itself. BadValue beyond 2032."""
    if not 0 <= number <= 254 * 8:
        raise BadValue(f"measuring point {number} is none")
    return b"\0\0" if not number else bytes((1 << (number - 1) % 8, (number - 1) // 8 + 1))


def item_octets(number: int) -> bytes:
    """DT of one item F. BadValue beyond 248."""
    if not 1 <= number <= 248:
        raise BadValue(f"item F{number} is none")
    return bytes((1 << (number - 1) % 8, (number - 1) // 8))


def points(octets: bytes) -> tuple[int, ...]:
    """The measuring points that a DA names, in ascending order; `(-1,)` for all of them."""
    if octets == b"\xff\xff" or (octets[1] == 0 and octets[0]):
        return (-1,)
    if not octets[1]:
        return (0,)
    return tuple((octets[1] - 1) * 8 + bit + 1 for bit in range(8) if octets[0] >> bit & 1)


def items(octets: bytes) -> tuple[int, ...]:
    """The items that a DT names, in ascending order."""
    return tuple(octets[1] * 8 + bit + 1 for bit in range(8) if octets[0] >> bit & 1)


def unit(point: int, item: int, content: bytes = b"") -> bytes:
    """A data unit of one point and one item."""
    return point_octets(point) + item_octets(item) + content


class Joiner:
    """Puts the frames of one answer together: the one with FIR first, numbers rising, the one with FIN last."""

    LIMIT = 256 << 10
    """Most octets of an answer."""

    def __init__(self) -> None:
        self._body = b""
        self._next = -1
        self._last: Frame | None = None

    def add(self, frame: Frame) -> Frame | None:
        """The whole once the last frame is there, None before and for a repeated one. Truncated if one is missing."""
        if frame.seq & FIRST:
            self._body, self._next = b"", frame.number
        elif frame == self._last:
            return None
        if frame.number != self._next or len(self._body) + len(frame.body) > self.LIMIT:
            self._body, self._next = b"", -1
            raise Truncated(f"frame {frame.number} of an answer without the frames before it")
        self._last, self._body, self._next = frame, self._body + frame.body, self._next + 1 & 0x0F
        if not frame.seq & LAST:
            return None
        whole, self._body, self._next = replace(frame, body=self._body, seq=frame.seq | FIRST), b"", -1
        return whole
