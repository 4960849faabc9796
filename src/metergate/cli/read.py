"""`metergate read`: one meter, now, or what it stored."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from metergate.cli.reach import Reach
from metergate.cli.usage import Usage

if TYPE_CHECKING:
    from metergate.wire.base import Telegram

DAY = timedelta(days=1)


def read(
    url: str,
    /,
    *,
    reach: Reach,
    registers: tuple[str, ...] = (),
    profile: str = "",
    events: bool = False,
    begin: Annotated[datetime | None, Parameter(name=["--from", "--begin"])] = None,
    end: Annotated[datetime | None, Parameter(name=["--to", "--end"])] = None,
    output: Annotated[Literal["table", "json"], Parameter(name=["--format", "-f"])] = "table",
) -> None:
    """Read one meter now and print its values, its load profile or its events.

    A meter that speaks by itself is waited for, every other is asked.

    Examples:

        metergate read /dev/ttyUSB0 --protocol sml

        metergate read tcp://127.0.0.1:10001 --protocol mbus --address 5

        metergate read tcp://192.0.2.7:4059 --protocol dlms-wrapper --key-file encryption=e --key-file authentication=a

        metergate read /dev/ttyUSB0 --protocol dlt645 --address 202616280601 --profile 1-0:1.8.0 --from 2026-11-01

    Parameters
    ----------
    url
        The line: `/dev/ttyUSB0`, `tcp://host:port` ...
    registers
        What to ask for, where the usual is not enough: OBIS codes, or the protocol's own identifiers.
    profile
        A register (OBIS code, or the protocol's own name) whose load profile is read instead.
    events
        Read the event log instead.
    begin
        Of the profile or the events; by default a day before the end. Local time where no zone is given.
    end
        Where they end; by default now.
    output
        `table` or `json`.
    """
    from metergate.meters.once import ask_once, read_once

    if profile and events:
        raise Usage("--profile and --events are two questions: ask one")
    target, options = reach.target(registers), reach.options()
    until = (end or datetime.now(UTC)).astimezone(UTC)
    since = (begin or until - DAY).astimezone(UTC)
    if since >= until:
        raise Usage(f"--from {since:%Y-%m-%d %H:%M} is not before --to {until:%Y-%m-%d %H:%M} (UTC)")
    if not (profile or events):
        if begin or end:
            raise Usage("--from and --to belong to --profile or --events")
        telegram = asyncio.run(read_once(url, reach.protocol, target, reach.timeout, options))
    elif events:
        work = ask_once(url, reach.protocol, lambda one: one.events(target, since, until), reach.timeout, options)
        telegram = asyncio.run(work)
    else:
        asked = ask_once(
            url, reach.protocol, lambda one: one.profile(target, profile, since, until), reach.timeout, options
        )
        telegram = asyncio.run(asked)
    _print(telegram, output)


def _print(telegram: Telegram, output: str) -> None:
    from metergate.wire.contract import telegram_json

    told = telegram_json(telegram)
    if output == "json":
        print(json.dumps(told, ensure_ascii=False, indent=2))
        return
    from rich.table import Table

    from metergate.cli.screen import cell, screen

    table = Table("OBIS", "quantity", "value", "unit", "time", title="  ".join(cell(x) for x in told["meter"].values()))
    for column, whole in zip(table.columns, (True, False, True, True, False), strict=True):
        column.no_wrap, column.overflow = whole, "fold"
    for row in told["readings"]:
        cells = (row["obis"] or row.get("address"), row["quantity"], row["value"], row["unit"], row["time"])
        table.add_row(*map(cell, cells))
    screen().print(table)
