"""The shipped maps: well formed, proven by their examples, and none in another's way. And what a map may not be."""

from decimal import Decimal
from pathlib import Path

import pytest

from metergate.errors import ConfigError
from metergate.meters.examples import check_example, check_map, corpora, decode, source
from metergate.meters.map import MeterMap, find_map, generic, load_map, load_maps
from metergate.meters.translate import Translator
from metergate.model import Function, Medium, MeterIdentity, Obis, Reading, Register, Unit
from metergate.wire.base import Telegram

MAPS = load_maps()
CORPORA = corpora() or Path(__file__).parents[2].parent / "shared/corpora"
FOLDER = CORPORA if CORPORA.is_dir() else None
OPEN = ("MIT", "BSD-3-Clause", "MPL-2.0", "Apache-2.0", "BSD")


def test_there_are_many_models_of_all_protocols() -> None:
    assert len(MAPS) >= 40
    assert {"sml", "mbus", "wmbus", "dlt645", "cjt188"} <= {one.protocol for one in MAPS.values()}


@pytest.mark.parametrize("name", MAPS)
def test_every_example_decodes_to_what_its_map_claims(name: str) -> None:
    one = MAPS[name]
    assert check_map(one, FOLDER) == []
    results = [check_example(one, example, FOLDER) for example in one.example]
    if FOLDER is None and all(result is None for result in results):
        pytest.skip("its telegrams are in the corpora, which are not here")
    assert any(example.values for example in one.example)


@pytest.mark.parametrize("name", MAPS)
def test_among_all_maps_the_right_one_is_found(name: str) -> None:
    one = MAPS[name]
    for example in one.example:
        found = source(example, FOLDER)
        for telegram in decode(one, found) if found else ():
            assert telegram.meter is not None
            if telegram.readings:
                assert find_map(MAPS.values(), one.protocol, telegram.meter) is one


@pytest.mark.parametrize("name", MAPS)
def test_only_free_telegrams_stand_in_the_files(name: str) -> None:
    for example in MAPS[name].example:
        assert example.corpus is not None or example.licence in OPEN


MEASURED = {
    "energy": Unit.KWH,
    "reactive_energy": Unit.KVARH,
    "apparent_energy": Unit.KVAH,
    "power": Unit.W,
    "reactive_power": Unit.VAR,
    "apparent_power": Unit.VA,
    "demand": Unit.KW,
    "voltage": Unit.V,
    "current": Unit.A,
    "frequency": Unit.HZ,
    "volume": Unit.M3,
    "volume_flow": Unit.M3_PER_H,
    "flow_temperature": Unit.DEG_C,
    "return_temperature": Unit.DEG_C,
}
"""Quantities and a unit of each."""
SAID_IN_WATTS = {"reactive_power": "power", "apparent_power": "power", "reactive_energy": "energy"}
"""M-Bus meters that call reactive values power and energy, and give them in W and Wh."""


@pytest.mark.parametrize("name", MAPS)
def test_codes_names_and_units_agree(name: str) -> None:
    """What a code is of has a unit of its kind, and is what the row is called and the protocol calls it."""
    for row in MAPS[name].register:
        quantity = generic().quantity(row.obis) if row.obis else None
        if quantity is None:
            continue
        wattless = row.quantity is not None and row.quantity == SAID_IN_WATTS.get(quantity)
        if quantity in MEASURED and row.unit:
            assert row.unit.into(MEASURED[SAID_IN_WATTS[quantity] if wattless else quantity]), row.name
        if row.quantity and row.quantity not in ("dimensionless", *(medium.value for medium in Medium)):
            assert wattless or row.quantity == quantity, row.name
        if row.name.startswith(("voltage", "current", "frequency", "power_factor", "reactive_power", "apparent_power")):
            assert row.name.startswith(quantity), row.name


GOOD = """brand = "B"
model = "M"
protocol = "mbus"
medium = "water"
[match]
manufacturer = "ABC"
[[register]]
name = "total"
quantity = "volume"
obis = "8-0:1.0.0"
"""
EXAMPLE = '[[example]]\ntelegram = "00"\norigin = "o"\nlicence = "MIT"\n[example.values]\ntotal = "1 m3"\n'


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (GOOD + 'nmae = "x"', 11, "did you mean 'name'"),
        (GOOD + '[[register]]\nname = "total"\nquantity = "energy"', 1, "two registers are called 'total'"),
        (GOOD + '[[register]]\nname = "x"', 11, "names no value"),
        (GOOD + '[[register]]\nname = "x"\nobis = "x.y"', 13, "no OBIS code"),
        (GOOD + '[[register]]\nname = "x"\nquantity = "q"\nunit = "m3h"', 14, "did you mean 'm3/h'"),
        (GOOD + '[[register]]\nname = "x"\nquantity = "q"\nfunction = "max"', 14, "maximum"),
        (GOOD + EXAMPLE.replace("total =", "totl ="), 1, "no register is called so"),
        (GOOD + EXAMPLE.replace('licence = "MIT"\n', ""), 11, "licence"),
        (GOOD + '[[example]]\n[example.values]\ntotal = "1"', 11, "either telegram"),
    ],
)
def test_mistakes_in_maps(tmp_path: Path, text: str, line: int, words: str) -> None:
    file = tmp_path / "b_m.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_map(file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert words in str(caught.value)


def broken(tmp_path: Path, example: str) -> list[str]:
    file = tmp_path / "b_m.toml"
    file.write_text(GOOD + example)
    return check_map(load_map(file))


def test_a_wrong_example_is_found_out(tmp_path: Path) -> None:
    shipped = MAPS["elster_tmpa"]
    hexed = shipped.example[0].telegram
    right = next(iter(shipped.example[0].values.values()))
    text = EXAMPLE.replace('"00"', f'"""{hexed}"""').replace('"1 m3"', f'"{right}"')
    assert any("does not match" in found for found in broken(tmp_path, text))
    assert any("not in the telegram" in found for found in broken(tmp_path, EXAMPLE))
    assert broken(tmp_path, "") == ["a map proves itself by at least one example"]


def register(quantity: str | None, **more: object) -> Register:
    return Register("m", quantity=quantity, unit=Unit.M3, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("medium", "given", "expected"),
    [
        (Medium.COLD_WATER, register("volume"), "8-0:1.0.0"),
        (Medium.WATER, register("volume", storage=3), "8-0:1.0.0*3"),
        (Medium.HOT_WATER, register("volume"), "9-0:1.0.0"),
        (Medium.HEAT, register("energy"), "6-0:1.0.0"),
        (Medium.HEAT_INLET, register("volume"), "6-0:2.0.0"),
        (Medium.COOLING, register("energy", storage=1), "5-0:1.0.0*1"),
        (Medium.HEAT_COST_ALLOCATOR, register("hca"), "4-0:1.0.0"),
        (Medium.GAS, register("volume"), "7-0:3.0.0"),
        (Medium.HEAT, register("power"), "6-0:8.0.0"),
        (Medium.HEAT, register("volume_flow"), "6-0:9.0.0"),
        (Medium.HEAT, register("flow_temperature"), "6-0:10.0.0"),
        (Medium.HEAT, register("return_temperature"), "6-0:11.0.0"),
        (Medium.ELECTRICITY, register("energy", tariff=2), "1-0:1.8.2"),
        (Medium.ELECTRICITY, register("energy", address="energy:negative"), "1-0:2.8.0"),
        (Medium.WATER, register("volume", address="volume:negative"), None),
        (Medium.WATER, register("volume", function=Function.MAXIMUM), None),
        (Medium.HEAT, register("volume", subunit=1), None),
        (Medium.HEAT, register("power", tariff=1), None),
        (Medium.WATER, register("volume", storage=300), None),
        (Medium.WATER, register(None), None),
        (None, register("volume"), None),
    ],
)
def test_generic_codes(medium: Medium | None, given: Register, expected: str | None) -> None:
    assert generic().obis(medium, given) == (Obis.parse(expected) if expected else None)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("1-0:1.8.0", "energy"),
        ("1-0:2.8.2", "energy"),
        ("1-3:1.8.0*4", "energy"),
        ("1-0:7.8.0", "reactive_energy"),
        ("1-0:9.8.1", "apparent_energy"),
        ("1-0:1.6.1", "demand"),
        ("1-0:1.5.0", "demand"),
        ("1-0:1.7.0", "power"),
        ("1-0:76.7.0", "power"),
        ("1-0:63.7.0", "reactive_power"),
        ("1-0:52.7.0", "voltage"),
        ("1-0:91.7.0", "current"),
        ("1-0:33.7.0", "power_factor"),
        ("1-0:81.7.26", "phase_angle"),
        ("1-0:14.7.0", "frequency"),
        ("8-0:1.0.0", "volume"),
        ("7-0:3.1.0", "volume"),
        ("6-0:1.0.0*1", "energy"),
        ("6-0:11.0.0", "return_temperature"),
        ("4-0:1.0.0", "hca"),
        ("1-0:32.7.1", None),
        ("1-0:99.1.0", None),
        ("0-0:96.1.0", None),
    ],
)
def test_what_a_code_is_of(code: str, expected: str | None) -> None:
    assert generic().quantity(Obis.parse(code)) == expected


def test_the_codes_of_the_table_are_of_what_they_stand_under() -> None:
    table = generic()
    named = ((name, code) for medium, codes in table.table.items() if medium != "like" for name, code in codes.items())
    for name, code in named:
        assert table.quantity(Obis.parse(code.replace("*", "3"))) == name.partition(":")[0], code


def test_a_generic_table_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[like]\n[water]\nvolume = "8-1:1.0.0"')
    assert generic(file).obis(Medium.WATER, register("volume")) == Obis(8, 1, 1, 0, 0)
    file = tmp_path / "bad.toml"
    file.write_text('[like]\n[water]\nvolume = "8-1"')
    with pytest.raises(ConfigError, match="water.volume"):  # noqa: RUF043
        generic(file)


def telegram(*registers: Register, meter: str = "m", manufacturer: str = "ABC") -> Telegram:
    identity = MeterIdentity(meter, manufacturer, Medium.WATER)
    readings = tuple(Reading(one, Decimal(1)) for one in registers)
    return Telegram("mbus", 0, 0, True, meter=identity, readings=readings)


def own(tmp_path: Path) -> MeterMap:
    file = tmp_path / "b_m.toml"
    file.write_text(
        GOOD + '[[register]]\nname = "back"\naddress = "volume:negative"\nquantity = "volume"\nobis = "8-0:2.0.0"'
    )
    return load_map(file)


def test_a_map_names_and_codes_its_registers(tmp_path: Path) -> None:
    translate = Translator([own(tmp_path)])
    total, back = register("volume"), register("volume", address="volume:negative")
    other = register("volume", storage=1)
    found = translate(telegram(total, back, other))
    assert [str(reading.obis) for reading in found] == ["8-0:1.0.0", "8-0:2.0.0", "8-0:1.0.0*1"]
    assert [translate.name(reading.register) for reading in found] == ["total", "back", "volume"]


def test_registers_are_learnt_once_and_native_codes_pass_untouched(tmp_path: Path) -> None:
    translate = Translator([own(tmp_path)])
    total, native = register("volume"), Register("m", Obis.parse("1-0:1.8.0"))
    first = translate(telegram(total, native))
    second = translate(telegram(total, native))
    assert first[0].register is second[0].register
    assert first[1].register is native


def test_a_chosen_map_goes_before_a_matching_one(tmp_path: Path) -> None:
    one = own(tmp_path)
    stranger = telegram(register("volume"), manufacturer="XYZ")
    assert Translator([one]).map_of(stranger) is None
    assert Translator([one], chosen={"m": one.name}).map_of(stranger) is one


def test_readings_carry_the_number_that_the_gateway_knows(tmp_path: Path) -> None:
    asked = telegram(register("volume"), meter="printed-number")
    (reading,) = Translator([own(tmp_path)])(asked)
    assert reading.meter == "printed-number"
