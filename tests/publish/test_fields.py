"""Registers find their fields by table; what is stored, extreme or unknown has none."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.model import Function, Medium, Obis, Register, Unit
from metergate.publish.fields import BY_OBIS, derive, field_of


@pytest.mark.parametrize(
    ("code", "unit", "name", "factor"),
    [
        ("1-0:1.8.0", Unit.WH, "import", "0.001"),
        ("1-0:1.8.0", Unit.KWH, "import", "1"),
        ("1-1:2.8.0", Unit.MWH, "export", "1000"),
        ("1-0:1.8.2", Unit.WH, "import_t2", "0.001"),
        ("1-0:16.7.0", Unit.W, "power", "0.001"),
        ("1-0:1.7.0", Unit.KW, "import_power", "1"),
        ("1-0:52.7.0", Unit.V, "voltage_l2", "1"),
        ("1-0:71.7.0", Unit.MA, "current_l3", "0.001"),
        ("7-0:3.0.0", Unit.M3, "volume", "1"),
        ("8-0:1.0.0", Unit.L, "volume", "0.001"),
        ("6-0:1.0.0", Unit.GJ, "energy", "1"),
        ("5-0:1.0.0", Unit.GJ, "cooling_energy", "1"),
        ("6-0:8.0.0", Unit.W, "power", "0.001"),
    ],
)
def test_field_by_obis(code: str, unit: Unit, name: str, factor: str) -> None:
    found = field_of(Register("m", Obis.parse(code), unit=unit))
    assert found is not None
    assert (found.name, found.factor(unit)) == (name, Decimal(factor))


@pytest.mark.parametrize(
    ("quantity", "unit", "medium", "name", "device_class"),
    [
        ("energy", Unit.KWH, Medium.ELECTRICITY, "import", "energy"),
        ("energy", Unit.MJ, Medium.HEAT, "energy", "energy"),
        ("volume", Unit.M3, Medium.WATER, "volume", "water"),
        ("volume", Unit.M3, Medium.GAS, "volume", "gas"),
        ("volume", Unit.M3, Medium.HEAT, "volume", "volume"),
        ("flow_temperature", Unit.DEG_C, Medium.HEAT, "flow_temperature", "temperature"),
    ],
)
def test_field_by_quantity(quantity: str, unit: Unit, medium: Medium, name: str, device_class: str) -> None:
    found = field_of(Register("m", None, quantity, unit), medium)
    assert found is not None
    assert (found.name, found.device_class) == (name, device_class)


@pytest.mark.parametrize(
    "register",
    [
        Register("m", Obis.parse("1-0:1.8.0*01"), unit=Unit.WH),
        Register("m", Obis.parse("1-0:1.8.0"), unit=Unit.V),
        Register("m", Obis.parse("1-0:1.8.0")),
        Register("m", Obis.parse("1-0:96.1.0")),
        Register("m", None, "volume", Unit.M3, storage=1),
        Register("m", None, "volume", Unit.M3, tariff=1),
        Register("m", None, "power", Unit.W, function=Function.MAXIMUM),
        Register("m", None, "volume", Unit.KWH),
        Register("m", None, "colour"),
    ],
)
def test_what_has_no_field(register: Register) -> None:
    assert field_of(register) is None


def test_totals_from_tariffs_and_power_from_both_directions() -> None:
    values = {
        "import_t1": Decimal("1.5"),
        "import_t2": Decimal(2),
        "import_power": Decimal(0),
        "export_power": Decimal(3),
    }
    derive(values)
    assert values["import"] == Decimal("3.5")
    assert values["power"] == -3
    assert "export" not in values


@given(st.dictionaries(st.sampled_from(sorted({f.name for f in BY_OBIS.values()})), st.decimals(-9, 9, places=3)))
def test_deriving_never_changes_what_is_known(values: dict[str, Decimal]) -> None:
    known = dict(values)
    derive(values)
    assert {name: values[name] for name in known} == known
    again = dict(values)
    derive(again)
    assert again == values
