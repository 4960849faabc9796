"""Meters of DLMS/COSEM: whoever accepts, or refuses, an association of the public client is there."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import cycle

from metergate.errors import MetergateError, NoAnswer, Refused
from metergate.meters.pollers import dlms_datagrams as datagrams
from metergate.meters.scan.base import Hit, Survey
from metergate.model import Obis
from metergate.wire.base import Dialogue
from metergate.wire.dlms.apdu import Attribute
from metergate.wire.dlms.client import Client, Entrance
from metergate.wire.dlms.wrapper import client as wrapper
from metergate.wire.hdlc import client as hdlc
from metergate.wire.hdlc.address import Address

HDLC, WRAPPER = "dlms-hdlc", "dlms-wrapper"
PUBLIC, MANAGEMENT = 16, 1
"""The client without rights, and the logical device that every meter has."""
PHYSICAL = (16, 17, 18, 19, 20, None)
"""Physical addresses that meters come with; None: one-byte addressing, for the only meter of a line."""
DATA, REGISTER, VALUE = 1, 3, 2
NAMES = ("0-0:96.1.0", "0-0:42.0.0")
"""The meter's own number, and the name of its logical device: what first is told is its id."""
ENERGY = "1-0:1.8.0"
_NOTE = "its values are not for everybody: give key_files or a password for its owner's client"
_CLOSED = "it refuses the public client: give it its id, and key_files or a password for its owner's client"


def probe_hdlc(survey: Survey) -> Dialogue[None]:
    """See `Probe`. Over HDLC."""
    settings = hdlc.Settings(timeout=survey.scope.wait(1.0), tries=2)
    for done, physical in enumerate(PHYSICAL):
        if physical is None and any(hit.protocol == HDLC for hit in survey.hits):
            break
        address = str(MANAGEMENT) if physical is None else f"{MANAGEMENT}:{physical}"
        survey.tell(f"server {address}", done, len(PHYSICAL))
        link = hdlc.Link(PUBLIC, Address(MANAGEMENT, physical), settings)
        yield from _visit(survey, Client(link, Entrance()), HDLC, address)
    survey.tell("servers", len(PHYSICAL), len(PHYSICAL))


def probe_wrapper(survey: Survey) -> Dialogue[None]:
    """See `Probe`. Over TCP, where a connection is one meter's, or UDP."""
    wait, address = survey.scope.wait(5.0), str(MANAGEMENT)
    if survey.scope.datagrams:
        way = datagrams.Link(PUBLIC, MANAGEMENT, wait)
        client = datagrams.DatagramClient(way, Entrance(), cycle(range(datagrams.IDS)))
        yield from _visit(survey, client, WRAPPER, address)
        return
    link = wrapper.Link(PUBLIC, MANAGEMENT, wrapper.Settings(wait))
    yield from _visit(survey, Client(link, Entrance()), WRAPPER, address)


def _visit(survey: Survey, client: Client, protocol: str, address: str) -> Dialogue[None]:
    """Associate, ask who it is and whether it tells its energy, release."""
    nameless = f"dlms-{address.replace(':', '-')}"
    try:
        yield from client.associate()
    except NoAnswer:
        return
    except Refused:
        survey.found(Hit(protocol, nameless, address, "DLMS meter", note=_CLOSED, sure=False))
        return
    except MetergateError as error:
        survey.problem(f"DLMS server {address}: {error}")
        return
    names = [name for name in (yield from _texts(client, NAMES)) if name]
    open_ = yield from _tells(client)
    yield from client.release()
    number = names[0] if names else nameless
    title = "DLMS meter" + "".join(f", {name}" for name in names[1:])
    survey.found(Hit(protocol, number, address, title, note="" if open_ else _NOTE, sure=open_))


def _texts(client: Client, codes: Iterable[str]) -> Dialogue[list[str]]:
    """What the meter says under these names, as text; empty where it says nothing."""
    found: list[str] = []
    for code in codes:
        try:
            held = (yield from client.get(Attribute(DATA, Obis.parse(code).octets, VALUE))).value
        except MetergateError:
            held = None
        found.append(_text(held) if isinstance(held, bytes | str) else "")
    return found


def _text(held: bytes | str) -> str:
    """Printable octets as text, others in hex."""
    text = held if isinstance(held, str) else held.decode("latin-1")
    text = text.strip("\0 ")
    return text if text.isascii() and text.isprintable() else text.encode("latin-1", "replace").hex()


def _tells(client: Client) -> Dialogue[bool]:
    """Whether everybody is told the energy."""
    try:
        yield from client.get(Attribute(REGISTER, Obis.parse(ENERGY).octets, VALUE))
    except MetergateError:
        return False
    return True
