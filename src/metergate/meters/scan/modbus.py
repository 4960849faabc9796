"""Units of Modbus, and which of the known models each may be.

A unit is there that answers anything, be it with an exception. All are asked for register 0 first; then those that kept
silent for what the known models have, since there are some that say nothing where they have no register.

Meters seldom tell who they are. A model is possible if all its voltages and frequencies are where its map says, and
have values that a mains has; of those the one wins of whose registers the unit has most, and most that are not 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from metergate.errors import ApplicationError, MetergateError, NoAnswer
from metergate.meters.map import MeterMap, load_maps
from metergate.meters.scan.base import Hit, Survey
from metergate.model import Unit
from metergate.wire.base import Dialogue
from metergate.wire.modbus import RTU, TCP
from metergate.wire.modbus.plan import Planner
from metergate.wire.modbus.points import Point, Words, reading
from metergate.wire.modbus.reader import Identification, Reader, Settings, spans_of

PLAUSIBLE = {Unit.V: (Decimal(80), Decimal(300)), Unit.HZ: (Decimal(45), Decimal(66))}
LARGEST = Decimal(10) ** 9
"""A larger value is none that an electricity meter shows."""
SHOWN = 4
"""So many other models are named that are possible too."""


def probe(survey: Survey) -> Dialogue[None]:
    """See `Probe`, for RTU."""
    yield from _sweep(survey, RTU)


def probe_tcp(survey: Survey) -> Dialogue[None]:
    """See `Probe`, for Modbus TCP."""
    yield from _sweep(survey, TCP)


Place = tuple[int, int, int]
"""Function, address of the first register, how many."""
FIRST: tuple[Place, ...] = ((3, 0, 1), (4, 0, 1))


def knocks(maps: Iterable[MeterMap]) -> list[Place]:
    """The fewest places of which every model has one, those of many models first."""
    left = [held for one in maps if (held := {place for point in one.point for place in point.places})]
    found: list[Place] = []
    while left:
        times = Counter(place for held in left for place in held)
        best = max(times, key=lambda place: (times[place], -place[1], place))
        found.append(best)
        left = [held for held in left if best not in held]
    return found


def _sweep(survey: Survey, framing: str) -> Dialogue[None]:
    scope = survey.scope
    units = range(scope.first, scope.last + 1)
    silent = yield from _pass(survey, framing, units, FIRST, "unit")
    if scope.thorough:
        yield from _pass(survey, framing, silent, knocks(load_maps().values()), "silent unit")


def _pass(
    survey: Survey, framing: str, units: Sequence[int], places: Iterable[Place], what: str
) -> Dialogue[list[int]]:
    """The units that say nothing to these questions."""
    scope, silent = survey.scope, list[int]()
    for done, unit in enumerate(units):
        survey.tell(f"{what} {unit}", done, len(units))
        knock = Settings(framing, scope.wait(0.3), tries=1, flush=0.0)
        if (yield from _there(unit, knock, places)):
            asking = Reader(unit, Settings(framing, scope.wait(1.0), tries=2, flush=min(0.3, scope.wait(0.3))))
            survey.found((yield from _hit(survey, asking, "modbus" if framing == RTU else "modbus-tcp")))
        else:
            silent.append(unit)
    return silent


def _there(unit: int, settings: Settings, places: Iterable[Place]) -> Dialogue[bool]:
    """Whether anything answers, be it with an exception. A late answer to another question will do."""
    for place in places:
        try:
            yield from Reader(unit, settings).registers(*place)
        except ApplicationError:
            return True
        except NoAnswer:
            continue
        return True
    return False


def _hit(survey: Survey, asking: Reader, protocol: str) -> Dialogue[Hit]:
    who: Identification | None = None
    models: list[MeterMap] = []
    try:
        who = yield from asking.identify()
    except NoAnswer:
        pass
    try:
        models = yield from recognise(asking, load_maps().values(), who)
    except MetergateError as error:
        survey.problem(f"Modbus unit {asking.unit}: {error}")
    told = f"{who.vendor} {who.product}".strip() if who else ""
    name = f"modbus-{asking.unit}"
    if not models:
        note = "no known model fits; give its map"
        return Hit(protocol, name, str(asking.unit), told or "unknown meter", note=note, sure=False)
    best, *others = models
    more = f"or {', '.join(one.name for one in others[:SHOWN])}" if others else ""
    return Hit(protocol, name, str(asking.unit), told or f"{best.brand} {best.model}", best.name, more)


@dataclass(slots=True)
class _Known:
    """What was read of a unit, so that no register is asked for twice."""

    asking: Reader
    planner: Planner
    words: Words

    def values(self, points: Iterable[Point]) -> Dialogue[list[Decimal | None]]:
        """The numbers of these points."""
        points = list(points)
        places = (place for point in points for place in point.places)
        missing = [place for place in places if not self._has(place)]
        self.words = {**self.words, **(yield from self.asking.read(spans_of(missing), self.planner))}
        found = [reading(point, self.words, "").value for point in points]
        return [value if isinstance(value, Decimal) else None for value in found]

    def _has(self, place: tuple[int, int, int]) -> bool:
        function, address, words = place
        return all((function, address + at) in self.words for at in range(words))


def recognise(asking: Reader, maps: Iterable[MeterMap], who: Identification | None = None) -> Dialogue[list[MeterMap]]:
    """The models that a unit may be, the likeliest first. One that the unit itself names is the only one."""
    models = [one for one in maps if one.point]
    for one in models:
        if who and who.vendor in one.match.manufacturer and who.product in one.match.model:
            return [one]
    known = _Known(asking, Planner(gap=0), {})
    found: list[tuple[float, int, MeterMap]] = []
    for one in models:
        try:
            if (yield from _possible(known, one)):
                values = yield from known.values(one.point)
                good = [value for value in values if value is not None and abs(value) < LARGEST]
                found.append((len(good) / len(values), sum(map(bool, good)), one))
        except (NoAnswer, ApplicationError):
            continue  # some keep silent, or report a failure, where they have no register
    found.sort(key=lambda each: (-each[0], -each[1], each[2].name))
    return [one for _, _, one in found]


def _possible(known: _Known, one: MeterMap) -> Dialogue[bool]:
    """Whether mains voltage and frequency are where the map says."""
    witnesses = [point for point in one.point if point.unit in PLAUSIBLE]
    for point in witnesses:
        (value,) = yield from known.values([point])
        low, high = PLAUSIBLE[point.unit] if point.unit else (Decimal(0), Decimal(0))
        if value is None or not low <= value <= high:
            return False
    return bool(witnesses)
