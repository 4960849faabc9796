"""Q/GDW 376.1: frames, data units, station and terminal, and meters behind a terminal."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogues import NOW, Talk, all_of, cut, hit
from metergate.errors import BadValue, DecodeError, NoAnswer, Refused, Truncated
from metergate.model import Obis, Outcome, Reading, Unit
from metergate.wire.base import Problem, Telegram
from metergate.wire.dlt645 import Frame as Frame645
from metergate.wire.dlt645 import Meter as Meter645
from metergate.wire.dlt645 import dialogue as dlt645
from metergate.wire.gdw376 import Frame, Receiver, explain, guess
from metergate.wire.gdw376.formats import clock, clock_octets
from metergate.wire.gdw376.frame import CLASS_1, CONTROL, FORWARD, Joiner, items, points, unit
from metergate.wire.gdw376.master import Line, Master, Presence
from metergate.wire.gdw376.terminal import CONFIRM_WITHIN, Terminal

CORPORA = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[2] / "../shared/corpora")) / "gdw376"
FILE = CORPORA / "frames.jsonl"
TERMINAL, METER = "02001234", "151230011061"
INSTALLED = datetime(2025, 1, 1, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)
LOCAL = NOW.replace(tzinfo=None) + timedelta(hours=8)
FORWARD_ENERGY = Obis.parse("1-0:1.8.0")
FIXED = {"1-0:32.7.0": "230.1", "1-0:31.7.0": "-1.25", "1-0:16.7.0": "1.5", "1-0:1.8.1": "7.5", "1-0:13.7.0": "0.9"}


def source(obis: Obis, at: datetime) -> Decimal | None:
    """One kWh an hour since the year began."""
    if obis == FORWARD_ENERGY:
        return Decimal((at - START) // timedelta(seconds=36)).scaleb(-2)
    return Decimal(FIXED[str(obis)]) if str(obis) in FIXED else None


def shown(at: datetime = NOW) -> Decimal:
    value = source(FORWARD_ENERGY, at)
    assert value is not None
    return value


def terminal(**more: object) -> Terminal:
    behind = Meter645(METER, source, INSTALLED)
    return Terminal(TERMINAL, {1: source}, [behind], tariffs=1, **more)  # type: ignore[arg-type]


def master(password: bytes = b"\0" * 16) -> Master:
    return Master(TERMINAL, Line(password=password, utc_offset=480))


def login() -> bytes:
    return terminal().open(NOW)


# --- frames ----------------------------------------------------------------------------------------------------------
@pytest.mark.skipif(not FILE.exists(), reason="the corpora are not here")
def test_corpora_are_written_again_octet_for_octet() -> None:
    for row in map(json.loads, FILE.read_text().splitlines()):
        octets = bytes.fromhex(row["frame"])
        assert Frame.decode(octets).encode() == octets


@pytest.mark.skipif(not FILE.exists(), reason="the corpora are not here")
def test_a_captured_login_is_confirmed_as_captured() -> None:
    rows = {row["name"]: bytes.fromhex(row["frame"]) for row in map(json.loads, FILE.read_text().splitlines())}
    confirmed = Frame.decode(rows["gdw376/misc-2"])
    asked = Frame(confirmed.address, 2, 0x71, unit(0, 1), 0xC9)
    answer = Presence().hear(asked, NOW)
    assert answer is not None
    assert answer.encode() == rows["gdw376/misc-2"]


frames = st.builds(
    Frame,
    st.integers(0, 2**32 - 1).map(lambda number: f"{number:08x}"),
    st.integers(0, 16),
    st.integers(0, 255),
    st.binary(max_size=300),
    st.integers(0, 255),
    st.integers(0, 255),
)


@given(frames, st.binary(min_size=16, max_size=16))
def test_frames_come_back(frame: Frame, tail: bytes) -> None:
    upward, secret = frame.from_terminal, frame.afn in (1, 4, 5, 6, 15, 16)
    whole = replace(
        frame,
        password=tail if secret and not upward else b"",
        events=tail[:2] if upward and frame.control & 0x20 else b"",
        stamp=tail[:6] if frame.seq & 0x80 else b"",
    )
    assert Frame.decode(whole.encode()) == whole


@given(st.integers(0, 2032), st.integers(1, 248))
def test_points_and_items(point: int, item: int) -> None:
    octets = unit(point, item)
    assert (points(octets[:2]), items(octets[2:])) == ((point,), (item,))


def test_known_designators() -> None:
    assert unit(0, 129) == bytes.fromhex("00000110")
    assert points(b"\x03\x01") == (1, 2)
    assert items(b"\x05\x00") == (1, 3)
    with pytest.raises(BadValue):
        unit(3000, 1)


@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)).map(lambda at: at.replace(microsecond=0)))
def test_clocks_come_back(at: datetime) -> None:
    assert clock(clock_octets(at)) == at


@given(st.lists(st.integers(0, 200)), st.binary(max_size=6))
def test_any_chunking_gives_the_same(places: list[int], noise: bytes) -> None:
    data = noise + login() + b"\x68" + login()
    assert all_of(Receiver(), *cut(data, places)) == all_of(Receiver(), *(data[at : at + 1] for at in range(len(data))))


def test_every_spoilt_octet_is_noticed() -> None:
    good = login()
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 0x10
        found = all_of(Receiver(), bytes(bad), good)
        assert [item.frame["afn"] for item in found if isinstance(item, Telegram)] == ["02"]
        assert any(isinstance(item, Problem) for item in found)


def test_frames_of_one_answer_in_order_or_not_at_all() -> None:
    parts = [
        Frame(TERMINAL, CLASS_1, mark | number, bytes((number,)), 0x88)
        for number, mark in ((15, 0x40), (0, 0), (1, 0x20))
    ]
    joiner = Joiner()
    joined = [joiner.add(parts[0]), joiner.add(parts[1]), joiner.add(parts[1]), joiner.add(parts[2])]
    assert [one.body for one in joined if one] == [b"\x0f\x00\x01"]
    joiner.add(parts[0])
    with pytest.raises(Truncated):
        joiner.add(parts[2])


# --- reading ---------------------------------------------------------------------------------------------------------
def codes(readings: tuple[Reading, ...]) -> dict[str, object]:
    return {str(one.obis): one.value for one in readings if one.obis and one.value is not None}


def test_present_data() -> None:
    readings = Talk([terminal()]).run(master().present(1))
    found = codes(readings)
    assert found["1-0:1.8.0"] == shown()
    assert found["1-0:1.8.1"] == Decimal("7.5")
    assert found["1-0:16.7.0"] == Decimal("1.5")
    assert found["1-0:32.7.0"] == Decimal("230.1")
    assert found["1-0:31.7.0"] == Decimal("-1.25")
    assert "1-0:52.7.0" not in found
    assert {one.unit for one in readings if str(one.obis) == "1-0:1.8.0"} == {Unit.KWH}


def test_what_a_terminal_does_not_have_is_denied() -> None:
    for question in (master().present(2), master().present(1, [100])):
        with pytest.raises(Refused):
            Talk([terminal()]).run(question)


def test_frozen_data_of_days_and_months() -> None:
    talk = Talk([terminal()])
    for item, day, end in (
        (161, datetime(2026, 11, 20), datetime(2026, 11, 20, 16, tzinfo=UTC)),
        (177, datetime(2026, 10, 5), datetime(2026, 10, 31, 16, tzinfo=UTC)),
    ):
        readings = talk.run(master().frozen(1, day, [item]))
        (total,) = [one for one in readings if one.obis == FORWARD_ENERGY]
        assert (total.value, total.meter_time) == (shown(end), end)
    today = talk.run(master().frozen(1, LOCAL, [161]))
    assert {one.value for one in today} == {None}


@pytest.mark.parametrize("most", [1024, 60])
def test_curves_in_one_frame_or_several(most: int) -> None:
    begin = LOCAL.replace(hour=0, minute=0, second=0)
    asked = master()
    readings = Talk([terminal(most=most)]).run(asked.curve(1, 101, begin, 24))
    values = [(one.meter_time, one.value) for one in readings]
    past = [(at, value) for at, value in values if at and at <= NOW]
    assert [value for _, value in past] == [shown(at) for at, _ in past]
    assert len(values) == 24
    assert values[-1][0] == NOW.replace(hour=21, minute=45) - timedelta(days=1)


def test_a_long_answer_comes_in_frames() -> None:
    ours = terminal(most=40)
    talk = Talk([ours])
    assert codes(talk.run(master().present(1, [129, 131, 33])))["1-0:1.8.0"] == shown()
    question = Frame(TERMINAL, CLASS_1, 0x61, unit(1, 129) + unit(1, 33), 0x4B).encode()
    assert len([*ours.receive(question, NOW)]) == 2


@pytest.mark.parametrize("seed", range(60))
def test_through_faults_right_values_or_errors(seed: int) -> None:
    other = Terminal("02009999", {1: lambda obis, at: Decimal(7)}, tariffs=1)
    talk = Talk([terminal(most=60), other], up=hit(seed), down=hit(seed + 500), late=0.2, seed=seed)
    asked = master()
    for _ in range(4):
        try:
            found = codes(talk.run(asked.present(1)))
        except (NoAnswer, DecodeError, Refused):
            continue
        assert found["1-0:1.8.1"] == Decimal("7.5")
        assert found["1-0:1.8.0"] == pytest.approx(shown(talk.now), abs=Decimal("0.5"))


# --- orders ----------------------------------------------------------------------------------------------------------
def test_the_clock_is_set_and_read() -> None:
    ours, asked = terminal(), master()
    ours.state.clock_error = timedelta(minutes=7)
    talk = Talk([ours])
    assert talk.run(asked.clock()) == LOCAL + timedelta(minutes=7)
    talk.run(asked.set_clock(LOCAL))
    assert talk.run(asked.clock()) == LOCAL


def test_a_repeated_order_is_answered_again_and_not_carried_out_again() -> None:
    ours = terminal()
    order = Frame(TERMINAL, 4, 0x75, unit(0, 1, b"abc"), 0x4A, 2, b"\0" * 16).encode()
    first, second = [*ours.receive(order, NOW), *ours.receive(order, NOW)]
    assert first == second
    assert len(ours.state.settings) == 1
    [*ours.receive(Frame(TERMINAL, 4, 0x76, unit(0, 1, b"abc"), 0x4A, 2, b"\0" * 16).encode(), NOW)]
    assert len(ours.state.settings) == 2


@pytest.mark.parametrize("seed", range(30))
def test_rounds_are_read_back(seed: int) -> None:
    ours, asked = terminal(), master()
    talk = Talk([ours], up=hit(seed), down=hit(seed + 9), seed=seed)
    for trip in (True, False):
        if talk.run(asked.switch(2, trip)) is Outcome.DONE:
            assert ours.state.tripped == (2 if trip else 0)


def test_a_wrong_password_is_denied() -> None:
    ours = terminal(password=b"1" * 16)
    with pytest.raises(Refused):
        Talk([ours]).run(master().set_clock(LOCAL))
    assert ours.state.clock_error == timedelta(0)
    Talk([ours]).run(master(b"1" * 16).set_clock(LOCAL + timedelta(minutes=1)))
    assert ours.state.clock_error == timedelta(minutes=1)


def test_no_password_in_what_people_see() -> None:
    order = Frame(TERMINAL, CONTROL, 0x71, unit(0, 31, clock_octets(LOCAL)), 0x4A, 2, b"\xab" * 16).encode()
    text = repr(explain(order)) + repr([item.frame for item in all_of(Receiver(), order) if isinstance(item, Telegram)])
    assert "abab" not in text


# --- login, heartbeat, events ----------------------------------------------------------------------------------------
def test_login_heartbeat_and_three_misses() -> None:
    ours, presence = terminal(heartbeat=60), Presence(heartbeat=60)
    answer = presence.hear(Frame.decode(ours.open(NOW)), NOW)
    assert answer is not None
    [*ours.receive(answer.encode(), NOW)]
    assert ours.online
    assert presence.terminal == TERMINAL
    now = NOW
    for number in range(1, 4):
        now += timedelta(seconds=60)
        (beat,) = ours.due(now)
        assert Frame.decode(beat).body == unit(0, 3)
        assert ours.offline is (number == 3)
    assert presence.online(now)
    assert not presence.online(now + timedelta(seconds=1))
    answer = presence.hear(Frame.decode(beat), now)
    assert answer is not None
    [*ours.receive(answer.encode(), now)]
    assert not ours.offline
    presence.hear(Frame.decode(ours.close(now)), now)
    assert not presence.online(now)


def test_an_event_is_told_until_it_is_confirmed() -> None:
    ours, presence = terminal(), Presence()
    ours.open(NOW)
    told = ours.report(14, NOW, b"\x01")
    assert [*ours.due(NOW + CONFIRM_WITHIN - timedelta(seconds=1))] == []
    assert [*ours.due(NOW + CONFIRM_WITHIN)] == [told]
    answer = presence.hear(Frame.decode(told), NOW)
    assert answer is not None
    [*ours.receive(answer.encode(), NOW)]
    assert [*ours.due(NOW + 2 * CONFIRM_WITHIN)] == []


def test_events_are_read_by_their_counters() -> None:
    ours, asked = terminal(), master()
    for code in (1, 14, 20):
        ours.report(code, NOW, bytes((code,)))
    talk = Talk([ours])
    assert talk.run(asked.event_counters()) == (3, 0)
    found = talk.run(asked.events(1, 3))
    assert [(event.code, event.content) for event in found] == [(14, b"\x0e"), (20, b"\x14")]
    assert {event.time for event in found} == {LOCAL.replace(second=0)}


def test_what_a_terminal_begins_is_confirmed_while_it_is_asked() -> None:
    ours, asked = terminal(), master()
    told = ours.report(14, NOW)
    talk = Talk([ours], up=lambda data: [told, data])
    assert codes(talk.run(asked.present(1, [129])))["1-0:1.8.0"] == shown()
    assert asked.reports == [Frame.decode(told)]
    assert [*ours.due(NOW + CONFIRM_WITHIN)][1:] == []


# --- meters behind the terminal --------------------------------------------------------------------------------------
def test_the_same_meter_directly_and_forwarded_gives_the_same() -> None:
    wanted = (0x00010000, 0x0001FF00, 0x02010100, 0x02020100, 0x02030000)
    directly = Talk([Meter645(METER, source, INSTALLED)]).run(dlt645.read_all(METER, wanted))
    talk = Talk([terminal()])
    assert talk.run(master().through(dlt645.read_all(METER, wanted))) == directly
    assert len(directly) >= 6
    answer = talk.run(master().forward(Frame645(METER, 0x11, b"\0\0\1\0").encode()))
    telegrams = [one for one in all_of(Receiver(), forwarded(answer)) if isinstance(one, Telegram)]
    overheard = [one.register for one in telegrams[0].readings]
    assert overheard == [directly[0].register]


def forwarded(inner: bytes) -> bytes:
    body = unit(0, 1, b"\x1f" + len(inner).to_bytes(2, "little") + inner)
    return Frame(TERMINAL, FORWARD, 0x60, body, 0x88).encode()


def test_the_relay_of_a_meter_behind() -> None:
    ours, asked = terminal(), master()
    behind = ours.meters[0]
    assert isinstance(behind, Meter645)
    until = LOCAL + timedelta(hours=1)
    talk = Talk([ours])
    assert talk.run(asked.through(dlt645.relay(METER, dlt645.TRIP, until))) is Outcome.DONE
    assert behind.state.relay_open
    assert talk.run(asked.through(dlt645.relay(METER, dlt645.CLOSE, until))) is Outcome.DONE
    with pytest.raises(NoAnswer):
        talk.run(asked.through(dlt645.read("999999999999", 0x00010000)))


def test_explained_and_guessed() -> None:
    spans = explain(forwarded(b"abc"))
    assert any(span.name == "p0 F1" and "616263" in span.value for span in spans)
    assert sum(span.length for span in spans if span.level == 1) == len(forwarded(b"abc"))
    assert guess(login()) > 80 > guess(login()[:-2] + b"\x00\x16") > 0
    assert guess(b"nothing") == 0
