"""IMST iM871A and iM170A: host controller interface of the sticks (IMST WMBus_HCI_Spec §2, §3).

`A5`, control (high nibble) and endpoint, message, length, payload, then what the control bits announce: time stamp (4),
RSSI (1), CRC (2, X.25, low octet first, from the control octet on). The values of control bits and RSSI are (u).
"""

from __future__ import annotations

from collections.abc import Iterator

from metergate.bits import crc_x25
from metergate.errors import BadChecksum, BadValue, DecodeError
from metergate.wire.base import Problem
from metergate.wire.hunt import Hunter
from metergate.wire.wmbus.sticks.base import Heard

START = 0xA5
TIME, RSSI, CRC = 0x20, 0x40, 0x80
MANAGEMENT, RADIO = 1, 2
SET_CONFIG, SEND, RECEIVED = 0x03, 0x01, 0x03
MODES = {"S1": 0, "S2": 2, "T1": 3, "T2": 4, "C1": 6, "C2": 8}
"""Link mode codes; C1 and C2 with frame format A, one more for B."""
_HEAD = 4
_ENDPOINTS = range(1, 5)


def message(endpoint: int, code: int, payload: bytes, trailer: bytes = b"", bits: int = 0) -> bytes:
    """One message with its CRC; `trailer` is what `bits` announce between payload and CRC."""
    body = bytes((CRC | bits | endpoint, code, len(payload))) + payload + trailer
    return bytes((START,)) + body + crc_x25(body).to_bytes(2, "little")


def measure(data: bytes | bytearray, at: int) -> int:
    """See `wire.hunt.Measure`."""
    head = data[at : at + _HEAD]
    if len(head) > 1 and head[1] & 0x0F not in _ENDPOINTS:
        return -1
    if len(head) < _HEAD:
        return 0
    return _HEAD + head[3] + sum(size for bit, size in ((TIME, 4), (RSSI, 1), (CRC, 2)) if head[1] & bit)


def verify(frame: bytes, offset: int) -> DecodeError | None:
    """See `wire.hunt.Verify`."""
    if frame[1] & CRC and crc_x25(frame[1:-2]) != int.from_bytes(frame[-2:], "little"):
        return BadChecksum("the CRC of the stick's message is wrong", offset)
    return None


def dbm(raw: int) -> int:
    """The RSSI octet in dBm (u)."""
    return round((80 * raw - 4000) / 150) - 100


class Im871a:
    """See `base.Stick`. BadValue for a mode that the stick has not."""

    def __init__(self, mode: str = "T1") -> None:
        if mode not in MODES:
            raise BadValue(f"an iM871A has no mode {mode!r}: there are {', '.join(MODES)}")
        self._mode = mode
        self._hunter = Hunter(START, measure, verify)

    @property
    def noise(self) -> int:
        """Bytes of no message."""
        return self._hunter.noise

    @property
    def greeting(self) -> bytes:
        """Link mode, RSSI and time stamps; not stored in the stick."""
        return message(MANAGEMENT, SET_CONFIG, bytes((0, 0x02, MODES[self._mode], 0x30, 1, 1)))

    def feed(self, data: bytes) -> Iterator[Heard | Problem]:
        """See `base.Stick`; answers to settings are passed over."""
        for catch in self._hunter.feed(data):
            yield from _heard(catch)

    def silence(self) -> Iterator[Heard | Problem]:
        """See `base.Stick`."""
        for catch in self._hunter.silence():
            yield from _heard(catch)

    def send(self, telegram: bytes) -> bytes:
        """See `base.Stick`: the stick puts in L and CRCs."""
        return message(RADIO, SEND, telegram[1:])


def _heard(catch: tuple[int, bytes] | Problem) -> Iterator[Heard | Problem]:
    if isinstance(catch, Problem):
        yield catch
        return
    offset, frame = catch
    if (frame[1] & 0x0F, frame[2]) != (RADIO, RECEIVED) or not frame[3]:
        return
    at = _HEAD + frame[3]
    time = frame[at : at + 4] if frame[1] & TIME else b""
    rssi = dbm(frame[at + len(time)]) if frame[1] & RSSI else None
    stamp = str(int.from_bytes(time, "little")) if time else None
    yield Heard(frame[3:at], offset, len(frame), rssi=rssi, time=stamp)


def indication(telegram: bytes, raw: int = 0x65, stamp: int = 0) -> bytes:
    """What the stick says when it has heard a telegram: for whoever plays the stick."""
    trailer = stamp.to_bytes(4, "little") + bytes((raw,))
    return message(RADIO, RECEIVED, telegram[1:], trailer, TIME | RSSI)
