"""dlms-cosem's client reads our DLMS meter on loopback: over HDLC and the wrapper, in every authentication it knows.

Its HDLC end wants parameters in every UA frame, so that it is not asked to disconnect; the line is closed instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dlmshome import AK, EK, NOON, TITLE, meter, profile, truth
from dlmspeers import cosem_client, served
from metergate.sim.meters.dlms import PASSWORD
from metergate.wire.dlms.server import over_hdlc, over_wrapper

pytest.importorskip("dlms_cosem")
WAYS = ("hdlc", "wrapper")
ENTRANCES = ("none", "lls", "gmac")


def settings(entrance: str) -> dict[str, Any]:
    from dlms_cosem.enumerations import AuthenticationMechanism as Known

    if entrance == "none":
        return {"client": 16}
    if entrance == "lls":
        return {"client": 17, "authentication_method": Known.LLS, "password": PASSWORD}
    return {
        "client": 1,
        "authentication_method": Known.HLS_GMAC,
        "encryption_key": EK,
        "authentication_key": AK,
        "client_system_title": TITLE,
        "client_initial_invocation_counter": 1,
    }


@contextmanager
def reading(way: str, entrance: str) -> Iterator[Any]:
    one = meter()
    make = (lambda: over_hdlc(one.server)) if way == "hdlc" else (lambda: over_wrapper(one.server))
    with served(make, NOON) as where:
        stranger = cosem_client(where, way == "hdlc", server=1, **settings(entrance))
        stranger.connect()
        stranger.associate()
        yield stranger
        stranger.release_association()
        if way == "hdlc":
            stranger.io_interface._serial.close()
        else:
            stranger.disconnect()


@pytest.fixture(params=[(way, entrance) for way in WAYS for entrance in ENTRANCES], ids="-".join)
def stranger(request: pytest.FixtureRequest) -> Iterator[Any]:
    with reading(*request.param) as found:
        yield found


def attribute(number: int, code: str, index: int) -> Any:
    from dlms_cosem import cosem, enumerations

    return cosem.CosemAttribute(enumerations.CosemInterface(number), cosem.Obis.from_string(code), index)


def read(stranger: Any, number: int, code: str, index: int) -> Any:
    from dlms_cosem import utils

    return utils.parse_as_dlms_data(stranger.get(attribute(number, code, index)))


def test_name_and_clock(stranger: Any) -> None:
    from dlms_cosem.time import datetime_from_bytes

    assert bytes(read(stranger, 1, "0.0.42.0.0.255", 2)) == b"MGT10004711"
    shown, _ = datetime_from_bytes(bytes(read(stranger, 8, "0.0.1.0.0.255", 2)))
    assert shown.replace(tzinfo=None) == (NOON + timedelta(hours=1)).replace(tzinfo=None)
    assert abs(shown.utcoffset()) == timedelta(hours=1)


def test_registers(stranger: Any) -> None:
    for code, factor in (("1-0:1.8.0", 10_000), ("1-0:2.8.0", 10_000), ("1-0:16.7.0", 1000), ("1-0:32.7.0", 10)):
        theirs = code.replace("-", ".").replace(":", ".") + ".255"
        assert read(stranger, 3, theirs, 2) == truth(code) * factor


def test_load_profile_by_range(stranger: Any) -> None:
    from dlms_cosem import utils
    from dlms_cosem.cosem.capture_object import CaptureObject
    from dlms_cosem.cosem.selective_access import RangeDescriptor
    from dlms_cosem.time import datetime_from_bytes

    begin = datetime(2026, 11, 19, 22, tzinfo=UTC)
    end = begin + timedelta(hours=10)
    clock = CaptureObject(attribute(8, "0.0.1.0.0.255", 2), 0)
    chosen = RangeDescriptor(clock, begin, end)
    rows = utils.parse_as_dlms_data(stranger.get(attribute(7, "1.0.99.1.0.255", 2), chosen))
    assert [(row[2], row[3]) for row in rows] == [row[1:] for row in profile(begin, end)]
    shown = [datetime_from_bytes(bytes(row[0]))[0].replace(tzinfo=None) for row in rows]
    assert shown == [(at + timedelta(hours=1)).replace(tzinfo=None) for at, _, _ in profile(begin, end)]


def test_its_parser_understands_the_object_list(stranger: Any) -> None:
    from dlms_cosem import cosem
    from dlms_cosem.parsers import AssociationObjectListParser

    parsed = AssociationObjectListParser.parse_bytes(stranger.get(attribute(15, "0.0.40.0.0.255", 2)))
    names = [item.logical_name for item in parsed]
    assert all(cosem.Obis.from_string(code) in names for code in ("1.0.99.1.0.255", "0.0.1.0.0.255"))


@pytest.mark.parametrize("way", WAYS)
def test_relay_is_ordered(way: str) -> None:
    from dlms_cosem import cosem, dlms_data, enumerations

    with reading(way, "gmac") as stranger:
        kind, name = enumerations.CosemInterface(70), cosem.Obis(0, 0, 96, 3, 10)
        for method, state in ((1, 0), (2, 1)):
            stranger.action(cosem.CosemMethod(kind, name, method), dlms_data.IntegerData(0).to_bytes())
            assert read(stranger, 70, "0.0.96.3.10.255", 3) == state


def test_a_wrong_key_is_refused() -> None:
    one = meter()
    with served(lambda: over_wrapper(one.server), NOON) as where:
        wrong = cosem_client(where, False, server=1, **settings("gmac") | {"encryption_key": bytes(16)})
        wrong.connect()
        with pytest.raises(Exception, match=r"(?i)reject|unable"):
            wrong.associate()
        wrong.disconnect()
