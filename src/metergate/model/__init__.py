"""The nouns of metering: frozen values from the standard library only, known to every other package."""

from metergate.model.command import (
    CloseValve,
    Command,
    CommandResult,
    Connect,
    Disconnect,
    OpenValve,
    Outcome,
    ReadNow,
    SetClock,
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
    "Function",
    "Medium",
    "MeterIdentity",
    "Obis",
    "OpenValve",
    "Outcome",
    "Quality",
    "ReadNow",
    "Reading",
    "Register",
    "SetClock",
    "Severity",
    "TimeQuality",
    "Unit",
]
