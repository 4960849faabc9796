"""From an unknown line to readings: what the scan writes is what the gateway reads with."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from metergate.config import load_gateway
from metergate.errors import ConfigError
from metergate.gateway.hub import Hub, MeterState, Sink
from metergate.gateway.lines import LineTask
from metergate.links import Link
from metergate.links.tcp import listen
from metergate.meters.map import load_maps
from metergate.meters.scan import PROBES, Scope, Survey, scan, settings
from metergate.model import Event, Obis, Reading, Unit
from metergate.wire.modbus import TCP
from metergate.wire.modbus.meter import Meter
from metergate.wire.modbus.points import Point

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NAMES = {2: "eastron_sdm630_modbus", 5: "abb_ab_modbus"}
SHOWN = {Unit.V: Decimal(230), Unit.HZ: Decimal(50), Unit.KWH: Decimal("4711.25")}


def shows(point: Point, now: datetime) -> Decimal:
    return SHOWN.get(point.unit, Decimal(7)) if point.unit else Decimal(7)


async def serve(link: Link) -> None:
    maps = load_maps()
    meters = [Meter(unit, maps[name].point, shows, TCP, strict=True) for unit, name in NAMES.items()]
    while data := await link.read():
        for meter in meters:
            for answer in meter.receive(data, NOW):
                await link.write(answer)


class Seen(Sink):
    """Waits until every meter was read."""

    def __init__(self) -> None:
        self.totals: dict[str, object] = {}
        self.all = asyncio.Event()

    def accept(self, meter: MeterState, readings: tuple[Reading, ...]) -> None:
        self.totals[meter.id] = next(each.value for each in readings if each.obis == Obis.parse("1-0:1.8.0"))
        if len(self.totals) == len(NAMES):
            self.all.set()

    def silent(self, meter: MeterState) -> None: ...

    def event(self, event: Event) -> None: ...


async def test_what_the_scan_writes_is_what_the_gateway_reads_with(tmp_path: Path) -> None:
    port = await listen("127.0.0.1", 0, serve)
    url, surveys = f"tcp://127.0.0.1:{port.port}", dict[str, Survey]()
    await scan(url, {"modbus-tcp": PROBES["modbus-tcp"]}, [None], surveys, Survey(Scope(last=6, timeout=1.0)))
    file = tmp_path / "gateway.toml"
    file.write_text(settings(surveys).replace("[[line]]", "[[line]]\njitter = 0", 1))
    (line,) = load_gateway(file).line
    assert {meter.map for meter in line.meter} == set(NAMES.values())
    seen = Seen()
    task = asyncio.create_task(LineTask(line, Hub("gw", [seen])).run())
    try:
        async with asyncio.timeout(60):
            await seen.all.wait()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await port.close()
    assert seen.totals == {"modbus-2": Decimal("4711.25"), "modbus-5": Decimal("4711.25")}


def test_a_meter_without_a_map_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text('[[line]]\nurl = "tcp://h:502"\nprotocol = "modbus-tcp"\n[[line.meter]]\nid = "m"\naddress = "3"\n')
    with pytest.raises(ConfigError, match=r"gateway.toml:4: meter m: which model is it"):
        load_gateway(file)
    file.write_text(file.read_text().replace("[[line.meter]]", 'options = { map = "abb_ab_modbus" }\n[[line.meter]]'))
    assert load_gateway(file).line[0].meter[0].map == ""
