"""`metergate decode`: bytes of any meter into values, with an explanation where wanted."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Console
from rich.progress import track
from rich.table import Table

from metergate.cli.spans import print_spans
from metergate.errors import BadValue, DecodeError
from metergate.wire import contract, protocols

Json = dict[str, Any]


def decode(
    source: Annotated[str, Parameter(allow_leading_hyphen=True)] = "-",
    /,
    *,
    protocol: str | None = None,
    key: Annotated[list[str] | None, Parameter(name=["--key", "-k"])] = None,
    option: list[str] | None = None,
    output: Annotated[str, Parameter(name=["--format", "-f"])] = "table",
    explain: bool = False,
    batch: bool = False,
) -> None:
    """Decode telegrams from a file, from hex on the command line or from standard input.

    Examples:

        metergate decode capture.bin

        metergate decode "68 11 11 11 11 11 11 68 11 04 33 33 34 33 18 16"

        metergate decode --protocol wmbus --key 000102030405060708090A0B0C0D0E0F telegram.hex --explain

    Parameters
    ----------
    source
        A file (binary or hex), hex digits, or `-` for standard input.
    protocol
        Name of the protocol; without it the one that fits best is taken. `--protocol ?` lists them.
    key
        Key of an encrypted telegram, hexadecimal; protocols with several keys take `name=hex` for each, as
        `--key encryption=... --key authentication=...`.
    option
        For the decoder, as `link_crc=A`; may be given more than once.
    output
        `table` or `json`.
    explain
        Show every byte range with its field, value and paragraph.
    batch
        JSON lines in, JSON lines out; see the decode contract in the documentation.
    """
    if batch:
        _batch()
        return
    if protocol == "?":
        for entry in protocols().values():
            print(f"{entry.name:<14} {entry.title} ({entry.document})")
        return
    data = bytes_of(source)
    name = protocol_of(data, protocol)
    keys = contract.keyring(" ".join(key or ()))
    _decode_one(name, data, keys, options_of(option or ()), output, explain)


def options_of(words: Iterable[str]) -> dict[str, str]:
    """Options from words `name=value`. BadValue for a word of another form."""
    named = [word.partition("=") for word in words]
    if wrong := [name for name, equals, _ in named if not equals]:
        raise BadValue(f"--option {wrong[0]}: write name=value")
    return {name: value for name, _, value in named}


def _decode_one(
    name: str, data: bytes, keys: dict[str, bytes], options: dict[str, str], output: str, explain: bool
) -> None:
    told = {each: value.hex() for each, value in keys.items()}
    answer = contract.decode({"protocol": name, "hex": data.hex(), "keys": told, "options": options})
    if output == "json":
        print(json.dumps({"protocol": name, **answer}, ensure_ascii=False, indent=2))
    elif output == "table":
        _show(name, answer)
    else:
        raise BadValue(f"unknown format {output!r}: table or json")
    if explain:
        _explain(name, data, keys, answer)
    if not answer["telegrams"]:
        sys.exit(1)


def _batch() -> None:
    for line in sys.stdin:
        try:
            request = json.loads(line)
        except ValueError:
            request = None
        sys.stdout.write(json.dumps(contract.respond(request), ensure_ascii=False) + "\n")
        sys.stdout.flush()


def protocol_of(data: bytes, named: str | None) -> str:
    """The protocol that was named, or the one that fits. BadValue if there is none."""
    name = named or contract.guess(data)
    if name is None:
        raise BadValue(
            f"no known protocol fits these {len(data)} bytes; name one with --protocol: {', '.join(protocols())}"
        )
    if name not in protocols():
        raise BadValue(f"unknown protocol {name!r}: there are {', '.join(protocols())}")
    return name


def bytes_of(source: str) -> bytes:
    """The bytes that the command line means."""
    if source == "-":
        return _unhexed(sys.stdin.buffer.read())
    path = Path(source)
    if len(source) < 256 and path.is_file():
        return _unhexed(path.read_bytes())
    if len(source) < 256 and ("/" in source or "." in source):
        raise BadValue(f"{source}: there is no such file")
    try:
        return contract.octets(source, "the bytes on the command line")
    except BadValue as error:
        raise BadValue(f"{error.reason}; and there is no file {source[:60]!r}") from None


def _unhexed(data: bytes) -> bytes:
    """Hex text as the bytes it means; anything else as it is (text telegrams are text)."""
    try:
        return contract.octets(data.decode("ascii"), "input") if data.strip() else data
    except (UnicodeDecodeError, DecodeError):
        return data


def _show(name: str, answer: Json) -> None:
    console = Console()
    for telegram in answer["telegrams"]:
        meter = "  ".join(str(value) for value in telegram["meter"].values())
        state = "" if telegram["valid"] else "  [red]not valid[/]"
        console.print(
            f"[bold]{name}[/] at byte {telegram['offset']}, {telegram['length']} bytes  {meter}{state}", highlight=False
        )
        _show_readings(console, telegram["readings"])
    for error in answer["errors"]:
        console.print(f"[yellow]{error['code']}[/] at byte {error['offset']}: {error['message']}", highlight=False)


def _show_readings(console: Console, readings: list[Json]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("OBIS", "quantity", "value", "unit", "storage", "tariff", "time"):
        table.add_column(title, justify="right" if title == "value" else "left")
    for reading in readings:
        value = reading["value"] if reading["value"] is not None else f"– ({reading.get('reason', 'absent')})"
        table.add_row(
            (reading["obis"] or reading.get("address") or "").removesuffix("*255"),
            reading["quantity"] or "",
            str(value),
            reading["unit"] or "",
            str(reading["storage"] or ""),
            str(reading["tariff"] or ""),
            reading["time"] or "",
        )
    if readings:
        console.print(table)


def _explain(name: str, data: bytes, keys: dict[str, bytes], answer: Json) -> None:
    console = Console()
    telegrams = answer["telegrams"]
    for telegram in track(telegrams, "explaining", transient=True, disable=len(telegrams) < 100):
        start, length = telegram["offset"], telegram["length"]
        part = data[start : start + length]
        print_spans(console, protocols()[name].explain(part, keys), part, start)
