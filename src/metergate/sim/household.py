"""A household's believable loads, minute by minute, as a pure function of seed and time.

Electricity follows the shape of a standard load profile (night valley, morning and evening peak, weekends later, winter
higher) with appliances on top; water and gas follow the same people; PV follows the sun. All is integers: watts and
millilitres a minute, so that registers add up exactly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Minutes = NDArray[np.int64]
MINUTES = 1440
_EPOCH = date(2024, 1, 1)


class Flow(Enum):
    """What runs through a household's meters; the value is the unit of a minute's amount."""

    IMPORT = "W"
    EXPORT = "W out"
    COLD_WATER = "ml/min"
    HOT_WATER = "ml/min hot"
    GAS = "ml/min gas"
    HEAT = "W heat"


_INDEX = {flow: n for n, flow in enumerate(Flow)}
_PER_MINUTE = {Flow.IMPORT: 60, Flow.EXPORT: 60, Flow.HEAT: 60, Flow.COLD_WATER: 1, Flow.HOT_WATER: 1, Flow.GAS: 1}
"""Amount that one unit of flow adds to a counter in a minute: watt-seconds, or millilitres."""

_WORKDAY = (3, 2, 2, 2, 2, 4, 8, 9, 7, 6, 6, 7, 9, 8, 6, 6, 7, 10, 13, 14, 13, 10, 7, 5)
_WEEKEND = (4, 3, 2, 2, 2, 3, 4, 7, 9, 10, 10, 11, 12, 10, 8, 8, 8, 9, 12, 13, 12, 10, 8, 6)


@dataclass(frozen=True)
class Appliance:
    """Draws `watts` for `minutes`, about `per_week` times a week, most likely near `hour`; with `litres` of water."""

    watts: int
    minutes: int
    per_week: float
    hour: int
    litres: int = 0


APPLIANCES = (
    Appliance(2000, 55, 3.5, 18, 50),  # washing machine
    Appliance(1800, 75, 4.0, 20, 12),  # dishwasher
    Appliance(2200, 25, 6.0, 18),  # oven
    Appliance(1500, 20, 7.0, 12),  # hob at noon
    Appliance(1900, 4, 14.0, 7, 1),  # kettle
    Appliance(1100, 8, 5.0, 19),  # hair, vacuum cleaner
)


@dataclass(frozen=True)
class Household:
    """`pv_watts` peak of the roof, `heating` by gas (else by heat meter).

    On the day `since` the counters stood at `base`, by flow in the order of `Flow`.
    """

    seed: int
    persons: int = 2
    pv_watts: int = 0
    heating: bool = True
    since: date = _EPOCH
    base: tuple[int, ...] = (0,) * len(Flow)

    def moved_to(self, day: date) -> Household:
        """The same household, reckoned from `day` on: equal counters from then on, without counting all days before."""
        return replace(self, since=day, base=tuple(self._before(flow, day) for flow in Flow))

    def flow(self, flow: Flow, at: datetime) -> int:
        """The flow in the minute of `at`, in `flow.value`."""
        at = at.astimezone(UTC)
        return int(_day(self, at.date())[flow][at.hour * 60 + at.minute])

    def counter(self, flow: Flow, at: datetime) -> int:
        """The counter at `at`: watt-seconds or millilitres since `since`. Within a minute it grows by the second."""
        at = at.astimezone(UTC)
        minute = at.hour * 60 + at.minute
        day = _day(self, at.date())[flow]
        whole = int(day[:minute].sum()) * _PER_MINUTE[flow]
        part = int(day[minute]) * _PER_MINUTE[flow] * at.second // 60
        return self._before(flow, at.date()) + whole + part

    def counters(self, flow: Flow, start: datetime, count: int, minutes: int = 15) -> NDArray[np.int64]:
        """`count` counters, `minutes` apart, from `start` (UTC, on a minute) on: [count] int64."""
        start = start.astimezone(UTC)
        days = range((start + timedelta(minutes=minutes * count)).toordinal() - start.toordinal() + 1)
        amounts = np.concatenate([_day(self, start.date() + timedelta(days=n))[flow] for n in days]) * _PER_MINUTE[flow]
        running = np.concatenate([[0], np.cumsum(amounts)])
        first = start.hour * 60 + start.minute
        picked = running[first : first + minutes * count : minutes][:count]
        return np.asarray(picked + self._before(flow, start.date()), dtype=np.int64)

    def _before(self, flow: Flow, day: date) -> int:
        """The counter at the beginning of `day`."""
        if day <= self.since:
            return self.base[_INDEX[flow]]
        return _day_ends(self, flow, (day.year, day.month))[day.day - 1]


@lru_cache(maxsize=4096)
def _day_ends(home: Household, flow: Flow, month: tuple[int, int]) -> list[int]:
    """The counter at the beginning of every day of a month."""
    first = date(*month, 1)
    total, day = home.base[_INDEX[flow]], home.since
    if first > home.since:
        last = first - timedelta(days=1)
        previous = _day_ends(home, flow, (last.year, last.month))
        total, day = previous[last.day - 1] + _amount(home, flow, last), first
    ends = [0] * (day.day - 1)
    while (day.year, day.month) == month:
        ends.append(total)
        total += _amount(home, flow, day)
        day += timedelta(days=1)
    return ends


def _amount(home: Household, flow: Flow, day: date) -> int:
    return int(_day(home, day)[flow].sum()) * _PER_MINUTE[flow]


@lru_cache(maxsize=512)
def _day(home: Household, day: date) -> dict[Flow, Minutes]:
    """All flows of a UTC day: {flow: [1440] int64}, never negative."""
    random = np.random.default_rng([home.seed, day.toordinal()])
    used, water = _base_load(home, day, random), np.zeros(MINUTES, np.int64)
    for appliance in APPLIANCES:
        _switch_on(appliance, home, random, used, water)
    hot = _taps(home, random, water)
    sun = _sun(home, day, random)
    warmth = _warmth(home, day, random) + hot * 3
    gas = warmth * 60 // 36 if home.heating else np.zeros(MINUTES, np.int64)
    return {
        Flow.IMPORT: np.maximum(used - sun, 0),
        Flow.EXPORT: np.maximum(sun - used, 0),
        Flow.COLD_WATER: water,
        Flow.HOT_WATER: hot,
        Flow.GAS: gas,
        Flow.HEAT: np.zeros(MINUTES, np.int64) if home.heating else warmth,
    }


def _season(day: date) -> float:
    """1 in mid-January, -1 in mid-July."""
    return float(np.cos(2 * np.pi * (day.timetuple().tm_yday - 15) / 365.25))


def _base_load(home: Household, day: date, random: np.random.Generator) -> Minutes:
    shape = np.array(_WEEKEND if day.weekday() >= 5 else _WORKDAY, float)
    hours = np.interp(np.arange(MINUTES) / 60, np.arange(25), np.append(shape, shape[0]))
    level = 14 + 9 * home.persons
    load = hours * level * (1 + 0.15 * _season(day)) * random.normal(1, 0.08, MINUTES).clip(0.6, 1.5)
    phase = random.integers(0, 45)
    fridge = np.where((np.arange(MINUTES) + phase) % 45 < 16, 85, 4)
    total: Minutes = load.astype(np.int64) + fridge + 25
    return total


def _switch_on(it: Appliance, home: Household, random: np.random.Generator, used: Minutes, water: Minutes) -> None:
    for _ in range(random.poisson(it.per_week / 7 * (0.5 + 0.3 * home.persons))):
        start = int(random.normal(it.hour * 60, 90)) % (MINUTES - it.minutes)
        used[start : start + it.minutes] += it.watts
        if it.litres:
            water[start : start + min(it.minutes, 10)] += it.litres * 1000 // min(it.minutes, 10)


def _taps(home: Household, random: np.random.Generator, water: Minutes) -> Minutes:
    """Adds cold draws to `water`; returns the hot ones."""
    hot = np.zeros(MINUTES, np.int64)
    for _ in range(random.poisson(9 * home.persons)):
        start = int(random.choice((7, 8, 12, 18, 19, 21, 22)) * 60 + random.normal(0, 40)) % (MINUTES - 10)
        shower = random.random() < 0.08
        (hot if shower or random.random() < 0.15 else water)[start : start + (6 if shower else 1)] += (
            7500 if shower else 4000
        )
    return hot


def _sun(home: Household, day: date, random: np.random.Generator) -> Minutes:
    if not home.pv_watts:
        return np.zeros(MINUTES, np.int64)
    half = 360 - 120 * _season(day)
    height = np.cos((np.arange(MINUTES) - 705) / half * np.pi / 2)
    clear = random.beta(2, 1.4)
    clouds = np.repeat(random.uniform(clear * 0.6, 1, MINUTES // 10), 10)
    light = np.where(np.abs(np.arange(MINUTES) - 705) < half, height.clip(0), 0)
    return (home.pv_watts * (0.62 - 0.28 * _season(day)) / 0.9 * light * clouds * clear).astype(np.int64)


def _warmth(home: Household, day: date, random: np.random.Generator) -> Minutes:
    """Heating power in watts: only in the cold months, lowered at night, with the boiler's cycles."""
    need = max(0.0, _season(day) * 0.6 + 0.25 + random.normal(0, 0.08)) * (1500 + 600 * home.persons)
    night = np.where((np.arange(MINUTES) > 300) & (np.arange(MINUTES) < 1320), 1.0, 0.55)
    cycle = np.where((np.arange(MINUTES) + random.integers(0, 20)) % 20 < 12, 5 / 3, 0)
    return (need * night * cycle).astype(np.int64)
