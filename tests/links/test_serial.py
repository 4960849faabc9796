"""Serial ports against pseudo terminals: a PTY link at one end, a serial link at the other."""

import asyncio
import os
import resource
from pathlib import Path
from typing import Any

import pytest

from metergate.errors import ConfigError, LinkError
from metergate.links import Adjustable, open_link
from metergate.links.pty import PtyLink
from metergate.links.serial import byte_time, line_format

pytestmark = pytest.mark.anyio


async def collect(link: Any, size: int) -> Any:
    data = b""
    async with asyncio.timeout(60):
        while len(data) < size:
            data += await link.read()
    return data


@pytest.mark.parametrize(
    ("baud", "format", "bits"), [(9600, "8N1", 10), (2400, "8E1", 11), (300, "7E1", 10), (1200, "8o2", 12)]
)
async def test_byte_time(baud: Any, format: Any, bits: Any) -> None:
    assert byte_time(baud, format) == pytest.approx(bits / baud)


@pytest.mark.parametrize("text", ["", "8N", "8X1", "9N1", "8N3", "8N1 "])
async def test_wrong_line_format(text: str) -> None:
    with pytest.raises(ConfigError, match="8N1"):
        line_format(text)


@pytest.fixture
async def line(tmp_path: Path) -> Any:
    meter = await open_link(f"pty://{tmp_path}/meter?patience=30")
    reader = await open_link(f"{tmp_path}/meter?baud=2400&format=8E1")
    yield meter, reader
    await reader.close()
    await meter.close()


async def test_every_byte_passes_both_ways(line: Any) -> None:
    meter, reader = line
    data = bytes(range(256))
    await meter.write(data)
    assert await collect(reader, 256) == data
    await reader.write(data)
    assert await collect(meter, 256) == data
    assert reader.byte_time == pytest.approx(11 / 2400)


async def test_more_than_the_line_holds_passes_when_it_is_read(line: Any) -> None:
    meter, reader = line
    data = os.urandom(100_000)
    sending = asyncio.ensure_future(meter.write(data))
    assert await collect(reader, len(data)) == data
    await sending
    assert meter.lost == 0


async def test_bytes_handed_over_singly_are_gathered_and_none_is_lost(line: Any) -> None:
    meter, reader = line
    sent = bytes(range(200))

    async def send() -> Any:
        for byte in sent:
            await meter.write(bytes([byte]))
            await asyncio.sleep(0)

    sending = asyncio.ensure_future(send())
    chunks: list[bytes] = []
    async with asyncio.timeout(60):
        while len(b"".join(chunks)) < len(sent):
            chunks.append(await reader.read())
    await sending
    assert b"".join(chunks) == sent
    assert len(chunks) < 100


async def test_questions_and_answers_do_not_wait_for_pauses(tmp_path: Path) -> None:
    """With an hour between two looks at a dribbling line, an exchange still goes on: writing ends the pause."""
    meter = await open_link(f"pty://{tmp_path}/meter")
    reader = await open_link(f"{tmp_path}/meter?gather=3600")
    for number in range(3):
        await reader.write(bytes([number]))
        assert await collect(meter, 1) == bytes([number])
        await meter.write(b"answer")
        assert await collect(reader, 6) == b"answer"
    await reader.close()
    await meter.close()


async def test_the_other_side_may_close_and_come_back(tmp_path: Path) -> None:
    meter = await open_link(f"pty://{tmp_path}/meter")
    for text in (b"first", b"second"):
        reader = await open_link(f"serial://{tmp_path}/meter")
        await meter.write(text)
        assert await collect(reader, len(text)) == text
        await reader.close()
        assert await reader.read() == b""
    await meter.close()
    assert "meter" not in os.listdir(tmp_path)


async def test_nobody_listening_does_not_hold_up_the_meter(tmp_path: Path) -> None:
    meter = PtyLink("pty", patience=0.01)
    async with asyncio.timeout(60):
        await meter.write(bytes(100_000))
    assert meter.lost > 0
    await meter.close()


async def test_unplugged_while_reading(line: Any) -> None:
    meter, reader = line
    reading = asyncio.ensure_future(reader.read())
    await asyncio.sleep(0)
    await meter.close()
    with pytest.raises(LinkError):
        async with asyncio.timeout(60):
            await reading
    with pytest.raises(LinkError):
        await reader.write(b"x")


async def test_speed_changes_while_open(line: Any) -> None:
    meter, reader = line
    assert isinstance(reader, Adjustable)
    await reader.retune(9600, "7E1")
    assert reader.byte_time == pytest.approx(10 / 9600)
    await reader.write(b"/?!")
    assert await collect(meter, 3) == b"/?!"
    assert meter.baud == 9600
    await reader.retune(300)
    assert meter.baud == 300
    assert reader.byte_time == pytest.approx(10 / 300)


async def test_a_recorded_line_changes_its_speed_too(tmp_path: Path) -> None:
    meter = await open_link(f"pty://{tmp_path}/meter")
    assert isinstance(meter, PtyLink)
    reader = await open_link(f"{tmp_path}/meter?baud=300&format=7E1&record={tmp_path}/tape")
    assert isinstance(reader, Adjustable)
    await reader.retune(4800)
    assert meter.baud == 4800
    await reader.close()
    await meter.close()


async def test_closed_line_refuses(line: Any) -> None:
    _meter, reader = line
    await reader.close()
    await reader.close()
    with pytest.raises(LinkError, match="closed"):
        await reader.write(b"x")
    assert await reader.read() == b""


async def test_missing_and_busy_ports(tmp_path: Path, line: Any) -> None:
    with pytest.raises(LinkError, match="there is no such port"):
        await open_link("/dev/this_is_no_port")
    with pytest.raises(LinkError, match="another program has the port open"):
        await open_link(f"{tmp_path}/meter")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(LinkError, match="exists"):
        await open_link(f"pty://{tmp_path}/file")
    assert (tmp_path / "file").read_text() == "mine"


async def test_fifty_lines_share_one_loop(tmp_path: Path) -> None:
    """50 lines, 20 telegrams of 400 bytes each: every byte arrives; a telegram costs under a millisecond of CPU."""
    meters = [await open_link(f"pty://{tmp_path}/m{number}") for number in range(50)]
    readers = [await open_link(f"{tmp_path}/m{number}") for number in range(50)]
    telegram, rounds = bytes(range(200)) * 2, 20
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(rounds):
        for meter in meters:
            await meter.write(telegram)
        assert await asyncio.gather(*(collect(reader, 400) for reader in readers)) == [telegram] * 50
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{1000 * spent / rounds:.2f} ms CPU for 50 telegrams, writing them included")
    assert spent < rounds * 50 * 0.001
    for link in (*readers, *meters):
        await link.close()
