"""`metergate decode`: bytes of any meter into values, with an explanation where wanted."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from rich.console import Console
from rich.progress import track
from rich.table import Table

from metergate.cli.screen import Screen, cell, screen
from metergate.cli.spans import print_spans
from metergate.cli.usage import LIST, Protocol, Usage
from metergate.errors import BadValue
from metergate.meters.paste import pasted
from metergate.wire import contract, protocols

Json = dict[str, Any]


def decode(
    *source: Annotated[str, Parameter(allow_leading_hyphen=True)],
    protocol: Protocol | None = None,
    key: Annotated[list[str] | None, Parameter(name=["--key", "-k"])] = None,
    key_file: Annotated[list[str] | None, Parameter(name="--key-file", negative="")] = None,
    option: list[str] | None = None,
    output: Annotated[Literal["table", "json"], Parameter(name=["--format", "-f"])] = "table",
    explain: bool = False,
    batch: bool = False,
) -> None:
    """Decode telegrams from a file, from hex on the command line or from standard input.

    Hex may be written in any way: with blanks, colons, commas or 0x, as a hex dump, as a log with times in front.
    Base64 and the text of a P1, TIC or IEC 62056-21 telegram are taken too.

    Examples:

        metergate decode capture.bin

        metergate decode 68 11 11 11 11 11 11 68 11 04 33 33 34 33 18 16

        metergate decode --protocol wmbus --key 000102030405060708090A0B0C0D0E0F telegram.hex --explain

        grep RX meter.log | metergate decode --key-file encryption=ek.hex --key-file authentication=ak.hex

    Parameters
    ----------
    source
        A file, hex digits, or `-` for standard input, which is also read where nothing is given.
    protocol
        Name of the protocol; without it the one that fits best is taken. `--protocol list` shows them.
    key
        Key of an encrypted telegram, hexadecimal; protocols with several keys take `name=hex` for each, as
        `--key encryption=... --key authentication=...`.
    key_file
        A file with the key in hex, which leaves no trace among the commands; `name=file` where there are several.
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
    if protocol in LIST:
        for entry in protocols().values():
            print(f"{entry.name:<14} {entry.title} ({entry.document})")
        return
    data = bytes_of(" ".join(source) or "-", protocol)
    name = protocol_of(data, protocol)
    _decode_one(name, data, keys_of(key or (), key_file or ()), options_of(option or ()), output, explain)


def keys_of(words: Iterable[str], files: Iterable[str]) -> dict[str, bytes]:
    """Keys from the command line and from files. BadValue, ConfigError."""
    from metergate.meters.pollers import read_key

    given = [word.replace("0x", "").replace(":", "") for word in words]
    for word in files:
        name, equals, path = word.partition("=")
        named = equals and not Path(word).exists()
        given.append((f"{name}=" if named else "") + read_key(Path(path if named else word)).hex())
    try:
        return contract.keyring(" ".join(given))
    except BadValue as error:
        raise Usage(f"--key: {error.reason.removeprefix('key key: ')}") from None


def options_of(words: Iterable[str]) -> dict[str, str]:
    """Options from words `name=value`. Usage for a word of another form."""
    named = [word.partition("=") for word in words]
    if wrong := [name for name, equals, _ in named if not equals]:
        raise Usage(f"--option {wrong[0]}: write name=value")
    return {name: value for name, _, value in named}


def _decode_one(
    name: str, data: bytes, keys: dict[str, bytes], options: dict[str, str], output: str, explain: bool
) -> None:
    told = {each: value.hex() for each, value in keys.items()}
    answer = contract.decode({"protocol": name, "hex": data.hex(), "keys": told, "options": options})
    if output == "json":
        print(json.dumps({"protocol": name, **answer}, ensure_ascii=False, indent=2))
    else:
        _show(name, answer)
    if explain:
        _explain(name, data, keys, answer)
    if not answer["telegrams"] or (answer["errors"] and not any(each["readings"] for each in answer["telegrams"])):
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
            f"no known protocol fits these {len(data)} bytes; if you know it, name it with --protocol "
            "(`metergate decode --protocol list` shows them)"
        )
    return name


def bytes_of(source: str, protocol: str | None = None) -> bytes:
    """The bytes that the command line means. Usage for an option that is none, BadValue for bytes that are none."""
    if source == "-":
        data, where = _standard_input(), "standard input"
    elif _is_there(source):
        data, where = Path(source).read_bytes(), source
    else:
        data, where = source.encode("utf-8", "replace"), ""
    if not data:
        raise BadValue(f"{where} is empty: there is nothing to decode")
    if where:
        return _meant(data, protocol, where)
    if source.startswith("-"):
        raise Usage(f"decode: unknown option {source.split()[0]}; see `metergate decode --help`")
    try:
        return _meant(data, protocol, where)
    except BadValue as error:
        raise BadValue(f"{source[:60]}: there is no such file; and as bytes: {error.reason}") from None


def _is_there(source: str) -> bool:
    """Whether it is the name of something that can be read; a folder is an error of the system's."""
    try:
        return Path(source).exists()
    except OSError:  # longer than any name
        return False


def _standard_input() -> bytes:
    if sys.stdin is None:
        raise BadValue("standard input is closed: give a file or hex")
    if sys.stdin.isatty():
        print("paste the telegram, end with Ctrl-D on a line of its own", file=sys.stderr)
    return sys.stdin.buffer.read()


def _meant(data: bytes, protocol: str | None, where: str) -> bytes:
    try:
        found = pasted(data, protocol)
    except BadValue as error:
        raise BadValue(f"{where}: {error.reason}" if where else error.reason, error.offset) from None
    if found.told:
        print(f"{where or 'the command line'}: {found.told}", file=sys.stderr)
    return found.octets


def _show(name: str, answer: Json) -> None:
    console = screen()
    for telegram in answer["telegrams"]:
        meter = "  ".join(cell(value) for value in telegram["meter"].values())
        state = "" if telegram["valid"] else "  [red]not valid[/]"
        console.print(
            f"[bold]{name}[/] at byte {telegram['offset']}, {telegram['length']} bytes  {meter}{state}", highlight=False
        )
        _show_readings(console, telegram["readings"])
    for error in answer["errors"]:
        place = f"[yellow]{error['code']}[/] at byte {error['offset']}"
        console.print(f"{place}: {cell(error['message'])}", highlight=False)


def _show_readings(console: Console, readings: list[Json]) -> None:
    """A row a reading; columns in which nothing would stand are left out."""
    rows = [_cells(reading) for reading in readings]
    used = [number for number, cells in enumerate(zip(*rows, strict=True)) if any(cells)]
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number in used:
        title = COLUMNS[number]
        whole = title in ("OBIS", "value", "unit")
        table.add_column(title, justify="right" if title == "value" else "left", no_wrap=whole, overflow="fold")
    for cells in rows:
        table.add_row(*(cells[number] for number in used))
    if readings:
        console.print(table)


COLUMNS = ("OBIS", "quantity", "value", "unit", "storage", "tariff", "time")


def _cells(reading: Json) -> tuple[str, ...]:
    obis = (reading["obis"] or reading.get("address") or "").removesuffix("*255")
    value = reading["value"] if reading["value"] is not None else f"– ({reading.get('reason', 'absent')})"
    named = (reading[name] or "" for name in ("unit", "storage", "tariff", "time"))
    return tuple(map(cell, (obis, reading["quantity"], value, *named)))


def _explain(name: str, data: bytes, keys: dict[str, bytes], answer: Json) -> None:
    console = Screen()
    telegrams = answer["telegrams"]
    for telegram in track(telegrams, "explaining", transient=True, disable=len(telegrams) < 100):
        start, length = telegram["offset"], telegram["length"]
        part = data[start : start + length]
        print_spans(console, protocols()[name].explain(part, keys), part, start)
