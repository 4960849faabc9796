"""The link layer alone with gurux-dlms' client at the other end: long answers in segments.

One segment a turn: that client (1.0.203) breaks off in its own code where a window holds more.
"""

from datetime import UTC, datetime

import pytest

from metergate.wire.dlms import acse
from metergate.wire.hdlc import Parameters
from metergate.wire.hdlc.server import Settings, Station

gurux_dlms = pytest.importorskip("gurux_dlms")
from gurux_dlms.enums import Authentication, InterfaceType, ObjectType  # noqa: E402
from gurux_dlms.objects import GXDLMSData  # noqa: E402

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LONG = bytes(number % 251 for number in range(3000))


class Application:
    """Opens every association and answers every GET with one long octet string."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def __call__(self, client: int, server: int, apdu: bytes, now: datetime) -> bytes:
        self.heard.append(apdu)
        if apdu[0] == acse.AARQ:
            return acse.Aare(user_information=bytes.fromhex("0800065f1f0400000018ffff0007")).encode()
        return bytes((0xC4, 1, apdu[2], 0, 9, 0x82)) + len(LONG).to_bytes(2) + LONG


@pytest.mark.parametrize("size", [64, 128, 400])
@pytest.mark.parametrize("physical", [None, 17])
def test_a_long_answer(size: int, physical: int | None) -> None:
    app = Application()
    meter = Station(app, (1,), physical, Settings(Parameters(size, size)))
    server = 1 if physical is None else gurux_dlms.GXDLMSClient.getServerAddress(1, physical)
    client = gurux_dlms.GXDLMSClient(True, 16, server, Authentication.NONE, None, InterfaceType.HDLC)
    client.hdlcSettings.maxInfoTX = client.hdlcSettings.maxInfoRX = 500
    turns = 0

    def ask(request: bytes) -> object:
        nonlocal turns
        reply = gurux_dlms.GXReplyData()
        frames = bytes(request)
        while True:
            turns += 1
            line = gurux_dlms.GXByteBuffer()
            line.set(b"".join(meter.receive(frames, NOW)))
            assert client.getData(line, reply)
            if not reply.isMoreData():
                return reply
            frames = bytes(client.receiverReady(reply))

    client.parseUAResponse(ask(client.snrmRequest()).data)  # type: ignore[attr-defined]
    for request in client.aarqRequest():
        client.parseAareResponse(ask(request).data)  # type: ignore[attr-defined]
    turns = 0
    item = GXDLMSData("0.0.96.1.0.255")
    assert item.objectType == ObjectType.DATA
    [request] = client.read(item, 2)
    reply = ask(request)
    assert bytes(reply.value) == LONG  # type: ignore[attr-defined]
    assert turns == -(-(len(LONG) + 11) // size)
    assert len(app.heard) == 2, "each request came once"
