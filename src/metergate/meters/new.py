"""A map for a meter that has none, made from a telegram of it.

`draft` proposes, a person names and drops rows, `text` is the file. The telegram becomes its example, so that the map
proves itself from the first day.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from metergate.errors import BadValue
from metergate.meters.map import Row
from metergate.meters.translate import Translator
from metergate.model import Function, Medium, MeterIdentity, Reading, Register
from metergate.wire.base import Telegram

_ODD = re.compile(r"[^a-z0-9]+")
_LINE = 96


@dataclass(frozen=True, slots=True)
class Proposal:
    """A row for one reading of the telegram."""

    row: Row
    reading: Reading

    @property
    def shown(self) -> str:
        """The value as an example has it, `"6.408 m3"`."""
        unit = self.reading.unit
        value = f"{self.reading.value:f}" if isinstance(self.reading.value, Decimal) else str(self.reading.value)
        return f"{value} {unit.value}" if unit else value

    @property
    def provable(self) -> bool:
        """Is there a value that an example can hold?"""
        value = self.reading.value
        return isinstance(value, Decimal) or (isinstance(value, str) and value.isprintable())


@dataclass(frozen=True, slots=True)
class Draft:
    """What a telegram says of its meter, and its values."""

    protocol: str
    meter: MeterIdentity
    proposals: tuple[Proposal, ...]

    @property
    def medium(self) -> Medium:
        """The medium that the telegram or its codes tell."""
        return self.meter.medium or Medium.OTHER


def draft(telegrams: Iterable[Telegram]) -> Draft:
    """A proposal from the telegrams of one meter. BadValue if there is none with values."""
    useful = [one for one in telegrams if one.readings and one.meter]
    if not useful or useful[0].meter is None:
        raise BadValue("there is no telegram with values in the input: decode it first, with its key")
    meter = useful[0].meter
    if others := {one.meter.id for one in useful if one.meter} - {meter.id}:
        raise BadValue(f"telegrams of {len(others) + 1} meters ({', '.join(sorted({meter.id, *others}))}): give one's")
    translator = Translator(())
    rows: dict[str, Proposal] = {}
    for telegram in useful:
        for before, after in zip(telegram.readings, translator(telegram), strict=True):
            row = _row(before.register, after.register, rows)
            if not any(known.row.means(before.register) for known in rows.values()):
                rows[row.name] = Proposal(row, before)
    return Draft(useful[0].protocol, meter, tuple(rows.values()))


def _row(sent: Register, meant: Register, taken: Iterable[str]) -> Row:
    place = {"storage": sent.storage, "tariff": sent.tariff, "subunit": sent.subunit, "function": sent.function}
    name = _free(name_of(sent), set(taken))
    if sent.obis is not None:
        return Row(name, obis=sent.obis, **place)  # type: ignore[arg-type]
    return Row(
        name,
        obis=meant.obis,
        address=sent.address,
        quantity=sent.quantity,
        unit=sent.unit,
        **place,  # type: ignore[arg-type]
    )


def name_of(register: Register) -> str:
    """A name from what is measured and where it is kept: `energy_tariff_1`, `volume_storage_8`."""
    what = register.quantity or register.address or str(register.obis)
    parts = [_ODD.sub("_", what.lower()).strip("_") or "value"]
    if register.function is not Function.INSTANTANEOUS:
        parts.append(register.function.value)
    for word, number in (("tariff", register.tariff), ("storage", register.storage), ("unit", register.subunit)):
        parts += [word, str(number)] if number else []
    return "_".join(parts)


def _free(name: str, taken: set[str]) -> str:
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def renamed(proposal: Proposal, name: str) -> Proposal:
    """The same row by another name. BadValue if it is no name."""
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise BadValue(f"{name!r} is no name for a register: small letters, digits and _, a letter first")
    return replace(proposal, row=replace(proposal.row, name=name))


@dataclass(frozen=True, slots=True)
class Sheet:
    """What only a person knows. `licence` and `origin` of the telegram: who recorded it, and who may use it."""

    brand: str
    model: str
    origin: str
    licence: str

    @property
    def file(self) -> str:
        """The name that the file should have."""
        return "_".join(_ODD.sub("_", part.lower()).strip("_") for part in (self.brand, self.model)) + ".toml"


def text(sheet: Sheet, made: Draft, telegram: bytes, key: bytes | None = None) -> str:
    """The map as a file."""
    return "\n".join(
        [
            f"brand = {_quoted(sheet.brand)}",
            f"model = {_quoted(sheet.model)}",
            f"protocol = {_quoted(made.protocol)}",
            f"medium = {_quoted(made.medium.value)}",
            "",
            *_match(made.meter),
            *(line for proposal in made.proposals for line in _register(proposal.row)),
            *_example(sheet, made.proposals, telegram, key),
            "",
        ]
    )


def _match(meter: MeterIdentity) -> Iterator[str]:
    """By maker and version where they are told, by the id where nothing else is."""
    yield "[match]"
    if meter.manufacturer:
        yield f"manufacturer = [{_quoted(meter.manufacturer)}]"
    if meter.version is not None:
        yield f"version = [{meter.version}]"
    if meter.medium:
        yield f"medium = [{_quoted(meter.medium.value)}]"
    if not meter.manufacturer:
        yield f"id = [{_quoted(meter.id)}]"
    yield ""


def _register(row: Row) -> Iterator[str]:
    yield "[[register]]"
    given = {
        "name": row.name,
        "obis": str(row.obis) if row.obis else None,
        "address": row.address,
        "quantity": row.quantity,
        "unit": row.unit.value if row.unit else None,
    }
    yield from (f"{name} = {_quoted(value)}" for name, value in given.items() if value is not None)
    places = {"storage": row.storage, "tariff": row.tariff, "subunit": row.subunit}
    yield from (f"{name} = {number}" for name, number in places.items() if number)
    if row.function is not Function.INSTANTANEOUS:
        yield f"function = {_quoted(row.function.value)}"
    yield ""


def _example(sheet: Sheet, proposals: Sequence[Proposal], telegram: bytes, key: bytes | None) -> Iterator[str]:
    yield "[[example]]"
    yield 'telegram = """'
    digits = telegram.hex()
    yield from (digits[at : at + _LINE] for at in range(0, len(digits), _LINE))
    yield '"""'
    if key:
        yield f"key = {_quoted(key.hex())}"
    yield f"origin = {_quoted(sheet.origin)}"
    yield f"licence = {_quoted(sheet.licence)}"
    yield ""
    yield "[example.values]"
    yield from (f"{one.row.name} = {_quoted(one.shown)}" for one in proposals if one.provable)


def _quoted(value: str) -> str:
    """Text as TOML has it: JSON's escapes are a part of TOML's."""
    return json.dumps(value, ensure_ascii=False)
