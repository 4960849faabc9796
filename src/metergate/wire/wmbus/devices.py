"""Device types of EN 13757-3 as media."""

from __future__ import annotations

from metergate.model import Medium

MEDIA = {
    **dict(enumerate(list(Medium)[:16])),
    0x15: Medium.HOT_WATER,
    0x16: Medium.COLD_WATER,
    0x17: Medium.DUAL_WATER,
    0x18: Medium.PRESSURE,
    0x19: Medium.AD_CONVERTER,
    0x1A: Medium.SMOKE,
    0x1B: Medium.ROOM_SENSOR,
    0x1C: Medium.GAS_DETECTOR,
    0x36: Medium.RADIO_CONVERTER,
    0x37: Medium.RADIO_CONVERTER,
}


def medium(device: int) -> Medium | None:
    """What a device of this type measures; None for types that measure nothing, or are reserved."""
    return MEDIA.get(device)
