"""A meter on HDLC whose application tells what it heard."""

from datetime import datetime

from metergate.wire.hdlc import Parameters, server


class Echo:
    """An application that answers every APDU with its number and the APDU backwards, and remembers all of them."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, int, bytes]] = []
        self.closed: list[tuple[int, int]] = []
        self.mute = False

    def __call__(self, client: int, server: int, apdu: bytes, now: datetime) -> bytes | None:
        self.heard.append((client, server, apdu))
        return None if self.mute else self.answer(len(self.heard), apdu)

    @staticmethod
    def answer(number: int, apdu: bytes) -> bytes:
        return number.to_bytes(4) + apdu[::-1]

    def close(self, client: int, server: int) -> None:
        self.closed.append((client, server))


def station(app: Echo, parameters: Parameters | None = None, physical: int | None = None) -> server.Station:
    return server.Station(app, (1, 2), physical, server.Settings(parameters or Parameters()), app.close)
