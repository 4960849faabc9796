"""Serial ports, real or pseudo terminals."""

from __future__ import annotations

import asyncio
import re

import serialx

from metergate.errors import ConfigError, LinkError
from metergate.links.address import Address
from metergate.links.descriptor import DescriptorLink
from metergate.links.reasons import serial_reason
from metergate.links.transport import TransportLink

SETTINGS = ("baud", "format", "gather")
GATHER = 0.02
_FORMAT = re.compile(r"([5-8])([NEO])([12])", re.IGNORECASE)


def line_format(text: str) -> tuple[int, str, int]:
    """`8N1` -> (8, "N", 1): data bits, parity N, E or O, stop bits. ConfigError if it is none."""
    found = _FORMAT.fullmatch(text)
    if not found:
        raise ConfigError(f"{text!r} is no line format: write data bits, parity N, E or O, stop bits, as 8N1 or 7E1")
    bits, parity, stop = found.groups()
    return int(bits), parity.upper(), int(stop)


def byte_time(baud: float, format: str = "8N1") -> float:
    """Seconds a byte takes: start bit, data bits, parity bit if any, stop bits."""
    bits, parity, stop = line_format(format)
    return (1 + bits + (parity != "N") + stop) / baud


class SerialLink(DescriptorLink):
    """A serial port, watched by the event loop itself."""

    def __init__(self, name: str, port: serialx.BaseSerial, baud: int, format: str, gather: float) -> None:
        self._port = port
        self._tuned = (baud, format)
        super().__init__(name, port.fileno(), byte_time(baud, format), gather)

    async def retune(self, baud: int, format: str | None = None) -> None:
        """Go on with `baud` and `format`, once what was written is out. LinkError if the port cannot."""
        format = format or self._tuned[1]
        bits, parity, stop = line_format(format)
        self._check_open()
        try:
            await asyncio.to_thread(self._port.flush)
            if self._tuned == (baud, format):
                return
            await asyncio.to_thread(
                self._port.reconfigure_port,
                baudrate=baud,
                byte_size=bits,
                parity=serialx.Parity(parity),
                stopbits=serialx.StopBits(stop),
            )
        except (OSError, serialx.SerialException, ValueError) as error:
            raise LinkError(f"{self.name}: the port cannot do {baud} {format}: {error}") from error
        self._tuned, self._byte_time = (baud, format), byte_time(baud, format)

    def _release(self, fd: int) -> None:
        self._port.close()


async def open_serial(address: Address) -> DescriptorLink | TransportLink:
    """`/dev/ttyUSB0` or `serial:///dev/ttyUSB0?baud=9600&format=8N1`.

    `gather`: seconds that a line which hands over its bytes singly is left alone between two looks (0.02); up to five
    times as long while that goes on. 0: every byte is fetched as it comes.
    """
    address.needs(path=True, example="serial:///dev/ttyUSB0?baud=9600&format=8N1")
    baud, text = int(address.number("baud", 9600, low=1)), address.settings.get("format", "8N1")
    per_byte, gather = byte_time(baud, text), address.number("gather", GATHER)
    bits, parity, stop = line_format(text)
    try:
        port = serialx.serial_for_url(
            address.path,
            baudrate=baud,
            byte_size=bits,
            parity=serialx.Parity(parity),
            stopbits=serialx.StopBits(stop),
        )
        await asyncio.to_thread(port.open)
        if hasattr(port, "fileno"):
            return SerialLink(address.name, port, baud, text, gather)
        port.close()
        link = TransportLink(address.name, per_byte)
        await serialx.create_serial_connection(
            asyncio.get_running_loop(),
            lambda: link,
            address.path,
            baud,
            byte_size=bits,
            parity=serialx.Parity(parity),
            stopbits=serialx.StopBits(stop),
        )
    except (OSError, serialx.SerialException) as error:
        raise LinkError(f"{address.path}: {serial_reason(address.path, error)}") from error
    return link
