"""The exporter `glowprom`, unmodified, scrapes our emulated display and finds the meters' numbers."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import urllib.request
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from brokers import mosquitto
from collector import reading
from metergate.links.broker import free_port
from metergate.links.mqtt import MqttClient
from metergate.model import Medium, Unit
from metergate.publish import GlowPublisher, GlowSettings, MeterCard

pytest.importorskip("glowprom")
pytestmark = pytest.mark.anyio

ELECTRIC = datetime(2022, 11, 7, 9, 20, 8, tzinfo=UTC)
GAS = datetime(2022, 11, 7, 9, 35, 38, tzinfo=UTC)
STOOD = {
    ("e", datetime(2022, 11, 7, tzinfo=UTC)): "15251.110",
    ("e", datetime(2022, 11, 1, tzinfo=UTC)): "15194.388",
    ("g", datetime(2022, 11, 7, tzinfo=UTC)): "66572.244",
    ("g", datetime(2022, 11, 1, tzinfo=UTC)): "66206.413",
}
EXPECTED = {
    'glowprom_import_cumulative_Wh{type="electric", mpan="abcd"}': 15254827.0,
    'glowprom_export_cumulative_Wh{type="electric", mpan="abcd"}': 0.0,
    'glowprom_import_day_Wh{type="electric", mpan="abcd"}': 3717.0,
    'glowprom_import_week_Wh{type="electric", mpan="abcd"}': 3717.0,
    'glowprom_import_month_Wh{type="electric", mpan="abcd"}': 60439.0,
    'glowprom_power_W{type="electric", mpan="abcd"}': 425.0,
    'glowprom_import_price{type="electric", mpan="abcd"}': 0.16401,
    'glowprom_import_standing{type="electric", mpan="abcd"}': 0.19383,
    'glowprom_import_cumulative_Wh{type="gas", mprn="wxyz"}': 66589570.0,
    'glowprom_import_cumulativevol_m3{type="gas", mprn="wxyz"}': 5995.276,
    'glowprom_import_dayvol_Wh{type="gas", mprn="wxyz"}': 17326.0,
    'glowprom_import_monthvol_Wh{type="gas", mprn="wxyz"}': 383157.0,
    'glowprom_import_price{type="gas", mprn="wxyz"}': 0.03623,
    'glowprom_import_standing{type="gas", mprn="wxyz"}': 0.168,
    "glowprom_rssi": -88.0,
    "glowprom_lqi": 48.0,
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def card(meter: str, medium: Medium, mpxn: str, rate: str, standing: str) -> MeterCard:
    return MeterCard(meter, medium=medium, mpan=mpxn, unit_rate=Decimal(rate), standing_charge=Decimal(standing))


def display(client: MqttClient) -> GlowPublisher:
    settings = GlowSettings(device="BCDDC2C6A91C", rssi=-88, lqi=48, cycle=6, stale=(3600, 3600))
    made = GlowPublisher(client, settings, "gw1", lambda meter, field, start: Decimal(STOOD[meter, start]), lambda: GAS)
    made.meter(card("e", Medium.ELECTRICITY, "abcd", "0.16401", "0.19383"))
    made.meter(card("g", Medium.GAS, "wxyz", "0.03623", "0.168"))
    for code, value, unit, meter, at in (
        ("1-0:1.8.0", "15254827", Unit.WH, "e", ELECTRIC),
        ("1-0:16.7.0", "425", Unit.W, "e", ELECTRIC),
        ("7-0:3.0.0", "5995.276", Unit.M3, "g", GAS),
        ("6-0:1.0.0", "66589.57", Unit.KWH, "g", GAS),
    ):
        made.accept(reading(code, value, unit, meter, at))
        made.flush(meter)
    return made


def scrape(port: int) -> dict[str, float]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    return {name: float(value) for name, value in re.findall(r"^(glowprom_[^#\n]*?) ([-0-9.e+]+)$", text, re.M)}


async def test_numbers(tmp_path: Path) -> None:
    bind = free_port("127.0.0.1")
    program = str(Path(sys.executable).parent / "glowprom")
    with mosquitto(tmp_path) as broker:
        where = ("--mqtt", "127.0.0.1", "--port", str(broker.port), "--bind", f"127.0.0.1:{bind}")
        stranger = await asyncio.create_subprocess_exec(program, *where, stdout=subprocess.DEVNULL)
        try:
            async with MqttClient(broker.url, "gw1") as client:
                running = asyncio.create_task(display(client).run())
                found: dict[str, float] = {}
                async with asyncio.timeout(60):
                    while not EXPECTED.keys() <= found.keys():
                        found = await asyncio.to_thread(scrape, bind)
                running.cancel()
        finally:
            stranger.terminate()
            await stranger.wait()
    assert {name: found[name] for name in EXPECTED} == pytest.approx(EXPECTED, rel=1e-6)
