"""The register dictionary and what the converters make of odd readings."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from metergate.errors import BadValue
from metergate.model import Obis, Quality, Reading, Register, Unit
from metergate.profiles.arrays import Registers, to_columns, to_readings

AT = datetime(2025, 3, 30, 1, tzinfo=UTC)
WH = Register("1ESY", Obis.parse("1-0:1.8.0"), unit=Unit.WH, scaler=-1)


def test_a_register_has_one_number_for_ever() -> None:
    registers = Registers()
    assert registers.number(WH) == 0
    assert registers.number(Register("other")) == 1
    same = Register("1ESY", Obis.parse("1-0:1.8.0"), unit=Unit.WH, scaler=-1)
    assert same is not WH
    assert registers.number(same) == 0


def test_the_dictionary_survives_json() -> None:
    registers = Registers({7: WH, 3: Register("other", quantity="flow")})
    again = Registers.from_json(registers.to_json())
    assert again.by_number == registers.by_number
    assert again.number(Register("third")) == 8


def test_json_that_is_no_register_is_named() -> None:
    for form in (
        {"meter": 5},
        {"meter": "m", "unit": "furlong"},
        {"meter": "m", "obis": "x"},
        {"meter": "m", "scaler": 1000},
    ):
        with pytest.raises(BadValue):
            Registers.from_json({"0": form})


@pytest.mark.parametrize(
    "reading",
    [
        Reading(WH, "text", received=AT),
        Reading(WH, b"\x01", received=AT),
        Reading(WH, None, received=AT, reason="null"),
        Reading(WH, Decimal("1.23"), received=AT),  # finer than its register
        Reading(WH, Decimal("1.2"), 13, received=AT),  # raw and value disagree
        Reading(WH, Decimal(1 << 63), received=AT),
        Reading(WH, Decimal("1E+1000000"), received=AT),
        Reading(WH, Decimal("NaN"), received=AT),
        Reading(WH, Decimal("1.2"), 12),  # no clock at all
        Reading(WH, Decimal("1.2"), 12, received=AT, notes=("rollover",)),
        Reading(WH, Decimal("1.2"), 12, received=AT, status=1 << 64),
        Reading(WH, Decimal("1.2"), 12, received=AT, quality=Quality.ABSENT),
    ],
    ids=str,
)
def test_what_does_not_fit_the_columns_stays_a_reading(reading: Reading) -> None:
    columns, rest = to_columns([reading], Registers())
    assert len(columns) == 0
    assert rest == [reading]


def test_a_number_is_exact_at_its_scaler() -> None:
    registers = Registers()
    given = [Reading(WH, Decimal("123456789012345678.9"), 1234567890123456789, AT, AT, status=0)]
    columns, rest = to_columns(given, registers)
    assert not rest
    assert columns.value.tolist() == [1234567890123456789]
    assert to_readings(columns, registers.by_number) == given
