"""What simulated meters of every protocol say, and what their readers say to them."""

from datetime import UTC, datetime

from dialogues import Talk
from metergate.meters.pollers import POLLERS, Target
from metergate.sim.meters import PUSHERS, RESPONDERS, Pusher, responder
from metergate.sim.serve import address_of, bank_of, map_of, meter_of

NOW = datetime(2026, 11, 22, 4, 30, tzinfo=UTC)
ASKED = tuple(protocol for protocol in RESPONDERS if protocol in POLLERS)
LISTENERS = {"iec62056-d": "iec62056-21"}
"""Protocols whose telegrams are another's."""


def frames_of(protocol: str) -> list[bytes]:
    """Both ways of a reading, or one push."""
    spec = meter_of(protocol, "", 0, "", 0, 1.0)
    bank = bank_of(spec, NOW, 1.0, seed=5)
    if protocol in PUSHERS:
        return Pusher(spec, bank).frames(NOW)
    heard: list[bytes] = []

    def up(data: bytes) -> list[bytes]:
        heard.append(data)
        return [data]

    talk = Talk([responder(spec, bank)], now=NOW, up=up)
    telegram = talk.run(POLLERS[protocol]({}).read(Target(spec.id, address_of(spec), map=map_of(spec))))
    assert telegram.readings
    return [data for data in (*talk.sent, *heard) if data]
