import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from metergate.errors import ConfigError, LinkError
from metergate.links import open_link, open_pair
from metergate.links.tape import RecordingLink, TapeLink

pytestmark = pytest.mark.anyio


class Clock:
    """A clock that only `sleep` moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def __call__(self) -> Any:
        return self.now

    async def sleep(self, seconds: Any) -> Any:
        self.now += seconds
        self.pauses.append(round(seconds, 6))


async def record(path: Any, clock: Any) -> Any:
    one, other = await open_pair()
    tape = RecordingLink(one, path, clock)
    for pause, data in ((0.5, b"abc"), (2.0, b"\x00\xff")):
        clock.now += pause
        await other.write(data)
        await tape.read()
        await tape.write(b"ack")
    await tape.close()


async def test_what_was_heard_comes_back_with_its_timing(tmp_path: Path) -> None:
    file, clock = tmp_path / "a.jsonl", Clock()
    await record(file, clock)
    for speed, pauses in ((1.0, [0.5, 2.0]), (10.0, [0.05, 0.2]), (0, [0.0, 0.0])):
        clock.pauses = []
        tape = TapeLink("tape", file, speed, sleep=clock.sleep)
        assert [await tape.read() for _ in range(3)] == [b"abc", b"\x00\xff", b""]
        assert clock.pauses == pauses


async def test_both_directions_and_times_are_on_the_tape(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    await record(file, Clock())
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(row["t"], row["dir"]) for row in rows] == [(0.5, "rx"), (0.5, "tx"), (2.5, "rx"), (2.5, "tx")]


async def test_looped_tape_has_no_end_and_closing_ends_it(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    await record(file, Clock())
    link = await open_link(f"tape://{file}?speed=0&loop=1")
    assert [await link.read() for _ in range(5)] == [b"abc", b"\x00\xff"] * 2 + [b"abc"]
    await link.close()
    assert await link.read() == b""


async def test_closing_ends_a_waiting_read(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"t": 100000, "dir": "rx", "hex": "00"}\n')
    link = await open_link(f"tape://{file}")
    reading = asyncio.ensure_future(link.read())
    await asyncio.sleep(0)
    await link.close()
    async with asyncio.timeout(10):
        assert await reading == b""


async def test_an_empty_looped_tape_ends(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text("")
    link = await open_link(f"tape://{file}?loop=1")
    assert await link.read() == b""


@pytest.mark.parametrize("text", ["nonsense\n", "[]\n", '{"t": 1}\n', '{"t": 1, "dir": "rx", "hex": "0"}\n'])
async def test_a_torn_tape_names_the_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"t": 0, "dir": "tx", "hex": "00"}\n' + text)
    link = await open_link(f"tape://{file}")
    with pytest.raises(LinkError, match=r"a\.jsonl:2"):
        await link.read()


async def test_missing_tape_and_unwritable_tape(tmp_path: Path) -> None:
    link = await open_link(f"tape://{tmp_path}/none")
    with pytest.raises(LinkError, match="none"):
        await link.read()
    with pytest.raises(ConfigError, match="cannot record"):
        await open_link(f"loop://x?record={tmp_path}/no/where")
