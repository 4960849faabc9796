"""A simulated meter that everybody may enter in every way, and the line to it."""

from __future__ import annotations

from dlmshome import BANK, SPEC
from dlmsways import KEYS, NOW, Bench, admissions, identity
from metergate.sim.meters.dlms import Meter
from metergate.wire.dlms.server import Server


def bench(way: str = "hdlc", still: bool = False) -> tuple[Bench, Meter]:
    """The meter and its line; `still`: its time does not go on."""
    one = Meter(SPEC, BANK)
    one.identity.keys, one.identity.title = KEYS, identity().title
    one.identity.signing = identity().signing
    one.server = Server(one.device, admissions(), one.identity)
    if still:
        serve = one.server.on_apdu
        one.server.on_apdu = lambda client, server, apdu, now: serve(client, server, apdu, NOW)  # type: ignore[method-assign]
    return Bench(one.server, way), one
