"""What single makers do otherwise than the standard: as tables, and only what their telegrams themselves show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Context, Decimal

from metergate.model import Quality, Reading, Register, Unit
from metergate.wire.mbus.names import MEDIA
from metergate.wire.mbus.records import RawRecord, Records
from metergate.wire.mbus.values import EXACT
from metergate.wire.wmbus import makers
from metergate.wire.wmbus.link import Address
from metergate.wire.wmbus.profile import expand

_Meaning = tuple[str, Unit | None]
MEANINGS: dict[tuple[str, bytes], _Meaning] = {
    ("KAM", b"\xff\x07"): ("forward_energy", Unit.M3_DEG_C),
    ("KAM", b"\xff\x08"): ("return_energy", Unit.M3_DEG_C),
    ("AXI", b"\xfd\x74"): ("remaining_battery", Unit.PERCENT),
    ("QDS", b"\xbb\x56"): ("volume_flow", Unit.M3_PER_H),
    **{
        (maker, bytes((vif,))): ("temperature_difference", Unit.DEG_C)
        for maker in ("AXI", "EFE", "DME")
        for vif in range(0x60, 0x64)
    },
}
"""Quantity and unit by manufacturer and VIF, where the standard leaves them to the maker or the maker left it.

A difference of temperatures is the same number in K, as the standard has it, and in degC, as these meters show it.
"""
STRAY = {("MAD", 0x50, 0x07), ("QDS", 0x18, 0x06)}
"""Manufacturer, version and device type of meters whose last octets are of no record."""
STRAY_BYTES = 2
TRANSPOSED = {"HYD", "DME"}
"""Makers whose older meters send version and type before the id."""


def printed(address: Address) -> Address:
    """The address as it is printed on the meter: for `TRANSPOSED` makers, if only the other order gives a medium."""
    if address.manufacturer not in TRANSPOSED or address.device in _METERED or address.number[1] not in _METERED:
        return address
    number = address.number[2:] + bytes((address.version, address.device))
    return Address(address.maker, number, address.number[0], address.number[1])


_ADAPTERS = frozenset((0x36, 0x37))
_METERED = frozenset(code for code in MEDIA if not 0x18 <= code <= 0x1F)


def behind_adapter(records: Records, address: Address) -> Address | None:
    """The meter that an adapter names in a record (VIF 79, 8 octets), if it is another than the header's."""
    if address.device not in _ADAPTERS:
        return None
    named = (Address.long(raw.data) for raw in records.raw if raw.vif == b"\x79" and len(raw.data) == 8)
    return next((other for other in named if other.number != address.number), None)


def amend(records: Records, address: Address) -> Records:
    """The same records with what the maker's tables and compact profiles add; the very same where they add nothing."""
    found: list[Reading] = []
    changed = False
    for raw, reading in zip(records.raw, records.readings, strict=True):
        more = expand(raw, reading) or _own(raw, reading, address) or _renamed(raw, reading, address)
        changed = changed or bool(more)
        found += more or [reading]
    calculate = CALCULATED.get((address.manufacturer, address.version))
    if calculate is not None and (more := calculate(found)):
        found, changed = found + more, True
    return replace(records, readings=tuple(found)) if changed else records


def renames(before: Records, after: Records) -> dict[int, Register] | None:
    """The registers that `amend` changed, by place, if it changed nothing else; None if it did."""
    if before is after:
        return {}
    if len(before.readings) != len(after.readings):
        return None
    pairs = list(zip(before.readings, after.readings, strict=True))
    if any(replace(one, register=other.register) != other for one, other in pairs):
        return None
    return {place: other.register for place, (one, other) in enumerate(pairs) if one.register != other.register}


def _own(raw: RawRecord, reading: Reading, address: Address) -> list[Reading]:
    """What a record holds whose VIF the maker defined; nothing where that is not known."""
    decode = makers.RECORDS.get((address.manufacturer, raw.vif))
    items = decode(makers.Block(raw.data, address)) if decode else []
    tariff, subunit = reading.register.tariff, reading.register.subunit
    found = makers.readings(items, reading.meter, reading.received, reading.status)
    return [replace(one, register=replace(one.register, tariff=tariff, subunit=subunit)) for one in found]


def _sum_of_phases(readings: Sequence[Reading]) -> list[Reading]:
    """The power of all phases, where a meter sends that of each of three."""
    phases = [one for one in readings if one.register.quantity == "power" and one.register.address in _PHASES]
    values = [one.value for one in phases if isinstance(one.value, Decimal)]
    if len(values) != len(_PHASES):
        return []
    value = EXACT.add(EXACT.add(values[0], values[1]), values[2])
    where = replace(phases[0].register, address="power:sum")
    return [replace(phases[0], register=where, value=value, raw=None, notes=("sum of the phases",))]


_PHASES = tuple(f"power:maker_0{phase}" for phase in (1, 2, 3))
_WIDE = Context(prec=200)
"""Room for every number that a record can hold."""


def _apparent(readings: Sequence[Reading]) -> list[Reading]:
    """The apparent energy that active and reactive energy of the same direction make, in kVAh: calculated, so doubtful.

    The meter sends none; over time it may be more than this.
    """
    energies = {one.register.address or one.register.quantity: one for one in readings if one.register.storage == 0}
    active, reactive = energies.get("energy"), energies.get("reactive_energy")
    if active is None or reactive is None or not active.unit or not reactive.unit:
        return []
    if not isinstance(active.value, Decimal) or not isinstance(reactive.value, Decimal):
        return []
    p = _WIDE.multiply(active.value, active.unit.into(Unit.KWH))
    q = _WIDE.multiply(reactive.value, reactive.unit.into(Unit.KVARH))
    value = _WIDE.quantize(_WIDE.sqrt(_WIDE.fma(p, p, _WIDE.multiply(q, q))), Decimal("1e-6"))
    where = replace(active.register, quantity="apparent_energy", unit=Unit.KVAH, scaler=0, address=None)
    return [
        replace(
            active,
            register=where,
            value=value,
            raw=None,
            quality=Quality.ESTIMATED,
            notes=("calculated from active and reactive energy",),
        )
    ]


CALCULATED: dict[tuple[str, int], Callable[[Sequence[Reading]], list[Reading]]] = {
    ("EBZ", 0x01): _sum_of_phases,
    ("GAV", 0x00): _apparent,
}
"""What can be calculated from a model's readings, by manufacturer and version; the notes say that it was."""


def _renamed(raw: RawRecord, reading: Reading, address: Address) -> list[Reading] | None:
    meaning = MEANINGS.get((address.manufacturer, raw.vif))
    if meaning is None:
        return None
    return [replace(reading, register=replace(reading.register, quantity=meaning[0], unit=meaning[1]))]
