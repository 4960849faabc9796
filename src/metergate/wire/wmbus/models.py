"""What single makers do otherwise than the standard: as tables, and only what their telegrams themselves show."""

from __future__ import annotations

from dataclasses import replace

from metergate.model import Reading, Unit
from metergate.wire.mbus.names import MEDIA
from metergate.wire.mbus.records import RawRecord, Records
from metergate.wire.wmbus.link import Address
from metergate.wire.wmbus.profile import expand

_Meaning = tuple[str, Unit | None]
MEANINGS: dict[tuple[str, bytes], _Meaning] = {
    ("KAM", b"\xff\x07"): ("forward_energy", Unit.M3_DEG_C),
    ("KAM", b"\xff\x08"): ("return_energy", Unit.M3_DEG_C),
    ("AXI", b"\xfd\x74"): ("remaining_battery", Unit.PERCENT),
}
"""Quantity and unit by manufacturer and VIF, where the standard leaves them to the maker or the maker left it."""
OWN_FORMAT = {("BFW", 0x02, 0x08), ("APA", 0x05, 0x07)}
"""Manufacturer, version and device type of meters that put their own format behind a header of the standard."""
TRANSPOSED = {"HYD", "DME"}
"""Makers whose older meters send version and type before the id."""


def printed(address: Address) -> Address:
    """The address as it is printed on the meter: for `TRANSPOSED` makers, if only the other order gives a medium."""
    if address.manufacturer not in TRANSPOSED or address.device in _METERED or address.number[1] not in _METERED:
        return address
    number = address.number[2:] + bytes((address.version, address.device))
    return Address(address.maker, number, address.number[0], address.number[1])


_METERED = frozenset(code for code in MEDIA if code not in (0x18, 0x19, 0x1A, 0x1B, 0x1C))


def own_format(address: Address) -> bool:
    """Whether such a meter's payload is no records, whatever it looks like."""
    return (address.manufacturer, address.version, address.device) in OWN_FORMAT


def amend(records: Records, address: Address) -> Records:
    """The same records with what the maker's tables and compact profiles add; the very same where they add nothing."""
    found: list[Reading] = []
    changed = False
    for raw, reading in zip(records.raw, records.readings, strict=True):
        more = expand(raw, reading) or _renamed(raw, reading, address)
        changed = changed or more is not None
        found += more or [reading]
    return replace(records, readings=tuple(found)) if changed else records


def _renamed(raw: RawRecord, reading: Reading, address: Address) -> list[Reading] | None:
    meaning = MEANINGS.get((address.manufacturer, raw.vif))
    if meaning is None:
        return None
    return [replace(reading, register=replace(reading.register, quantity=meaning[0], unit=meaning[1]))]
