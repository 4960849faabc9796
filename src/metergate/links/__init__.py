"""Bytes across a wire: serial ports, TCP, TLS, UDP, pseudo terminals, in-memory lines and tapes.

`open_link(address)` opens any of them; `SCHEMES` is the registry.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from metergate.errors import ConfigError
from metergate.links import loop, program, pty, serial, stick, tape, tcp, udp
from metergate.links.address import Address, nearest
from metergate.links.base import Adjustable, Link

__all__ = ["SCHEMES", "Address", "Adjustable", "Link", "Scheme", "check_address", "open_link", "open_pair"]


@dataclass(frozen=True, slots=True)
class Scheme:
    """A kind of line: how it is opened, the settings it knows, and an example for people."""

    open: Callable[[Address], Awaitable[Link]]
    settings: tuple[str, ...]
    example: str


SCHEMES: dict[str, Scheme] = {
    "serial": Scheme(serial.open_serial, serial.SETTINGS, "serial:///dev/ttyUSB0?baud=9600&format=8N1"),
    "tcp": Scheme(tcp.open_tcp, tcp.TCP_SETTINGS, "tcp://meter.example:4059"),
    "tls": Scheme(tcp.open_tls, tcp.TLS_SETTINGS, "tls://meter.example:4059?ca=ca.pem&cert=me.pem&key=me.key"),
    "udp": Scheme(udp.open_udp, udp.SETTINGS, "udp://meter.example:4059"),
    "pty": Scheme(pty.open_pty, pty.SETTINGS, "pty:///path/of/symlink"),
    "loop": Scheme(loop.open_loop, (), "loop://name"),
    "stick": Scheme(stick.open_stick, stick.SETTINGS, "stick://im871a/dev/ttyUSB0?mode=T1"),
    "pipe": Scheme(program.open_program, program.SETTINGS, "pipe:///usr/bin/rtl_wmbus?args=-s"),
    "stdin": Scheme(program.open_stdin, (), "stdin://"),
    "tape": Scheme(tape.open_tape, tape.SETTINGS, "tape:///file?speed=10&loop=1"),
}


def check_address(text: str) -> Address:
    """The parsed address; ConfigError if its form, scheme or a setting is unknown. Opens nothing."""
    address = Address.parse(text)
    scheme = SCHEMES.get(address.scheme)
    if scheme is None:
        raise ConfigError(f"{text!r}: unknown kind of line {address.scheme!r}; {nearest(address.scheme, SCHEMES)}")
    address.check((*scheme.settings, "record"))
    if address.scheme in ("tcp", "tls"):
        address.needs(host=True, port=True, example=f"{address.scheme}://host:port")
    return address


async def open_link(address: str) -> Link:
    """Open a line by its address. ConfigError if the address is wrong, LinkError if the line cannot be opened.

    Any address may have `record=/file`: everything that passes is then written to that tape.
    """
    found = check_address(address)
    tape_file = found.settings.get("record")
    settings = {name: value for name, value in found.settings.items() if name != "record"}
    link = await SCHEMES[found.scheme].open(replace(found, settings=settings))
    return tape.RecordingLink(link, Path(tape_file)) if tape_file else link


async def open_pair() -> tuple[Link, Link]:
    """Both ends of an in-memory line."""
    return loop.pair()
