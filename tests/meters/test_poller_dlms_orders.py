"""Orders to DLMS meters as the gateway gives them: calendars, freezes, limits, passwords, firmware, signatures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dialogues import Talk
from dlmshome import AK, BANK, EK, NOON, SPEC, TITLE, truth
from metergate.errors import ConfigError, Refused
from metergate.meters.pollers import Target
from metergate.meters.pollers.dlms import DlmsPoller
from metergate.model import (
    Freeze,
    LimitPower,
    Obis,
    Outcome,
    Season,
    SetPassword,
    SetTariffTable,
    SpecialDay,
    Switching,
)
from metergate.sim.meters.dlms import FROZEN, Meter
from metergate.wire.dlms.acse import Context, Mechanism
from metergate.wire.dlms.cosem.classes import Level
from metergate.wire.dlms.cosem.control import Limiter
from metergate.wire.dlms.cosem.image import Status
from metergate.wire.dlms.cosem.objects import Place
from metergate.wire.dlms.security import KeySet, SecurityControl
from metergate.wire.dlms.server import Admission, Server, over_wrapper

TARGET = Target("m", "1", EK + AK)
SECRET = Target("m", "3/1", keys={"password": b"old"})
DAYS = ((Switching(6, 0, 1), Switching(22, 0, 2)), (Switching(0, 0, 2),))
YEAR = (Season(1, 1, (1, 1, 1, 1, 1, 2, 2)), Season(7, 1, (2, 2, 2, 2, 2, 2, 2)))
TABLE = SetTariffTable("1", "m", days=DAYS, seasons=YEAR, special=(SpecialDay(12, 25, 2), SpecialDay(1, 1, 2, 2027)))


def line(*more: Admission, **keys: bytes) -> tuple[Talk, Meter]:
    one = Meter(SPEC, BANK)
    if keys:
        one.identity.keys = KeySet(**keys)
    if more:
        one.server = Server(one.device, more, one.identity)
    return Talk([over_wrapper(one.server)], NOON), one


def poller(**options: object) -> DlmsPoller:
    return DlmsPoller(options, "dlms-wrapper")


def object_of(one: Meter, number: int) -> Callable[[int], object]:
    found = next(thing for thing in one.device if thing.kind.number == number)
    return lambda index: found.read(index, NOON)


def test_a_calendar_is_active_at_once() -> None:
    talk, one = line()
    assert talk.run(poller().execute(TARGET, TABLE, NOON)) is Outcome.DONE
    told = object_of(one, 20)
    assert [len(told(index).items) for index in (3, 4, 5)] == [2, 2, 2]  # type: ignore[attr-defined]
    first = told(5).items[0].items  # type: ignore[attr-defined]
    assert [(row[0].octets.hex(), row[2].number) for row in (item.items for item in first[1].items)] == [
        ("06000000", 1),
        ("16000000", 2),
    ]
    special = object_of(one, 11)(2).items  # type: ignore[attr-defined]
    assert [item.items[1].octets.hex() for item in special] == ["ffff0c19ff", "07eb0101ff"]


def test_a_calendar_takes_over_at_its_time() -> None:
    talk, one = line()
    later = replace(TABLE, activate=NOON + timedelta(hours=1))
    assert talk.run(poller().execute(TARGET, later, NOON)) is Outcome.DONE
    told = object_of(one, 20)
    assert told(5).items == ()  # type: ignore[attr-defined]
    one.device.advance(NOON + timedelta(minutes=59))
    assert told(5).items == ()  # type: ignore[attr-defined]
    one.device.advance(NOON + timedelta(minutes=61))
    assert len(told(5).items) == 2  # type: ignore[attr-defined]


def test_who_may_not_is_refused_and_nothing_is_active() -> None:
    talk, one = line()
    reader = Target("m", "17/1", keys={"password": b"12345678"})
    assert talk.run(poller().execute(reader, TABLE, NOON)) is Outcome.REFUSED
    assert object_of(one, 20)(5).items == ()  # type: ignore[attr-defined]


@pytest.mark.parametrize("freeze", [FROZEN, "9/0-0:10.0.1/1"])
def test_freeze(freeze: str) -> None:
    talk, one = line()
    assert talk.run(poller(freeze=freeze).execute(TARGET, Freeze("1", "m"), NOON)) is Outcome.DONE
    (row,) = one.frozen.read_buffer(NOON, None).items
    assert row.items[1].number == int(truth("1-0:1.8.0") * 10_000)
    found = talk.run(poller().profile(TARGET, FROZEN, NOON - timedelta(hours=1), NOON + timedelta(hours=1)))
    assert {one.meter_time for one in found.readings} == {NOON}


def test_a_limit_is_set_and_lifted() -> None:
    talk, one = line()
    limiter = Limiter(one.device, Place(3, Obis.parse("1-0:16.7.0"), 2), 10_000)
    one.device.add(limiter)
    for watts, shown in ((4000, 4000), (None, (1 << 32) - 1)):
        assert talk.run(poller().execute(TARGET, LimitPower("3", "m", watts=watts), NOON)) is Outcome.DONE
        assert limiter.read(4, NOON).number == shown


@pytest.mark.parametrize("mechanism", [Mechanism.LOW, Mechanism.MD5, Mechanism.SHA1, Mechanism.SHA256])
def test_the_password_is_changed_and_tried(mechanism: Mechanism) -> None:
    talk, _ = line(Admission(3, Level.MANAGER, mechanism, secret=b"old"))
    asker = poller(authentication=mechanism.name.lower())
    assert talk.run(asker.execute(SECRET, SetPassword("1", "m", old="old", new="new"), NOON)) is Outcome.DONE
    with pytest.raises(Refused):
        talk.run(asker.read(SECRET))
    fresh = Target("m", "3/1", keys={"password": b"new"})
    assert talk.run(asker.read(fresh)).readings


def test_keys_are_no_password() -> None:
    talk, _ = line()
    assert talk.run(poller().execute(TARGET, SetPassword("1", "m", new="new"), NOON)) is Outcome.UNSUPPORTED


# ---- firmware --------------------------------------------------------------------------------------------------------
IMAGE = bytes(range(256)) * 5


def test_firmware_is_told_how_far_it_is() -> None:
    talk, one = line()
    seen: list[tuple[int, int]] = []
    assert talk.run(poller().firmware(TARGET, b"v2", IMAGE, lambda *at: seen.append(at))) is Outcome.DONE
    assert one.image.running == IMAGE
    assert seen == [(at, 10) for at in range(11)]


@pytest.mark.parametrize("lost", [5, 9, 14])
def test_firmware_goes_on_where_the_line_was_lost(lost: int) -> None:
    talk, one = line()
    taken: list[int] = []
    take = one.image.do_block_transfer

    def noted(parameter: object, now: object) -> None:
        taken.append(parameter.items[0].number)  # type: ignore[attr-defined]
        take(parameter, now)  # type: ignore[arg-type]

    one.image.do_block_transfer = noted  # type: ignore[method-assign]
    count = [0]

    def cut(data: bytes) -> list[bytes]:
        count[0] += 1
        return [] if count[0] == lost else [data]

    talk.up = cut
    assert talk.run(poller().firmware(TARGET, b"v2", IMAGE)) is Outcome.DONE
    assert one.image.running == IMAGE
    assert sorted(set(taken)) == list(range(10))
    assert len(taken) <= 11


def test_firmware_that_is_bad_is_refused() -> None:
    talk, one = line()
    one.image._check = lambda image: False
    assert talk.run(poller().firmware(TARGET, b"v2", IMAGE)) is Outcome.REFUSED
    assert one.image.status is Status.VERIFICATION_FAILED


# ---- suites and signatures -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("suite", "size"), [(0, 16), (1, 16), (2, 32)])
def test_suites(suite: int, size: int) -> None:
    policy = SecurityControl(suite)
    door = Admission(1, Level.MANAGER, Mechanism.GMAC, (Context.LN_CIPHERED,), policy=policy)
    keys = bytes(range(2 * size))
    talk, _ = line(door, Admission(16), encryption=keys[:size], authentication=keys[size:])
    found = talk.run(poller(suite=suite, counter="0-0:43.1.0").read(Target("m", "1/1", keys)))
    assert found.readings


def pem(path: Path, key: ec.EllipticCurvePrivateKey, public: bool = False) -> str:
    form = serialization.Encoding.PEM
    path.write_bytes(
        key.public_key().public_bytes(form, serialization.PublicFormat.SubjectPublicKeyInfo)
        if public
        else key.private_bytes(form, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(path)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()], ids=lambda one: one.name)
def test_signatures_by_keys_in_files(tmp_path: Path, curve: ec.EllipticCurve) -> None:
    ours, theirs, another = (ec.generate_private_key(curve) for _ in range(3))
    talk, one = line(Admission(1, Level.MANAGER, Mechanism.ECDSA, verifying=ours.public_key()))
    one.identity.signing = theirs
    options = {"authentication": "ecdsa", "title": TITLE.hex(), "verifying_key": pem(tmp_path / "meter", theirs, True)}
    signing = pem(tmp_path / "own", ours)
    assert talk.run(poller(**options, signing_key=signing).read(Target("m", "1/1"))).readings
    with pytest.raises(Refused):
        talk.run(poller(**options, signing_key=pem(tmp_path / "other", another)).read(Target("m", "1/1")))
    with pytest.raises(ConfigError, match="no private key"):
        talk.run(poller(**options, signing_key=str(tmp_path / "meter")).read(Target("m", "1/1")))
