"""The simulated DLMS meter: what it pushes, when asked to and by itself."""

from __future__ import annotations

from datetime import datetime

import pytest

from dialogues import Talk
from dlmshome import AK, BANK, EK, NOON, SPEC, TITLE, truth
from metergate.model import Obis
from metergate.sim.meters import RESPONDERS
from metergate.wire.base import Dialogue
from metergate.wire.dlms import apdu
from metergate.wire.dlms.acse import Context, Mechanism
from metergate.wire.dlms.apdu import Method
from metergate.wire.dlms.client import Client, Entrance
from metergate.wire.dlms.data import i8, i32, u64
from metergate.wire.dlms.security import KeySet
from metergate.wire.dlms.wrapper import client as wrapper
from metergate.wire.hdlc import client as hdlc

PUSH = Method(40, Obis.parse("0-0:25.9.0").octets, 1)
VALUES = {code: truth(code) * 1000 for code in ("1-0:1.8.0", "1-0:2.8.0", "1-0:16.7.0")}


def pushed(client: Client) -> Dialogue[object]:
    """Ask for a push; it may come before the answer or after it."""
    yield from client.associate()
    yield from client.act(PUSH, i8(0))
    if not client.unasked:
        client.unasked.append((yield from client.transport.receive()))
    return apdu.decode(client.unasked[0])


def test_push_when_asked_over_hdlc() -> None:
    door = Entrance(Mechanism.GMAC, Context.LN_CIPHERED, keys=KeySet(EK, AK), title=TITLE)
    talk = Talk([RESPONDERS["dlms-hdlc"](SPEC, BANK)], NOON)
    found = talk.run(pushed(Client(hdlc.Link(1, 1), door)))
    assert isinstance(found, apdu.DataNotification)
    assert found.body[1] == u64(int(VALUES["1-0:1.8.0"] * 10))
    assert found.body[3] == i32(int(VALUES["1-0:16.7.0"]))


def test_push_when_asked_over_the_wrapper() -> None:
    door = Entrance(Mechanism.GMAC, Context.LN_CIPHERED, keys=KeySet(EK, AK), title=TITLE)
    meter = RESPONDERS["dlms-wrapper"](SPEC, BANK)
    talk = Talk([meter], NOON)
    client = Client(wrapper.Link(1, 1), door)
    seen: list[bytes] = []

    def heard(data: bytes) -> list[bytes]:
        seen.append(data)
        return [data]

    talk.up = heard
    talk.run(client.associate())
    talk.run(client.act(PUSH, i8(0)))
    assert seen[-1][2:6] == bytes.fromhex("00010067")
    found = apdu.decode(seen[-1][8:])
    assert isinstance(found, apdu.DataNotification)
    assert found.body[1] == u64(int(VALUES["1-0:1.8.0"] * 10))


@pytest.mark.parametrize("protocol", ["dlms-hdlc", "dlms-wrapper"])
def test_without_keys_there_is_no_manager(protocol: str) -> None:
    bare = type(SPEC)(protocol, SPEC.id, 0)
    talk = Talk([RESPONDERS[protocol](bare, BANK)], NOON)
    link = hdlc.Link(1, 1) if protocol == "dlms-hdlc" else wrapper.Link(1, 1)
    door = Entrance(Mechanism.GMAC, Context.LN_CIPHERED, keys=KeySet(EK, AK), title=TITLE)
    client = Client(link, door)
    with pytest.raises(Exception, match="refuses the association"):
        talk.run(client.associate())
    assert isinstance(talk.now, datetime)
