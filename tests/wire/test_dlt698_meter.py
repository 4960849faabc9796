"""DL/T 698.45: reader and meter, over lines that go wrong; login and heartbeat; records, orders."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from dialogues import NOW, Talk, hit
from metergate.errors import ApplicationError, DecodeError, NoAnswer, Refused
from metergate.model import Obis, Outcome, Reading, Unit
from metergate.wire.dlt698 import Address, Apdu, Data, Frame, dialogue, objects, values
from metergate.wire.dlt698.dialogue import Line, Reader, Rows, last, nth_last
from metergate.wire.dlt698.meter import Meter
from metergate.wire.dlt698.session import Presence, Terminal

ADDRESS = "202611220001"
INSTALLED = datetime(2025, 1, 1, tzinfo=UTC)
START = datetime(2026, 1, 1, tzinfo=UTC)
LOCAL = NOW.replace(tzinfo=None) + timedelta(hours=8)


def source(obis: Obis, at: datetime) -> Decimal | tuple[Decimal, datetime] | None:
    """One kWh an hour since the year began."""
    if obis == Obis.parse("1-0:1.8.0"):
        return Decimal((at - START) // timedelta(seconds=36)).scaleb(-2)
    if obis == Obis.parse("1-0:1.6.0"):
        return Decimal("4.5001"), datetime(2026, 11, 20, 10, tzinfo=UTC)
    shown = {"1-0:32.7.0": "230.1", "1-0:16.7.0": "1.5", "1-0:31.7.0": "-1.25"}
    return Decimal(shown[str(obis)]) if str(obis) in shown else None


def meter(password: str | None = None) -> Meter:
    return Meter(ADDRESS, source, INSTALLED, tariffs=0, password=password)


def reader(address: str = ADDRESS) -> Reader:
    return Reader(Address(address, int("a" in address)), Line(utc_offset=480))


def shown(at: datetime = NOW) -> Decimal:
    value = source(Obis.parse("1-0:1.8.0"), at)
    assert isinstance(value, Decimal)
    return value


def test_values() -> None:
    found = Talk([meter()]).run(reader().read((0x00100200, 0x20000200, 0x20040200, 0x20010200, 0x10100200, 0x00990200)))
    by_code = {str(one.obis): (one.value, one.unit) for one in found if one.obis}
    assert by_code["1-0:1.8.0"] == (shown(), Unit.KWH)
    assert by_code["1-0:32.7.0"] == (Decimal("230.1"), Unit.V)
    assert by_code["1-0:16.7.0"] == (Decimal("1500.0"), Unit.W)
    assert by_code["1-0:31.7.0"] == (Decimal("-1.250"), Unit.A)
    (peak,) = [one for one in found if one.obis == Obis.parse("1-0:1.6.0")]
    assert (peak.value, peak.meter_time) == (Decimal("4.5001"), datetime(2026, 11, 20, 10, tzinfo=UTC))


def test_the_only_meter_tells_its_address() -> None:
    assert Talk([meter()]).run(dialogue.read_address()) == ADDRESS


@pytest.mark.parametrize("seed", range(60))
def test_through_faults_right_values_or_errors(seed: int) -> None:
    other = Meter("999999999999", lambda obis, at: Decimal(7), INSTALLED, tariffs=0)
    talk = Talk([meter(), other], up=hit(seed), down=hit(seed + 1000), late=0.2, seed=seed)
    for _ in range(4):
        try:
            found = talk.run(reader().read((0x00100200, 0x20000200)))
        except (NoAnswer, DecodeError):
            continue
        assert {str(one.obis): one.value for one in found} == {
            "1-0:1.8.0": pytest.approx(shown(talk.now), abs=Decimal("0.5")),
            "1-0:32.7.0": Decimal("230.1"),
        }


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("shape", ["frames", "blocks"])
def test_long_tables_through_faults(seed: int, shape: str) -> None:
    ours = meter()
    ours.most, ours.apdu_size = (90, 4096) if shape == "frames" else (1024, 150)
    talk = Talk([ours], up=hit(seed, 0.1), down=hit(seed + 50, 0.1), seed=seed)
    begin = LOCAL.replace(hour=0, minute=0) - timedelta(days=9)
    try:
        found = talk.run(reader().history(objects.DAY, (0x00100201,), begin, LOCAL))
    except (NoAnswer, DecodeError, ApplicationError):
        return
    rows = [(one.meter_time, one.value) for one in found if one.obis]
    assert [value for _, value in rows] == [shown(at) for at, _ in rows if at]
    assert len(rows) == 10


def history(table: int, days: int) -> list[tuple[datetime | None, object]]:
    found = Talk([meter()]).run(reader().history(table, (0x00100201,), LOCAL - timedelta(days=days), LOCAL))
    return [(one.meter_time, one.value) for one in found if one.obis]


def test_frozen_data_by_range() -> None:
    days, quarters, months = history(objects.DAY, 5), history(objects.MINUTE, 1), history(objects.MONTH, 90)
    assert [at.hour for at, _ in days if at] == [16] * 5
    assert len(quarters) == 96
    assert len(months) == 3
    for at, value in (*days, *quarters, *months):
        assert at is not None
        assert value == shown(at)


def test_the_last_and_the_n_th_last_row() -> None:
    def ask(rows: Rows) -> tuple[Reading, ...]:
        return Talk([meter()]).run(reader().records(objects.DAY, (objects.FROZEN_AT, 0x00100201), rows))

    three = [one for one in ask(last(3)) if one.obis]
    assert [one.value for one in three if one.obis][:1] == [one.value for one in ask(nth_last(3)) if one.obis]
    assert ask(nth_last(200)) == ()
    with pytest.raises(ApplicationError):
        Talk([meter()]).run(reader().records(0x5009, (0x00100201,), last(1)))


def test_freeze_at_once() -> None:
    talk = Talk([meter()])
    talk.run(reader().freeze())
    found = talk.run(reader().records(objects.AT_ONCE, (objects.FROZEN_AT, 0x00100201), last(1)))
    assert [one.meter_time for one in found if one.obis] == [NOW]


def test_clock() -> None:
    ours = meter()
    ours.state.clock_error = timedelta(minutes=3)
    talk = Talk([ours])
    assert talk.run(reader().clock()) == LOCAL + timedelta(minutes=3)
    talk.run(reader().set_clock(LOCAL))
    assert abs(ours.state.clock_error) < timedelta(seconds=1)
    events = talk.run(reader().events(0x3016, LOCAL - timedelta(hours=1), LOCAL + timedelta(hours=1)))
    assert [one.meter_time for one in events if one.register.quantity == "event begin"] == [NOW + timedelta(minutes=3)]


def test_broadcast_time_only_once_a_day_and_only_a_little() -> None:
    ours = meter()
    talk = Talk([ours])
    talk.run(dialogue.broadcast_time(LOCAL + timedelta(hours=1)))
    assert ours.state.clock_error == timedelta(0)
    talk.run(dialogue.broadcast_time(LOCAL + timedelta(minutes=2)))
    assert ours.state.clock_error == timedelta(minutes=2)
    talk.run(dialogue.broadcast_time(LOCAL + timedelta(minutes=4)))
    assert ours.state.clock_error == timedelta(minutes=2)


@pytest.mark.parametrize("seed", range(40))
def test_the_relay_is_read_back(seed: int) -> None:
    ours = meter()
    talk = Talk([ours], up=hit(seed), down=hit(seed + 77), late=0.1, seed=seed)
    for trip in (True, False):
        outcome = talk.run(reader().relay(trip))
        if outcome is Outcome.DONE:
            assert ours.state.relay_open is trip
        assert len(ours.state.events.get(0x301F, ())) <= 1


def test_an_order_that_comes_twice_is_done_once_and_answered_twice() -> None:
    ours = meter()
    order = Apdu("action-request-normal", {"piid": 9, "setting": (0x50000300, Data(values.UINT16, 0))})
    frame = Frame(Address(ADDRESS), order.encode(), 0x43).encode()
    first, second = [*ours.receive(frame, NOW), *ours.receive(frame, NOW)]
    assert first == second
    assert len(ours.state.frozen) == 1


def test_passwords() -> None:
    ours = meter("secret")
    talk, asked = Talk([ours]), reader()
    with pytest.raises(Refused, match="denied"):
        talk.run(asked.set_clock(LOCAL))
    for _ in range(3):
        with pytest.raises(Refused):
            talk.run(asked.connect("wrong"))
    with pytest.raises(Refused):
        talk.run(asked.connect("secret"))
    talk.now += timedelta(days=1)
    talk.run(asked.connect("secret"))
    talk.run(asked.set_clock(LOCAL))
    assert ours.state.events[0x3016]
    talk.run(asked.release())
    with pytest.raises(Refused):
        talk.run(asked.set_clock(LOCAL))


def test_writing() -> None:
    ours = meter()
    talk = Talk([ours])
    talk.run(reader().write(0x41000200, Data(values.UINT8, 30)))
    assert talk.run(reader().value(0x41000200)).value == 30
    for oad, value in ((0x41000200, Data(values.OCTETS, b"1")), (0x00100200, Data(values.UINT32, 1))):
        with pytest.raises(Refused):
            talk.run(reader().write(oad, value))
    talk.run(reader().write(objects.ADDRESS, Data(values.OCTETS, bytes.fromhex("000000000005"))))
    assert ours.address == "000000000005"


def test_nobody_answers_a_broadcast_or_a_strangers_question() -> None:
    ours = meter()
    octets = Apdu("get-request-normal", {"oad": 0x00100200}).encode()
    for address in (Address("aa", 3), Address("999999999999"), Address(ADDRESS, 2)):
        assert [*ours.receive(Frame(address, octets, 0x43).encode(), NOW)] == []
    assert [*ours.receive(Frame(Address(ADDRESS), octets, 0xC3).encode(), NOW)] == []


def test_login_heartbeat_and_silence() -> None:
    terminal, presence = Terminal(meter(), heartbeat=60), Presence()

    def heard(octets: bytes, now: datetime) -> bytes:
        answer = presence.hear(Frame.decode(octets), now)
        assert answer is not None
        return answer.encode()

    answer = heard(terminal.open(NOW), NOW)
    assert presence.terminal == ADDRESS
    assert [*terminal.receive(answer, NOW)] == []
    assert terminal.online
    assert [*terminal.due(NOW + timedelta(seconds=59))] == []
    now = NOW
    for number in range(1, 4):
        now += timedelta(seconds=60)
        (beat,) = terminal.due(now)
        assert terminal.offline is (number >= 3)
        assert presence.online(now)
    [*terminal.receive(heard(beat, now), now)]
    assert not terminal.offline
    assert presence.online(now + timedelta(seconds=180))
    assert not presence.online(now + timedelta(seconds=181))
    heard(terminal.close(now), now)
    assert not presence.online(now)


def test_what_a_meter_begins_is_answered_while_it_is_asked() -> None:
    ours, asked = meter(), reader()
    report = Apdu("report-notification-list", {"piid": 3, "attributes": ((0x33000200, (1, Data(values.UINT8, 1))),)})
    login = Terminal(ours).open(NOW)
    told = Frame(Address(ADDRESS), report.encode(), 0x83).encode()
    talk = Talk([ours], up=lambda data: [login, told, data])
    found = talk.run(asked.read((0x20000201,)))
    assert [one.value for one in found] == [Decimal("230.1")]
    assert [apdu.service for apdu in asked.reports] == ["report-notification-list"]
    answers = [Apdu.decode(Frame.decode(octets).apdu).service for octets in talk.sent[1:] if octets]
    joined = b"".join(talk.sent[1:])
    assert answers or b"\x81" in joined
    assert bytes.fromhex("080103") in joined
