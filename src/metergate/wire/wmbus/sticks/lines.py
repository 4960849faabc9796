"""Sticks and programs that write text, a telegram a line: CUL, rtl_wmbus, rtl_433, and plain hex.

* CUL (culfw, a-culfw): `b`, `bY` for frame format B, then the frame with CRCs in hex, then LQI and RSSI if wanted.
* rtl_wmbus: `T1;1;1;2026-03-26 21:22:31.000;63;69;12345678;0x2944...`: mode, CRC right, code right, time, two RSSIs,
  id, telegram without CRCs.
* rtl_433: a JSON object with `model` "Wireless-MBus" and the telegram in `data`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from metergate.errors import BadChecksum, BadValue, DecodeError, Unsupported
from metergate.wire.base import Problem
from metergate.wire.wmbus.link import SHORTEST, Format, size
from metergate.wire.wmbus.sticks.base import Heard, chipcon

LONGEST = 4096
"""Characters of a line; the rest of a longer one is noise."""
CUL_MODES = {"S1": b"brs", "S2": b"brs", "T1": b"brt", "T2": b"brt", "C1": b"brc", "C2": b"brc"}
_END = re.compile(rb"[\r\n]+")
_CUL = re.compile(r"b(Y?)([0-9A-Fa-f]+)")
_RTL = re.compile(r"([STC][12][AB]?);([01]);([01]);([^;]*);([^;]*);[^;]*;[^;]*;0x([0-9A-Fa-f]+)")
_HEX = re.compile(r"(?:telegram=\|)?(?:0x)?([0-9A-Fa-f_]+)(?:\|.*)?")
Read = Callable[[str, int, int], Heard | None]


def cul(text: str, offset: int, length: int) -> Heard | None:
    """A line of a CUL. BadValue if it is shorter than its L field says."""
    found = _CUL.fullmatch(text)
    octets = _octets(found.group(2)) if found else None
    if found is None or octets is None:
        return None
    form = Format.B if found.group(1) else Format.A
    total = size(octets[0], form)
    if len(octets) < total:
        raise BadValue(f"the line holds {len(octets)} octets of a frame of {total}", offset)
    rest = octets[total:]
    return Heard(octets[:total], offset, length, form, chipcon(rest[-1]) if rest else None)


def rtl_wmbus(text: str, offset: int, length: int) -> Heard | None:
    """A line of rtl_wmbus. BadChecksum where the program says that the CRC is wrong."""
    found = _RTL.fullmatch(text)
    octets = _octets(found.group(6)) if found else None
    if found is None or octets is None:
        return None
    if found.group(2) != "1":
        raise BadChecksum("the receiver found a wrong CRC", offset)
    return Heard(octets, offset, length, Format.NONE, time=found.group(4))


def rtl_433(text: str, offset: int, length: int) -> Heard | None:
    """A line of rtl_433's JSON; what other devices say is None."""
    try:
        told = json.loads(text) if text.startswith("{") else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.get("model") != "Wireless-MBus" or not isinstance(told.get("data"), str):
        return None
    octets = _octets(told["data"]) if re.fullmatch(r"[0-9A-Fa-f]+", told["data"]) else None
    rssi, time = told.get("rssi"), told.get("time")
    if octets is None:
        return None
    power = round(rssi) if isinstance(rssi, int | float) and abs(rssi) < LONGEST else None
    return Heard(octets, offset, length, None, power, time if isinstance(time, str) else None)


def plain(text: str, offset: int, length: int) -> Heard | None:
    """A telegram in hex, with or without 0x and CRCs."""
    found = _HEX.fullmatch(text)
    octets = _octets(found.group(1).replace("_", "")) if found else None
    return None if octets is None else Heard(octets, offset, length, None)


READERS: tuple[Read, ...] = (cul, rtl_wmbus, rtl_433, plain)


def _octets(digits: str) -> bytes | None:
    """The octets, if they can be a telegram's."""
    if len(digits) % 2 or len(digits) < 2 * (SHORTEST + 1):
        return None
    octets = bytes.fromhex(digits)
    return octets if octets[0] >= SHORTEST else None


class Lines:
    """See `base.Stick`. `mode` of a CUL; None for programs, which need no greeting. BadValue for an unknown mode."""

    def __init__(self, mode: str | None = None) -> None:
        if mode is not None and mode not in CUL_MODES:
            raise BadValue(f"a CUL has no mode {mode!r}: there are {', '.join(CUL_MODES)}")
        self._mode = mode
        self.noise = 0
        self._buffer = bytearray()
        self._position = 0
        self._skipping = False

    @property
    def greeting(self) -> bytes:
        """Receive in the mode, report RSSI."""
        return CUL_MODES[self._mode] + b"\r\nX21\r\n" if self._mode else b""

    def feed(self, data: bytes) -> Iterator[Heard | Problem]:
        """See `base.Stick`."""
        self._buffer += data
        at = 0
        while end := _END.search(self._buffer, at):
            line = bytes(self._buffer[at : end.start()])
            yield from self._line(line, self._position + at)
            at = end.end()
        self._position += at
        del self._buffer[:at]
        if len(self._buffer) > LONGEST:
            yield from self._too_long()

    def _too_long(self) -> Iterator[Problem]:
        """The line that grows past all telegrams is noise to its end."""
        size = len(self._buffer)
        self.noise += size
        if not self._skipping:
            yield Problem("noise", self._position, f"a line of more than {LONGEST} characters")
        self._skipping = True
        self._position += size
        self._buffer.clear()

    def silence(self) -> Iterator[Heard | Problem]:
        """See `base.Stick`: a line without an end is taken as it is."""
        line = bytes(self._buffer)
        self._buffer.clear()
        offset, self._position = self._position, self._position + len(line)
        yield from self._line(line, offset)

    def _line(self, line: bytes, offset: int) -> Iterator[Heard | Problem]:
        skipping, self._skipping = self._skipping, False
        if skipping or not line.strip():
            self.noise += len(line)
            return
        text = line.decode("latin-1").strip()
        try:
            found = next((heard for read in READERS if (heard := read(text, offset, len(line)))), None)
        except DecodeError as error:
            yield Problem.of(error)
            return
        if found is None:
            self.noise += len(line)
            yield Problem("noise", offset, f"a line of {len(line)} characters that is no telegram")
        else:
            yield found

    def send(self, telegram: bytes) -> bytes:
        """Nothing of this kind sends."""
        raise Unsupported("this receiver cannot send")


def cul_line(frame: bytes, raw: int = 0x80, form: Format = Format.A) -> bytes:
    """What a CUL writes for a frame with CRCs: for whoever plays the stick."""
    return (f"b{'Y' if form is Format.B else ''}{frame.hex().upper()}00{raw:02X}\r\n").encode()


def rtl_line(telegram: bytes, time: str, mode: str = "T1", right: bool = True) -> bytes:
    """What rtl_wmbus writes for a telegram without CRCs."""
    number = telegram[4:8][::-1].hex().upper()
    return f"{mode};{int(right)};1;{time};63;69;{number};0x{telegram.hex()}\n".encode()
