"""The laboratory's table becomes an archive, a gateway's file and a simulator's file that fit together."""

import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from metergate.config import load_gateway
from metergate.demo import plan
from metergate.demo.gateways import laboratory_file
from metergate.demo.laboratory import GATEWAY, Laboratory
from metergate.demo.stands import STANDS
from metergate.meters.pollers import POLLERS
from metergate.meters.translate import Translator
from metergate.sim.meters import PUSHERS, RESPONDERS, Pusher
from metergate.sim.street import street
from metergate.station import services
from metergate.station.archive.models import Installation, Line, Room
from metergate.wire import protocols
from metergate.wire.base import Telegram

NOW = datetime(2026, 11, 23, 2, tzinfo=UTC)


@pytest.fixture
def laboratory(tmp_path: Path) -> Laboratory:
    keys = tmp_path / "keys"
    keys.mkdir()
    return Laboratory(NOW, tmp_path / "ports", keys, {"DLMS-TCP": 41000})


def test_the_gateways_file_is_one(laboratory: Laboratory, tmp_path: Path) -> None:
    file, password = tmp_path / "laboratory.toml", tmp_path / "password"
    password.write_text("secret")
    file.write_text(laboratory_file(laboratory, tmp_path, ("127.0.0.1", 1883), password))
    lines = load_gateway(file).line
    assert [line.protocol for line in lines] == [stand.protocol for stand in STANDS]
    assert {line.protocol for line in lines} <= set(protocols())
    assert next(line.url for line in lines if line.protocol == "dlms-wrapper") == "tcp://127.0.0.1:41000"


def test_keys_are_their_owners_and_stay(laboratory: Laboratory) -> None:
    first = laboratory.bank(NOW.date())
    settings = laboratory.settings()
    files = list(laboratory.keys.iterdir())
    assert len(files) == sum(len(stand.keys) for stand in STANDS)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert (laboratory.bank(NOW.date()), laboratory.settings()) == (first, settings)
    assert not any(file.read_text() in settings for file in files)
    sealed = [spec.key for spec in first.meters if spec.key]
    assert len(set(sealed)) == len(sealed) == 2


def test_every_meter_has_a_room_a_line_and_a_port_of_its_own(laboratory: Laboratory) -> None:
    meters = [stand.meter for stand in STANDS]
    rooms = [room for stairs in laboratory.building().staircases for floor in stairs.floors for room in floor.rooms]
    assert sorted(point.meter.identity for room in rooms for point in room.points if point.meter) == sorted(meters)
    lines = list(laboratory.lines())
    assert [line.meters for line in lines] == [[meter] for meter in meters]
    bank = laboratory.bank(NOW.date())
    assert [spec.id for spec in bank.meters] == meters
    assert len({spec.port for spec in bank.meters}) == len({line.port for line in lines}) == len(STANDS)


def test_every_protocol_has_both_ends(laboratory: Laboratory) -> None:
    for stand in STANDS:
        assert stand.protocol in (RESPONDERS if stand.protocol in POLLERS else PUSHERS)


@pytest.mark.parametrize("place", [place for place, stand in enumerate(STANDS) if not stand.asked])
def test_what_is_pushed_is_what_the_archive_knows(laboratory: Laboratory, place: int) -> None:
    bank, stand = laboratory.bank(NOW.date()), STANDS[place]
    spec = bank.meters[place]
    keys = {spec.id: bytes.fromhex(spec.key)} if spec.key else {}
    receiver = protocols()[spec.protocol].receiver(keys, {})
    found = [item for frame in Pusher(spec, bank).frames(NOW) for item in receiver.receive(frame, NOW)]
    found += list(receiver.silence())
    telegrams, translate = [item for item in found if isinstance(item, Telegram)], Translator()
    told = {one.register.key: one.register for telegram in telegrams for one in translate(telegram)}
    for shown in stand.shown:
        register = told[f"{stand.meter}/{shown.key}"]
        assert ((register.unit.value if register.unit else ""), register.scaler) == (shown.unit, shown.scaler)


@pytest.mark.django_db
def test_an_archive_from_before_the_laboratory_gets_it(laboratory: Laboratory) -> None:
    homes = street((NOW - timedelta(days=30)).date())
    whole = plan.estate(homes, laboratory)
    lab = {line.code for line in laboratory.lines()}
    old = replace(whole, buildings=whole.buildings[:-1], lines=[line for line in whole.lines if line.code not in lab])
    services.seed_demo(old)
    rooms = set(Room.objects.values_list("pk", flat=True))
    for _ in range(2):
        services.seed_demo(whole)
        found = Room.objects.exclude(pk__in=rooms)
        assert sorted(found.values_list("number", flat=True)) == sorted(stand.room for stand in STANDS)
        assert set(Line.objects.filter(code__in=lab).values_list("gateway__name", flat=True)) == {GATEWAY}
        hung = Installation.objects.as_of(NOW).filter(service_point__room__in=found)
        assert sorted(hung.values_list("meter__identity", flat=True)) == sorted(stand.meter for stand in STANDS)
    assert rooms < set(Room.objects.values_list("pk", flat=True))
