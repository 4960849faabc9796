"""The watchdog: who should have been heard and was not. It counts expected readings, not processes.

OK, LATE after 1 missed, SUSPECT after 3, DOWN after 10 or 15 minutes of at least 3 missed; under a parent that is down
UNREACHABLE, so that one broken wire is one event. Gateways are not watched here: the broker tells of their end.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction

from metergate.model import Event as Told
from metergate.model import Severity
from metergate.station.archive.models import Channel, Line, Register
from metergate.station.collect import services
from metergate.station.collect.models import Presence

State, Kind = Presence.State, Presence.Kind
BROKEN = {State.DOWN, State.UNREACHABLE}
PATIENCE = timedelta(minutes=15)


def state_of(silent: timedelta, period_s: int) -> str:
    """The state of something that was silent for so long and ought to be heard every `period_s` seconds."""
    missed = silent // timedelta(seconds=max(period_s, 1)) if silent > timedelta(0) else 0
    if missed >= 10 or (missed >= 3 and silent >= PATIENCE):
        return State.DOWN
    return State.SUSPECT if missed >= 3 else State.LATE if missed else State.OK


@transaction.atomic
def hear_wires(registers: Iterable[Register], at: datetime) -> None:
    """Lines and collectors whose meters were read just now answer."""
    periods: dict[str, int] = {}
    for register in registers:
        periods[register.meter_id] = min(periods.get(register.meter_id, register.period_s), register.period_s)
    wires = Channel.objects.current().filter(meter__in=list(periods)).select_related("line", "collector")
    found: dict[tuple[str, str], int] = {}
    for wire in wires:
        codes = [(Kind.LINE, wire.line.code)] + ([(Kind.COLLECTOR, wire.collector.code)] if wire.collector else [])
        for key in codes:
            found[key] = min(found.get(key, periods[wire.meter_id]), periods[wire.meter_id])
    for (kind, code), period_s in found.items():
        services.heard(kind, code, at)
        Presence.objects.filter(kind=kind, code=code).exclude(period_s=period_s).update(period_s=period_s)


@transaction.atomic
def look(now: datetime) -> list[str]:
    """Bring all lines and collectors up to `now`; returns the codes of those that went down by themselves."""
    rows = {(row.kind, row.code): row for row in Presence.objects.all()}
    fallen = []
    for line in Line.objects.select_related("gateway").prefetch_related("collectors"):
        above = rows.get((Kind.GATEWAY, line.gateway.name)) if line.gateway else None
        mine = rows.get((Kind.LINE, line.code))
        fallen += _turn(mine, above, now)
        for collector in line.collectors.all():
            fallen += _turn(rows.get((Kind.COLLECTOR, collector.code)), _worse(mine, above), now)
    return fallen


def _worse(line: Presence | None, gateway: Presence | None) -> Presence | None:
    return line if line is not None and line.state in BROKEN else gateway


def _turn(row: Presence | None, above: Presence | None, now: datetime) -> list[str]:
    if row is None or row.last_seen is None:
        return []
    state = state_of(now - row.last_seen, row.period_s)
    if above is not None and above.state in BROKEN and state != State.OK:
        state = State.UNREACHABLE
    if state == row.state:
        return []
    row.state, row.since = state, now
    row.save(update_fields=["state", "since"])
    if state != State.DOWN:
        return []
    services.note_events([Told(now, f"{row.kind}_down".upper(), row.code, Severity.FAULT)], "")
    return [row.code]
