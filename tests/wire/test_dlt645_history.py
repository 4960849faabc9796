"""DL/T 645-2007: load records, freezes, events and tariff tables, by time and through bad lines."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogues import NOW, Talk, all_of, hit
from metergate.errors import ApplicationError, DecodeError, NoAnswer, Refused
from metergate.model import Obis
from metergate.model.command import Switching
from metergate.wire.base import Telegram
from metergate.wire.dlt645 import Frame, Meter, Receiver, dialogue, history, load, schedule
from metergate.wire.dlt645.dialogue import Authority, Line

ADDRESS = "202611220001"
INSTALLED = datetime(2026, 11, 1, tzinfo=UTC)
LOCAL = NOW.replace(tzinfo=None) + timedelta(hours=8)
FORWARD = Obis.parse("1-0:1.8.0")


def source(obis: Obis, at: datetime) -> Decimal | None:
    """A kWh an hour, 230 V."""
    if obis == FORWARD:
        return Decimal((at - INSTALLED) // timedelta(seconds=36)).scaleb(-2)
    return Decimal(230) if obis == Obis.parse("1-0:32.7.0") else None


def meter(most_data: int = 200) -> Meter:
    return Meter(ADDRESS, source, INSTALLED, most_data=most_data)


def shown(local: datetime) -> Decimal | None:
    return source(FORWARD, local.replace(tzinfo=UTC) - timedelta(hours=8))


octets = st.dictionaries(st.sampled_from([*load.CLASSES]), st.randoms(), min_size=0).map(
    lambda found: {
        number: dice.randbytes(sum(field.layout.size for _, field in load.fields(number)))
        for number, dice in sorted(found.items())
    }
)


@given(st.lists(octets.filter(lambda found: all(one[0] != 0xAA for one in found.values())), max_size=4))
def test_records_come_back(found: list[dict[int, bytes]]) -> None:
    records = [load.Record("2026-11-22T12:15", one) for one in found]
    assert [*load.records(b"".join(one.encode() for one in records))] == records


@given(st.binary(max_size=60))
def test_any_octets_are_records_or_a_decode_error(data: bytes) -> None:
    for octets in (data, load.BEGIN + data):
        try:
            found = [*load.records(octets)]
        except DecodeError:
            continue
        assert b"".join(one.encode() for one in found)[:2] in (b"", load.BEGIN)


@pytest.mark.parametrize("most_data", [200, 60])
def test_a_day_of_load_records(most_data: int) -> None:
    begin = LOCAL - timedelta(days=1)
    found = Talk([meter(most_data)]).run(history.load_profile(ADDRESS, 4, begin, LOCAL))
    rows = [(when, one.value) for when, one in found if one.obis == FORWARD]
    assert len(rows) == 96
    assert all(value == shown(when) for when, value in rows)
    assert {later - earlier for (earlier, _), (later, _) in pairwise(rows)} == {timedelta(minutes=15)}
    assert all(one.value is None for _, one in found if one.obis == Obis.parse("1-0:2.8.0"))


def test_the_period_is_a_setting() -> None:
    talk = Talk([meter()])
    talk.run(dialogue.write(ADDRESS, load.INTERVALS[1], b"\x60\0"))
    found = talk.run(history.load_profile(ADDRESS, 1, LOCAL - timedelta(hours=5), LOCAL))
    volts = [one.value for _, one in found if one.obis == Obis.parse("1-0:32.7.0")]
    assert volts == [Decimal("230.0")] * 5


def test_load_records_that_were_overheard() -> None:
    content = load.Record("2026-11-22T12:15", {4: bytes.fromhex("17420000" * 4)}).encode()
    (telegram,) = all_of(Receiver(), Frame(ADDRESS, 0x91, b"\1\0\4\6" + content).encode())
    assert isinstance(telegram, Telegram)
    assert [one.value for one in telegram.readings][:2] == ["2026-11-22T12:15", Decimal("42.17")]
    spoilt = Frame(ADDRESS, 0x91, b"\1\0\4\6" + content[:-2] + b"\0\xe5").encode()
    (telegram,) = all_of(Receiver(), spoilt)
    assert isinstance(telegram, Telegram)
    assert (telegram.readings, [one.code for one in telegram.problems]) == ((), ["bad_checksum"])


@pytest.mark.parametrize("seed", range(30))
def test_a_bad_line_gives_right_records_or_an_error(seed: int) -> None:
    talk = Talk([meter(80)], up=hit(seed, 0.1), down=hit(seed + 10, 0.1), late=0.05, seed=seed)
    line = Line(tries=8)
    try:
        found = talk.run(history.load_profile(ADDRESS, 4, LOCAL - timedelta(hours=6), LOCAL, line))
    except (NoAnswer, DecodeError, ApplicationError):
        return
    assert all(one.value == shown(when) for when, one in found if one.obis == FORWARD)


def test_freezes_of_days_and_hours_and_at_once() -> None:
    talk = Talk([meter()])
    for kind, days, rows in ((history.DAILY, 4, 4), (history.HOURLY, 1, 24)):
        found = talk.run(history.freezes(ADDRESS, kind, 1, LOCAL - timedelta(days=days), LOCAL))
        totals = [(when, one.value) for when, one in found if one.register.tariff == 0]
        assert len(totals) == rows
        assert all(value == shown(when) for when, value in totals)
        assert totals == sorted(totals)
    talk.run(dialogue.freeze(ADDRESS))
    at_once = talk.run(history.freezes(ADDRESS, history.AT_ONCE, 1, LOCAL - timedelta(hours=1), LOCAL + timedelta(1)))
    assert [when for when, one in at_once if one.register.tariff == 0] == [LOCAL]


def test_events_by_time() -> None:
    talk = Talk([meter()])
    talk.run(dialogue.relay(ADDRESS, dialogue.TRIP, LOCAL + timedelta(hours=9)))
    talk.now += timedelta(hours=2)
    talk.run(dialogue.relay(ADDRESS, dialogue.CLOSE, LOCAL + timedelta(hours=9)))
    talk.run(dialogue.clear(ADDRESS, 0x19, Authority()))
    found = talk.run(history.events(ADDRESS, LOCAL, LOCAL + timedelta(days=1)))
    hours = [(when - LOCAL, history.EVENTS[event]) for when, event in found]
    later = timedelta(hours=2)
    assert hours == [(timedelta(0), "RELAY_OPENED"), (later, "DEMAND_CLEARED"), (later, "RELAY_CLOSED")]
    assert talk.run(history.events(ADDRESS, LOCAL + timedelta(hours=1), LOCAL + timedelta(hours=1))) == []


@given(
    st.lists(st.builds(Switching, st.integers(0, 23), st.integers(0, 59), st.integers(1, 4)), min_size=1, max_size=14)
)
def test_day_tables_come_back(day: list[Switching]) -> None:
    plain = [one for at, one in enumerate(day) if not at or day[at - 1] != one]
    assert schedule.table_of(schedule.table_octets(day, 14)) == tuple(plain)


@pytest.mark.parametrize(
    ("di", "value", "error"),
    [
        (0x04010000, "010101" * 15, "year zones"),
        (0x04010001, "010000" * 15, "day slots"),
        (0x04010001, "640000", "tariffs"),
        (0x04020001, "0100", "other"),
        (0x04020001, "0a0000", "other"),
    ],
)
def test_tables_that_a_meter_cannot_hold(di: int, value: str, error: str) -> None:
    with pytest.raises(Refused, match=error):
        Talk([meter()]).run(dialogue.write(ADDRESS, di, bytes.fromhex(value)))


@pytest.mark.parametrize("seed", range(20))
def test_a_bad_line_never_lets_a_half_written_calendar_count(seed: int) -> None:
    ours = meter()
    calendar = schedule.Calendar(((Switching(0, 0, 1), Switching(8, 0, 2)),), ((1, 1, 1),))
    talk = Talk([ours], up=hit(seed), down=hit(seed + 3), late=0.1, seed=seed)
    try:
        talk.run(schedule.write_calendar(ADDRESS, calendar, LOCAL + timedelta(minutes=5)))
    except (NoAnswer, Refused, DecodeError, ApplicationError):
        pass
    later = Talk([ours], now=talk.now + timedelta(hours=1))
    if later.run(schedule.second_counts(ADDRESS)):
        assert later.run(schedule.read_calendar(ADDRESS)) == calendar
