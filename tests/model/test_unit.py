"""Units convert exactly or not at all."""

from decimal import Decimal

import pytest

from metergate.model import Unit
from metergate.model.unit import DLMS_CODES, DLMS_UNITS


@pytest.mark.parametrize(
    ("one", "other", "factor"),
    [
        (Unit.KWH, Unit.WH, "1000"),
        (Unit.GJ, Unit.MJ, "1000"),
        (Unit.KWH, Unit.MJ, "3.6"),
        (Unit.M3, Unit.L, "1000"),
        (Unit.H, Unit.S, "3600"),
    ],
)
def test_factor(one: Unit, other: Unit, factor: str) -> None:
    assert one.into(other) == Decimal(factor)


def test_energy_is_no_volume() -> None:
    with pytest.raises(ValueError, match="kWh cannot be turned into m3"):
        Unit.KWH.into(Unit.M3)


def test_dlms_codes_come_back() -> None:
    assert all(DLMS_UNITS[code] is unit for unit, code in DLMS_CODES.items())
