"""Values as pages show them: numbers with their unit, counts without decimals, words where there is no number."""

from __future__ import annotations

from decimal import Decimal

import pytest

from metergate.station.web import numbers


@pytest.mark.parametrize(
    ("value", "said", "unit", "shown"),
    [
        (Decimal("2662380"), "", "Wh", ("2,662.38", "kWh")),
        (Decimal("5586.320000"), "5586.32", "kWh", ("5,586.32", "kWh")),
        (Decimal("3.000000"), "", "", ("3", "")),
        (Decimal("0.250000"), "", "", ("0.25", "")),
        (None, "    HEURE  CREUSE", "", ("HEURE  CREUSE", "")),
        (None, "", "kvar", (numbers.MISSING, "kvar")),
        (None, " ", "Wh", (numbers.MISSING, "kWh")),
    ],
)
def test_what_is_shown(value: Decimal | None, said: str, unit: str, shown: tuple[str, str]) -> None:
    assert numbers.newest(value, said, unit) == shown
