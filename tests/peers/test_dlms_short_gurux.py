"""gurux-dlms' client reads our DLMS meter by short names: it finds the objects and understands the values."""

from __future__ import annotations

import pytest

from dlmshome import NOON, meter, truth
from dlmspeers import Gurux, served
from metergate.sim.meters.dlms import PASSWORD
from metergate.wire.dlms.server import over_wrapper

pytest.importorskip("gurux_dlms")


@pytest.mark.parametrize(("client", "password"), [(16, None), (17, PASSWORD)], ids=["none", "lls"])
def test_registers(client: int, password: bytes | None) -> None:
    from gurux_dlms.enums import Authentication, InterfaceType
    from gurux_dlms.secure import GXDLMSSecureClient

    one = meter()
    how = Authentication.LOW if password else Authentication.NONE
    with served(lambda: over_wrapper(one.server), NOON) as where:
        stranger = Gurux(GXDLMSSecureClient(False, client, 1, how, password, InterfaceType.WRAPPER), where)
        stranger.connect()
        found = {str(thing.logicalName): thing for thing in stranger.objects()}
        assert {thing.shortName for thing in found.values()} >= {
            each.base for each in one.device if each.base is not None
        }
        assert stranger.read(found["1.0.1.8.0.255"], 2) == truth("1-0:1.8.0") * 10_000
        stranger.line.close()
