"""gurux-dlms' client classes read our DLMS meter on loopback: over HDLC and the wrapper, in every authentication."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dlmshome import AK, EK, NOON, QUARTER, TITLE, meter, profile, truth
from dlmspeers import Gurux, served
from metergate.sim.meters.dlms import PASSWORD, Meter
from metergate.wire.base import Responder
from metergate.wire.dlms.server import over_hdlc, over_wrapper

gurux = pytest.importorskip("gurux_dlms")

WAYS: dict[str, Callable[[Meter], Responder]] = {
    "hdlc": lambda one: over_hdlc(one.server),
    "wrapper": lambda one: over_wrapper(one.server),
}
DEVICE_NAME = "0.0.42.0.0.255"
LOAD_PROFILE = "1.0.99.1.0.255"


def client(way: str, entrance: str) -> Any:
    from gurux_dlms.enums import Authentication, InterfaceType, Security
    from gurux_dlms.secure import GXDLMSSecureClient

    kind = InterfaceType.HDLC if way == "hdlc" else InterfaceType.WRAPPER
    if entrance == "none":
        return GXDLMSSecureClient(True, 16, 1, Authentication.NONE, None, kind)
    if entrance == "lls":
        return GXDLMSSecureClient(True, 17, 1, Authentication.LOW, PASSWORD, kind)
    made = GXDLMSSecureClient(True, 1, 1, Authentication.HIGH_GMAC, None, kind)
    made.ciphering.systemTitle = TITLE
    made.ciphering.blockCipherKey, made.ciphering.authenticationKey = EK, AK
    made.ciphering.security = Security.AUTHENTICATION_ENCRYPTION
    return made


@contextmanager
def reading(way: str, entrance: str) -> Iterator[Gurux]:
    one = meter()
    with served(lambda: WAYS[way](one), NOON) as where:
        stranger = Gurux(client(way, entrance), where)
        stranger.connect()
        yield stranger
        stranger.close()


@pytest.fixture(params=[(way, entrance) for way in WAYS for entrance in ("none", "lls", "gmac")], ids="-".join)
def stranger(request: pytest.FixtureRequest) -> Iterator[Gurux]:
    with reading(*request.param) as found:
        yield found


def instant(shown: Any) -> datetime:
    return shown.value.astimezone(UTC)  # type: ignore[no-any-return]


def test_name_and_clock(stranger: Gurux) -> None:
    from gurux_dlms.objects import GXDLMSClock, GXDLMSData

    assert bytes(stranger.read(GXDLMSData(DEVICE_NAME), 2)) == b"MGT10004711"
    clock = GXDLMSClock()
    stranger.read(clock, 2)
    stranger.read(clock, 3)
    assert clock.time.value.replace(tzinfo=None) == (NOON + timedelta(hours=1)).replace(tzinfo=None)
    assert clock.timeZone == -60


def test_registers(stranger: Gurux) -> None:
    from gurux_dlms.objects import GXDLMSRegister

    for code, factor in (("1-0:1.8.0", 10_000), ("1-0:2.8.0", 10_000), ("1-0:16.7.0", 1000), ("1-0:32.7.0", 10)):
        register = GXDLMSRegister(code.replace("-", ".").replace(":", ".") + ".255")
        stranger.read(register, 3)
        value = stranger.value(register, 2, stranger.client.read(register, 2))
        assert round(value / register.scaler) == truth(code) * factor, code


def test_load_profile_by_range(stranger: Gurux) -> None:
    from gurux_dlms.objects import GXDLMSProfileGeneric

    found = GXDLMSProfileGeneric(LOAD_PROFILE)
    stranger.read(found, 3)
    begin, end = NOON.replace(hour=3, minute=0, second=0), NOON.replace(hour=9, minute=0, second=0)
    rows = stranger.value(found, 2, stranger.client.readRowsByRange(found, begin, end))
    assert [(row[2], row[3]) for row in rows] == [row[1:] for row in profile(begin, end)]
    shown = [row[0].value.replace(tzinfo=None) for row in rows]
    assert shown == [(at + timedelta(hours=1)).replace(tzinfo=None) for at, _, _ in profile(begin, end)]


def test_load_profile_by_entry(stranger: Gurux) -> None:
    from gurux_dlms.objects import GXDLMSProfileGeneric

    found = GXDLMSProfileGeneric(LOAD_PROFILE)
    stranger.read(found, 3)
    rows = stranger.value(found, 2, stranger.client.readRowsByEntry(found, 1, 3))
    first = datetime(2026, 11, 1, tzinfo=UTC) + QUARTER
    assert [(row[2], row[3]) for row in rows] == [row[1:] for row in profile(first, first + 2 * QUARTER)]


def test_a_long_profile_comes_in_blocks(stranger: Gurux) -> None:
    from gurux_dlms.objects import GXDLMSProfileGeneric

    found = GXDLMSProfileGeneric(LOAD_PROFILE)
    stranger.read(found, 3)
    begin, end = NOON.replace(day=18, hour=0, minute=0, second=0), NOON.replace(hour=12, minute=0, second=0)
    rows = stranger.value(found, 2, stranger.client.readRowsByRange(found, begin, end))
    assert [(row[2], row[3]) for row in rows] == [row[1:] for row in profile(begin, end)]


def test_object_list(stranger: Gurux) -> None:
    names = {str(one.logicalName) for one in stranger.objects()}
    assert {DEVICE_NAME, LOAD_PROFILE, "0.0.1.0.0.255", "1.0.1.8.0.255", "0.0.96.3.10.255"} <= names


def test_several_attributes_at_once(stranger: Gurux) -> None:
    from gurux_dlms.objects import GXDLMSData, GXDLMSRegister

    name, energy = GXDLMSData(DEVICE_NAME), GXDLMSRegister("1.0.1.8.0.255")
    wanted = [(name, 2), (energy, 3), (energy, 2)]
    (request,) = stranger.client.readList(wanted)
    stranger.client.updateValues(wanted, stranger.ask(request).value)
    assert bytes(name.value) == b"MGT10004711"
    assert round(energy.value / energy.scaler) == truth("1-0:1.8.0") * 10_000


def test_a_wrong_password_is_refused() -> None:
    from gurux_dlms.enums import Authentication, InterfaceType
    from gurux_dlms.secure import GXDLMSSecureClient

    one = meter()
    with served(lambda: over_wrapper(one.server), NOON) as where:
        wrong = GXDLMSSecureClient(True, 17, 1, Authentication.LOW, b"87654321", InterfaceType.WRAPPER)
        with pytest.raises(Exception, match=r"(?i)reject|fail|denied"):
            Gurux(wrong, where).connect()


def test_short_names() -> None:
    from gurux_dlms.enums import Authentication, InterfaceType
    from gurux_dlms.objects import GXDLMSRegister
    from gurux_dlms.secure import GXDLMSSecureClient

    one = meter()
    with served(lambda: over_hdlc(one.server), NOON) as where:
        stranger = Gurux(GXDLMSSecureClient(False, 16, 1, Authentication.NONE, None, InterfaceType.HDLC), where)
        stranger.connect()
        objects = {str(each.logicalName): each for each in stranger.objects()}
        energy = objects["1.0.1.8.0.255"]
        assert isinstance(energy, GXDLMSRegister)
        stranger.read(energy, 3)
        stranger.read(energy, 2)
        assert round(energy.value / energy.scaler) == truth("1-0:1.8.0") * 10_000
        stranger.close()


@pytest.mark.parametrize("way", WAYS)
def test_relay_and_clock_are_ordered(way: str) -> None:
    from gurux_dlms.objects import GXDLMSClock, GXDLMSDisconnectControl

    with reading(way, "gmac") as stranger:
        relay, clock = GXDLMSDisconnectControl("0.0.96.3.10.255"), GXDLMSClock()
        for request, state in ((relay.remoteDisconnect, False), (relay.remoteReconnect, True)):
            stranger.ask(request(stranger.client))
            assert stranger.read(relay, 2) is state
        stranger.ask(clock.shiftTime(stranger.client, 30))
        stranger.read(clock, 2)
        assert clock.time.value.replace(tzinfo=None) == (NOON + timedelta(hours=1, seconds=30)).replace(tzinfo=None)
