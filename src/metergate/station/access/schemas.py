"""What the API answers with."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from ninja import Schema


class ServicePointOut(Schema):
    """A service point by its human code."""

    id: str
    code: str
    medium: str
    role: str
    room: str
    room_code: str
    building: str
    estate: str

    @staticmethod
    def resolve_room(row: object) -> str:
        """The room's number."""
        return str(row.room.number)  # type: ignore[attr-defined]

    @staticmethod
    def resolve_room_code(row: object) -> str:
        """The room's code."""
        return str(row.room.code)  # type: ignore[attr-defined]

    @staticmethod
    def resolve_building(row: object) -> str:
        """The building's code."""
        return str(row.room.floor.staircase.building.code)  # type: ignore[attr-defined]

    @staticmethod
    def resolve_estate(row: object) -> str:
        """The estate's code."""
        return str(row.room.floor.staircase.building.estate.code)  # type: ignore[attr-defined]


class RegisterOut(Schema):
    """A register; `id` names it in the other calls."""

    id: int
    key: str
    obis: str
    name: str
    unit: str
    kind: str
    period_s: int
    billing: bool


class LoadProfile(Schema):
    """Arrays over a UTC grid from `start` in steps of `period_s`; `values` are decimal text, null where absent."""

    register_id: int
    start: datetime
    period_s: int
    unit: str
    values: list[str | None]
    quality: list[int]


class LatestValue(Schema):
    """The newest value of a register; `value` null with its `reason` where there is none."""

    register_id: int
    value: Decimal | None
    text: str
    quality: int
    reason: str
    meter_time: datetime
    received: datetime


class Day(Schema):
    """A local day."""

    day: date
    present: int
    expected: int


class Completeness(Schema):
    """Days in order."""

    estate: str
    days: list[Day]


class Device(Schema):
    """A meter heard on a bus."""

    identity: str
    medium: str
    first_seen: datetime | None
    gateway: str
