"""How meters that have to be asked are asked: one module a protocol, so that the rest knows only targets.

A poller makes dialogues; who holds them on which line is the driver's business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module

from metergate.meters.pollers.base import Poller, Target, read_key
from metergate.wire.base import Options

__all__ = ["POLLERS", "Poller", "Target", "read_key"]

Maker = Callable[[Options], Poller]


class _Pollers(Mapping[str, Maker]):
    """Makers by protocol; a module is loaded when its first poller is wanted."""

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, protocol: str) -> Maker:
        module, name = self._places[protocol].split(":")
        maker: Maker = getattr(import_module(f"{__name__}.{module}"), name)
        return maker

    def __contains__(self, protocol: object) -> bool:
        return protocol in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


POLLERS = _Pollers(
    {
        "dlt645": "dlt645:Dlt645Poller",
        "dlt645-1997": "dlt645:poller_1997",
        "cjt188": "cjt188:Cjt188Poller",
        "dlms-hdlc": "dlms:hdlc_poller",
        "dlms-wrapper": "dlms:wrapper_poller",
        "dlt698": "dlt698:Dlt698Poller",
        "gdw376": "gdw376:Gdw376Poller",
        "iec62056-21": "iec62056:Iec62056Poller",
        "mbus": "mbus:MbusPoller",
        "modbus": "modbus:ModbusPoller",
        "modbus-tcp": "modbus:poller_tcp",
    }
)
"""Protocols whose meters speak only when asked: module and maker."""
