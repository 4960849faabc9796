"""DL/T 645 meter and reader: what one asks the other answers, also through a bad line."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogues import NOW, Talk, hit
from metergate.errors import ApplicationError, BadChecksum, DecodeError, NoAnswer, Refused
from metergate.model import Obis, Reading
from metergate.model.command import Outcome
from metergate.wire.base import Ask, Responder
from metergate.wire.dlt645 import Frame, Meter, dialogue, dialogue97
from metergate.wire.dlt645.core import Prepaid
from metergate.wire.dlt645.dialogue import Authority, Line
from metergate.wire.dlt645.items import PARAMETERS, item

INSTALLED = datetime(2020, 1, 1, tzinfo=UTC)
ADDRESS = "202611220001"
QUICK = Line(tries=8)


def hours(at: datetime) -> Decimal:
    return Decimal(int((at - INSTALLED).total_seconds())) / 3600


def source(obis: Obis, at: datetime) -> Decimal | tuple[Decimal, datetime] | None:
    """A house of 1 kW: registers grow by a kWh an hour, tariff n has n tenths of it."""
    if obis.d == 8 and obis.c in (1, 2, 5, 6, 21):
        return hours(at) * (obis.e or 10) / 10
    if obis.d == 6 and obis.c == 1:
        return Decimal("1.5"), datetime(2026, 11, 3, 10, 15, tzinfo=UTC)
    momentary = {32: "230.1", 31: "-4.348", 16: "-1.0004", 36: "-1.0004", 13: "-0.987", 14: "50.02", 3: "0.2", 4: "0.3"}
    return Decimal(momentary[obis.c]) if obis.d == 7 and obis.c in momentary else None


def meter(address: str = ADDRESS, **more: int) -> Meter:
    return Meter(address, source, INSTALLED, **more)  # type: ignore[arg-type]


def values(readings: Iterable[Reading]) -> list[object]:
    return [reading.value for reading in readings]


def seen(amount: Decimal, places: str = "0.01") -> Decimal:
    return amount.quantize(Decimal(places), "ROUND_DOWN")


@pytest.mark.parametrize(
    ("di", "want"),
    [
        (0x00010000, [seen(hours(NOW))]),
        (0x00010200, [seen(hours(NOW) / 5)]),
        (0x00000000, [seen(hours(NOW) * 2)]),
        (0x02010100, [Decimal("230.1")]),
        (0x0201FF00, [Decimal("230.1"), None, None]),
        (0x02020100, [Decimal("-4.348")]),
        (0x02030000, [Decimal("-1.0004")]),
        (0x02040000, [Decimal("-0.1")]),
        (0x02060000, [Decimal("-0.987")]),
        (0x02800002, [Decimal("50.02")]),
        (0x01010000, [Decimal("1.5"), "2026-11-03T18:15"]),
        (0x04000101, [Decimal(0), "2026-11-22"]),
        (0x04000102, ["12:30:00"]),
        (0x04000204, [Decimal(4)]),
        (0x04000401, [ADDRESS]),
        (0x04000402, [ADDRESS]),
        (0x04000503, ["0000"]),
        (0x03110000, [Decimal(0)]),
        (0x1D000001, [Decimal(0)]),
    ],
)
def test_items_as_read(di: int, want: list[object]) -> None:
    assert values(Talk([meter()]).run(dialogue.read(ADDRESS, di))) == want


def test_settlements_are_the_first_midnights_of_months() -> None:
    last = Talk([meter()]).run(dialogue.read(ADDRESS, 0x00010001))[0]
    assert last.value == seen(hours(datetime(2026, 10, 31, 16, tzinfo=UTC)))  # midnight of 1 November in UTC+8
    assert (str(last.obis), last.register.storage) == ("1-0:1.8.0*1", 1)


def test_daily_freeze_and_its_time() -> None:
    talk = Talk([meter()])
    assert values(talk.run(dialogue.read(ADDRESS, 0x05060001))) == ["2026-11-22T00:00"]
    frozen = talk.run(dialogue.read(ADDRESS, 0x05060102))
    before = hours(datetime(2026, 11, 20, 16, tzinfo=UTC))
    assert values(frozen) == [seen(before * (tariff or 10) / 10) for tariff in range(5)]
    assert len({reading.register.key for reading in frozen}) == 5


def test_freeze_now_and_freeze_by_schedule() -> None:
    talk = Talk([meter()])
    with pytest.raises(ApplicationError):
        talk.run(dialogue.read(ADDRESS, 0x05010001))
    talk.run(dialogue.freeze(ADDRESS))
    at = talk.now
    talk.now += timedelta(hours=5)
    assert values(talk.run(dialogue.read(ADDRESS, 0x05010101)))[0] == seen(hours(at))
    talk.run(dialogue.freeze(ADDRESS, "99010800"))
    assert values(talk.run(dialogue.read(ADDRESS, 0x05000001))) == ["2026-11-01T08:00"]
    assert values(talk.run(dialogue.read(ADDRESS, 0x05000002))) == ["2026-10-01T08:00"]


def test_every_item_is_answered_or_refused_and_reads_back() -> None:
    talk = Talk([meter()])
    dis = [
        di for high in range(7) for mid in range(16) for di in (high << 24 | mid << 16, high << 24 | mid << 16 | 0x100)
    ]
    dis += [0x04000000 | d1 << 8 | d0 for _, d1, d0 in PARAMETERS]
    refused = []
    for di in dis:
        try:
            assert talk.run(dialogue.read(ADDRESS, di))
            assert item(di)
        except ApplicationError as error:
            refused.append(str(error))
    assert len(dis) - len(refused) > 40
    assert all("no such data" in text for text in refused)


@pytest.mark.parametrize("most", [13, 20, 200])
def test_long_blocks_come_in_follow_up_frames(most: int) -> None:
    talk = Talk([meter(most_data=most)])
    found = talk.run(dialogue.read(ADDRESS, 0x0001FF00))
    assert values(found) == [seen(hours(NOW) * (tariff or 10) / 10) for tariff in range(5)]
    assert (talk.asked > 1) is (most < 25)
    assert values(talk.run(dialogue.read(ADDRESS, 0x000100FF)))[1:3] == [
        seen(hours(datetime(2026, month, day, 16, tzinfo=UTC))) for month, day in ((10, 31), (9, 30))
    ]


def test_registers_roll_over() -> None:
    old = Meter(ADDRESS, lambda obis, at: Decimal("1000012.345"), INSTALLED)
    assert values(Talk([old]).run(dialogue.read(ADDRESS, 0x00010000))) == [Decimal("12.34")]


def test_prepaid_balance_falls_with_energy() -> None:
    one, talk = meter(), None
    one.state.prepaid = Prepaid(Decimal(10), hours(NOW), Decimal("0.5"))
    talk = Talk([one], now=NOW + timedelta(hours=4))
    assert values(talk.run(dialogue.read(ADDRESS, 0x00900200))) == [Decimal("8.00")]
    assert values(talk.run(dialogue.read(ADDRESS, 0x00900100))) == [Decimal("16.00")]
    talk.now = NOW + timedelta(hours=30)
    assert values(talk.run(dialogue.read(ADDRESS, 0x00900200))) == [Decimal(0)]
    assert values(talk.run(dialogue.read(ADDRESS, 0x00900201))) == [Decimal("5.00")]


def test_reads_of_1997() -> None:
    talk = Talk([meter()])
    assert values(talk.run(dialogue.read_1997(ADDRESS, 0x9010))) == [seen(hours(NOW))]
    assert values(talk.run(dialogue.read_1997(ADDRESS, 0x901F)))[4] == seen(hours(NOW) * 4 / 10)
    assert values(talk.run(dialogue.read_1997(ADDRESS, 0xC011))) == ["12:30:00"]
    with pytest.raises(ApplicationError):
        talk.run(dialogue.read_1997(ADDRESS, 0x9999))


def test_address_of_the_only_meter_and_by_wildcard() -> None:
    other = "202611229999"
    assert Talk([meter()]).run(dialogue.read_address()) == ADDRESS
    talk = Talk([meter(), meter(other)])
    assert talk.run(dialogue.read_address(pattern="aaaaaaaa9999")) == other
    with pytest.raises(BadChecksum, match="more than one meter"):
        talk.run(dialogue.read_address())


class Colliding:
    """Two meters that speak at the same moment: their bits overlap."""

    def __init__(self, *meters: Meter) -> None:
        self.meters = meters

    def receive(self, data: bytes, now: datetime) -> Iterable[bytes]:
        answers = [b"".join(one.receive(data, now)) for one in self.meters]
        yield bytes(a & b for a, b in zip(*answers, strict=True))

    def silence(self) -> None:
        for one in self.meters:
            one.silence()


def test_collision_is_more_than_one_meter() -> None:
    pair: list[Responder] = [Colliding(meter(), meter("202611223456"))]  # type: ignore[list-item]
    with pytest.raises(BadChecksum, match="more than one meter"):
        Talk(pair).run(dialogue.read_address())


def test_set_address() -> None:
    talk = Talk([meter()])
    talk.run(dialogue.set_address("000000000042"))
    assert talk.run(dialogue.read_address()) == "000000000042"
    with pytest.raises(NoAnswer):
        talk.run(dialogue.read(ADDRESS, 0x00010000))


def test_clock_is_read_and_set_with_the_password_only() -> None:
    one = meter()
    one.passwords[4] = b"\x11\x22\x33"
    talk, local = Talk([one]), datetime(2026, 11, 22, 12, 41, 7)
    with pytest.raises(Refused, match="password"):
        talk.run(dialogue.set_clock(ADDRESS, local, Authority(b"\4\0\0\0")))
    talk.run(dialogue.set_clock(ADDRESS, local, Authority(b"\4\x11\x22\x33", b"\1\2\3\4")))
    assert talk.run(dialogue.read_clock(ADDRESS)) == local
    record = talk.run(dialogue.read(ADDRESS, 0x03300401))
    assert values(record)[0] == "04030201"
    assert values(record)[2] == "2026-11-22T12:41:07"


def test_three_wrong_passwords_lock_until_midnight() -> None:
    talk, wrong, right = Talk([meter()]), Authority(b"\2\x99\x99\x99"), Authority(b"\2\0\0\0")
    for _ in range(3):
        with pytest.raises(Refused):
            talk.run(dialogue.write(ADDRESS, 0x04000103, b"\x30", wrong))
    with pytest.raises(Refused):
        talk.run(dialogue.write(ADDRESS, 0x04000103, b"\x30", right))
    talk.now += timedelta(days=1)
    talk.run(dialogue.write(ADDRESS, 0x04000103, b"\x30", right))
    assert values(talk.run(dialogue.read(ADDRESS, 0x04000103))) == [Decimal(30)]


def test_password_changes() -> None:
    talk = Talk([meter()])
    talk.run(dialogue.change_password(ADDRESS, 0x04000C03, b"\2\0\0\0", b"\2\1\2\3"))
    with pytest.raises(Refused):
        talk.run(dialogue.clear(ADDRESS, 0x19, Authority(b"\2\0\0\0")))
    talk.run(dialogue.clear(ADDRESS, 0x19, Authority(b"\2\1\2\3")))
    assert values(talk.run(dialogue.read(ADDRESS, 0x01010000)))[0] == 0


def test_clearing_the_meter_needs_level_two() -> None:
    talk = Talk([meter()])
    with pytest.raises(Refused):
        talk.run(dialogue.clear(ADDRESS, 0x1A, Authority(b"\4\0\0\0")))
    talk.run(dialogue.clear(ADDRESS, 0x1A, Authority(b"\2\0\0\0")))
    talk.now += timedelta(hours=3)
    assert values(talk.run(dialogue.read(ADDRESS, 0x00010000))) == [Decimal("3.00")]


@pytest.mark.parametrize(
    ("now", "error", "again", "moved"),
    [
        (NOW, timedelta(minutes=3), False, True),
        (NOW, timedelta(minutes=6), False, False),
        (NOW, timedelta(minutes=3), True, False),
        (datetime(2026, 11, 22, 15, 57, tzinfo=UTC), timedelta(minutes=2), False, False),
    ],
)
def test_broadcast_time_once_a_day_small_steps_not_at_midnight(
    now: datetime, error: timedelta, again: bool, moved: bool
) -> None:
    one = meter()
    talk = Talk([one], now=now)
    right = (now + timedelta(hours=8)).replace(tzinfo=None)
    if again:
        talk.run(dialogue.broadcast_time(right))
    one.state.clock_error = error
    talk.run(dialogue.broadcast_time(right))
    assert abs(one.state.clock_error) == (timedelta(0) if moved else error)


UNTIL = datetime(2026, 11, 22, 12, 45)


def test_relay_trips_and_closes_and_is_read_back() -> None:
    one = meter()
    talk = Talk([one])
    assert talk.run(dialogue.relay(ADDRESS, dialogue.TRIP, UNTIL)) is Outcome.DONE
    assert one.state.relay_open
    assert talk.run(dialogue.relay_is_open(ADDRESS))
    assert values(talk.run(dialogue.read(ADDRESS, 0x1D000001))) == [Decimal(1)]
    assert talk.run(dialogue.relay(ADDRESS, dialogue.CLOSE, UNTIL)) is Outcome.DONE
    assert not one.state.relay_open


def test_relay_order_past_its_time_or_against_keep_power_is_refused() -> None:
    one = meter()
    talk = Talk([one])
    late = datetime(2026, 11, 22, 12, 29)
    assert talk.run(dialogue.relay(ADDRESS, dialogue.TRIP, late)) is Outcome.REFUSED
    assert talk.run(dialogue.relay(ADDRESS, dialogue.KEEP_POWER, UNTIL)) is Outcome.DONE
    assert talk.run(dialogue.relay(ADDRESS, dialogue.TRIP, UNTIL)) is Outcome.REFUSED
    assert not one.state.relay_open


def test_a_lost_reply_to_a_trip_does_not_trip_twice() -> None:
    one = meter()
    dropped: list[bytes] = []

    def lose_first_reply(answer: bytes) -> list[bytes]:
        if answer[8] == 0x9C and not dropped:
            dropped.append(answer)
            return []
        return [answer]

    talk = Talk([one], up=lose_first_reply)
    assert talk.run(dialogue.relay(ADDRESS, dialogue.TRIP, UNTIL)) is Outcome.DONE
    assert one.state.trips == 1
    assert sum(question[12] == 0x1C for question in talk.sent) == 1


def test_relay_of_a_silent_meter() -> None:
    assert Talk([]).run(dialogue.relay(ADDRESS, dialogue.TRIP, UNTIL)) is Outcome.NO_ANSWER


def test_baud_rate_word() -> None:
    one = meter()
    talk = Talk([one])
    talk.run(dialogue.set_baud(ADDRESS, 0x20))
    assert one.state.baud == 0x20
    with pytest.raises(Refused, match="baud"):
        talk.run(dialogue.set_baud(ADDRESS, 0x03))


def test_broadcasts_are_never_answered() -> None:
    for function, data in ((0x11, b"\0\0\1\0"), (0x13, b""), (0x16, b"\x99" * 4), (0x08, bytes(6))):
        assert not list(meter().receive(Frame("99" * 6, function, data).encode(), NOW))


def test_foreign_and_late_replies_are_dropped() -> None:
    strangers = [
        Frame("000000000007", 0x91, bytes.fromhex("0000010011111111")).encode(),
        Frame(ADDRESS, 0x91, bytes.fromhex("0000020011111111")).encode(),
        Frame(ADDRESS, 0x11, bytes.fromhex("00000100")).encode(),
    ]
    talk = Talk([meter()], up=lambda answer: [*strangers, answer])
    assert values(talk.run(dialogue.read(ADDRESS, 0x00010000))) == [seen(hours(NOW))]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([13, 200]))
def test_a_bad_line_gives_the_right_value_or_an_error(seed: int, most: int) -> None:
    talk = Talk([meter(most_data=most)], up=hit(seed), down=hit(seed + 1), late=0.2, seed=seed)
    right = {tariff: hours(NOW) * (tariff or 10) / 10 for tariff in range(5)}
    try:
        found = talk.run(dialogue.read(ADDRESS, 0x0001FF00, QUICK))
    except (NoAnswer, DecodeError):
        return
    passed = Decimal(int((talk.now - NOW).total_seconds()) + 1) / 3600
    assert len(found) == 5
    for reading in found:
        assert isinstance(reading.value, Decimal)
        assert 0 <= reading.value - seen(right[reading.register.tariff]) <= passed + Decimal("0.01")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 255))
def test_a_meter_survives_any_request(data: bytes, control: int) -> None:
    one = meter()
    list(one.receive(Frame(ADDRESS, control & 0x7F, data).encode(), NOW))
    list(one.receive(data, NOW))
    one.silence()
    assert values(Talk([one]).run(dialogue.read(one.address, 0x02010100))) == [Decimal("230.1")]


def test_state_survives_a_new_meter_object() -> None:
    one = meter()
    Talk([one]).run(dialogue.relay(ADDRESS, dialogue.TRIP, UNTIL))
    again = Meter(ADDRESS, source, INSTALLED, state=one.state)
    assert Talk([again]).run(dialogue.relay_is_open(ADDRESS))


@pytest.mark.parametrize("most", [8, 200])
def test_blocks_of_1997_in_parts(most: int) -> None:
    talk = Talk([meter(most_data=most)])
    assert values(talk.run(dialogue.read_1997(ADDRESS, 0x901F)))[:2] == [seen(hours(NOW)), seen(hours(NOW) / 10)]


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6))
def test_a_bad_line_never_shuffles_parts_of_1997(seed: int) -> None:
    talk = Talk([meter(most_data=8)], up=hit(seed, 0.1), down=hit(seed + 1, 0.1), late=0.05, seed=seed)
    try:
        found = talk.run(dialogue.read_1997(ADDRESS, 0x901F, QUICK))
    except (NoAnswer, DecodeError):
        return
    for reading in found:
        assert isinstance(reading.value, Decimal)
        assert 0 <= reading.value - seen(hours(NOW) * (reading.register.tariff or 10) / 10) <= Decimal("0.03")


def test_a_valve_of_1997_is_written() -> None:
    sent = dialogue97.write("000000000007", 0xC03A, b"\1", b"\2\1\2\3")
    step = next(sent)
    assert isinstance(step, Ask)
    assert Frame.decode(step.data.lstrip(b"\xfe")) == Frame("000000000007", 0x04, b"\x3a\xc0\2\1\2\3\1")
    with pytest.raises(StopIteration):
        sent.send(Frame("000000000007", 0x84).encode())


def test_only_time_and_freezing_are_told_to_all() -> None:
    one = meter()
    trip = bytes(8) + b"\x1a\0" + bytes.fromhex("000045122211262059")[:6]
    list(one.receive(Frame("99" * 6, 0x1C, trip).encode(), NOW))
    list(one.receive(Frame("99" * 6, 0x16, b"\x99" * 4).encode(), NOW))
    assert (one.state.relay_open, one.state.wrong_passwords, one.state.frozen) == (False, 0, [NOW])
