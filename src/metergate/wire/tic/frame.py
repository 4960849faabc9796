"""Frames of the TIC: STX, groups, ETX, in historical and standard mode (Enedis-NOI-CPT_54E §6).

`LF label SP value SP checksum CR` historical, `LF label HT [time stamp HT] value HT checksum CR` standard. The
check sum may be a space and values may end with spaces, so nothing is ever stripped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from metergate.errors import BadChecksum, BadValue, DecodeError, Truncated

STX, ETX, EOT = 2, 3, 4
HISTORICAL, STANDARD = "historique", "standard"
SEPARATORS = {HISTORICAL: " ", STANDARD: "\t"}
LIMIT = 4096
"""Bytes of the longest frame."""
_LABEL = 16
_FOREIGN = re.compile(rb"[^\t\x20-\x7e]")


@dataclass(frozen=True, slots=True)
class Group:
    """A label and its value as sent; `stamp`: the time stamp of the standard mode, with its season letter."""

    label: str
    value: str
    stamp: str | None = None

    def covered(self, mode: str) -> bytes:
        """The bytes under the check sum: in standard mode the last separator is among them."""
        separator = SEPARATORS[mode]
        parts = [self.label, *([] if self.stamp is None else [self.stamp]), self.value]
        return (separator.join(parts) + (separator if mode == STANDARD else "")).encode("latin-1")

    def encode(self, mode: str) -> bytes:
        """The group from LF to CR. BadValue where it could not be read again."""
        covered = self.covered(mode)
        if not self.label or _FOREIGN.search(covered) or (mode == HISTORICAL and b"\t" in covered):
            raise BadValue(f"group {self.label!r} has characters that no group may have")
        between = b"" if mode == STANDARD else b" "
        return b"\n" + covered + between + bytes((check_sum(covered),)) + b"\r"


@dataclass(frozen=True, slots=True)
class Frame:
    """Groups in their order."""

    mode: str
    groups: tuple[Group, ...]

    def encode(self) -> bytes:
        """The bytes from STX to ETX."""
        return b"\x02" + b"".join(group.encode(self.mode) for group in self.groups) + b"\x03"


def check_sum(covered: bytes) -> int:
    """The check character: the sum's low six bits, moved into what can be printed."""
    return (sum(covered) & 0x3F) + 0x20


@dataclass(frozen=True, slots=True)
class Place:
    """A group of a frame, or what is wrong with it, and where it stands: from LF to CR."""

    at: int
    length: int
    found: Group | DecodeError


def mode_of(octets: bytes) -> str:
    """The mode of a frame: only the standard one separates by tabs."""
    return STANDARD if b"\t" in octets else HISTORICAL


def places(octets: bytes) -> list[Place]:
    """The groups of a frame from STX to ETX, good and bad ones."""
    mode, found = mode_of(octets), list[Place]()
    at, end = 1, len(octets) - 1
    while at < end:
        stop = octets.find(b"\r", at, end)
        stop = end if stop < 0 else stop
        line = octets[at:stop]
        while stop + 1 < end and octets[stop + 1] == 0x0D:
            stop += 1
        if line:
            found.append(Place(at, min(stop + 1, end) - at, _group(line, mode, at, stop < end)))
        at = stop + 1
    return found


def _group(line: bytes, mode: str, at: int, whole: bool) -> Group | DecodeError:
    if not whole or line[:1] != b"\n":
        return Truncated("a group without its LF or CR", at)
    separator = SEPARATORS[mode].encode()
    if len(line) < 6 or line[-2:-1] != separator:
        return BadValue("a group has a label, a value and a check sum", at)
    covered = line[1:-1] if mode == STANDARD else line[1:-2]
    if line[-1] != check_sum(covered):
        return BadChecksum(f"check sum {line[-1]:02X}, {check_sum(covered):02X} would be right", at)
    if _FOREIGN.search(covered):
        return BadValue("a group with characters that no group may have", at)
    return _parts(line[1:-2].decode("latin-1"), mode, at)


def _parts(text: str, mode: str, at: int) -> Group | DecodeError:
    label, found, rest = text.partition(SEPARATORS[mode])
    if not found or not 0 < len(label) <= _LABEL:
        return BadValue("a group has a label of 1 to 16 characters and a value", at)
    stamp, more, value = rest.partition("\t") if mode == STANDARD else (rest, "", "")
    return Group(label, value, stamp) if more else Group(label, rest)


def decode_frame(octets: bytes) -> Frame:
    """The frame in the bytes from STX to ETX. The DecodeError of its first wrong group."""
    if octets[:1] != b"\x02" or octets[-1:] != b"\x03":
        raise Truncated("a frame goes from STX to ETX")
    found = places(octets)
    for place in found:
        if isinstance(place.found, DecodeError):
            raise place.found
    return Frame(mode_of(octets), tuple(place.found for place in found if isinstance(place.found, Group)))
