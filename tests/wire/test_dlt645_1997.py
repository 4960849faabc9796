"""DL/T 645-1997: what a meter of that edition is asked and told beyond its energies."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from dialogues import NOW, Talk, hit
from metergate.errors import ApplicationError, BadValue, DecodeError, NoAnswer, Refused
from metergate.model import Function, Obis
from metergate.wire.dlt645 import Meter, dialogue, dialogue97, items97
from metergate.wire.dlt645.frame import Frame

ADDRESS = "202611220001"
INSTALLED = datetime(2020, 1, 1, tzinfo=UTC)
LOCAL = NOW.replace(tzinfo=None) + timedelta(hours=8)
RIGHT, WRONG = b"\2\0\0\0", b"\2\x99\x99\x99"


def source(obis: Obis, at: datetime) -> Decimal | tuple[Decimal, datetime] | None:
    if obis == Obis.parse("1-0:1.6.0"):
        return Decimal("1.5"), datetime(2026, 11, 3, 10, 15, tzinfo=UTC)
    return Decimal("42.17") if obis.d == 8 and obis.c == 1 else None


def meter() -> Meter:
    return Meter(ADDRESS, source, INSTALLED)


def value(talk: Talk, di: int) -> object:
    return talk.run(dialogue.read_1997(ADDRESS, di))[0].value


def test_the_clock() -> None:
    ours = meter()
    ours.state.clock_error = timedelta(minutes=-11)
    talk = Talk([ours])
    talk.run(dialogue97.set_clock(ADDRESS, LOCAL, RIGHT))
    assert talk.run(dialogue97.read_clock(ADDRESS)) == LOCAL
    with pytest.raises(Refused):
        talk.run(dialogue97.set_clock(ADDRESS, LOCAL, WRONG))


def test_settings_are_written_and_registers_are_not() -> None:
    talk = Talk([meter()])
    talk.run(dialogue97.write(ADDRESS, 0xC111, b"\x30", RIGHT))
    assert value(talk, 0xC111) == Decimal(30)
    talk.run(dialogue97.write(ADDRESS, 0xC331, bytes.fromhex("010006"), RIGHT))
    assert value(talk, 0xC331) == "060001"
    for di, octets in ((0x9010, b"\0" * 4), (0xC111, b"\0\0"), (0xC4FF, b"\0")):
        with pytest.raises(Refused):
            talk.run(dialogue97.write(ADDRESS, di, octets, RIGHT))
    with pytest.raises(ApplicationError):
        value(talk, 0xC331 + 1)


def test_a_demand_its_time_and_its_clearing() -> None:
    talk = Talk([meter()])
    (demand,) = talk.run(dialogue.read_1997(ADDRESS, 0xA010))
    assert (demand.value, demand.obis, demand.register.function) == (
        Decimal("1.5000"),
        Obis.parse("1-0:1.6.0"),
        Function.MAXIMUM,
    )
    assert value(talk, 0xB010) == "11031815"
    with pytest.raises(Refused):
        talk.run(dialogue97.clear_demand(ADDRESS, WRONG))
    talk.run(dialogue97.clear_demand(ADDRESS, RIGHT))
    assert value(talk, 0xA010) == 0


def test_the_password() -> None:
    talk = Talk([meter()])
    talk.run(dialogue97.change_password(ADDRESS, RIGHT, b"\2\1\2\3"))
    with pytest.raises(Refused):
        talk.run(dialogue97.write(ADDRESS, 0xC111, b"\x30", RIGHT))
    talk.run(dialogue97.write(ADDRESS, 0xC111, b"\x30", b"\2\1\2\3"))
    with pytest.raises(Refused):
        talk.run(dialogue97.change_password(ADDRESS, b"\2\1\2\3", b"\1\1\2\3"))
    with pytest.raises((ApplicationError, DecodeError)):
        value(talk, 0xC212)


def test_the_baud_rate() -> None:
    ours = meter()
    talk = Talk([ours])
    talk.run(dialogue97.set_baud(ADDRESS, 600))
    assert ours.state.baud == 0x02
    with pytest.raises(BadValue):
        talk.run(dialogue97.set_baud(ADDRESS, 601))
    (reply,) = ours.receive(Frame(ADDRESS, 0x0C, b"\x80").encode(), NOW)
    assert Frame.decode(reply).control == 0xCC


def test_a_new_address() -> None:
    ours = meter()
    talk = Talk([ours])
    talk.run(dialogue97.set_address(ADDRESS, "000000000005"))
    assert ours.address == "000000000005"
    with pytest.raises(NoAnswer):
        Talk([]).run(dialogue97.set_address(ADDRESS, "000000000005"))


def test_a_valve() -> None:
    ours = meter()
    talk = Talk([ours])
    talk.run(dialogue97.write(ADDRESS, 0xC03A, b"", RIGHT))
    assert ours.state.relay_open
    talk.run(dialogue97.write(ADDRESS, 0xC03B, b"", RIGHT))
    assert not ours.state.relay_open


@pytest.mark.parametrize("di", [*items97.PARAMETERS, *range(0xA010, 0xA014), 0xB411, 0xA810])
def test_every_item_has_a_size_and_is_answered_or_refused(di: int) -> None:
    fields = items97.item(di)
    assert fields is not None
    try:
        found = Talk([meter()]).run(dialogue.read_1997(ADDRESS, di))
    except ApplicationError:
        return
    assert next(one.register.address for one in found) == f"{di:04x}"


@pytest.mark.parametrize("seed", range(40))
def test_a_bad_line_writes_what_was_meant_or_nothing(seed: int) -> None:
    ours = meter()
    talk = Talk([ours], up=hit(seed), down=hit(seed + 100), late=0.1, seed=seed)
    try:
        talk.run(dialogue97.write(ADDRESS, 0xC111, b"\x30", RIGHT))
    except (NoAnswer, Refused):
        assert ours.state.settings.get(0xC111) in (None, b"\x30")
        return
    assert ours.state.settings[0xC111] == b"\x30"
