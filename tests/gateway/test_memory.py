"""What receivers learn survives a restart of the gateway; what is heard twice, or comes in clear, does not count."""

import asyncio
import json
from decimal import Decimal
from pathlib import Path

import pytest

from metergate.gateway.hub import Hub, MeterState, Sink
from metergate.gateway.lines import LineTask
from metergate.gateway.memory import Memories
from metergate.gateway.settings import Line, Meter
from metergate.links.loop import pair
from metergate.model import Reading
from metergate.wire.mbus.records import record
from metergate.wire.wmbus import Address, Format, Sender

pytestmark = pytest.mark.anyio
KEY = bytes(range(16))


class Seen(Sink):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.values: list[object] = []

    def accept(self, meter: MeterState, readings: tuple[Reading, ...]) -> None:
        self.values += [reading.value for reading in readings]


def water(mode: int = 7, every: int = 1) -> Sender:
    return Sender(Address.named("12345678", "ELS", 1, 7), KEY, mode, Format.A, "short", every=every)


def frame(sender: Sender, value: str) -> bytes:
    (found,) = sender.frames([record(b"\x0c", b"\x13", Decimal(value))])
    return found


async def gateway(folder: Path, *chunks: bytes) -> tuple[list[object], dict[str, int]]:
    """A gateway that was started, heard `chunks` on a radio line, and was stopped."""
    key = folder / "key"
    key.write_text(KEY.hex())
    ours, theirs = pair()
    seen = Seen()
    settings = Line("loop://", "wmbus", meter=(Meter(id="12345678", key_file=key),))
    line = LineTask(settings, Hub("gw1", [seen]), memories=Memories(folder / "learnt.json"))
    serving = asyncio.create_task(line._serve(ours))
    for chunk in chunks:
        await theirs.write(chunk)
    await theirs.close()
    await serving
    return seen.values, dict(line.state.problems)


@pytest.mark.parametrize("mode", [7, 10])
async def test_an_old_telegram_does_not_count_after_a_restart(tmp_path: Path, mode: int) -> None:
    meter = water(mode)
    old, new = frame(meter, "1.000"), frame(meter, "2.000")
    assert await gateway(tmp_path, old, new) == ([Decimal("1.000"), Decimal("2.000")], {})
    assert await gateway(tmp_path, old, new) == ([], {"replay": 2})
    assert await gateway(tmp_path, frame(meter, "3.000"), new) == ([Decimal("3.000")], {"replay": 1})


async def test_compact_frames_are_read_after_a_restart(tmp_path: Path) -> None:
    meter = water(5, every=3)
    assert await gateway(tmp_path, frame(meter, "1.000")) == ([Decimal("1.000")], {})
    assert await gateway(tmp_path, frame(meter, "2.000")) == ([Decimal("2.000")], {})
    (tmp_path / "learnt.json").unlink()
    assert await gateway(tmp_path, frame(meter, "3.000")) == ([], {"unsupported": 1})


async def test_a_telegram_in_clear_of_a_meter_with_a_key_does_not_count(tmp_path: Path) -> None:
    assert await gateway(tmp_path, frame(water(0), "1.000")) == ([], {"unprotected": 1})


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"loop://": 3}', '{"loop://": {"counters": 3}}', '{"loop://": {"layouts": {"00": "zz"}}}']
)
async def test_a_memory_that_cannot_be_read_is_forgotten(tmp_path: Path, text: str) -> None:
    (tmp_path / "learnt.json").write_text(text)
    meter = water()
    assert await gateway(tmp_path, frame(meter, "1.000")) == ([Decimal("1.000")], {})
    kept = json.loads((tmp_path / "learnt.json").read_text())
    assert kept["loop://"]["counters"] == {"ELS 12345678": 1}


async def test_it_is_kept_while_the_line_is_open(tmp_path: Path) -> None:
    memories = Memories(tmp_path / "learnt.json")
    learnt = Learnt()
    memories.restore("line", learnt)
    keeper = asyncio.create_task(memories.keep("line", learnt, pause=0.001))
    learnt.changes = 1
    await learnt.asked.wait()
    keeper.cancel()
    assert json.loads((tmp_path / "learnt.json").read_text()) == {"line": {"changes": 1}}


async def test_a_full_disk_is_logged_and_no_more(tmp_path: Path) -> None:
    memories = Memories(tmp_path / "missing" / "learnt.json")
    learnt = Learnt()
    memories.restore("line", learnt)
    learnt.changes = 1
    memories.put_new("line", learnt)
    (tmp_path / "missing").mkdir()
    memories.put_new("line", learnt)
    assert (tmp_path / "missing" / "learnt.json").exists()


class Learnt:
    """A receiver's memory that knows how often it changed."""

    def __init__(self) -> None:
        self.changes = 0
        self.asked = asyncio.Event()

    def saved(self) -> dict[str, object]:
        self.asked.set()
        return {"changes": self.changes}

    def restore(self, saved: object) -> None:
        assert saved == {}
