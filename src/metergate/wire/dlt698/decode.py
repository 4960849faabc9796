"""From APDUs to readings and to the header fields of the decode contract."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from metergate.model import Quality, Reading, Register, TimeQuality
from metergate.wire.dlt698 import objects
from metergate.wire.dlt698.apdu import Apdu
from metergate.wire.dlt698.frame import Frame
from metergate.wire.dlt698.values import ARRAY, BITS, NUMBERS, OCTETS, STRUCTURE, Data, moment, plain

Result = tuple[int, Any]
"""`(0, dar)` or `(1, Data)`."""


@dataclass(frozen=True, slots=True)
class Found:
    """One attribute of an answer. `table` and `stamp` (the meter's own time) where it stood in a row of records."""

    oad: int
    result: Result
    table: int | None = None
    stamp: datetime | None = None


def results(apdu: Apdu) -> Iterator[Found]:
    """Every attribute that an answer or a report carries, those of its follow-up report last."""
    fields = apdu.fields
    if "attribute" in fields:
        yield Found(*fields["attribute"])
    yield from (Found(*one) for one in fields.get("attributes", ()))
    for table in (fields["table"],) if "table" in fields else fields.get("tables", ()):
        yield from _rows(table)
    if "part" in fields:
        yield from listed(fields["part"])
    if fields.get("follow_report"):
        yield from listed(fields["follow_report"])


def listed(report: tuple[int, Any]) -> Iterator[Found]:
    """Those of a list of attributes (1) or of tables (2)."""
    which, found = report
    for one in found if which else ():
        if which == 1:
            yield Found(*one)
        else:
            yield from _rows(one)


def columns_of(table: tuple[Any, ...]) -> list[int]:
    """The attribute in each column; of a column that stands for several, the object they belong to."""
    return [column if which == 0 else column[0] for which, column in table[1]]


def _rows(table: tuple[Any, ...]) -> Iterator[Found]:
    oad, _, (which, rows) = table
    if not which:
        yield Found(oad, (0, rows), oad)
        return
    columns = columns_of(table)
    for row in rows:
        stamp = next(
            (when for column, value in zip(columns, row, strict=True) if (when := _stamp(column, value))), None
        )
        for column, value in zip(columns, row, strict=True):
            yield Found(column, (1, value), oad, stamp)


def _stamp(column: int, value: Data) -> datetime | None:
    if column not in objects.STAMPS:
        return None
    found = value.value
    return found if isinstance(found, datetime) else moment(found) if isinstance(found, bytes) else None


def readings(
    meter: str, found: Found, received: datetime | None = None, utc_offset: int | None = None
) -> Iterator[Reading]:
    """The readings of one attribute; `utc_offset` (minutes) of the meter's clock, if known."""
    which, value = found.result
    stamp = instant(found.stamp, utc_offset)
    quality = TimeQuality.UNCHECKED if stamp else TimeQuality.NONE
    if not which:
        register = objects.register(meter, found.oad)
        reason = objects.dar_text(value)
        yield Reading(register, None, None, stamp, received, value, Quality.ABSENT, quality, reason)
        return
    several = value.tag == ARRAY or (value.tag == STRUCTURE and not _demand(found.oad, value))
    for place, one in enumerate(value.value if several else (value,)):
        register = objects.register(meter, found.oad, place)
        if _demand(found.oad, one):
            yield from _maximum(register, one, received, utc_offset)
        else:
            yield _reading(register, one, stamp, received, quality)


def _demand(oad: int, value: Data) -> bool:
    """A maximum demand: its value and when it occurred."""
    return oad >> 28 == 1 and value.tag == STRUCTURE and len(value.value) == 2


def _maximum(register: Register, pair: Data, received: datetime | None, utc_offset: int | None) -> Iterator[Reading]:
    amount, when = pair.value
    local = when.value if isinstance(when.value, datetime) else None
    at = instant(local, utc_offset)
    yield _reading(register, amount, at, received, TimeQuality.UNCHECKED if at else TimeQuality.NONE)
    time = Register(register.meter, None, "time_point", None, 0, 0, register.tariff, register.subunit)
    yield _reading(time, when, None, received, TimeQuality.NONE)


def _reading(
    register: Register, value: Data, stamp: datetime | None, received: datetime | None, quality: TimeQuality
) -> Reading:
    found = value.value
    if value.tag in NUMBERS:
        amount = Decimal(found).scaleb(register.scaler)
        return Reading(register, amount, found, stamp, received, None, Quality.GOOD, quality)
    if isinstance(found, Decimal):
        notes = ("inexact",)
        return Reading(register, found, None, stamp, received, None, Quality.GOOD, quality, notes=notes)
    text = _text(value)
    if text is None:
        return Reading(register, None, None, stamp, received, None, Quality.ABSENT, quality, "null")
    return Reading(register, text, None, stamp, received, None, Quality.GOOD, quality)


def _text(value: Data) -> str | None:
    shown = plain(value)
    if shown is None or (value.tag in (OCTETS, BITS) and not shown):
        return None
    return shown if isinstance(shown, str) else repr(shown)


def instant(local: datetime | None, utc_offset: int | None) -> datetime | None:
    """A time of the meter's clock as an instant, if its offset is known."""
    if local is None or utc_offset is None:
        return None
    return local.replace(tzinfo=timezone(timedelta(minutes=utc_offset))).astimezone(UTC)


# --- header ----------------------------------------------------------------------------------------------------------
def frame_header(frame: Frame) -> dict[str, object]:
    """What the frame tells."""
    return {
        "control": f"{frame.control:02x}",
        "server_address": frame.address.text,
        "address_type": frame.address.kind,
        "logical_address": frame.address.logical,
        "client": frame.client,
    }


def header(apdu: Apdu) -> dict[str, object]:
    """What the APDU tells: service, piid, first oad, dar, raw, time and the like."""
    fields = apdu.fields
    told: dict[str, object] = {"service": apdu.service}
    told |= {name: fields[name] for name in ("piid", "pdu", "heartbeat_s", "block", "last") if name in fields}
    oads = [*_asked(apdu)]
    found = [*results(apdu)]
    oads += [one.table or one.oad for one in found]
    if oads:
        told["oad"] = f"{oads[0]:08x}"
    if len(oads) > 1:
        told["oads"] = [f"{oad:08x}" for oad in dict.fromkeys(oads)]
    raw = [plain(one.result[1]) for one in found if one.result[0]]
    dars = [one.result[1] for one in found if not one.result[0]] + _dars(apdu)
    if raw:
        told["raw"] = raw[0] if len(raw) == 1 else raw
    if dars:
        told["dar"] = dars[0]
    return told | _times(apdu) | _connection(apdu)


def _asked(apdu: Apdu) -> Iterator[int]:
    """The attributes and methods that a request names, or an answer without values repeats."""
    fields = apdu.fields
    if "oad" in fields:
        yield fields["oad"]
    yield from fields.get("oads", ())
    for query in (fields["query"],) if "query" in fields else fields.get("queries", ()):
        yield query["oad"]
    for name in ("setting", "done", "called"):
        if name in fields:
            yield fields[name][0]
    for name in ("settings", "all_done", "all_called"):
        yield from (one[0] for one in fields.get(name, ()))


def _dars(apdu: Apdu) -> list[int]:
    fields = apdu.fields
    single = [fields[name] for name in ("done", "called") if name in fields]
    several = [one for name in ("all_done", "all_called") for one in fields.get(name, ())]
    return [one[1] for one in (*single, *several)]


def _times(apdu: Apdu) -> dict[str, object]:
    sent = apdu.fields.get("sent")
    if isinstance(sent, datetime):
        return {"time": sent.isoformat()}
    settings = [apdu.fields["setting"]] if "setting" in apdu.fields else []
    for _, value in settings:
        if isinstance(value, Data) and isinstance(value.value, datetime):
            return {"time": value.value.isoformat(), "raw": plain(value)}
    return {}


def _connection(apdu: Apdu) -> dict[str, object]:
    if "version" not in apdu.fields:
        return {}
    names = ("send_frame", "receive_frame", "window", "apdu_size", "timeout_s", "result")
    told = {name: apdu.fields[name] for name in names if name in apdu.fields}
    return {"protocol_version": apdu.fields["version"], **told}
