"""The wrapper around APDUs over TCP and UDP (IEC 62056-47; specification chapter 2.1): eight bytes before each."""

from __future__ import annotations

from dataclasses import dataclass

from metergate.bits import be
from metergate.errors import BadValue, DecodeError, Truncated
from metergate.wire.hunt import Hunter

VERSION = 1
PORT = 4059
"""The TCP and UDP port (u)."""
HEADER = 8
LONGEST = 0xFFFF
"""Most bytes of an APDU."""
_UNKNOWN, _NONE = 0, -1


@dataclass(frozen=True, slots=True)
class Wpdu:
    """An APDU between two wrapper ports: the client's SAP and the logical device."""

    source: int
    destination: int
    apdu: bytes

    @property
    def octets(self) -> bytes:
        """As on the wire. BadValue for ports or lengths that do not fit."""
        if not 1 <= len(self.apdu) <= LONGEST:
            raise BadValue(f"an APDU of {len(self.apdu)} bytes does not fit the wrapper: 1 to {LONGEST}")
        if not all(0 <= port <= 0xFFFF for port in (self.source, self.destination)):
            raise BadValue(f"{self.source} and {self.destination} are no wrapper ports")
        head = (VERSION, self.source, self.destination, len(self.apdu))
        return b"".join(number.to_bytes(2, "big") for number in head) + self.apdu

    @classmethod
    def of(cls, octets: bytes) -> Wpdu:
        """The wrapper that `octets` are. Truncated, BadValue."""
        wrong = verify(octets)
        if wrong is not None:
            raise wrong
        return cls(be(octets[2:4]), be(octets[4:6]), octets[HEADER:])


def verify(octets: bytes, offset: int = 0) -> DecodeError | None:
    """What is wrong with a whole wrapper."""
    if len(octets) < HEADER:
        return Truncated(f"{len(octets)} bytes hold no wrapper header of {HEADER}", offset)
    if be(octets[:2]) != VERSION:
        return BadValue(f"wrapper version {be(octets[:2])}, not {VERSION}", offset)
    length = be(octets[6:8])
    if length == 0:
        return BadValue("a wrapper without an APDU", offset)
    if length > len(octets) - HEADER:
        return Truncated(f"{len(octets) - HEADER} bytes of an APDU of {length}", offset)
    if length < len(octets) - HEADER:
        return BadValue(f"{len(octets) - HEADER - length} bytes after the APDU", offset)
    return None


def _measure(octets: bytes | bytearray, at: int) -> int:
    """As `hunt.Measure`."""
    if len(octets) < at + 2:
        return _UNKNOWN
    if octets[at + 1] != VERSION:
        return _NONE
    if len(octets) < at + HEADER:
        return _UNKNOWN
    length = be(octets[at + 6 : at + 8])
    return HEADER + length if length else _NONE


def framer() -> Hunter:
    """Cuts wrappers out of a TCP stream, however it is split or joined; holds at most one of them (64 kB)."""
    return Hunter(0, _measure, verify)
