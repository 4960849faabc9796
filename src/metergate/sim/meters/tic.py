"""Simulated Linky meters. Of a `MeterSpec`, `kind` 0 is the historical mode (peak and off-peak), 1 the standard."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from metergate.model import Obis
from metergate.sim.meters.base import Frames, source
from metergate.sim.source import HouseholdSource
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.tic.frame import HISTORICAL, STANDARD
from metergate.wire.tic.push import frame

STATUS = 0x003A0001
"""Dry contact open, standard mode, Euridis safe, PLC locked."""


def pusher(spec: MeterSpec, bank: Bank) -> Frames:
    """The meter as it pushes by itself."""
    show = source(spec, bank)
    mode, values = (STANDARD, standard) if spec.kind else (HISTORICAL, historical)

    def frames(now: datetime) -> list[bytes]:
        return [frame(mode, values(spec.id, show, now), now).encode()]

    return frames


def _shown(show: HouseholdSource, now: datetime, code: str, factor: int = 1000) -> int:
    return int((show(Obis.parse(code), now) or Decimal(0)) * factor)


def historical(meter: str, show: HouseholdSource, now: datetime) -> dict[str, int | str]:
    """The groups of the historical mode with an off-peak contract."""
    total = _shown(show, now, "1-0:1.8.0")
    return {
        "ADCO": meter,
        "OPTARIF": "HC..",
        "ISOUSC": 45,
        "HCHC": total * 2 // 5,
        "HCHP": total - total * 2 // 5,
        "PTEC": "HC.." if now.hour < 6 else "HP..",
        "IINST": _shown(show, now, "1-0:31.7.0", 1),
        "IMAX": 90,
        "PAPP": _shown(show, now, "1-0:1.7.0"),
        "HHPHC": "A",
        "MOTDETAT": "000000",
    }


def standard(meter: str, show: HouseholdSource, now: datetime) -> dict[str, int | str]:
    """The groups of the standard mode."""
    total = _shown(show, now, "1-0:1.8.0")
    return {
        "ADSC": meter,
        "VTIC": "02",
        "NGTF": "H PLEINE/CREUSE ",
        "LTARF": "    HEURE  PLEINE" if now.hour >= 6 else "    HEURE  CREUSE",
        "EAST": total,
        "EASF01": total * 2 // 5,
        "EASF02": total - total * 2 // 5,
        "EAIT": _shown(show, now, "1-0:2.8.0"),
        "IRMS1": _shown(show, now, "1-0:31.7.0", 1),
        "URMS1": _shown(show, now, "1-0:32.7.0", 1),
        "PREF": 9,
        "PCOUP": 9,
        "SINSTS": _shown(show, now, "1-0:1.7.0"),
        "SMAXSN": 6000,
        "SINSTI": _shown(show, now, "1-0:2.7.0"),
        "STGE": f"{STATUS:08X}",
        "RELAIS": 0,
        "NTARF": 1 if now.hour < 6 else 2,
        "PRM": f"{meter:0>14}",
    }
