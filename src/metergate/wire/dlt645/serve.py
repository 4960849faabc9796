"""What a meter answers to an identifier: values of its source now, at settlements and at freezes, and its own state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from metergate.model import Obis
from metergate.wire.dlt645 import items, items97
from metergate.wire.dlt645.core import Answer, Core
from metergate.wire.dlt645.items import Field, Item
from metergate.wire.dlt645.values import Format

FREEZES = 62
"""How many freezes of a kind can be read back."""
TIMED, AT_ONCE, HOURLY, DAILY = 0, 1, 4, 6
FORWARD = Obis(1, 0, 1, 8, 0)
RELAY_BITS = 0x0050
"""Status word 3: the relay is open, and it was ordered to be."""
Reader = Callable[[Core, int, datetime], bytes | None]
DEFAULTS: dict[int, bytes] = {
    0x04000103: b"\x15",
    0x04000104: b"\x01",
    0x04000201: b"\x02",
    0x04000202: b"\x02",
    0x04000203: b"\x04",
    0x04000205: b"\0\0",
    0x04000206: b"\0",
    0x04000404: Format("A", 6).encode("220V"),
    0x04000405: Format("A", 6).encode("5A"),
    0x04000406: Format("A", 6).encode("60A"),
    0x04000407: Format("A", 4).encode("1.0"),
    0x04000409: b"\x00\x16\x00",
    0x0400040D: Format("A", 16).encode("DL/T645-2007"),
    0x04000601: b"\x05",
    0x04000602: b"\x05",
    0x04000603: b"\x50",
    0x04000B01: b"\0\x01",
    0x04000B02: b"\x99\x99",
    0x04000B03: b"\x99\x99",
}
"""Parameters of a meter as delivered, octets as sent."""


def item_2007(core: Core, di: int, now: datetime) -> bytes | None:
    """The octets of item or block `di`; None if the meter has no such data."""
    parts: list[bytes] = []
    block = 0xFF in di.to_bytes(4, "big")
    for code, fields in items.members(di):
        octets = _one(core, code, fields, now)
        if octets is None and not (block and code >> 24 == 2):
            break
        parts.append(octets if octets is not None else b"\xff" * sum(field.layout.size for field in fields))
    found = b"".join(parts)
    return found if found.strip(b"\xff") or (found and not block) else None


def item_1997(core: Core, di: int, now: datetime) -> bytes | None:
    """As `item_2007`, for two-octet identifiers."""
    parts: list[bytes] = []
    for code, fields in items97.members(di):
        own = {0xC010: 0x04000101, 0xC011: 0x04000102, 0xC032: 0x04000402, 0xC034: 0x04000402}.get(code)
        octets = item_2007(core, own, now) if own else _registers(core, fields, now)
        if octets is None:
            break
        parts.append(octets)
    return b"".join(parts) or None


def _one(core: Core, code: int, fields: Item, now: datetime) -> bytes | None:
    if code in core.state.settings:
        return core.state.settings[code]
    family = code >> 24
    if family == 0 and code >> 16 == 0x0090:
        return _prepaid(core, code, fields[0], now)
    if family in (0, 1, 2):
        return _registers(core, fields, now)
    if family == 3:
        return _events(core, code, fields)
    if family == 5:
        return _frozen(core, code, fields, now)
    return _own(core, code, fields, now)


def _registers(core: Core, fields: Item, now: datetime) -> bytes | None:
    """Current registers, or those of settlement `storage`: the last midnights of a first of the month."""
    at = now if not fields[0].storage else settled(core, fields[0].storage, now)
    if fields[0].tariff > core.tariffs or at < core.installed:
        return None
    return _at(core, fields, at)


def _at(core: Core, fields: Item, at: datetime) -> bytes | None:
    """The register `fields[0]` at an instant, with the time of its maximum where the item has one."""
    answer = value(core, fields[0], at)
    if answer is None:
        return None
    amount, when = answer if isinstance(answer, tuple) else (answer, at)
    cleared = core.state.demand_cleared
    if len(fields) > 1 and cleared and when < cleared <= at:
        amount, when = Decimal(0), cleared
    octets = _digits(fields[0], amount)
    return octets + fields[1].layout.encode(core.local(when)) if len(fields) > 1 else octets


def value(core: Core, field: Field, at: datetime) -> Answer:
    """What the source says to a field; sums where the field has no code of its own, less what was cleared."""
    if field.obis is not None:
        obis = Obis(1, 0, field.obis.c, field.obis.d, field.obis.e)
        answer, cleared = core.source(obis, at), core.state.cleared
        if isinstance(answer, Decimal) and obis.d == 8 and cleared and cleared <= at:
            before = core.source(obis, cleared)
            return answer - before if isinstance(before, Decimal) else answer
        return answer
    found = [(sign, core.source(obis, at)) for sign, obis in field.parts]
    numbers = [sign * number for sign, number in found if isinstance(number, Decimal)]
    return sum(numbers, Decimal(0)) if numbers else None


def _digits(field: Field, amount: Decimal) -> bytes:
    """As many digits as the register has: it rolls over."""
    layout = field.layout
    if not layout.signed:
        amount %= Decimal(10) ** (2 * layout.size - layout.decimals)
    return layout.encode(amount)


def settled(core: Core, number: int, now: datetime) -> datetime:
    """The instant of the `number`-th last settlement: midnight of a first of the month."""
    local = core.local(now)
    months = local.year * 12 + local.month - number
    return core.instant(datetime(months // 12, months % 12 + 1, 1))  # noqa: DTZ001  (the meter's local time)


def _prepaid(core: Core, code: int, field: Field, now: datetime) -> bytes | None:
    account, energy = core.state.prepaid, core.source(FORWARD, now)
    if account is None or not isinstance(energy, Decimal):
        return None
    left = account.money - account.price * (energy - account.energy)
    amount = -left if code & 1 else left
    if code & 0xFF00 == 0x0100:
        amount /= account.price
    return _digits(field, max(amount, Decimal(0)))


def _events(core: Core, code: int, fields: Item) -> bytes | None:
    event, number = code & ~0xFF, code & 0xFF
    if code == event and fields[0].quantity == "count":
        count = core.state.counts.get(event, 0)
        return b"".join(field.layout.encode(Decimal(count if field.quantity == "count" else 0)) for field in fields)
    records = core.state.records.get(event, [])
    return records[number - 1] if 1 <= number <= len(records) else None


def frozen_at(core: Core, kind: int, number: int, now: datetime) -> datetime | None:
    """When the `number`-th last freeze of a kind happened; None if there was none."""
    if not 1 <= number <= FREEZES:
        return None
    if kind == AT_ONCE:
        done = core.state.frozen
        return done[-number] if number <= len(done) else None
    pattern = {HOURLY: "99999900", DAILY: "99990000", TIMED: core.state.schedule}.get(kind)
    if pattern is None:
        return None
    at = core.instant(_last(core.local(now), pattern, number))
    return at if at >= core.installed else None


def _last(local: datetime, pattern: str, number: int) -> datetime:
    """The `number`-th last moment that matches `MMDDhhmm` (99: any; monthly, daily or hourly)."""
    _, day, hour, minute = (int(pattern[at : at + 2]) for at in range(0, 8, 2))
    moment = local.replace(minute=minute % 60, second=0, microsecond=0)
    if hour == 99:
        moment -= timedelta(hours=moment > local)
        return moment - timedelta(hours=number - 1)
    moment = moment.replace(hour=hour)
    if day == 99:
        moment -= timedelta(days=moment > local)
        return moment - timedelta(days=number - 1)
    months = local.year * 12 + local.month - 1 - (number - 1) - (moment.replace(day=day) > local)
    return moment.replace(year=months // 12, month=months % 12 + 1, day=day)


def _frozen(core: Core, code: int, fields: Item, now: datetime) -> bytes | None:
    at = frozen_at(core, code >> 16 & 0xFF, code & 0xFF, now)
    if at is None or fields[0].tariff > core.tariffs:
        return None
    if not code >> 8 & 0xFF:
        return fields[0].layout.encode(core.local(at))
    return _at(core, fields, at)


def _own(core: Core, code: int, fields: Item, now: datetime) -> bytes | None:
    """Clock, numbers, status words, counters and parameters of the meter itself."""
    local, state = core.local(now), core.state
    if code == 0x04000101:
        return bytes((local.isoweekday() % 7,)) + fields[1].layout.encode(local)
    if code >> 8 == 0x040005:
        word = RELAY_BITS if state.relay_open and code & 0xFF == 3 else 0
        return word.to_bytes(2, "little")
    own: dict[int, object] = {
        0x04000102: local,
        0x04000204: Decimal(core.tariffs),
        0x04000401: core.address,
        0x04000402: core.address,
        0x1D000001: Decimal(state.trips),
        0x1E000001: Decimal(state.closes),
    }
    if code in own:
        return fields[0].layout.encode(own[code])  # type: ignore[arg-type]
    return DEFAULTS.get(code)
