"""From a plan to rows: all of an estate in one transaction, or what it has not yet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from django.db import models, transaction

from metergate.station.archive import models as rows
from metergate.station.archive import plan

Row = TypeVar("Row", bound=models.Model)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
ORDER: tuple[type[models.Model], ...] = (
    rows.Estate,
    rows.EstateFacts,
    rows.Building,
    rows.Staircase,
    rows.Floor,
    rows.Room,
    rows.RoomFacts,
    rows.Customer,
    rows.Account,
    rows.Occupancy,
    rows.ServicePoint,
    rows.PointFacts,
    rows.Meter,
    rows.Register,
    rows.Installation,
    rows.Contract,
    rows.Gateway,
    rows.Line,
    rows.Collector,
    rows.Channel,
)
"""Tables, each after those it points to."""


_CODED = (
    rows.Estate,
    rows.Building,
    rows.Staircase,
    rows.Floor,
    rows.Room,
    rows.ServicePoint,
    rows.Line,
    rows.Collector,
)
NAMES: dict[type[models.Model], str] = {
    **dict.fromkeys(_CODED, "code"),
    rows.Meter: "identity",
    rows.Register: "key",
    rows.Gateway: "name",
}
"""What a row is known by. Rows of other tables belong to one of these, and come with it."""
TOLD = {rows.Meter: ("maker", "model", "year", "medium", "protocol"), rows.Register: ("name", "billing")}
"""What a plan may tell of meters that were heard before anybody said what they are."""


@dataclass
class _Sheet:
    """Rows to be, by table; written in the order of `ORDER`.

    `known`: those that are there, by name; `hung` and `wired`: the meters that hang somewhere, and on some line;
    `customers`: how many there are.
    """

    since: datetime
    known: dict[type[models.Model], dict[str, models.Model]] = field(default_factory=dict)
    hung: set[str] = field(default_factory=set)
    wired: set[str] = field(default_factory=set)
    customers: int = 0
    made: dict[type[models.Model], list[models.Model]] = field(default_factory=lambda: defaultdict(list))
    meters: dict[str, rows.Meter] = field(default_factory=dict)
    points: dict[str, rows.ServicePoint] = field(default_factory=dict)
    gateways: dict[str, rows.Gateway] = field(default_factory=dict)

    def add(self, row: Row) -> Row:
        """The row, or the one that is there in its place."""
        table = type(row)
        found = self.known.get(table, {}).get(getattr(row, NAMES.get(table, "pk")))
        if not isinstance(found, table):
            self.made[table].append(row)
            return row
        _tell(found, row)
        return found


def _tell(found: models.Model, row: models.Model) -> None:
    names = [name for name in TOLD.get(type(row), ()) if getattr(row, name) and not getattr(found, name)]
    for name in names:
        setattr(found, name, getattr(row, name))
    if names:
        found.save(update_fields=names)


def _fresh(row: models.Model) -> bool:
    return bool(row._state.adding)


@transaction.atomic
def seed(estate: plan.EstatePlan, progress: Callable[[str, int], None] = lambda table, count: None) -> rows.Estate:
    """Create everything the plan describes; all or nothing. `progress(table, rows)` is called after each table.

    IntegrityError where a code or key is already there, or two meters claim one place.
    """
    return _write(_Sheet(estate.since or LONG_AGO), estate, progress)


@transaction.atomic
def complete(estate: plan.EstatePlan, progress: Callable[[str, int], None] = lambda table, count: None) -> rows.Estate:
    """Create what the plan describes and is not there; what is there, and what happened to it, stays as it is."""
    sheet = _Sheet(estate.since or LONG_AGO)
    for table, name in NAMES.items():
        sheet.known[table] = {getattr(row, name): row for row in table._default_manager.all()}
    sheet.hung = set(rows.Installation.objects.known().values_list("meter__identity", flat=True))
    sheet.wired = set(rows.Channel.objects.known().exclude(meter=None).values_list("meter__identity", flat=True))
    sheet.customers = rows.Customer.objects.filter(code__startswith=f"{estate.code}-C").count()
    return _write(sheet, estate, progress)


def _write(sheet: _Sheet, estate: plan.EstatePlan, progress: Callable[[str, int], None]) -> rows.Estate:
    row = sheet.add(rows.Estate(code=estate.code, tz=estate.tz, currency=estate.currency, locale=estate.locale))
    if _fresh(row):
        sheet.add(rows.EstateFacts(estate=row, valid_from=sheet.since, name=estate.name))
    for building in estate.buildings:
        _building(sheet, row, building)
    for line in estate.lines:
        _line(sheet, row, line)
    for table in ORDER:
        table._default_manager.bulk_create(sheet.made[table], batch_size=500)
        progress(table._meta.model_name or "", len(sheet.made[table]))
    return row


def _building(sheet: _Sheet, estate: rows.Estate, building: plan.BuildingPlan) -> None:
    code = f"{estate.code}-B{building.number:02}"
    row = sheet.add(rows.Building(estate=estate, code=code, number=building.number, name=building.name))
    for staircase, floor, room in _rooms(building):
        stairs = _once(sheet, rows.Staircase, f"{code}-U{staircase.number}", building=row, number=staircase.number)
        storey = _once(sheet, rows.Floor, f"{stairs.code}-F{floor.number:02}", staircase=stairs, number=floor.number)
        _room(sheet, storey, room)


def _rooms(
    building: plan.BuildingPlan,
) -> Iterator[tuple[plan.StaircasePlan, plan.FloorPlan, plan.RoomPlan]]:
    for staircase in building.staircases:
        for floor in staircase.floors:
            for room in floor.rooms:
                yield staircase, floor, room


def _once(sheet: _Sheet, table: type[Row], code: str, **fields: object) -> Row:
    before = sheet.made[table]
    if before and getattr(before[-1], "code", None) == code and isinstance(before[-1], table):
        return before[-1]
    return sheet.add(table(code=code, **fields))


def _room(sheet: _Sheet, floor: rows.Floor, room: plan.RoomPlan) -> None:
    row = sheet.add(
        rows.Room(
            floor=floor,
            code=f"{floor.code}-{room.number}",
            number=room.number,
            usage_nature=room.usage,
        )
    )
    if _fresh(row):
        sheet.add(rows.RoomFacts(room=row, valid_from=sheet.since, area_m2=room.area_m2, persons=room.persons))
    account = _household(sheet, row, room) if room.occupant and _fresh(row) else None
    for point in room.points:
        _point(sheet, row, point, account)


def _household(sheet: _Sheet, row: rows.Room, room: plan.RoomPlan) -> rows.Account:
    sheet.customers += 1
    number = sheet.customers
    estate = row.code.split("-", 1)[0]
    customer = sheet.add(rows.Customer(code=f"{estate}-C{number:05}", name=room.occupant))
    sheet.add(rows.Occupancy(room=row, customer=customer, valid_from=sheet.since))
    return sheet.add(rows.Account(customer=customer, code=f"{estate}-A{number:05}"))


def _point(sheet: _Sheet, room: rows.Room, point: plan.PointPlan, account: rows.Account | None) -> None:
    code = f"{room.code}-{plan.MEDIUM_LETTERS[point.medium]}"
    if code in sheet.points:
        code = f"{code}{sum(known.startswith(code) for known in sheet.points) + 1}"
    row = sheet.add(
        rows.ServicePoint(
            room=room,
            code=code,
            medium=point.medium,
            rating=point.rating,
        )
    )
    parent = sheet.points.get(point.parent)
    if _fresh(row):
        sheet.add(rows.PointFacts(service_point=row, valid_from=sheet.since, role=point.role, parent=parent))
    sheet.points[code] = row
    since = point.since or sheet.since
    meter = _meter(sheet, point.meter) if point.meter else None
    if meter and _fresh(row) and meter.identity not in sheet.hung:
        sheet.add(
            rows.Installation(
                meter=meter,
                service_point=row,
                valid_from=since,
                ct=point.ct,
                pt=point.pt,
                phase_factor=point.phase_factor,
                start_reading=point.start_reading,
            )
        )
    if account and point.tariff:
        sheet.add(rows.Contract(account=account, service_point=row, tariff_code=point.tariff, valid_from=since))


def _meter(sheet: _Sheet, meter: plan.MeterPlan) -> rows.Meter:
    row = sheet.add(
        rows.Meter(
            identity=meter.identity,
            serial=meter.serial or meter.identity,
            maker=meter.maker,
            model=meter.model,
            year=meter.year,
            medium=meter.medium,
            protocol=meter.protocol,
            kind=meter.kind,
            calibration_valid_to=meter.calibration_valid_to,
        )
    )
    sheet.meters[meter.identity] = row
    for register in meter.registers:
        sheet.add(
            rows.Register(
                meter=row,
                key=register.key,
                obis=register.obis,
                unit=register.unit,
                scaler=register.scaler,
                name=register.name,
                kind=register.kind,
                period_s=register.period_s,
                billing=register.billing,
                digits=register.digits,
            )
        )
    return row


def _line(sheet: _Sheet, estate: rows.Estate, line: plan.LinePlan) -> None:
    row = sheet.add(
        rows.Line(
            estate=estate,
            gateway=_gateway(sheet, estate, line.gateway) if line.gateway else None,
            code=line.code,
            name=line.name,
            port=line.port,
            protocol=line.protocol,
            baud=line.baud,
            format=line.format,
        )
    )
    for collector in line.collectors:
        _collector(sheet, row, collector)
    for identity in line.meters:
        if identity not in sheet.wired:
            sheet.add(rows.Channel(line=row, meter=sheet.meters[identity], valid_from=sheet.since))


def _gateway(sheet: _Sheet, estate: rows.Estate, name: str) -> rows.Gateway:
    if name not in sheet.gateways:
        sheet.gateways[name] = sheet.add(rows.Gateway(estate=estate, name=name))
    return sheet.gateways[name]


def _collector(sheet: _Sheet, line: rows.Line, collector: plan.CollectorPlan) -> None:
    row = sheet.add(
        rows.Collector(
            line=line,
            code=f"{line.code}-{collector.address}",
            address=collector.address,
            serial=collector.serial,
            power=collector.power,
        )
    )
    for number, identity in collector.meters.items():
        meter = sheet.meters[identity]
        if identity not in sheet.wired:
            sheet.add(rows.Channel(line=line, collector=row, number=number, meter=meter, valid_from=sheet.since))
