"""Meter protocols: bytes <-> typed frames. No input or output, no clock; both roles.

`protocols()` is the registry: a new protocol is one module and one line here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from importlib import import_module

from metergate.wire.base import ProtocolEntry
from metergate.wire.spans import whole

_MODULES = (
    "sml",
    "mbus",
    "wmbus",
    "dlt645",
    "cjt188",
    "dlt698",
    "gdw376",
    "mgc1",
    "modbus",
    "p1",
    "tic",
    "iec62056",
    "dlms",
)


@cache
def _entries(module: str) -> tuple[ProtocolEntry, ...]:
    """A module's protocols; what they explain leaves no octet out."""
    found: tuple[ProtocolEntry, ...] = import_module(f"metergate.wire.{module}").PROTOCOLS
    return tuple(replace(entry, explain=partial(whole, entry)) for entry in found)


def each_protocol() -> Iterator[ProtocolEntry]:
    """One after the other, in the order in which guesses are tried; a module is loaded when its turn comes."""
    for module in _MODULES:
        yield from _entries(module)


@cache
def protocols() -> dict[str, ProtocolEntry]:
    """Every protocol by its name."""
    return {entry.name: entry for entry in each_protocol()}


@cache
def protocol(name: str) -> ProtocolEntry | None:
    """One protocol by its name without loading the others; None if there is none of that name."""
    module = name.partition("-")[0]
    entries = _entries(module) if module in _MODULES else ()
    return next((entry for entry in entries if entry.name == name), None)
