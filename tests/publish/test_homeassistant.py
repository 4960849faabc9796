"""Discovery documents that Home Assistant takes, and templates that it does not warn about."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from collector import CARD, Collector, reading
from metergate.errors import ConfigError
from metergate.links.mqtt import Message
from metergate.model import Medium, Obis, Register, Unit
from metergate.publish import HomeAssistantPublisher, HomeAssistantSettings, MeterCard
from metergate.publish.fields import BY_OBIS, BY_QUANTITY

pytestmark = pytest.mark.anyio
NODE = "homeassistant/sensor/metergate_1023497978063"
STATE_CLASSES = {
    "energy": {"total", "total_increasing"},
    "gas": {"total", "total_increasing"},
    "water": {"total", "total_increasing"},
    "volume": {"total", "total_increasing"},
    "monetary": {"total"},
}
"""What Home Assistant's sensor component allows for classes that count."""


def publisher(collector: Collector, **settings: Any) -> HomeAssistantPublisher:
    made = HomeAssistantPublisher(collector, HomeAssistantSettings("gw1", **settings), lambda: 0.0)
    made.meter(CARD)
    return made


def feed(made: HomeAssistantPublisher) -> None:
    made.accept(reading("1-0:1.8.0", "1", Unit.WH))
    made.accept(reading("1-0:16.7.0", "1", Unit.W))
    made.flush(CARD.id)


async def published(made: HomeAssistantPublisher, collector: Collector, count: int) -> dict[str, Any]:
    running = asyncio.create_task(made.run())
    await collector.wait(count)
    running.cancel()
    assert all(retain for _, _, retain in collector.sent)
    return {topic: json.loads(payload) if payload else None for topic, payload, _ in collector.take()}


async def test_one_document_a_value(collector: Collector) -> None:
    made = publisher(collector)
    feed(made)
    found = await published(made, collector, 3)
    assert set(found) == {f"{NODE}/{name}/config" for name in ("import", "power", "rate")}
    assert found[f"{NODE}/import/config"] == {
        "uniq_id": "mg_1023497978063_import",
        "name": "Import",
        "dev_cla": "energy",
        "stat_cla": "total_increasing",
        "unit_of_meas": "kWh",
        "val_tpl": "{{ value_json.import if value_json.import is defined else none }}",
        "dev": {
            "ids": ["metergate_1023497978063"],
            "name": "Electricity meter",
            "mf": "Landis+Gyr",
            "mdl": "E470",
            "sn": "21L1234567",
            "sw": "1.0",
        },
        "o": {"name": "metergate", "sw": "0.1.0"},
        "avty": [{"t": "metergate/gw1/availability"}, {"t": "metergate/gw1/meter/1023497978063/availability"}],
        "avty_mode": "all",
        "stat_t": "metergate/gw1/meter/1023497978063/state",
        "qos": 1,
    }
    assert found[f"{NODE}/power/config"]["exp_aft"] == 300
    assert found[f"{NODE}/rate/config"]["unit_of_meas"] == "GBP/kWh"


async def test_one_document_a_meter(collector: Collector) -> None:
    made = publisher(collector, mode="device", url="http://gw.local/")
    feed(made)
    found = await published(made, collector, 1)
    (document,) = found.values()
    assert list(found) == ["homeassistant/device/metergate_1023497978063/config"]
    assert document["cmps"]["import"]["p"] == "sensor"
    assert document["cmps"].keys() == {"import", "power", "rate"}
    assert document["o"]["url"] == "http://gw.local/"


@pytest.mark.parametrize("mode", ["entity", "device"])
async def test_gone_for_good(mode: str, collector: Collector) -> None:
    made = publisher(collector, mode=mode)
    feed(made)
    await published(made, collector, 1 if mode == "device" else 3)
    made.remove_field(CARD.id, "power")
    found = await published(made, collector, 1 if mode == "device" else 3)
    if mode == "device":
        assert next(iter(found.values()))["cmps"]["power"] == {"p": "sensor"}
    else:
        assert found[f"{NODE}/power/config"] is None
    made.remove(CARD.id)
    found = await published(made, collector, 1 if mode == "device" else 2)
    assert set(found.values()) == {None}


async def test_said_again_when_home_assistant_or_we_come_back(collector: Collector) -> None:
    made = publisher(collector)
    feed(made)
    first = await published(made, collector, 3)
    running = asyncio.create_task(made.run())
    await asyncio.sleep(0)
    collector.handlers["homeassistant/status"](Message("homeassistant/status", b"offline"))
    collector.handlers["homeassistant/status"](Message("homeassistant/status", b"online"))
    assert await published(made, collector, 3) == first
    running.cancel()
    await collector.greeters[0]()
    assert await published(made, collector, 3) == first


async def test_a_new_name_is_the_same_thing(collector: Collector) -> None:
    made = publisher(collector)
    feed(made)
    first = await published(made, collector, 3)
    made.meter(replace(CARD, name="Cellar"))
    second = await published(made, collector, 3)
    assert first.keys() == second.keys()
    for topic in first:
        assert second[topic]["dev"].pop("name") == "Cellar"
        first[topic]["dev"].pop("name")
    assert first == second


async def test_computed_values_and_extra_sensors_are_announced(collector: Collector) -> None:
    made = HomeAssistantPublisher(collector, HomeAssistantSettings("gw1"))
    made.meter(MeterCard("7", sensors={"reactive": Obis.parse("1-0:3.8.0"), "odd name": Obis.parse("1-0:4.8.0")}))
    for code, unit in (
        ("1-0:1.8.1", Unit.WH),
        ("1-0:2.7.0", Unit.W),
        ("1-0:3.8.0", Unit.VARH),
        ("1-0:4.8.0", Unit.VARH),
    ):
        made.accept(reading(code, "1", unit, "7"))
    made.flush("7")
    found = await published(made, collector, 6)
    units = {topic.split("/")[-2]: document.get("unit_of_meas") for topic, document in found.items()}
    assert units == {
        "import_t1": "kWh",
        "import": "kWh",
        "export_power": "kW",
        "power": "kW",
        "reactive": "varh",
        "odd_name": "varh",
    }
    template = found["homeassistant/sensor/metergate_7/odd_name/config"]["val_tpl"]
    assert template == '{{ value_json["odd name"] if value_json["odd name"] is defined else none }}'


def test_classes_agree_with_each_other() -> None:
    for field in (*BY_OBIS.values(), *BY_QUANTITY.values()):
        allowed = STATE_CLASSES.get(field.device_class or "", {"measurement", "total_increasing"})
        assert field.state_class in allowed, field


async def test_money_is_in_the_tariffs_currency(collector: Collector) -> None:
    made = HomeAssistantPublisher(collector, HomeAssistantSettings("gw1"))
    made.meter(MeterCard("7", medium=Medium.ELECTRICITY, currency="EUR"))
    made.accept(replace(reading("1-0:1.8.0", "1", Unit.WH, "7"), register=Register("7", None, "cost", Unit.CURRENCY)))
    made.flush("7")
    (document,) = (await published(made, collector, 1)).values()
    assert (document["dev_cla"], document["stat_cla"], document["unit_of_meas"]) == ("monetary", "total", "EUR")
    assert Decimal(document["qos"]) == 1


@pytest.mark.parametrize("wrong", [{"mode": "both"}, {"prefix": ""}, {"prefix": "home/#"}])
def test_settings(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="homeassistant"):
        HomeAssistantSettings("gw1", **wrong)  # type: ignore[arg-type]
