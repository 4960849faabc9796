"""An estate as a table: one row a service point with its meter."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from metergate.errors import ConfigError
from metergate.model import Obis
from metergate.station.archive import plan

NEEDED = ("building", "staircase", "floor", "room")
COLUMNS = (*NEEDED, "occupant", "area_m2", "persons", "medium", "meter", "maker", "model", "protocol", "obis", "unit")
_UNITS = {"electricity": ("1-0:1.8.0", "Wh"), "heat": ("6-0:1.0.0", "Wh")}
_WATER_AND_GAS = {"cold_water": "8-0:1.0.0", "hot_water": "9-0:1.0.0", "gas": "7-0:3.0.0"}
Row = Mapping[str, str]


class _Bad(Exception):
    """A cell that cannot be used: column and reason."""


def read_csv(text: str, code: str, name: str) -> plan.EstatePlan:
    """The estate of a CSV with the columns `COLUMNS` (those in `NEEDED` at least).

    ConfigError lists every bad row with row number, column and reason; nothing is taken over then.
    """
    reader = csv.DictReader(io.StringIO(text))
    unknown = set(reader.fieldnames or ()) - set(COLUMNS)
    missing = set(NEEDED) - set(reader.fieldnames or ())
    if unknown or missing:
        raise ConfigError(f"columns unknown: {sorted(unknown)}, missing: {sorted(missing)}")
    tree = _Tree()
    wrong = []
    for number, row in enumerate(reader, 2):
        try:
            tree.add({key: (value or "").strip() for key, value in row.items() if key})
        except _Bad as bad:
            wrong.append(f"row {number}, {bad}")
    if wrong:
        raise ConfigError("nothing was taken over:\n" + "\n".join(wrong))
    return plan.EstatePlan(code, name, tree.buildings())


class _Tree:
    def __init__(self) -> None:
        self.rooms: dict[tuple[int, int, int, str], list[Row]] = defaultdict(list)
        self.meters: set[str] = set()

    def add(self, row: Row) -> None:
        place = (_whole(row, "building"), _whole(row, "staircase"), _whole(row, "floor"), row["room"])
        if not row["room"]:
            raise _Bad("column room: empty")
        if row.get("medium") and row["medium"] not in plan.MEDIUM_LETTERS:
            raise _Bad(f"column medium: {row['medium']!r} is none of {', '.join(plan.MEDIUM_LETTERS)}")
        if row.get("meter") in self.meters:
            raise _Bad(f"column meter: {row['meter']} is in two places")
        _number(row, "area_m2")
        if row.get("meter"):
            self.meters.add(row["meter"])
        self.rooms[place].append(row)

    def buildings(self) -> list[plan.BuildingPlan]:
        tree: dict[int, dict[int, dict[int, list[plan.RoomPlan]]]] = defaultdict(
            lambda: defaultdict(lambda: defaultdict(list))
        )
        for (building, staircase, floor, number), rows in sorted(self.rooms.items()):
            tree[building][staircase][floor].append(_room(number, rows))
        return [
            plan.BuildingPlan(
                building,
                staircases=[
                    plan.StaircasePlan(number, [plan.FloorPlan(level, rooms) for level, rooms in floors.items()])
                    for number, floors in staircases.items()
                ],
            )
            for building, staircases in tree.items()
        ]


def _room(number: str, rows: list[Row]) -> plan.RoomPlan:
    first = rows[0]
    return plan.RoomPlan(
        number,
        [_point(row) for row in rows if row.get("medium")],
        first.get("occupant", ""),
        _number(first, "area_m2"),
        _whole(first, "persons") if first.get("persons") else None,
    )


def _point(row: Row) -> plan.PointPlan:
    return plan.PointPlan(row["medium"], _meter(row) if row.get("meter") else None)


def _meter(row: Row) -> plan.MeterPlan:
    medium, identity = row["medium"], row["meter"]
    obis, unit = _UNITS.get(medium) or (_WATER_AND_GAS.get(medium, ""), "m3")
    obis, unit = row.get("obis") or obis, row.get("unit") or unit
    register = plan.RegisterPlan(f"{identity}/{Obis.parse(obis).full}", obis, unit, -3, billing=True)
    return plan.MeterPlan(
        identity,
        medium,
        [register],
        maker=row.get("maker", ""),
        model=row.get("model", ""),
        protocol=row.get("protocol", ""),
    )


def _whole(row: Row, column: str) -> int:
    try:
        return int(row[column])
    except ValueError:
        raise _Bad(f"column {column}: {row[column]!r} is no whole number") from None


def _number(row: Row, column: str) -> Decimal | None:
    text = row.get(column, "")
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        raise _Bad(f"column {column}: {text!r} is no number") from None
