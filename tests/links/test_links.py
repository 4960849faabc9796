"""The registry of lines, the addresses, and what every line must do alike."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from metergate.errors import ConfigError, LinkError
from metergate.links import SCHEMES, check_address, open_link, open_pair
from metergate.links.address import Address

pytestmark = pytest.mark.anyio


async def collect(link: Any, size: int) -> Any:
    """Read until `size` bytes are there."""
    data = b""
    async with asyncio.timeout(60):
        while len(data) < size:
            chunk = await link.read()
            assert chunk, f"the line ended after {len(data)} of {size} bytes"
            data += chunk
    return data


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/dev/ttyUSB0", Address("serial", path="/dev/ttyUSB0")),
        ("/dev/ttyUSB0?baud=300", Address("serial", path="/dev/ttyUSB0", settings={"baud": "300"})),
        ("COM3", Address("serial", path="COM3")),
        (
            "serial:///dev/ttyUSB0?baud=9600&format=7E1",
            Address("serial", path="/dev/ttyUSB0", settings={"baud": "9600", "format": "7E1"}),
        ),
        ("tcp://meter.example:4059", Address("tcp", "meter.example", 4059)),
        ("tcp://[::1]:4059", Address("tcp", "::1", 4059)),
        ("udp://:4000", Address("udp", "", 4000)),
        ("loop://a", Address("loop", "a")),
    ],
)
async def test_address(text: str, expected: Any) -> None:
    assert check_address(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("tcpx://a:1", "did you mean 'tcp'"),
        ("gopher://a:1", "serial"),
        ("tcp://a:1?timeou=1", "did you mean 'timeout'"),
        ("tcp://a:99999", "no address"),
        ("meter", "no address"),
        ("", "no address"),
        ("loop://a?x=1", "record"),
    ],
)
async def test_wrong_address_says_what_there_is(text: str, said: Any) -> None:
    with pytest.raises(ConfigError, match=said.replace("?", r"\?")):
        check_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "tcp://:1",
        "tcp://a",
        "tls://a",
        "udp://a",
        "loop://",
        "serial://",
        "tape://",
        "serial:///dev/null?baud=fast",
        "serial:///dev/null?baud=0",
        "serial:///dev/null?format=9N1",
        "tape:///nowhere?loop=yes",
        "tape:///nowhere?speed=-1",
    ],
)
async def test_unusable_settings_are_config_errors(text: str) -> None:
    with pytest.raises(ConfigError):
        await open_link(text)


async def test_secrets_are_not_in_the_name() -> None:
    address = check_address("tls://a:1?key=/secret/place&cert=c")
    assert address.name == "tls://a:1?cert=c"


async def test_every_example_is_a_good_address() -> None:
    for scheme, entry in SCHEMES.items():
        assert check_address(entry.example).scheme == scheme


async def test_pair_carries_bytes_both_ways_and_ends() -> None:
    one, other = await open_pair()
    await one.write(b"question")
    assert await other.read() == b"question"
    await other.write(b"an")
    await other.write(b"swer")
    assert await collect(one, 6) == b"answer"
    await other.write(b"last")
    await other.close()
    assert await one.read() == b"last"
    assert await one.read() == b""
    with pytest.raises(LinkError):
        await one.write(b"x")


async def test_loop_by_name_joins_two_openers() -> None:
    one, other, third = [await open_link("loop://street") for _ in range(3)]
    await one.write(b"to other")
    assert await other.read() == b"to other"
    fourth = await open_link("loop://street")
    await fourth.write(b"to third")
    assert await third.read() == b"to third"


async def test_waiting_reader_is_woken_by_the_end() -> None:
    one, other = await open_pair()
    reading = asyncio.ensure_future(one.read())
    await asyncio.sleep(0)
    await other.close()
    assert await reading == b""


async def test_a_line_has_one_reader() -> None:
    one, _other = await open_pair()
    reading = asyncio.ensure_future(one.read())
    await asyncio.sleep(0)
    with pytest.raises(LinkError, match="two readers"):
        await one.read()
    reading.cancel()


async def test_a_full_line_holds_up_the_writer() -> None:
    one, other = await open_pair()
    big = bytes(1_000_000)
    writing = asyncio.ensure_future(one.write(big))
    await asyncio.sleep(0)
    assert not writing.done()
    assert await collect(other, len(big)) == big
    await writing


async def test_record_setting_tapes_any_line(tmp_path: Path) -> None:
    file = tmp_path / "tape.jsonl"
    link = await open_link(f"loop://taped?record={file}")
    other = await open_link("loop://taped")
    await link.write(b"\x01")
    await other.write(b"\x02")
    assert await link.read() == b"\x02"
    await link.close()
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(row["dir"], row["hex"]) for row in rows] == [("tx", "01"), ("rx", "02")]
