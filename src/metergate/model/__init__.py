"""The nouns of metering: frozen values from the standard library only, known to every other package."""

from metergate.model.command import (
    CloseValve,
    Command,
    CommandResult,
    Connect,
    Disconnect,
    Freeze,
    LimitPower,
    OpenValve,
    Outcome,
    ReadNow,
    ReadProfile,
    Season,
    SetClock,
    SetPassword,
    SetTariffTable,
    SpecialDay,
    Switching,
)
from metergate.model.event import Event, Severity
from metergate.model.meter import Medium, MeterIdentity
from metergate.model.obis import Obis
from metergate.model.reading import Function, Quality, Reading, Register, TimeQuality
from metergate.model.unit import Unit

__all__ = [
    "CloseValve",
    "Command",
    "CommandResult",
    "Connect",
    "Disconnect",
    "Event",
    "Freeze",
    "Function",
    "LimitPower",
    "Medium",
    "MeterIdentity",
    "Obis",
    "OpenValve",
    "Outcome",
    "Quality",
    "ReadNow",
    "ReadProfile",
    "Reading",
    "Register",
    "Season",
    "SetClock",
    "SetPassword",
    "SetTariffTable",
    "Severity",
    "SpecialDay",
    "Switching",
    "TimeQuality",
    "Unit",
]
