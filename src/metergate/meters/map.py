"""Meter maps: one TOML file a model says which register means what, and proves it with example telegrams.

A map is found by what a telegram tells of its meter (`[match]`), or named in a gateway's settings. Its `[[register]]`
rows give names, and OBIS codes where the wire has none; what no row names goes through the generic table.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from pathlib import Path

from metergate.errors import ConfigError, DecodeError
from metergate.model import Function, Medium, MeterIdentity, Obis, Register, Unit
from metergate.toml import load
from metergate.wire.modbus.points import Point

FOLDER = Path(__file__).parent / "maps"


@dataclass(frozen=True, slots=True)
class Match:
    """Which meters a map is for. A field left out fits all; the map with more fields wins."""

    manufacturer: tuple[str, ...] = ()
    version: tuple[int, ...] = ()
    medium: tuple[Medium, ...] = ()
    id: tuple[str, ...] = ()
    """How the meter's id begins."""
    model: tuple[str, ...] = ()

    @property
    def sharpness(self) -> int:
        """How many fields are asked for."""
        return sum(map(bool, (self.manufacturer, self.version, self.medium, self.id, self.model)))

    def fits(self, meter: MeterIdentity) -> bool:
        """Does the meter have all that is asked for?"""
        return (
            (not self.manufacturer or meter.manufacturer in self.manufacturer)
            and (not self.version or meter.version in self.version)
            and (not self.medium or meter.medium in self.medium)
            and (not self.id or meter.id.startswith(self.id))
            and (not self.model or meter.model in self.model)
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One register of a model. A reading is meant if all that is given here agrees with it.

    `wire` is the OBIS code as sent; `address` the designator of protocols that send one, and what tells values of one
    quantity apart ("energy:negative"); `obis` what it means.
    """

    name: str
    obis: Obis | None = None
    wire: Obis | None = None
    address: str | None = None
    quantity: str | None = None
    unit: Unit | None = None
    storage: int = 0
    tariff: int = 0
    subunit: int = 0
    function: Function = Function.INSTANTANEOUS

    def __post_init__(self) -> None:
        if not (self.obis or self.wire or self.address or self.quantity):
            raise ValueError(f"{self.name!r} names no value: give obis, address or quantity")

    def means(self, register: Register) -> bool:
        """Is it this register?"""
        sent = self.wire or (None if self.quantity or self.address else self.obis)
        place = (register.storage, register.tariff, register.subunit, register.function)
        return (
            place == (self.storage, self.tariff, self.subunit, self.function)
            and (sent is None or register.obis == sent)
            and (sent is not None or register.address == self.address)
            and (self.quantity is None or register.quantity == self.quantity)
            and (self.unit is None or register.unit is self.unit)
        )


@dataclass(frozen=True, slots=True)
class Example:
    """A telegram that the model sent, and what it says: `values` by register name, as `"6.408 m3"`.

    The bytes stand in the file (`telegram`, with origin and licence) or in the corpora (`corpus`: file#row). Of a
    Modbus meter it is the registers, in hex, by function and address of the first: `"4:342" = "43661a3b"`.
    """

    values: dict[str, str]
    telegram: str | None = None
    corpus: str | None = None
    registers: dict[str, str] | None = None
    key: str | None = None
    origin: str | None = None
    licence: str | None = None

    def __post_init__(self) -> None:
        if sum(held is not None for held in (self.telegram, self.corpus, self.registers)) != 1:
            raise ValueError("give either telegram (hex), corpus (file#row) or registers")
        if self.corpus is None and not (self.origin and self.licence):
            raise ValueError("a telegram needs its origin and its licence")


@dataclass(frozen=True, slots=True)
class MeterMap:
    """One model. `name` is the file's name; `options` go to the protocol's decoder.

    Modbus meters tell nothing of their values, so that their maps have a `[[point]]` for each; the rows follow from
    them, and the match from brand and model, which are said of a meter that was read by the map.
    """

    brand: str
    model: str
    protocol: str
    medium: Medium
    match: Match = field(default_factory=Match)
    register: tuple[Row, ...] = ()
    point: tuple[Point, ...] = ()
    example: tuple[Example, ...] = ()
    options: dict[str, object] = field(default_factory=dict)
    note: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        if self.point and not self.register:
            object.__setattr__(self, "register", tuple(map(_row, self.point)))
        if self.point and not self.match.sharpness:
            object.__setattr__(self, "match", Match(manufacturer=(self.brand,), model=(self.model,)))
        names = [row.name for row in self.register]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two registers are called {name!r}")
        for example in self.example:
            for name in example.values:
                if name not in names:
                    raise ValueError(f"the example has a value {name!r}, and no register is called so")

    def row(self, register: Register) -> Row | None:
        """The row that is meant by a register, or None."""
        return next((row for row in self.register if row.means(register)), None)


def _row(point: Point) -> Row:
    """How the readings of a point are recognised: by their designator."""
    return Row(point.name, point.obis, address=point.designator, unit=point.unit)


def load_map(path: Path) -> MeterMap:
    """One map. ConfigError names file, line and field."""
    return replace(load(path, MeterMap), name=path.stem)


@cache
def load_maps(folder: Path = FOLDER) -> dict[str, MeterMap]:
    """All maps of a folder by name."""
    return {path.stem: load_map(path) for path in sorted(folder.glob("*.toml"))}


def known_maps(own: Path | None = None) -> list[MeterMap]:
    """The shipped maps; those of a folder of one's own come first. ConfigError if there is no such folder."""
    if own is None:
        return list(load_maps().values())
    if not own.is_dir():
        raise ConfigError(f"{own}: there is no such folder of maps")
    mine = load_maps(own)
    return [*mine.values(), *(one for name, one in load_maps().items() if name not in mine)]


def find_map(maps: Iterable[MeterMap], protocol: str, meter: MeterIdentity) -> MeterMap | None:
    """The map that fits a meter best, or None."""
    fitting = (one for one in maps if one.protocol == protocol and one.match.sharpness and one.match.fits(meter))
    return max(fitting, key=lambda one: one.match.sharpness, default=None)


Table = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Generic:
    """OBIS codes by medium and quantity, for meters that send none; and quantities by OBIS code."""

    table: Table
    _terms: dict[tuple[str, ...], str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        terms = {
            _place(code): name.partition(":")[0]
            for medium, codes in self.table.items()
            if medium != "like"
            for name, code in codes.items()
        }
        object.__setattr__(self, "_terms", terms)

    def quantity(self, code: Obis) -> str | None:
        """What a code is of, whatever its channel, tariff and storage; None where the table does not say."""
        medium, kind, method = str(code.a), str(code.c), str(code.d)
        return self._terms.get((medium, kind, method, str(code.e))) or self._terms.get((medium, kind, method, "*"))

    def obis(self, medium: Medium | None, register: Register) -> Obis | None:
        """The code of a register's value; None where the table has none or the value is no present or stored total."""
        if medium is None or register.function is not Function.INSTANTANEOUS or register.subunit:
            return None
        name = self.table["like"].get(medium.value, medium.value)
        code = self.table.get(name, {}).get(register.address or register.quantity or "")
        if code is None or (register.tariff and "*" not in code) or register.storage > 254:
            return None
        found = Obis.parse(code.replace("*", str(register.tariff)))
        return replace(found, f=register.storage) if register.storage else found


def _place(code: str) -> tuple[str, ...]:
    """Groups A, C, D, E of a code of the table, in which E may be `*`."""
    return (code.partition("-")[0], *code.partition(":")[2].split("."))


@cache
def generic(path: Path = Path(__file__).parent / "generic.toml") -> Generic:
    """The shipped table, or another file of its form. ConfigError if a code is none."""
    table = tomllib.loads(path.read_text("utf-8"))
    for medium, codes in table.items():
        for quantity, code in codes.items() if medium != "like" else ():
            try:
                Obis.parse(code.replace("*", "0"))
            except DecodeError as error:
                raise ConfigError(f"{path}: {medium}.{quantity}: {error}") from None
    return Generic(table)


def amount(text: str) -> tuple[Decimal | str, Unit | None]:
    """An expected value of an example: `"6.408 m3"` -> (6.408, m3); text that is no number stays text."""
    number, _, unit = text.partition(" ")
    try:
        return Decimal(number), Unit(unit) if unit else None
    except (ArithmeticError, ValueError):
        return text, None
