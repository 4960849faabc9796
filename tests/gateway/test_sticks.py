"""A gateway's line with a radio stick, and with a program that writes telegrams as text."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from metergate.gateway.hub import Hub, MeterState, Sink
from metergate.gateway.lines import LineTask
from metergate.gateway.settings import Line
from metergate.links import open_link
from metergate.links.pty import PtyLink
from metergate.model import Reading
from metergate.wire.mbus.records import record
from metergate.wire.wmbus import Address, Format, Sender
from metergate.wire.wmbus.sticks import im871a, lines

pytestmark = pytest.mark.anyio


class First(Sink):
    """The first value that it is told."""

    def __init__(self) -> None:
        self.value: asyncio.Future[object] = asyncio.get_running_loop().create_future()

    def accept(self, meter: MeterState, readings: tuple[Reading, ...]) -> None:
        if not self.value.done():
            self.value.set_result((meter.id, readings[0].value))


def telegram() -> bytes:
    sender = Sender(Address.named("12345678", "ELS", 1, 7), form=Format.NONE)
    return sender.frames([record(b"\x0c", b"\x13", Decimal("12.345"))])[0]


async def first(url: str, other: PtyLink | None = None) -> object:
    """What a line at `url` first says; `other` is the stick's end of the wire."""
    sink = First()
    task = asyncio.create_task(LineTask(Line(url, "wmbus"), Hub("gw1", [sink])).run())
    try:
        if other is not None:
            assert await other.read() == im871a.Im871a("C1").greeting
            await other.write(im871a.indication(telegram()))
        return await sink.value
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_stick_is_greeted_and_heard(tmp_path: Path) -> None:
    other = await open_link(f"pty://{tmp_path / 'tty'}")
    assert isinstance(other, PtyLink)
    assert await first(f"stick://im871a{other.path}?mode=C1", other) == ("12345678", Decimal("12.345"))
    await other.close()


async def test_a_program_is_heard(tmp_path: Path) -> None:
    file = tmp_path / "rtl_wmbus"
    line = lines.rtl_line(telegram(), "2026-11-23 01:02:03.000").decode().strip()
    file.write_text(f"#!/bin/sh\necho '{line}'\nexec sleep 1000\n")
    file.chmod(0o700)
    assert await first(f"pipe://{file}") == ("12345678", Decimal("12.345"))
