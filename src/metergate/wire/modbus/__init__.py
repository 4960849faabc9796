"""Modbus RTU, RTU over TCP, and Modbus TCP (MODBUS Application Protocol V1.1b3).

Both roles: `reader` asks, `meter.Meter` answers; `points` says what registers mean, `plan` which are read together.
The requests and answers themselves are pymodbus's, which is loaded when the first of them is needed and not before.
"""

from __future__ import annotations

from functools import partial

from metergate.bits import crc_modbus
from metergate.wire.base import Keys, Options, ProtocolEntry, Receiver, Span

RTU, TCP = "rtu", "tcp"
"""How a request is framed: unit and CRC, or the header of Modbus TCP."""

LONGEST = 256
"""Octets of an RTU frame at most."""

__all__ = ["PROTOCOLS", "RTU", "TCP"]


def _receiver(framing: str, keys: Keys, options: Options) -> Receiver:
    from metergate.wire.modbus.listen import Listener

    return Listener(framing)


def _explain(framing: str, data: bytes, keys: Keys) -> list[Span]:
    from metergate.wire.modbus.explain import explain

    return explain(framing, data)


def _guess(framing: str, data: bytes) -> int:
    """0 without loading anything for what cannot be one frame; else 60 (TCP) or 90 (RTU) where it is one."""
    length = int.from_bytes(data[4:6], "big")
    whole = length + 6 == len(data) and not any(data[2:4]) if framing == TCP else 4 <= len(data) <= LONGEST
    if not whole or (framing == RTU and crc_modbus(data[:-2]) != int.from_bytes(data[-2:], "little")):
        return 0
    from metergate.wire.modbus.frame import looks_like

    return looks_like(framing, data)


def _entry(name: str, framing: str, title: str, document: str) -> ProtocolEntry:
    return ProtocolEntry(
        name, title, document, partial(_receiver, framing), partial(_explain, framing), partial(_guess, framing)
    )


PROTOCOLS = (
    _entry("modbus", RTU, "Modbus RTU, also over TCP", "MODBUS over Serial Line V1.02"),
    _entry("modbus-tcp", TCP, "Modbus TCP", "MODBUS Messaging on TCP/IP V1.0b"),
)
