"""Data records of the M-Bus application layer (EN 13757-3 §6), wired and wireless: bytes to readings and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from metergate.errors import BadValue, Truncated, Unsupported
from metergate.model import Reading, Register
from metergate.model.reading import Value
from metergate.wire.mbus import dib as dibs
from metergate.wire.mbus import vif as vifs
from metergate.wire.mbus.dib import FILLER, MANUFACTURER, MORE, Dib
from metergate.wire.mbus.values import Cell, convert, encode_value, variable_size
from metergate.wire.mbus.vif import Sense


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record as sent: DIF with DIFEs, VIF with VIFEs (and plain-text unit), the value's bytes.

    `lvar` is the length octet of a value of variable length, not part of `data`; `offset` is where the DIF stands.
    """

    dif: bytes
    vif: bytes
    data: bytes
    offset: int = 0
    lvar: int | None = None

    @property
    def octets(self) -> bytes:
        """The record on the wire."""
        return self.dif + self.vif + (b"" if self.lvar is None else bytes((self.lvar,))) + self.data


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one telegram. `more`: the meter has further telegrams (DIF 1F)."""

    readings: tuple[Reading, ...]
    raw: tuple[RawRecord, ...]
    manufacturer_data: bytes = b""
    more: bool = False


@dataclass(frozen=True, slots=True)
class Header:
    """What DIF and VIF of a record say together; made once for each pair."""

    dib: Dib
    sense: Sense

    def register(self, meter: str, number: int = 1) -> Register:
        """The register of `meter` that such a record holds; `number` tells a telegram's equal ones apart."""
        address = self.sense.address
        if number > 1:
            address = f"{address or self.sense.quantity}#{number}"
        dib, sense = self.dib, self.sense
        where = (dib.storage, dib.tariff, dib.subunit, dib.function)
        return Register(meter, None, sense.quantity, sense.unit, sense.exponent, *where, address)

    def cell(self, raw: RawRecord) -> Cell:
        """The value of a record with this header."""
        return convert(raw.data, self.dib, self.sense, raw.lvar)


@lru_cache(8192)
def header(dif: bytes, vif: bytes) -> Header:
    """The header that these two blocks make. Truncated, BadValue or Unsupported if they are none."""
    if not dif:
        raise Truncated("a record without a DIF")
    if dibs.block_end(dif, 0, len(dif)) != len(dif):
        raise BadValue("bytes after the data information block")
    return Header(dibs.dib(dif), vifs.sense(vif))


def split_records(data: bytes, base: int = 0) -> tuple[tuple[RawRecord, ...], bytes, bool]:
    """The records of an application layer's data, maker's data behind DIF 0F or 1F, and whether more follows.

    `base` is added to every offset. Truncated, BadValue or Unsupported if a record is broken: then none is given.
    """
    records: list[RawRecord] = []
    at, end = 0, len(data)
    while at < end:
        dif = data[at]
        if dif == FILLER:
            at += 1
        elif dif in (MANUFACTURER, MORE):
            return tuple(records), data[at + 1 :], dif == MORE
        else:
            record, at = _record(data, at, end, base)
            records.append(record)
    return tuple(records), b"", False


def _record(data: bytes, at: int, end: int, base: int) -> tuple[RawRecord, int]:
    vif_at = dibs.block_end(data, at, end, base)
    dif = data[at:vif_at]
    size = _size(dif, base + at)
    value_at = vifs.block_end(data, vif_at, end, base)
    lvar, start = None, value_at
    if size is None:
        lvar, start, size = _variable(data, value_at, end, base)
    if start + size > end:
        raise Truncated(f"the record's value wants {size} bytes, {end - start} are left", base + start)
    vif = data[vif_at:value_at]
    return RawRecord(dif, vif, data[start : start + size], base + at, lvar), start + size


def _size(dif: bytes, offset: int) -> int | None:
    """Bytes of the value; None where it tells its own length."""
    try:
        found = dibs.dib(dif)
    except BadValue as error:
        raise BadValue(error.reason, offset) from None
    return None if found.coding == "variable" else found.size


def _variable(data: bytes, at: int, end: int, base: int) -> tuple[int, int, int]:
    if at >= end:
        raise Truncated("the record ends before its length octet", base + at)
    try:
        return data[at], at + 1, variable_size(data[at])
    except Unsupported as error:
        raise Unsupported(error.reason, base + at) from None


def registers(headers: Iterable[Header], meter: str) -> list[Register]:
    """The registers of a telegram's records in their order; those that would be equal are numbered."""
    seen: dict[Register, int] = {}
    found = []
    for head in headers:
        plain = head.register(meter)
        seen[plain] = seen.get(plain, 0) + 1
        found.append(plain if seen[plain] == 1 else head.register(meter, seen[plain]))
    return found


def readings(
    raw: Sequence[RawRecord], meter: str, at: datetime | None = None, status: int | None = None
) -> tuple[Reading, ...]:
    """The readings of `meter` that records hold, one each. BadValue if a header is impossible."""
    headers = [header(record.dif, record.vif) for record in raw]
    places = registers(headers, meter)
    cells = (head.cell(record) for head, record in zip(headers, raw, strict=True))
    return tuple(
        Reading(place, cell.value, cell.raw, None, at, status, cell.quality, reason=cell.reason, notes=cell.notes)
        for place, cell in zip(places, cells, strict=True)
    )


def decode_records(
    data: bytes, meter: str, *, base: int = 0, at: datetime | None = None, status: int | None = None
) -> Records:
    """The records of an application layer's data (behind its header), of the meter `meter`.

    `base`: where `data` begins in the input, for offsets; `at`: when it came, for `Reading.received`; `status`: the
    header's status byte, for `Reading.status`. Units are the telegram's own, times ISO 8601 text without a zone.
    Truncated, BadValue or Unsupported if any record is broken.
    """
    raw, maker, more = split_records(data, base)
    return Records(readings(raw, meter, at, status), raw, maker, more)


def decode_headers(
    headers: Sequence[tuple[bytes, bytes]],
    data: bytes,
    meter: str,
    *,
    base: int = 0,
    at: datetime | None = None,
    status: int | None = None,
) -> Records:
    """As `decode_records` for data without headers (compact frames): `headers` are the (DIF, VIF) of each record.

    Length octets of values of variable length stand in `data`. Truncated if it ends early, BadValue if bytes are left.
    """
    raw: list[RawRecord] = []
    place = 0
    for dif, vif in headers:
        size = _size(dif, base + place)
        lvar, start = None, place
        if size is None:
            lvar, start, size = _variable(data, place, len(data), base)
        if start + size > len(data):
            raise Truncated(f"the record's value wants {size} bytes, {len(data) - start} are left", base + start)
        raw.append(RawRecord(dif, vif, data[start : start + size], base + place, lvar))
        place = start + size
    if place != len(data):
        raise BadValue(f"{len(data) - place} bytes after the last record", base + place)
    return Records(readings(raw, meter, at, status), tuple(raw))


def encode_records(raw: Iterable[RawRecord], manufacturer_data: bytes = b"", more: bool = False) -> bytes:
    """The data of an application layer. DIF 0F stands before maker's data, 1F where more telegrams follow."""
    tail = bytes((MORE if more else MANUFACTURER,)) + manufacturer_data if more or manufacturer_data else b""
    return b"".join(record.octets for record in raw) + tail


def record(dif: bytes | Dib, vif: bytes, value: Value) -> RawRecord:
    """The record that says `value` (in the unit of `vif`). BadValue if its coding cannot.

    `decode_records(record(...).octets, ...)` gives the value back.
    """
    block = dif.octets if isinstance(dif, Dib) else dif
    head = header(block, vif)
    data, lvar = encode_value(value, head.dib, head.sense)
    return RawRecord(block, vif, data, lvar=lvar)


def shifted(records: Iterable[RawRecord], by: int) -> tuple[RawRecord, ...]:
    """The same records, `by` bytes further on."""
    return tuple(replace(one, offset=one.offset + by) for one in records)
