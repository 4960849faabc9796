"""The street of the demo and the tests: two buildings of twelve flats behind collectors, and a house with SML meters.

All of it follows from a seed and the day on which the meters were put in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

from metergate.sim.household import Household

FLOORS, FLATS = 4, 3
OCCUPANTS = (
    "Ada Brandt", "Jonas Keller", "Mei Lin", "Ruth Adler", "Karim Haddad", "Lea Vogel", "Piotr Nowak", "Greta Sommer",
    "Amir Rahimi", "Nina Wolf", "Oskar Lind", "Sofia Marin", "Tom Becker", "Yara Osman", "Emil Roth", "Clara Hansen",
    "Wen Zhao", "Ivan Petrov", "Marta Silva", "Felix Braun", "Hanna Jensen", "Luca Conti", "", "Dora Neumann",
)  # fmt: skip


@dataclass(frozen=True)
class Dwelling:
    """A flat and its meters, by the ids that their telegrams carry; "" where there is no such meter."""

    building: int
    floor: int
    number: str
    occupant: str
    home: Household
    electricity: str
    cold_water: str
    hot_water: str
    gas: str = ""
    heat: str = ""
    channel: int = 0
    """First of its three channels at the building's collector: electricity, cold water, gas."""


@dataclass(frozen=True)
class Street:
    """`dwellings` of building 3 (gas heating) and building 5 (heat meters), each behind a collector; and a `house`."""

    created: date
    seed: int
    dwellings: tuple[Dwelling, ...]
    house: Household

    @property
    def homes(self) -> tuple[Household, ...]:
        """All households, the house last."""
        return (*(dwelling.home for dwelling in self.dwellings), self.house)

    def at(self, day: date) -> Street:
        """The same street with all counters reckoned from `day` on, which saves every process the counting."""
        moved = tuple(replace(dwelling, home=dwelling.home.moved_to(day)) for dwelling in self.dwellings)
        return replace(self, dwellings=moved, house=self.house.moved_to(day))


COLLECTORS = {3: 18, 5: 19}
"""Building -> MGC/1 address of its collector."""


def street(created: date, seed: int = 2026) -> Street:
    """The street whose meters began at zero on `created`."""
    flats = [(building, floor, flat) for building in COLLECTORS for floor in range(FLOORS) for flat in range(FLATS)]
    dwellings = tuple(_dwelling(created, seed, place, *where) for place, where in enumerate(flats))
    return Street(created, seed, dwellings, Household(seed * 1000 + 999, persons=4, pv_watts=7200, since=created))


def _dwelling(created: date, seed: int, place: int, building: int, floor: int, flat: int) -> Dwelling:
    number = f"{building}{floor}{flat + 1:02d}"
    gas = building == 3
    home = Household(
        seed * 1000 + place, persons=1 + (place * 7 + seed) % 4, pv_watts=600 * (flat == 0), heating=gas, since=created
    )
    return Dwelling(
        building=building,
        floor=floor,
        number=number,
        occupant=OCCUPANTS[place],
        home=home,
        electricity=f"2610{building:02d}00{number}",
        cold_water=f"4711{building:02d}0000{number}",
        hot_water=f"6200{number}",
        gas=f"5511{building:02d}0000{number}" if gas else "",
        heat="" if gas else f"6300{number}",
        channel=3 * (floor * FLATS + flat) + 1,
    )
