"""The rooms of an estate, as a list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from metergate.station.archive.models import Estate, Room, ServicePoint
from metergate.station.archive.queries import Measured, measured, occupants
from metergate.station.collect import queries
from metergate.station.web import states
from metergate.station.web.tables import Column, Filter, Rows, Table, Words
from metergate.station.web.tables.cells import room_link
from metergate.station.web.templatetags.metergate import lamp, num


@dataclass(frozen=True, slots=True)
class Row:
    """A room with who lives there and its lamp."""

    room: Room
    occupant: str
    state: states.RoomState


def rows(estate: Estate) -> Rows:
    """All rooms of an estate with the number of their `points`."""
    found = Room.objects.filter(floor__staircase__building__estate=estate)
    return found.with_facts().select_related("floor__staircase__building").annotate(points=Count("service_points"))  # type: ignore[no-any-return]


def dress(found: Iterable[Room]) -> list[Row]:
    """With occupants and states. A fixed number of statements."""
    rooms, now = list(found), timezone.now()
    keys = [room.pk for room in rooms]
    lived, metered = occupants(keys), defaultdict[str, list[Measured]](list)
    for each in measured(ServicePoint.objects.filter(room__in=keys)):
        metered[each.point.room_id].append(each)
    troubles = queries.places(queries.open_events().filter(room__in=keys))
    return [
        Row(
            room,
            lived[room.pk].customer.name if room.pk in lived else "",
            states.room_state(room, metered[room.pk], troubles.get(room.pk, []), now),
        )
        for room in rooms
    ]


def _matching(found: Rows, text: str) -> Rows:
    lived = Q(occupancies__customer__name__icontains=text, occupancies__superseded_at=None, occupancies__valid_to=None)
    return found.filter(pk__in=Room.objects.filter(Q(number__icontains=text) | Q(code__icontains=text) | lived))


def _uses() -> Iterable[tuple[str, Words]]:
    return Room.Usage.choices


ROOMS = Table(
    "rooms",
    (
        Column(
            "room",
            _("Room"),
            lambda row: room_link(row.room),
            (("room", lambda row: row.room.number), ("code", lambda row: row.room.code)),
            ("code",),
        ),
        Column(
            "state",
            _("State"),
            lambda row: lamp(row.state.state, row.state.words),
            (("state", lambda row: row.state.state), ("words", lambda row: str(row.state.words))),
        ),
        Column("occupant", _("Occupant"), lambda row: row.occupant, (("occupant", lambda row: row.occupant),)),
        Column(
            "building",
            _("Building"),
            lambda row: str(row.room.floor.staircase.building),
            (("building", lambda row: row.room.floor.staircase.building.code),),
            ("floor__staircase__building__code", "code"),
        ),
        Column(
            "floor",
            _("Floor"),
            lambda row: num(row.room.floor.number, "", 0),
            (("floor", lambda row: row.room.floor.number),),
            ("floor__number", "code"),
            "n",
        ),
        Column(
            "use",
            _("Use"),
            lambda row: row.room.get_usage_nature_display(),
            (("use", lambda row: row.room.usage_nature),),
            ("usage_nature", "code"),
        ),
        Column(
            "points",
            _("Service points"),
            lambda row: num(row.room.points, "", 0),
            (("service_points", lambda row: row.room.points),),
            ("points", "code"),
            "n",
        ),
        Column(
            "area",
            _("Area"),
            lambda row: num(row.room.area_m2, "m²", 1),
            (("area_m2", lambda row: row.room.area_m2),),
            ("area_m2", "code"),
            "n",
            shown=False,
        ),
        Column(
            "persons",
            _("Persons"),
            lambda row: num(row.room.persons, "", 0),
            (("persons", lambda row: row.room.persons),),
            ("persons", "code"),
            "n",
            shown=False,
        ),
    ),
    (
        Filter("text", _("Text"), _matching),
        Filter("use", _("Use"), lambda found, text: found.filter(usage_nature=text), _uses),
    ),
    "room",
    lambda row: row.room.pk,
    dress,
)
