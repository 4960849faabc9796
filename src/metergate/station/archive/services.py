"""The only place where rows of the archive change. Dated rows are superseded, never edited."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.utils import timezone

from metergate.station.archive.models import (
    Customer,
    Dated,
    Estate,
    Installation,
    Medium,
    Meter,
    Occupancy,
    Register,
    Room,
    ServicePoint,
)


@dataclass(frozen=True, slots=True)
class SeenRegister:
    """A register as telegrams tell of it: enough to make its row when it is seen for the first time."""

    key: str
    meter: str
    obis: str = ""
    unit: str = ""
    scaler: int = 0
    period_s: int = 900
    medium: str = ""
    maker: str = ""
    quantity: str = ""


_KIND_BY_D = {"7": Register.Kind.GAUGE}


@transaction.atomic
def know(seen: Iterable[SeenRegister], gateway: str, at: datetime) -> dict[str, Register]:
    """The rows of these registers by key; unknown meters and registers are made, visible and unassigned."""
    wanted = {register.key: register for register in seen}
    known = {row.key: row for row in Register.objects.filter(key__in=wanted)}
    missing = [register for key, register in wanted.items() if key not in known]
    if not missing:
        return known
    meters = _know_meters(missing, gateway, at)
    Register.objects.bulk_create(
        [_register(meters[register.meter], register) for register in missing], ignore_conflicts=True
    )
    return {row.key: row for row in Register.objects.filter(key__in=wanted)}


def _know_meters(seen: Iterable[SeenRegister], gateway: str, at: datetime) -> dict[str, Meter]:
    by_identity = {register.meter: register for register in seen}
    Meter.objects.bulk_create(
        [
            Meter(
                identity=identity,
                serial=identity,
                medium=register.medium if register.medium in Medium.values else "",
                maker=register.maker,
                first_seen=at,
                first_gateway=gateway,
            )
            for identity, register in by_identity.items()
        ],
        ignore_conflicts=True,
    )
    return {row.identity: row for row in Meter.objects.filter(identity__in=by_identity)}


def _register(meter: Meter, seen: SeenRegister) -> Register:
    groups = seen.obis.replace(":", ".").replace("*", ".").split(".")
    kind = _KIND_BY_D.get(groups[2] if len(groups) > 2 else "", Register.Kind.COUNTER)
    return Register(
        meter=meter,
        key=seen.key,
        obis=seen.obis,
        name=seen.quantity.replace("_", " ").capitalize(),
        unit=seen.unit,
        scaler=seen.scaler,
        period_s=seen.period_s,
        kind=kind if seen.unit not in _MOMENTARY else Register.Kind.GAUGE,
        billing=seen.obis.startswith("1-0:1.8.0"),
    )


_MOMENTARY = {"W", "kW", "V", "A", "Hz", "var", "VA", "m3/h", "l/h", "degC", "bar", "%"}


def new_devices() -> list[Meter]:
    """Meters that were seen on a bus and hang at no service point, newest first."""
    current = Installation.objects.current().values("meter")
    return list(Meter.objects.exclude(first_seen=None).exclude(pk__in=current).order_by("-first_seen"))


@transaction.atomic
def install_meter(
    meter: Meter,
    point: ServicePoint,
    since: datetime,
    *,
    start_reading: Decimal | None = None,
    ct: Decimal = Decimal(1),
    pt: Decimal = Decimal(1),
    phase_factor: int = 1,
    reason: str = "",
) -> Installation:
    """Hang a meter at a service point. IntegrityError where one of them is taken at that time."""
    return Installation.objects.create(
        meter=meter,
        service_point=point,
        valid_from=since,
        start_reading=start_reading,
        ct=ct,
        pt=pt,
        phase_factor=phase_factor,
        reason=reason,
    )


@transaction.atomic
def end(row: Dated, at: datetime, **changes: object) -> Dated:
    """End a dated row at `at`: supersede it and write what is now believed. Returns the successor."""
    now = timezone.now()
    type(row).objects.filter(pk=row.pk).update(superseded_at=now)
    fields = {f.attname: getattr(row, f.attname) for f in row._meta.concrete_fields if f.attname not in _OWN}
    fresh = type(row)(**{**fields, **changes, "valid_to": at, "recorded_at": now})
    fresh.save(force_insert=True)
    return fresh


_OWN = {"id", "recorded_at", "superseded_at", "valid_to"}


@transaction.atomic
def amend(place: Estate | Room | ServicePoint, at: datetime, **changes: object) -> Dated:
    """From `at` on these facts of a place hold, the others as before, until what is known to come after."""
    facts = place.facts
    before = facts.as_of(at).first()
    following = facts.known().filter(valid_from__gt=at).order_by("valid_from").first()
    kept = {name: getattr(before, name) for name in facts.model.FACTS} if before else {}
    if before and before.valid_from < at:
        end(before, at)
    elif before:
        facts.filter(pk=before.pk).update(superseded_at=timezone.now())
    until = before.valid_to if before else following.valid_from if following else None
    fresh: Dated = facts.create(valid_from=at, valid_to=until, **{**kept, **changes})
    return fresh


@transaction.atomic
def exchange_meter(
    point: ServicePoint, new: Meter, at: datetime, *, end_reading: Decimal, start_reading: Decimal, reason: str = ""
) -> Installation:
    """Take the present meter off at `at` and hang `new` there, with the factors that held."""
    old = Installation.objects.as_of(at).filter(service_point=point, register_role="billing").first()
    if old is None:
        raise ObjectDoesNotExist(f"no meter hangs at {point.code} at that time")
    end(old, at, end_reading=end_reading)
    return install_meter(
        new,
        point,
        at,
        start_reading=start_reading,
        ct=old.ct,
        pt=old.pt,
        phase_factor=old.phase_factor,
        reason=reason,
    )


@transaction.atomic
def move_in(room: Room, customer: Customer, at: datetime, *, vacant: bool = False) -> Occupancy:
    """From `at` on the customer (the owner where vacant) occupies the room; whoever did before ends there."""
    for before in Occupancy.objects.as_of(at).filter(room=room):
        end(before, at)
    return Occupancy.objects.create(room=room, customer=customer, valid_from=at, vacant=vacant)
