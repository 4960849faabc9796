"""`metergate read`: one meter, now."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from metergate.wire.base import Telegram


def read(
    url: str,
    /,
    *,
    protocol: str,
    address: str = "",
    key_file: Path | None = None,
    registers: tuple[str, ...] = (),
    map: str = "",
    key: tuple[str, ...] = (),
    timeout: float = 30.0,
    output: Annotated[str, Parameter(name=["--format", "-f"])] = "table",
) -> None:
    """Read one meter now and print its values.

    A meter that speaks by itself is waited for, every other is asked.

    Examples:

        metergate read /dev/ttyUSB0 --protocol sml

        metergate read tcp://127.0.0.1:10001 --protocol mbus --address 5

    Parameters
    ----------
    url
        The line: `/dev/ttyUSB0`, `tcp://host:port` ...
    protocol
        What the meter speaks; `metergate decode --protocol ?` lists them.
    address
        The meter's address on the line; for one that speaks by itself its number, or nothing for the first heard.
    key_file
        A file with the meter's key in hex.
    key
        Further keys and secrets as `name=file`; DLMS has `encryption`, `authentication` and `password`.
    map
        Its map, where the protocol cannot do without (Modbus).
    registers
        What to ask for, where the usual is not enough (DL/T 645 identifiers in hex).
    timeout
        How long to wait, seconds.
    output
        `table` or `json`.
    """
    from metergate.meters.once import read_once
    from metergate.meters.pollers import Target, read_key

    named = (item.partition("=") for item in key)
    keys = {name: read_key(Path(path)) for name, _, path in named}
    target = Target(address, address, read_key(key_file) if key_file else None, registers, map, keys)
    _print(asyncio.run(read_once(url, protocol, target, timeout)), output)


def _print(telegram: Telegram, output: str) -> None:
    from metergate.wire.contract import telegram_json

    told = telegram_json(telegram)
    if output == "json":
        print(json.dumps(told, ensure_ascii=False, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("OBIS", "quantity", "value", "unit", "time", title="  ".join(str(x) for x in told["meter"].values()))
    for row in told["readings"]:
        cells = (row["obis"], row["quantity"], row["value"], row["unit"], row["time"])
        table.add_row(*("" if cell is None else str(cell) for cell in cells))
    Console().print(table)
