"""Writes maps of Modbus meters from register tables in JSON, one file a model.

    scripts/modbus_maps.py FOLDER            FOLDER/*.json -> src/metergate/meters/maps/<brand>_<model>_modbus.toml

A table has `name`, `origin`, `licence` and `registers` with name, address, function, type, words, word_order, divisor,
unit, obis and, where it is known, the `source_call` by which the origin reads the register: where the two disagree, the
call is right. Each map gets an example made from itself: it proves that the file says what it means, not that the
meter agrees.
"""

from __future__ import annotations

import json
import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

from metergate.errors import BadValue
from metergate.meters.map import FOLDER, load_map
from metergate.model import Obis, Unit
from metergate.wire.contract import plain
from metergate.wire.modbus.points import Kind, Point, WordOrder, encode, reading

Row = dict[str, Any]
MODELS = {
    "ABB": ("ABB", "A and B series", "abb_ab"),
    "CGEM24": ("Carlo Gavazzi", "EM24", "carlo_gavazzi_em24"),
    "CGEM24_E1": ("Carlo Gavazzi", "EM24 E1", "carlo_gavazzi_em24_e1"),
    "CGEX3X0": ("Carlo Gavazzi", "EM/ET 330/340", "carlo_gavazzi_ex3x0"),
    "DDM": ("any", "DDM18SD", "ddm18sd"),
    "DMG610": ("Lovato", "DMG610", "lovato_dmg610"),
    "DS100": ("B+G e-tech", "DS100", "bg_ds100"),
    "DTSU666": ("Chint", "DTSU666", "chint_dtsu666"),
    "DZG": ("DZG", "DVH4013", "dzg_dvh4013"),
    "ELTAKODSZ15": ("Eltako", "DSZ15DZMOD, DSZ16", "eltako_dsz15"),
    "FIND7M24": ("Finder", "7M.24", "finder_7m24"),
    "FIND7M38": ("Finder", "7M.38", "finder_7m38"),
    "IEM3000": ("Schneider Electric", "iEM3000 series", "schneider_iem3000"),
    "INEPRO": ("Inepro", "PRO 380", "inepro_pro380"),
    "JANITZA": ("Janitza", "B series", "janitza_b"),
    "MPM": ("Bernecker Engineering", "MPM3PM", "bernecker_mpm3pm"),
    "ORNO1P504": ("ORNO", "WE-504", "orno_we504"),
    "ORNO1p": ("ORNO", "WE-514, WE-515", "orno_we514"),
    "ORNO1p525": ("ORNO", "WE-525, WE-526", "orno_we525"),
    "ORNO3p": ("ORNO", "WE-516, WE-517", "orno_we516"),
    "PAC2200": ("Siemens", "PAC2200", "siemens_pac2200"),
    "SBC": ("Saia Burgess", "ALE3", "saia_burgess_ale3"),
    "SDM": ("Eastron", "SDM630", "eastron_sdm630"),
    "SDM120": ("Eastron", "SDM120", "eastron_sdm120"),
    "SDM220": ("Eastron", "SDM220", "eastron_sdm220"),
    "SDM230": ("Eastron", "SDM230", "eastron_sdm230"),
    "SDM54": ("Eastron", "SDM54", "eastron_sdm54"),
    "SDM72": ("Eastron", "SDM72", "eastron_sdm72"),
    "SDM72V2": ("Eastron", "SDM72 v2", "eastron_sdm72_v2"),
    "SEMTR": ("SolarEdge", "SE-MTR-3Y", "solaredge_se_mtr_3y"),
    "WAGO87930": ("WAGO", "879-30xx", "wago_879_30"),
    "WS100": ("B+G e-tech", "WS100", "bg_ws100"),
    "X961A": ("Eastron", "SMART X96-1A", "eastron_x96_1a"),
}
"""Table -> brand, model, and how the file is called."""
UNITS = {"°": "deg"}
CODES = {
    "ImportPower": "1-0:1.7.0",
    "ExportPower": "1-0:2.7.0",
    "ApparentPowerL1": "1-0:29.7.0",
    "ApparentPowerL2": "1-0:49.7.0",
    "ApparentPowerL3": "1-0:69.7.0",
    "ReactivePowerL1": "1-0:23.7.0",
    "ReactivePowerL2": "1-0:43.7.0",
    "ReactivePowerL3": "1-0:63.7.0",
    "ReactiveImportL1": "1-0:23.8.0",
    "ReactiveImportL2": "1-0:43.8.0",
    "ReactiveImportL3": "1-0:63.8.0",
    "ReactiveExportL1": "1-0:24.8.0",
    "ReactiveExportL2": "1-0:44.8.0",
    "ReactiveExportL3": "1-0:64.8.0",
    "ReactiveImportT1": "1-0:3.8.1",
    "ReactiveImportT2": "1-0:3.8.2",
    "ReactiveExportT1": "1-0:4.8.1",
    "ReactiveExportT2": "1-0:4.8.2",
    "SumL1": "1-0:35.8.0",
    "SumL2": "1-0:55.8.0",
    "SumL3": "1-0:75.8.0",
    "SumT1": "1-0:15.8.1",
    "SumT2": "1-0:15.8.2",
}
"""OBIS codes (IEC 62056-61) of names for which the tables give none."""
BITS = {"16": 1, "32": 2, "64": 4}
SHOWN = {"V": "230.5", "A": "1.25", "Hz": "50", "W": "287.5", "VA": "290", "var": "12.5", "kWh": "1234.5"}
"""What the made example shows; a small number for other units."""


def called(row: Row) -> Row:
    """The row, corrected by the call that reads it: `snip32i(100)` tells bits, sign and divisor."""
    found = re.fullmatch(r"snip(?:Int|Float)?(\d\d)?([a-zA-Z])?\(([\d.e]+)\)", row.get("source_call", ""))
    if not found:
        return row
    bits, sign, divisor = found.groups()
    right = dict(row, divisor=Decimal(divisor))
    if bits and BITS[bits] != row["words"]:
        raise ValueError(f"{row['name']}: {row['source_call']} reads {bits} bits, the table has {row['words']} words")
    if sign in ("u", "i", "s") and row["type"][0] in "ui":
        right["type"] = ("u" if sign == "u" else "i") + row["type"][1:]
    return right


def snake(name: str) -> str:
    """`ReactivePowerL1` -> `reactive_power_l1`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).replace("THDL", "THD_L").lower()


def point(row: Row) -> Point:
    """The point of a row."""
    row = called(row)
    code, unit = row.get("obis") or CODES.get(row["name"]), UNITS.get(row["unit"], row["unit"])
    return Point(
        snake(row["name"]),
        row["address"],
        row["function"],
        Kind(row["type"]),
        row["words"],
        WordOrder(row["word_order"]),
        divisor=Decimal(str(row["divisor"])).normalize(),
        unit=Unit(unit) if unit else None,
        obis=Obis.parse(code) if code else None,
    )


def _lines(one: Point) -> list[str]:
    fields = [f'name = "{one.name}"', f"address = {one.address}", f"function = {one.function}"]
    fields.append(f'type = "{one.type.value}"')
    if one.word_order is not WordOrder.MSW:
        fields.append(f'word_order = "{one.word_order.value}"')
    if one.divisor != 1:
        fields.append(f"divisor = {one.divisor:f}")
    if one.unit:
        fields.append(f'unit = "{one.unit.value}"')
    if one.obis:
        fields.append(f'obis = "{one.obis}"')
    return ["", "[[point]]", *fields]


def _example(points: list[Point]) -> list[str]:
    """Registers and values, numbers that differ from point to point."""
    registers, values = [], []
    for number, one in enumerate(points):
        unit = one.unit.value if one.unit else ""
        words = _shown(one, Decimal(SHOWN.get(unit, "2")) + number * Decimal("0.5"))
        held = {(one.function, one.address + at): word for at, word in enumerate(words)}
        value = plain(reading(one, held, "").value)
        registers.append(f'"{one.designator}" = "{"".join(f"{word:04x}" for word in words)}"')
        values.append(f'{one.name} = "{f"{value} {unit}".strip()}"')
    head = ["", "[[example]]", 'origin = "made"', 'licence = "Apache-2.0"']
    return [*head, "", "[example.registers]", *registers, "", "[example.values]", *values]


def _shown(one: Point, value: Decimal) -> list[int]:
    """The registers; of a tenth where the value does not fit."""
    try:
        return encode(one, value)
    except BadValue:
        return _shown(one, value / 10)


def text(table: Row) -> tuple[str, str]:
    """The name of the map, and the map."""
    brand, model, stem = MODELS[str(table["name"]).rpartition("/")[2]]
    points = sorted(map(point, table["registers"]), key=lambda one: (one.function, one.address))
    head = [
        f"# Registers: {str(table['origin']).partition('@')[0]} ({table['licence']}).",
        f'brand = "{brand}"',
        f'model = "{model}"',
        'protocol = "modbus"',
        'medium = "electricity"',
    ]
    lines = [*head, *(line for one in points for line in _lines(one)), *_example(points)]
    return f"{stem}_modbus", "\n".join(lines) + "\n"


def main() -> int:
    for file in sorted(Path(sys.argv[1]).glob("*.json")):
        name, content = text(json.loads(file.read_text("utf-8")))
        path = FOLDER / f"{name}.toml"
        path.write_text(content, "utf-8")
        print(f"{path.name}: {len(load_map(path).point)} registers")
    return 0


if __name__ == "__main__":
    sys.exit(main())
