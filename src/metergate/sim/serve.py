"""One simulated meter on a port of its own, for a stranger's tool to talk to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

from metergate.errors import ConfigError, LinkError
from metergate.links import Link, open_link
from metergate.links.address import Address
from metergate.links.tcp import Listener, listen
from metergate.links.udp import UdpLink
from metergate.sim.bank import Bank as Answering
from metergate.sim.clock import SimClock
from metergate.sim.household import Household
from metergate.sim.meters import HOT_WATER, PUSHERS, RESPONDERS, Pusher, dlms, dlms_push, modbus, responder
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.base import Responder

Serve = Callable[[Link], Awaitable[None]]
USUAL_IDS = {"cjt188": "47110500000001", "mbus": "62000001", "wmbus": "62000001", "dlt645": "261005000001"}
"""Ids of the form that a protocol wants, for who gives none."""
USUAL_KINDS = {"cjt188": 0x10, "mbus": HOT_WATER, "wmbus": HOT_WATER}
AGE = timedelta(days=400)
"""How long the meter has been counting."""


ADDRESSES: dict[str, Callable[[MeterSpec], str]] = {
    "modbus": lambda spec: str(modbus.unit(spec)),
    "modbus-tcp": lambda spec: str(modbus.unit(spec)),
    "gdw376": lambda spec: f"{spec.id}:1",
    "dlms-hdlc": lambda spec: f"1:{dlms.physical(spec)}",
    "dlms-wrapper": lambda spec: "1",
}
"""How a reader names the meter on its line, where that is not its number."""


def address_of(spec: MeterSpec) -> str:
    """What a reader has to give as address (for a meter that talks by itself: its number)."""
    make = ADDRESSES.get(spec.protocol)
    return make(spec) if make else spec.id


def map_of(spec: MeterSpec) -> str:
    """The map that a reader needs; empty for protocols that do without."""
    return (spec.map or modbus.USUAL) if spec.protocol in ("modbus", "modbus-tcp") else ""


def served() -> list[str]:
    """The protocols that can be served."""
    return sorted({*RESPONDERS, *PUSHERS})


def kinds(protocol: str) -> dict[str, int]:
    """The kinds of a protocol's meters that have names."""
    return {name: row[0] for name, row in dlms_push.KINDS.items()} if protocol == "dlms-push" else {}


def meter_of(protocol: str, number: str, kind: int, key: str, mode: int, every: float, map_name: str = "") -> MeterSpec:
    """What is to be served. ConfigError for a protocol that has no simulated meter."""
    if protocol not in served():
        raise ConfigError(f"{protocol!r} has no simulated meter; there are {', '.join(served())}")
    number = number or USUAL_IDS.get(protocol.partition("-")[0], "10000001")
    return MeterSpec(protocol, number, 0, kind or USUAL_KINDS.get(protocol, 0), key, mode, every, map=map_name)


def bank_of(spec: MeterSpec, now: datetime, speed: float, seed: int) -> Bank:
    """A household of its own, with roof and gas heating, metered since a good year."""
    since = (now - AGE).date()
    home = Household(seed, persons=3, pv_watts=4800, since=since)
    clock = SimClock(now.timestamp(), now, speed)
    return Bank((home,), (spec,), clock, datetime.combine(since, datetime.min.time(), now.tzinfo))


async def serve(spec: MeterSpec, bank: Bank, port: str, tell: Callable[[str], None]) -> None:
    """Until cancelled. `tcp://host:port` listens there and `udp://:port?bind=host` takes datagrams (port 0: any free
    one); other addresses are opened.

    `tell` is given the address at which the meter can be reached. LinkError if the port cannot be had.
    """
    talk = _pushing(spec, bank) if spec.protocol in PUSHERS else _answering(responder(spec, bank), bank.time)
    address = Address.parse(port)
    if address.scheme == "tcp":
        address.needs(host=True, example="tcp://127.0.0.1:10001")
        await _listen(address, talk, tell)
        return
    link = await open_link(port if "://" in port or _is_device(port) else f"pty://{_absolute(port)}")
    tell(_called(link, address) if isinstance(link, UdpLink) and not address.host else port)
    await talk(link)


def _called(link: UdpLink, address: Address) -> str:
    """How a socket that takes datagrams is called from this machine, or from where it is bound."""
    return f"udp://{address.settings.get('bind', '127.0.0.1')}:{link.port}"


def _is_device(port: str) -> bool:
    return Path(port).is_char_device()


def _absolute(port: str) -> Path:
    return Path(port).absolute()


async def _listen(address: Address, talk: Serve, tell: Callable[[str], None]) -> None:
    server: Listener = await listen(address.host, address.port or 0, talk)
    tell(f"tcp://{address.host}:{server.port}")
    try:
        await asyncio.Event().wait()
    finally:
        await server.close()


def _answering(meter: Responder, clock: SimClock) -> Serve:
    """All callers talk to the same meter."""

    async def talk(link: Link) -> None:
        await Answering(link, [meter], clock, delay=(0.0, 0.002)).run()
        meter.silence()

    return talk


def _pushing(spec: MeterSpec, bank: Bank) -> Serve:
    """Every caller hears all that is pushed from now on."""
    pusher = Pusher(spec, bank)

    async def talk(link: Link) -> None:
        try:
            while True:
                for frame in pusher.frames(bank.time.now()):
                    await link.write(frame)
                await asyncio.sleep(spec.every * random.uniform(0.99, 1.01))  # noqa: S311 - pacing, not secrets
        except LinkError:
            return

    return talk
