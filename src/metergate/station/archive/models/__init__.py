"""The archive's tables: places, plant, meters, customers."""

from metergate.station.archive.models.base import Dated, DatedQuerySet, Kept
from metergate.station.archive.models.commercial import Account, Contract, Customer, Occupancy
from metergate.station.archive.models.estate import Building, Estate, Floor, Medium, Room, ServicePoint, Staircase
from metergate.station.archive.models.facts import EstateFacts, PointFacts, RoomFacts
from metergate.station.archive.models.metering import Installation, Meter, Register
from metergate.station.archive.models.plant import Channel, Collector, Gateway, Line

__all__ = [
    "Account",
    "Building",
    "Channel",
    "Collector",
    "Contract",
    "Customer",
    "Dated",
    "DatedQuerySet",
    "Estate",
    "EstateFacts",
    "Floor",
    "Gateway",
    "Installation",
    "Kept",
    "Line",
    "Medium",
    "Meter",
    "Occupancy",
    "PointFacts",
    "Register",
    "Room",
    "RoomFacts",
    "ServicePoint",
    "Staircase",
]
