"""Every maker's simulated consumer port: our listener and amshan read what the household truly uses."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from dlmshome import AK, BANK, EK, NOON, SPEC, truth
from metergate.errors import ConfigError
from metergate.sim.meters import PUSHERS
from metergate.sim.meters.dlms_push import KINDS
from metergate.sim.serve import kinds
from metergate.sim.specs import MeterSpec
from metergate.wire import protocols
from metergate.wire.base import Found, Problem, Telegram

KEYS = {"encryption": EK, "authentication": AK}


def meter(kind: str, key: str = "") -> MeterSpec:
    return MeterSpec("dlms-push", SPEC.id, 0, KINDS[kind][0], key)


def heard(kind: str, key: str = "", keys: dict[str, bytes] | None = None) -> list[Found]:
    frames = PUSHERS["dlms-push"](meter(kind, key), BANK)
    receiver = protocols()["dlms-push"].receiver(keys or {}, {})
    found: list[Found] = []
    for at in (NOON, NOON + timedelta(seconds=10)):
        for frame in frames(at):
            found += receiver.receive(frame)
        found += receiver.silence()
    return found


@pytest.mark.parametrize("ciphered", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_our_listener(kind: str, ciphered: bool) -> None:
    found = heard(kind, (EK + AK).hex() if ciphered else "", KEYS if ciphered else None)
    assert [type(one) for one in found] == [Telegram, Telegram]
    telegram = found[0]
    assert isinstance(telegram, Telegram)
    assert telegram.meter
    assert telegram.meter.id == SPEC.id
    told = {str(one.obis).replace("-1:", "-0:"): one.value for one in telegram.readings}
    power = "1-0:1.7.0" if kind != "plain" else "1-0:16.7.0"
    for code, step in ((power, 1), ("1-0:1.8.0", 10), ("1-0:2.8.0", 10)):
        value = told[code]
        assert isinstance(value, Decimal)
        assert abs(value - truth(code) * 1000) <= step, code


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_key_nothing_is_told(kind: str) -> None:
    found = heard(kind, (EK + AK).hex())
    assert found
    for one in found:
        assert isinstance(one, Problem) or (not one.readings and one.problems)


@pytest.mark.parametrize(("kind", "number"), [("aidon", SPEC.id), ("kaifa", "6970631402614476"), ("kamstrup", SPEC.id)])
def test_amshan(kind: str, number: str) -> None:
    """Its reader takes no frame with 7EH inside of it: the numbers are chosen so that no check sum has one."""
    pytest.importorskip("han")
    from han.autodecoder import AutoDecoder
    from han.hdlc import HdlcFrameReader

    frames = PUSHERS["dlms-push"](replace(meter(kind), id=number), BANK)
    (frame,) = HdlcFrameReader(False).read(b"".join(frames(NOON)))
    theirs = AutoDecoder().decode_message(frame)
    assert theirs is not None
    assert theirs["meter_id"] == number
    assert abs(Decimal(str(theirs["active_power_import"])) - truth("1-0:1.7.0") * 1000) <= 1
    assert abs(Decimal(str(theirs["active_power_import_total"])) - truth("1-0:1.8.0") * 1000) <= 10


def test_kinds_have_names() -> None:
    assert kinds("dlms-push") == {name: row[0] for name, row in KINDS.items()}
    assert len(set(kinds("dlms-push").values())) == len(KINDS)
    assert kinds("cjt188") == {}


def test_a_kind_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match="aidon"):
        PUSHERS["dlms-push"](MeterSpec("dlms-push", "1", 0, 99), BANK)
