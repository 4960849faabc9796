"""The emulated display writes what the real one writes, and a real one is read without trust."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokers import Listener, mosquitto
from collector import NOW, Collector, reading
from metergate.errors import ConfigError
from metergate.links.mqtt import MqttClient
from metergate.model import Event, Medium, Quality, TimeQuality, Unit
from metergate.publish import GlowPublisher, GlowSettings, MeterCard
from metergate.publish.glow import GlowHealth, GlowReader, GlowSample, device_id
from metergate.wire.base import Problem

ELECTRICITY = (
    '{"electricitymeter":{"timestamp":"2022-11-07T09:20:08Z","energy":{"export":{"cumulative":0.000,"units":"kWh"},'
    '"import":{"cumulative":15254.827,"day":3.717,"week":3.717,"month":60.439,"units":"kWh","mpan":"1023497978063",'
    '"supplier":"Octopus Energy","price":{"unitrate":0.16401,"standingcharge":0.19383}}},'
    '"power":{"value":0.425,"units":"kW"}}}'
)
GAS = (
    '{"gasmeter":{"timestamp":"2023-01-07T23:24:10Z","energy":{"import":{"cumulative":7063.546,"day":49.464,'
    '"week":290.707,"month":344.933,"units":"kWh","cumulativevol":629.514,"cumulativevolunits":"m3","dayvol":49.464,'
    '"weekvol":290.707,"monthvol":344.933,"dayweekmonthvolunits":"kWh","mprn":"2188127003","supplier":"---",'
    '"price":{"unitrate":0.1024,"standingcharge":0.2684}}}}}'
)
STATE = (
    '{"timestamp":"2026-01-19T20:55:38Z","software":"v2.0.2","hardware":"GLOW-IHD-02-1v4-SMETS2",'
    '"wifistamac":"BCDDC2C6A91C","smetsversion":"SMETS2","eui":"70:B3:D5:21:E0:00:8D:10","zigbee":"1.2.5",'
    '"han":{"rssi":-88,"status":"joined","lqi":48}}'
)
"""Messages of real displays, as published by their owners; the numbers of the meter points are invented."""
DEVICE = "BCDDC2C6A91C"
SENSOR = f"glow/{DEVICE}/SENSOR"
SENT = datetime(2022, 11, 7, 9, 20, 8, tzinfo=UTC)
SENT_GAS = datetime(2023, 1, 7, 23, 24, 10, tzinfo=UTC)
ELECTRIC_CARD = MeterCard(
    "1023497978063",
    medium=Medium.ELECTRICITY,
    supplier="Octopus Energy",
    unit_rate=Decimal("0.16401"),
    standing_charge=Decimal("0.19383"),
)
GAS_CARD = MeterCard("2188127003", medium=Medium.GAS, unit_rate=Decimal("0.1024"), standing_charge=Decimal("0.2684"))


def before(meter: str, field: str, start: datetime) -> Decimal | None:
    """What the registers of the samples stood at when day, week and month began (day and week alike on a Monday)."""
    stood = {
        datetime(2022, 11, 7, tzinfo=UTC): "15251.110",
        datetime(2022, 11, 1, tzinfo=UTC): "15194.388",
        datetime(2023, 1, 7, tzinfo=UTC): "7014.082",
        datetime(2023, 1, 2, tzinfo=UTC): "6772.839",
        datetime(2023, 1, 1, tzinfo=UTC): "6718.613",
    }
    return Decimal(stood[start])


def publisher(client: Any, **settings: Any) -> GlowPublisher:
    return GlowPublisher(client, GlowSettings(device=DEVICE, **settings), "gw1", before)


def feed_electricity(display: GlowPublisher) -> None:
    display.meter(ELECTRIC_CARD)
    for code, value, unit in (
        ("1-0:1.8.0", "15254827", Unit.WH),
        ("1-0:2.8.0", "0", Unit.WH),
        ("1-0:16.7.0", "425", Unit.W),
    ):
        display.accept(reading(code, value, unit, at=SENT))
    display.flush("1023497978063")


def feed_gas(display: GlowPublisher) -> None:
    display.meter(GAS_CARD)
    display.accept(reading("7-0:3.0.0", "629.514", Unit.M3, "2188127003", SENT_GAS))
    display.accept(reading("6-0:1.0.0", "7063.546", Unit.KWH, "2188127003", SENT_GAS))
    display.flush("2188127003")


def test_the_samples_letter_by_letter(collector: Collector) -> None:
    display = publisher(collector)
    feed_electricity(display)
    feed_gas(display)
    found = {topic: payload.decode() for topic, payload, _ in display.messages(SENT)}
    assert found[f"{SENSOR}/electricitymeter"] == ELECTRICITY
    found = {topic: payload.decode() for topic, payload, _ in display.messages(SENT_GAS)}
    assert found[f"{SENSOR}/gasmeter"] == GAS


@pytest.mark.parametrize(
    ("dialect", "software", "present", "absent"),
    [
        ("v2.0", "v2.0.2", {"wifistamac"}, {"ethmac"}),
        ("v1.8.13", "v1.8.13", {"wifistamac", "ethmac"}, set()),
        ("v1.8.12", "v1.8.12", {"ethmac"}, {"wifistamac"}),
    ],
)
def test_dialects(dialect: str, software: str, present: set[str], absent: set[str], collector: Collector) -> None:
    display = publisher(collector, dialect=dialect)
    feed_gas(display)
    sent = [(topic.rpartition("/")[2], payload) for topic, payload, _ in display.messages(SENT_GAS)]
    found = {kind: json.loads(payload) for kind, payload in sent if kind != "availability"}
    state = found["STATE"]
    assert state["software"] == software
    assert present <= state.keys()
    assert not absent & state.keys()
    assert {"timestamp", "hardware", "smetsversion", "eui", "zigbee", "han"} <= state.keys()
    body = found["gasmeter"]["gasmeter"]
    old = dialect == "v1.8.12"
    assert ("power" in body, "export" in body["energy"]) == (old, old)
    assert ("cumulativevol" in body["energy"]["import"]) is not old


def test_missing_values(collector: Collector) -> None:
    """Power has a sign for unknown; without register or price there is no message rather than nulls."""
    display = publisher(collector)
    display.meter(ELECTRIC_CARD)
    display.accept(reading("1-0:16.7.0", "425", Unit.W, at=SENT))
    display.flush("1023497978063")
    assert [topic for topic, _, _ in display.messages(SENT)] == [f"glow/{DEVICE}/STATE"]
    feed_electricity(display)
    display.accept(reading("1-0:16.7.0", None, Unit.W, at=SENT))
    body = json.loads(list(display.messages(SENT))[1][1])["electricitymeter"]
    assert body["power"]["value"] == -8388.608
    display.accept(reading("1-0:2.8.0", None, Unit.WH, at=SENT))
    assert [topic for topic, _, _ in display.messages(SENT)][1:] == []


def test_no_message_without_a_price(collector: Collector) -> None:
    display = GlowPublisher(collector, GlowSettings(device=DEVICE), "gw1")
    display.meter(MeterCard("7", medium=Medium.ELECTRICITY))
    display.accept(reading("1-0:1.8.0", "1000", Unit.WH, "7", SENT))
    display.flush("7")
    assert len(list(display.messages(SENT))) == 1


def test_signed_power_from_both_directions(collector: Collector) -> None:
    display = publisher(collector)
    feed_electricity(display)
    display.accept(reading("1-0:16.7.0", "-2500", Unit.W, at=SENT))
    assert b'"power":{"value":-2.500,"units":"kW"}' in list(display.messages(SENT))[1][1]


def test_a_silent_meter_is_repeated_then_left_out_and_reported(collector: Collector) -> None:
    display = publisher(collector)
    feed_electricity(display)
    sensor, available = f"{SENSOR}/electricitymeter", "metergate/gw1/meter/1023497978063/availability"

    def cycle(seconds: float) -> list[tuple[str, bytes]]:
        return [(t, p) for t, p, _ in display.messages(SENT + timedelta(seconds=seconds))][1:]

    assert cycle(0) == [(sensor, ELECTRICITY.encode()), (available, b"online")]
    assert cycle(10) == [(sensor, ELECTRICITY.encode())]
    assert cycle(300) == [(sensor, ELECTRICITY.encode())]
    assert cycle(301) == [(available, b"offline")]
    assert cycle(311) == []
    feed_electricity(display)
    display.accept(reading("1-0:1.8.0", "15254900", Unit.WH, at=SENT + timedelta(seconds=400)))
    assert [topic for topic, _ in cycle(401)] == [sensor, available]


@pytest.mark.parametrize("day", [datetime(2026, 3, 29), datetime(2026, 10, 25), datetime(2026, 6, 1)])
def test_local_days_sum_up_to_the_register(day: datetime, collector: Collector) -> None:
    """On days of 23, 24 and 25 hours: every local midnight has its boundary message, and no energy is lost between."""
    zone = ZoneInfo("Europe/London")
    display = GlowPublisher(
        collector, GlowSettings(device=DEVICE, calendar="local", zone=zone, stale=(9e9, 9e9)), "gw1"
    )
    display.meter(ELECTRIC_CARD)
    instant = start = (day - timedelta(days=1)).replace(tzinfo=zone).astimezone(UTC)
    end = (day + timedelta(days=2)).replace(tzinfo=zone).astimezone(UTC)
    register, last, total = 1_000_000, 0.0, Decimal(0)
    midnights = []
    while instant <= end:
        display.accept(reading("1-0:1.8.0", str(register), Unit.WH, at=instant))
        display.flush("1023497978063")
        sensors = [json.loads(p)["electricitymeter"] for t, p, _ in display.messages(instant) if "electricity" in t]
        *boundaries, now = sensors
        for boundary in boundaries:
            assert boundary["energy"]["import"]["day"] == 0
            midnights.append(boundary["timestamp"])
            total += Decimal(str(last))
        last = now["energy"]["import"]["day"]
        register += 25
        instant += timedelta(minutes=10)
    hours = [datetime.fromisoformat(text) for text in midnights]
    lengths = [(b - a) / timedelta(hours=1) for a, b in zip([start, *hours], hours, strict=False)]
    expected = {datetime(2026, 3, 29): 23, datetime(2026, 10, 25): 25}.get(day, 24)
    assert lengths == [24, expected, 24]
    assert (total + Decimal(str(last))) * 1000 == register - 25 - 1_000_000


def test_utc_days_reset_at_one_oclock_in_summer(collector: Collector) -> None:
    display = GlowPublisher(collector, GlowSettings(device=DEVICE), "gw1")
    display.meter(ELECTRIC_CARD)
    days = []
    for hour, wh in ((22, 1000), (23, 2000), (24, 3000)):
        at = datetime(2026, 6, 1, tzinfo=UTC) + timedelta(hours=hour)
        display.accept(reading("1-0:1.8.0", str(wh), Unit.WH, at=at))
        display.flush("1023497978063")
        days.append(json.loads(list(display.messages(at))[1][1])["electricitymeter"]["energy"]["import"]["day"])
    assert days == [0, 1, 1]


def test_only_the_named_meters_are_shown(collector: Collector) -> None:
    display = publisher(collector, electricity="1023497978063")
    display.meter(MeterCard("other", medium=Medium.ELECTRICITY))
    display.meter(MeterCard("water", medium=Medium.WATER))
    feed_electricity(display)
    assert sum("SENSOR" in topic for topic, _, _ in display.messages(SENT)) == 1


def test_gas_energy_from_volume(collector: Collector) -> None:
    display = GlowPublisher(collector, GlowSettings(device=DEVICE), "gw1")
    display.meter(
        MeterCard("g", medium=Medium.GAS, unit_rate=Decimal(1), standing_charge=Decimal(1), kwh_per_m3=Decimal("11.2"))
    )
    display.accept(reading("7-0:3.0.0", "100", Unit.M3, "g", SENT))
    display.flush("g")
    assert b'"cumulative":1120.000' in list(display.messages(SENT))[1][1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"prefix": ""},
        {"prefix": "a/STATE"},
        {"prefix": "x+"},
        {"prefix": "my-gasmeter"},
        {"device": "bcddc2c6a91c"},
        {"device": "BC:DD:C2:C6:A9:1C"},
        {"dialect": "v3"},
        {"calendar": "moon"},
        {"cycle": 5.0},
    ],
)
def test_settings_that_clients_could_not_live_with(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="glow"):
        GlowSettings(**wrong)


def test_a_made_up_id_is_a_stable_local_mac() -> None:
    assert device_id("gw1") == device_id("gw1") != device_id("gw2")
    GlowSettings(device=device_id("gw1"))
    assert int(device_id("gw1")[:2], 16) & 3 == 2


@pytest.mark.anyio
async def test_mosquitto_sub_sees_the_display(tmp_path: Path) -> None:
    """A stranger's program shows STATE retained, and the sensors with the fields of the real device."""
    with mosquitto(tmp_path) as broker:
        async with MqttClient(broker.url, "gw1") as client, Listener(broker.port, "glow/#", 2) as early:
            display = GlowPublisher(client, GlowSettings(device=DEVICE), "gw1", before, lambda: SENT)
            feed_electricity(display)
            running = asyncio.create_task(display.run())
            lines = await early.lines()
            running.cancel()
            async with Listener(broker.port, "glow/+/STATE", 1) as late:
                (state,) = await late.lines()
    assert lines[1] == f"0 {SENSOR}/electricitymeter {ELECTRICITY}"
    assert state.startswith(f"1 glow/{DEVICE}/STATE " + '{"timestamp":"2022-11-07T09:20:08Z","software":"v2.0.2"')


# The reader


def receive(reader: GlowReader, text: str, kind: str = "electricitymeter", now: datetime = NOW) -> list[Any]:
    return list(reader.receive(f"{SENSOR}/{kind}", text.encode(), now))


def test_reads_the_samples() -> None:
    reader = GlowReader()
    (electric,) = receive(reader, ELECTRICITY)
    (gas,) = receive(reader, GAS, "gasmeter")
    assert isinstance(electric, GlowSample)
    values = {str(r.obis): (r.value, r.unit) for r in electric.readings}
    assert values == {
        "1-0:1.8.0": (Decimal("15254.827"), Unit.KWH),
        "1-0:2.8.0": (Decimal("0.000"), Unit.KWH),
        "1-0:16.7.0": (Decimal("0.425"), Unit.KW),
    }
    assert {r.meter_time for r in electric.readings} == {SENT}
    assert (electric.unit_rate, electric.standing_charge) == (Decimal("0.16401"), Decimal("0.19383"))
    assert electric.diagnostics["month"] == Decimal("60.439")
    assert [(r.meter, r.value, r.unit) for r in gas.readings] == [
        ("2188127003", Decimal("7063.546"), Unit.KWH),
        ("2188127003", Decimal("629.514"), Unit.M3),
    ]
    (health,) = reader.receive(f"glow/{DEVICE}/STATE", STATE.encode(), NOW)
    assert isinstance(health, GlowHealth)
    assert (health.device, health.rssi, health.lqi, health.status) == (DEVICE, -88, 48, "joined")


def test_what_we_publish_we_read_back_exactly(collector: Collector) -> None:
    display = publisher(collector)
    feed_electricity(display)
    feed_gas(display)
    reader = GlowReader()
    found = {
        (r.meter, str(r.obis), r.unit): r.value
        for topic, payload, _ in display.messages(SENT_GAS)
        if "SENSOR" in topic
        for sample in reader.receive(topic, payload, SENT_GAS)
        for r in sample.readings  # type: ignore[union-attr]
    }
    assert found[("2188127003", "7-0:3.0.0", Unit.M3)] == Decimal("629.514")
    assert found[("2188127003", "None", Unit.KWH)] == Decimal("7063.546")


def test_a_repetition_is_dropped() -> None:
    reader = GlowReader()
    assert len(receive(reader, GAS, "gasmeter")) == 1
    assert receive(reader, GAS, "gasmeter") == []


@pytest.mark.parametrize("number", ["read pending", "Read Pending", "EMPTY", ""])
def test_meters_without_a_number_give_no_reading(number: str) -> None:
    assert receive(GlowReader(), ELECTRICITY.replace("1023497978063", number)) == []


def changed(value: str, time: str = "2022-11-07T09:20:08Z") -> str:
    return ELECTRICITY.replace("15254.827", value).replace("2022-11-07T09:20:08Z", time)


def registers(found: list[Any]) -> list[Any]:
    return [
        r.value for item in found if isinstance(item, GlowSample) for r in item.readings if str(r.obis) == "1-0:1.8.0"
    ]


def test_unknown_power_is_missing_and_energy_stays() -> None:
    (found,) = receive(GlowReader(), ELECTRICITY.replace("0.425", "-8388.608"))
    assert {str(r.obis) for r in found.readings} == {"1-0:1.8.0", "1-0:2.8.0"}


def test_zeros_after_a_reboot_are_no_values() -> None:
    reader = GlowReader()
    receive(reader, ELECTRICITY)
    (found,) = receive(reader, changed("0.000").replace("0.16401", "0").replace("0.19383", "null"))
    assert registers([found]) == []
    assert (found.unit_rate, found.standing_charge) == (None, None)
    assert registers(receive(reader, changed("15254.900"))) == [Decimal("15254.900")]


def test_zero_counts_after_three_agree_and_the_supply_was_registered_anew() -> None:
    reader = GlowReader()
    receive(reader, ELECTRICITY)
    zeros = [changed("0.000", f"2022-11-07T09:2{minute}:00Z") for minute in range(1, 5)]
    assert [registers(receive(reader, text)) for text in zeros] == [[], [], [], []]
    reader.registered_anew("1023497978063")
    assert registers(receive(reader, changed("0.000", "2022-11-07T09:30:00Z"))) == [0]
    assert registers(receive(reader, changed("1.5", "2022-11-07T09:31:00Z"))) == [Decimal("1.5")]


def test_a_falling_register_is_kept_doubted_and_reported() -> None:
    reader = GlowReader()
    receive(reader, ELECTRICITY)
    sample, event = receive(reader, changed("15000.000"))
    (fallen,) = [r for r in sample.readings if str(r.obis) == "1-0:1.8.0"]
    assert (fallen.value, fallen.quality, fallen.notes) == (Decimal("15000.000"), Quality.SUSPECT, ("regression",))
    assert isinstance(event, Event)
    assert event.code == "REGISTER_REGRESSION"


@pytest.mark.parametrize(
    "time", ["2026-11-22T18:32:00Z", "2014-12-31T23:59:59Z", "yesterday", "2022-11-07T09:20:08+00:00"]
)
def test_an_impossible_time_is_flagged(time: str) -> None:
    (found,) = receive(GlowReader(), changed("15254.827", time))
    assert {r.time_quality for r in found.readings} == {TimeQuality.DOUBTFUL}
    assert found.time == NOW


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[1]", "not an object"),
        (b'{"electricitymeter":NaN}', "not a number"),
        (b'{"electricitymeter":[]}', "no electricitymeter"),
        (b" " * 16_385, "too long"),
        (b"[" * 10_000, "not JSON"),
        (b"9" * 10_000, "not JSON"),
        (ELECTRICITY.replace("15254.827", '"15254"').encode(), "wrong type"),
        (ELECTRICITY.replace("15254.827", "true").encode(), "wrong type"),
        (ELECTRICITY.replace("15254.827", "1e400").encode(), "out of range"),
        (ELECTRICITY.replace("15254.827", "1e-400").encode(), "out of range"),
        (ELECTRICITY.replace('"kWh"', '"Wh"').encode(), "unit"),
        (ELECTRICITY.replace("1023497978063", "\\ud800").encode(), "no text"),
    ],
)
def test_bad_messages_are_counted(payload: bytes, reason: str) -> None:
    reader = GlowReader()
    (found,) = reader.receive(f"{SENSOR}/electricitymeter", payload, NOW)
    assert isinstance(found, Problem)
    assert reader.bad == {reason: 1}


def test_a_prefix_with_a_slash_and_a_topic_of_somebody_else() -> None:
    (found,) = GlowReader().receive(f"home/energy/{DEVICE}/SENSOR/electricitymeter", ELECTRICITY.encode(), NOW)
    assert isinstance(found, GlowSample)
    assert (found.prefix, found.device) == ("home/energy", DEVICE)
    (problem,) = GlowReader().receive("glow/x/other", b"{}", NOW)
    assert isinstance(problem, Problem)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["read pending", "kWh"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["electricitymeter", "energy", "import", "export", "power", "cumulative", "mpan", "value", "price"]
            ),
            inner,
        )
    ),
    max_leaves=20,
)


@given(st.sampled_from([f"{SENSOR}/electricitymeter", f"{SENSOR}/gasmeter", f"glow/{DEVICE}/STATE", "x", ""]), JSON)
def test_nothing_makes_the_reader_raise(topic: str, tree: Any) -> None:
    reader = GlowReader()
    for payload in (json.dumps(tree).encode(), json.dumps(tree).encode()[:-1]):
        list(reader.receive(topic, payload, NOW))


@given(st.binary(max_size=200), st.text(max_size=30))
def test_no_bytes_make_the_reader_raise(payload: bytes, topic: str) -> None:
    list(GlowReader().receive(f"{SENSOR}/gasmeter", payload, NOW))
    list(GlowReader().receive(topic, payload, NOW))


def test_cards_are_not_shared(collector: Collector) -> None:
    """A card of the same meter replaces the old one: the new price is on the wire at once."""
    display = publisher(collector)
    feed_electricity(display)
    display.meter(
        MeterCard("1023497978063", medium=Medium.ELECTRICITY, unit_rate=Decimal(2), standing_charge=Decimal(3))
    )
    assert b'"unitrate":2,"standingcharge":3' in list(display.messages(SENT))[1][1]
