"""What a meter answers to an identifier: values of its source now, at settlements and at freezes, and its own state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

from metergate.model import Obis
from metergate.wire.dlt645 import items, items97, load
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
    0x04000801: b"\x7f",
    0x04000802: b"\x01",
    **dict.fromkeys(range(0x04000A02, 0x04000A08), b"\x15\0"),
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
        octets = _one_1997(core, code, fields, now)
        if octets is None:
            break
        parts.append(octets)
    return b"".join(parts) or None


OWN_1997 = {0xC010: 0x04000101, 0xC011: 0x04000102, 0xC032: 0x04000402, 0xC034: 0x04000402}
DEFAULTS_1997 = {
    0xC020: b"\0",
    0xC021: b"\0",
    0xC030: b"\x00\x16\x00",
    0xC111: b"\x15",
    0xC112: b"\x01",
    0xC313: b"\x04",
}
"""Parameters of a meter of 1997 as delivered."""


def _one_1997(core: Core, code: int, fields: Item, now: datetime) -> bytes | None:
    if code in core.state.settings:
        return core.state.settings[code]
    if code in OWN_1997:
        return item_2007(core, OWN_1997[code], now)
    if code >> 12 == 0xB and code >> 8 < 0xB2:
        return _demand_time(core, code - 0x1000, now)
    if code >> 12 in (0x9, 0xA) or code >> 8 == 0xB6:
        return _registers(core, fields, now)
    return DEFAULTS_1997.get(code)


def _demand_time(core: Core, code: int, now: datetime) -> bytes | None:
    """When a maximum demand occurred: minute, hour, day, month."""
    fields = items97.item(code)
    if fields is None:
        return None
    at = now if not fields[0].storage else settled(core, fields[0].storage, now)
    answer = value(core, fields[0], at) if at >= core.installed else None
    if not isinstance(answer, tuple):
        return None
    cleared = core.state.demand_cleared
    when = cleared if cleared and answer[1] < cleared <= at else answer[1]
    return bytes.fromhex(f"{core.local(when):%M%H%d%m}")


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
    if isinstance(answer, tuple) and cleared and when < cleared <= at:
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


def load_records(core: Core, di: int, asked: bytes, now: datetime) -> bytes | None:
    """Load records of class DI2: DI0 1 with a count and a time, those from it on; 2 the latest."""
    number, which = di >> 16 & 0xFF, di & 0xFF
    if number not in load.CLASSES or di & 0xFF00 or which not in (load.AT_TIME, load.LATEST):
        return None
    shown, count = core.local(now), int(asked[:1].hex() or 1)
    minutes = core.state.settings.get(load.INTERVALS[number], DEFAULTS[load.INTERVALS[number]])
    step = timedelta(minutes=int(minutes[::-1].hex()) or 15)
    midnight = shown.replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + (shown - midnight) // step * step
    if which == load.AT_TIME:
        text = load.MINUTE.decode(asked[1:6])[0]
        begin = datetime.fromisoformat(str(text)) if text else shown
        at = midnight - (midnight - begin) // step * step
    times = [at + place * step for place in range(count)]
    kept = [one for one in times if one <= shown and core.instant(one) >= core.installed]
    return b"".join(_load_record(core, number, one).encode() for one in kept) or None


def _load_record(core: Core, number: int, local: datetime) -> load.Record:
    found = [
        _registers(core, (field,), core.instant(local)) or b"\xff" * field.layout.size
        for _, field in load.fields(number)
    ]
    return load.Record(local.isoformat(timespec="minutes"), {number: b"".join(found)})


def _own(core: Core, code: int, fields: Item, now: datetime) -> bytes | None:
    """Clock, numbers, status words, counters and parameters of the meter itself."""
    local, state = core.local(now), core.state
    if code == 0x04000101:
        return bytes((local.isoweekday() % 7,)) + fields[1].layout.encode(local)
    if code >> 8 == 0x040005:
        word = (RELAY_BITS * state.relay_open | core.second_tables(now)) if code & 0xFF == 3 else 0
        return word.to_bytes(2, "little")
    own: dict[int, object] = {
        0x04000102: local,
        0x04000204: Decimal(core.tariffs),
        0x04000401: core.address,
        0x04000402: core.address,
        0x1D000001: Decimal(state.trips),
        0x1E000001: Decimal(state.closes),
    }
    if code >> 24 in (0x1D, 0x1E) and code & 0xFF > 1:
        records = state.records.get(code & ~0xFF, [])
        return records[(code & 0xFF) - 2] if (code & 0xFF) - 2 < len(records) else None
    if code in own:
        return fields[0].layout.encode(own[code])  # type: ignore[arg-type]
    return DEFAULTS.get(code)
