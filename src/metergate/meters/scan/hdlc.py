"""Meters of DLMS/COSEM on an HDLC line: whoever accepts, or refuses, a connection of the public client is there."""

from __future__ import annotations

from metergate.errors import MetergateError, NoAnswer, Refused
from metergate.meters.scan.base import Hit, Survey
from metergate.wire.base import Dialogue
from metergate.wire.hdlc.address import Address
from metergate.wire.hdlc.client import Link, Settings

PROTOCOL = "dlms-hdlc"
PUBLIC, MANAGEMENT = 16, 1
"""The client without rights, and the logical device that every meter has."""
PHYSICAL = (16, 17, 18, 19, 20, None)
"""Physical addresses that meters come with; None: one-byte addressing, for the only meter of a line."""


def probe(survey: Survey) -> Dialogue[None]:
    """See `Probe`."""
    settings = Settings(timeout=survey.scope.wait(1.0), tries=2)
    for done, physical in enumerate(PHYSICAL):
        if physical is None and any(hit.protocol == PROTOCOL for hit in survey.hits):
            break
        survey.tell(f"server {physical or MANAGEMENT}", done, len(PHYSICAL))
        link = Link(PUBLIC, Address(MANAGEMENT, physical), settings)
        try:
            yield from link.connect()
        except NoAnswer:
            continue
        except Refused:
            pass
        except MetergateError as error:
            survey.problem(f"DLMS server {physical or MANAGEMENT}: {error}")
            continue
        else:
            yield from link.disconnect()
        where = str(MANAGEMENT if physical is None else physical)
        survey.found(Hit(PROTOCOL, f"dlms-{where}", where, "DLMS/COSEM meter", note=_NOTE, sure=False))
    survey.tell("servers", len(PHYSICAL), len(PHYSICAL))


_NOTE = "give it an id, and the key or password of its owner's client"
