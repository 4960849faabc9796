"""`metergate meters`: the models that are known, and the proof that their maps are right."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Column, Table

from metergate.cli.screen import screen
from metergate.cli.usage import Protocol, meant
from metergate.errors import ConfigError
from metergate.meters.examples import check_example, check_map, corpora
from metergate.meters.map import FOLDER, load_map, load_maps

app = App(name="meters", help="Models whose registers are known by name.")


@app.command(name="list")
def list_meters(*, protocol: Protocol | None = None) -> None:
    """List the known models.

    Example:

        metergate meters list --protocol mbus

    Parameters
    ----------
    protocol
        Only those of one protocol.
    """
    table = Table(Column("map", no_wrap=True), "brand", "model", "protocol", "medium", "registers")
    for name, one in load_maps().items():
        if protocol in (None, one.protocol):
            table.add_row(name, one.brand, one.model, one.protocol, one.medium.value, str(len(one.register)))
    screen().print(table)


@app.command
def show(name: str, /) -> None:
    """Show one map: which register means what.

    Example:

        metergate meters show abb_delta

    Parameters
    ----------
    name
        As in `metergate meters list`.
    """
    maps = load_maps()
    if name not in maps:
        raise ConfigError(f"no map {name!r}; {meant(name, maps, '`metergate meters list` shows them')}")
    one = maps[name]
    print(f"{one.brand} {one.model} ({one.protocol}, {one.medium.value})")
    match = {"manufacturer": one.match.manufacturer, "version": one.match.version, "id": one.match.id}
    print("matches: " + ", ".join(f"{key} {'/'.join(map(str, value))}" for key, value in match.items() if value))
    table = Table("name", "OBIS", "quantity or designator", "storage", "tariff", "function")
    for row in one.register:
        sent = row.quantity or row.address or str(row.wire or row.obis)
        table.add_row(row.name, str(row.obis or ""), sent, str(row.storage), str(row.tariff), row.function.value)
    screen().print(table)


@app.command
def new(
    source: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    protocol: Protocol | None = None,
    key_file: Path | None = None,
    folder: Path = Path(),
    brand: str | None = None,
    model: str | None = None,
    origin: str | None = None,
    licence: str | None = None,
    yes: bool = False,
) -> None:
    """Make the map of a new model from a telegram of it, by asking.

    For every value the proposed name is taken with Enter, replaced by another, or dropped with `-`.

    Examples:

        metergate meters new telegram.hex

        metergate meters new telegram.hex --brand Acme --model "Flow 7" --origin "own meter" --licence MIT --yes

    Parameters
    ----------
    source
        A file (binary or hex), hex digits, or `-` for standard input.
    protocol
        Name of the protocol; without it the one that fits best is taken.
    key_file
        A file with the meter's key in hex.
    folder
        Where the map is written.
    brand
        Who made the meter; asked for where not given. So are `model`, `origin` and `licence`.
    model
        The model's name.
    origin
        Where the telegram is from.
    licence
        Who may use the telegram.
    yes
        Take every proposed name without asking.
    """
    from metergate.cli.new_meter import make

    given = {"brand": brand, "model": model, "origin": origin, "licence": licence}
    make(source, protocol, key_file, folder, given, yes)


@app.command
def check(*files: Path) -> None:
    """Check that every map is right and that its example telegrams decode to the values it claims.

    Examples:

        metergate meters check

        metergate meters check my_meter.toml

    Examples in the corpora are checked where METERGATE_CORPORA names their folder.

    Parameters
    ----------
    files
        Maps of your own; without any, all that are shipped.
    """
    wrong = examples = skipped = 0
    for path in files or sorted(FOLDER.glob("*.toml")):
        one = load_map(path)
        for text in check_map(one):
            wrong += 1
            print(f"{path.name}: {text}")
        for example in one.example:
            examples += 1
            skipped += check_example(one, example) is None
    place = f", {skipped} of them skipped (no corpora)" if corpora() is None and skipped else ""
    print(f"{len(files) or len(load_maps())} maps, {examples} examples{place}, {wrong} mistakes")
    sys.exit(1 if wrong else 0)
