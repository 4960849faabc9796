"""Finding out what is on a line: one probe a protocol, each a dialogue that tells of every meter as soon as it is sure.

`run` holds the probes on a line, `text` writes what they found as a gateway's settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from metergate.meters.scan.base import Hit, Probe, Scope, Survey
from metergate.meters.scan.run import scan
from metergate.meters.scan.text import settings

__all__ = ["PROBES", "Hit", "Probe", "Scope", "Survey", "scan", "settings"]


class _Probes(Mapping[str, Probe]):
    """Probes by protocol; a module is loaded when its probe is wanted."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, protocol: str) -> Probe:
        module, name = self._places[protocol].split(":")
        probe: Probe = getattr(import_module(f"{__name__}.{module}"), name)
        return probe

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


PROBES = _Probes(
    {
        "dlt645": "dlt645:probe",
        "cjt188": "cjt188:probe",
        "dlms-hdlc": "dlms:probe_hdlc",
        "mbus": "mbus:probe",
        "modbus": "modbus:probe",
        "modbus-tcp": "modbus:probe_tcp",
        "dlms-wrapper": "dlms:probe_wrapper",
    }
)
"""Protocols whose meters can be looked for, the quick ones first."""
