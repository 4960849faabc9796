"""Compact frames: data without DIF and VIF, whose layout was learnt from a full frame.

A layout is known by its signature, the CRC over the DIF/VIF of all records; it belongs to a model, not to one meter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from metergate.bits import Cursor, crc_en13757
from metergate.errors import BadChecksum, BadValue, Unsupported
from metergate.wire.mbus.dib import block_end, dib
from metergate.wire.mbus.values import variable_size

Headers = tuple[bytes, ...]
"""DIF, DIFEs, VIF and VIFEs of every record, in order."""
MOST = 4096
"""Layouts kept; the oldest learnt goes."""


def signature(headers: Iterable[bytes]) -> int:
    """What names a layout."""
    return int(crc_en13757(b"".join(headers)))


class Formats:
    """Layouts by signature. `Formats(saved)` goes on where `saved()` left off; the shipped ones are always there.

    `saved`: headers in hex, parted by blanks, by signature in hex; BadValue where the two do not belong together.
    """

    def __init__(self, saved: Mapping[str, str] | None = None) -> None:
        self._known: dict[int, Headers] = {}
        self.changes = 0
        """Grows with every layout that is learnt."""
        self.restore(saved or {})

    def restore(self, saved: Mapping[str, str]) -> None:
        """Learn what `saved()` gave. BadValue where a signature is not its headers'."""
        for name, text in saved.items():
            headers = tuple(bytes.fromhex(word) for word in text.split())
            if f"{signature(headers):04X}" != name.upper():
                raise BadValue(f"layout {name}: {text} has another signature")
            self.learn(headers)

    def learn(self, headers: Iterable[bytes]) -> None:
        """Remember the layout of a full frame."""
        headers = tuple(headers)
        name = signature(headers)
        if name not in self._known and headers:
            while len(self._known) >= MOST:
                del self._known[next(iter(self._known))]
            self._known[name] = headers
            self.changes += 1

    def of(self, name: int) -> Headers | None:
        """The layout of a signature."""
        return self._known.get(name) or SHIPPED.get(name)

    def saved(self) -> dict[str, str]:
        """What was learnt, to be stored."""
        return {f"{name:04X}": " ".join(part.hex().upper() for part in kept) for name, kept in self._known.items()}

    def rebuild(self, payload: bytes, at: int) -> bytes:
        """The records of the full frame that a compact payload (standing at `at`) stands for.

        Unsupported while the layout is unknown, Truncated, BadChecksum if the full frame's CRC does not agree.
        """
        cursor = Cursor(payload, base=at)
        name, crc = cursor.uint(2), cursor.uint(2)
        headers = self.of(name)
        if headers is None:
            raise Unsupported(f"compact frame of layout {name:04X}: waiting for a full frame of this meter's model", at)
        full = b"".join(_record(header, cursor) for header in headers)
        if crc_en13757(full) != crc or cursor.rest().strip(b"\x2f"):
            raise BadChecksum(f"the full frame rebuilt by layout {name:04X} has another CRC", at + 2)
        return full


def _record(header: bytes, cursor: Cursor) -> bytes:
    """The record of the full frame: its header, and its value's bytes from the compact one."""
    size = dib(header[: block_end(header, 0, len(header))])
    if size.coding != "variable":
        return header + cursor.take(size.size)
    lvar = cursor.take(1)
    return header + lvar + cursor.take(variable_size(lvar[0]))


def pack(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A compact payload of (header, data) records; data of variable length with its LVAR octet in front."""
    records = list(records)
    full = b"".join(header + data for header, data in records)
    name = signature(header for header, _ in records)
    return name.to_bytes(2, "little") + crc_en13757(full).to_bytes(2, "little") + b"".join(data for _, data in records)


_KAMSTRUP = (
    "02FF20 0413 4413 615B 6167",
    "02FF20 0413 4413 615B 5167",
    "02FF20 0413 4413",
    "02FF20 0413 4413 A1015B 8101E7FF0F",
    "02FF20 0413 92013B A1015B 8101E7FF0F",
    "04FF23 0413 4413 426C 023B 92013B A2013B 06FF1B A1015B 91015B A10167",
    "04FF23 4413 523B 06FF1B 426C 6167 5167 023B 0413 8101E7FF0F",
    "0306 4306 0314 426C 022D 01FF21",
    "030E 430E 0313 426C 022D 01FF21",
    "030F 430F 0314 426C 022D 01FF21",
    "0406 04FF07 04FF08 0414 043B 0259 025D 04FF22",
    "0406 04FF07 04FF08 0414 02FD17 043B 0259 025D",
    "040F 04FF07 04FF08 0414 02FD17 043B 0259 025D",
    "040E 04FF07 04FF08 0413 844014 84804014 043B 0259 025D 142D 84100E 84200E 04FF22 026C 440E 4413 C44014 C4804014 "
    "426C",
    "040F 04FF07 04FF08 0414 844014 84804014 043B 0259 025D 142D 84100F 84200F 04FF22 026C 440F 4414 C44014 C4804014 "
    "426C",
    "02F9FF15 0406 04EEFF07 04EEFF08 0414 02FD17 026C 426C 4406 4414 043B 0259 025D",
    "02F9FF15 0406 04EEFF07 04EEFF08 0414 844014 84804014 02FD17 026C 426C 4406 4414 C44014 C4804014 043B 0259 025D",
    "2269 1269 0269 05FF09 05FF0A 02FD17",
    "0404 04843C 042B 04AB3C",
)
_ENGELMANN = (
    "426C 4413 01FD17 840113 C40113 840213 C40213 840313 C40313 840413 C40413 840513 C40513 840613 C40613 840713 "
    "C40713 840813 046D 0413",
)
SHIPPED: dict[int, Headers] = {
    signature(headers): headers
    for line in _KAMSTRUP + _ENGELMANN
    for headers in [tuple(bytes.fromhex(word) for word in line.split())]
}
"""Layouts of these makers' meters; each proves itself by its signature and by every telegram's own CRC."""
