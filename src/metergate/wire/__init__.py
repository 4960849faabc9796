"""Meter protocols: bytes <-> typed frames. No input or output, no clock; both roles.

`protocols()` is the registry: a new protocol is one module and one line here.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from metergate.wire.base import ProtocolEntry

_MODULES = ("sml", "mbus", "wmbus", "dlt645", "cjt188", "dlt698", "gdw376", "mgc1", "modbus", "p1", "tic", "iec62056", "dlms")


@cache
def protocols() -> dict[str, ProtocolEntry]:
    """Every protocol by its name; loaded on first use, in the order in which guesses are tried."""
    entries = (entry for name in _MODULES for entry in import_module(f"metergate.wire.{name}").PROTOCOLS)
    return {entry.name: entry for entry in entries}


@cache
def protocol(name: str) -> ProtocolEntry | None:
    """One protocol by its name without loading the others; None if there is none of that name."""
    module = name.partition("-")[0]
    entries = import_module(f"metergate.wire.{module}").PROTOCOLS if module in _MODULES else ()
    return next((entry for entry in entries if entry.name == name), None)
