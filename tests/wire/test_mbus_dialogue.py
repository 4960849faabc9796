"""M-Bus masters and slaves: selection, search with collisions, many telegrams, retries, writes, bad lines."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogues import NOW, Fault, Talk, hit
from mbusbus import Bus, heat, heat_records, int32, large
from metergate.errors import ApplicationError, BadChecksum, BadValue, DecodeError, MetergateError, NoAnswer, Refused
from metergate.wire.base import Responder
from metergate.wire.mbus import reader
from metergate.wire.mbus.reader import Readout, Settings
from metergate.wire.mbus.records import record
from metergate.wire.mbus.secondary import Secondary
from metergate.wire.mbus.slave import Slave, pages
from metergate.wire.mbus.telegram import LongHeader

QUICK = Settings(tries=1)


def values(readout: Readout) -> list[object]:
    return [reading.value for reading in readout.readings]


HEAT = [
    Decimal(12345000),
    Decimal("345.678"),
    Decimal(4321),
    Decimal("0.432"),
    Decimal("61.5"),
    Decimal("41.2"),
    "2026-11-22T04:30:00",
    "1.0.4",
    Decimal(9000),
]


def test_primary_address() -> None:
    talk = Talk([Bus(heat("11111111", 1), heat("22222222", 2))])
    found = talk.run(reader.read(2))
    assert [telegram.meter.id for telegram in found.telegrams if telegram.meter] == ["22222222"]
    assert (found.complete, values(found)) == (True, HEAT)
    assert [data.hex() for data in talk.sent] == ["1040024216", "107b027d16"]


def test_the_only_slave() -> None:
    assert values(Talk([heat("11111111", 17)]).run(reader.read(254))) == HEAT


def test_nobody_there() -> None:
    talk = Talk([heat("11111111", 1)])
    with pytest.raises(NoAnswer, match="slave 2"):
        talk.run(reader.read(2))
    assert talk.asked == 3


def test_two_with_one_address_collide() -> None:
    with pytest.raises((BadChecksum, NoAnswer)):
        Talk([Bus(heat("11111111", 1), heat("22222222", 1))]).run(reader.read(1))


def test_secondary_address() -> None:
    talk = Talk([Bus(heat("11111111"), heat("22222222"))])
    found = talk.run(reader.read(Secondary("22222222")))
    assert found.telegrams[0].meter is not None
    assert found.telegrams[0].meter.id == "22222222"
    assert talk.sent[0].hex() == "680b0b6853fd5222222222ffffffff2616"
    with pytest.raises(NoAnswer):
        talk.run(reader.read(Secondary("33333333")))


@pytest.mark.parametrize(
    ("mask", "matches"),
    [
        (Secondary(), True),
        (Secondary("1234FFFF"), True),
        (Secondary("FFFFFFF8"), True),
        (Secondary("FFFFFFF9"), False),
        (Secondary("12345678", "KAM", 8, 4), True),
        (Secondary("12345678", "ELS", 8, 4), False),
        (Secondary("12345678", "KAM", 9, 4), False),
        (Secondary("12345678", None, None, 7), False),
    ],
)
def test_wildcards(mask: Secondary, matches: bool) -> None:
    assert mask.matches(LongHeader("12345678", "KAM", 8, 4)) is matches
    assert Secondary.parse(mask.octets) == mask


@given(
    st.from_regex(r"[0-9F]{8}", fullmatch=True),
    st.one_of(st.none(), st.from_regex(r"[A-Z]{3}", fullmatch=True)),
    st.one_of(st.none(), st.integers(0, 254)),
    st.one_of(st.none(), st.integers(0, 254)),
)
def test_secondary_addresses_come_back(number: str, maker: str | None, version: int | None, medium: int | None) -> None:
    address = Secondary(number, maker, version, medium)
    assert Secondary.parse(address.octets) == address


def test_no_secondary_address() -> None:
    for text in ("1234567", "123456789", "G2345678"):
        with pytest.raises(BadValue):
            Secondary(text)


@settings(max_examples=25, deadline=None)
@given(st.sets(st.from_regex(r"[0-9]{8}", fullmatch=True), max_size=7), st.sampled_from(["", "F", "1FFFFFFF"]))
def test_search_finds_every_slave(numbers: set[str], within: str) -> None:
    mask = Secondary(within.ljust(8, "F")) if within else None
    bus = Bus(*(heat(number, at) for at, number in enumerate(sorted(numbers))))
    found = Talk([bus]).run(reader.search(mask, settings=QUICK))
    wanted = {number for number in numbers if mask is None or mask.matches(LongHeader(number, "KAM", 8, 4))}
    assert {hit.secondary.id for hit in found.hits} == wanted
    assert found.collisions == ()
    assert all(len(hit.telegram.readings) == len(HEAT) for hit in found.hits)


def test_search_tells_equal_numbers_apart() -> None:
    same = [heat("12345678", 1), heat("12345678", 2, version=9), heat("12345678", 3, manufacturer="ELS")]
    found = Talk([Bus(*same)]).run(reader.search(makers=["KAM", "ELS"], settings=QUICK))
    assert {str(hit.secondary) for hit in found.hits} == {
        "12345678 KAM 8 4",
        "12345678 KAM 9 4",
        "12345678 ELS 8 4",
    }
    assert {hit.address for hit in found.hits} == {1, 2, 3}


def test_search_names_what_it_cannot_tell_apart() -> None:
    twins = [heat("12345678", 1), heat("12345678", 2)]
    found = Talk([Bus(*twins)]).run(reader.search(Secondary("12345678", "KAM", 8, 4), settings=QUICK))
    assert (found.hits, [str(mask) for mask in found.collisions]) == ((), ["12345678 KAM 8 4"])


def test_search_with_hex_digits() -> None:
    bus = Bus(heat("0500023E", 1), heat("05000231", 2))
    found = Talk([bus]).run(reader.search(digits="0123456789ABCDE", settings=QUICK))
    assert {hit.secondary.id for hit in found.hits} == {"0500023E", "05000231"}


def test_scan() -> None:
    bus = Bus(heat("11111111", 3), heat("22222222", 250), heat("33333333", 7), heat("44444444", 7))
    assert Talk([bus]).run(reader.scan(settings=QUICK)) == (3, 7, 250)


def test_many_telegrams() -> None:
    talk = Talk([large("12345678", 5)])
    found = talk.run(reader.read(5))
    assert len(found.telegrams) == 4
    assert found.complete
    assert values(found) == [Decimal(n) for n in range(120)]
    assert [data[1] for data in talk.sent] == [0x40, 0x7B, 0x5B, 0x7B, 0x5B]
    assert values(talk.run(reader.read(Secondary("12345678")))) == [Decimal(n) for n in range(120)]


@dataclass
class Cycling:
    """A slave that says "more follows" for ever."""

    inner: Slave

    def receive(self, data: bytes, now: datetime) -> list[bytes]:
        return list(self.inner.receive(data, now))

    def silence(self) -> None:
        self.inner.silence()


def test_a_readout_ends_where_it_repeats() -> None:
    endless = [page[:-1] + b"\x1f" if page.endswith(b"\x1f") else page + b"\x1f" for page in pages(heat_records())]
    looping = Slave(LongHeader("12345678", "KAM", 1, 4), endless * 2, 5)
    found = Talk([looping]).run(reader.read(5))
    assert (len(found.telegrams), found.complete) == (1, True)


def test_a_readout_has_an_end() -> None:
    parts = [int32("16", str(n)).octets + b"\x1f" for n in range(50)]
    found = Talk([Slave(LongHeader("12345678", "KAM", 1, 7), parts, 5)]).run(reader.read(5))
    assert (len(found.telegrams), found.complete) == (32, False)


def drop(*numbers: int) -> Fault:
    """Loses the answers with these numbers."""
    seen = iter(range(1_000_000))
    return lambda data: [] if next(seen) in numbers else [data]


def test_a_lost_answer_is_asked_for_with_the_same_frame_count() -> None:
    talk = Talk([large("12345678", 5)], up=drop(2))
    assert values(talk.run(reader.read(5))) == [Decimal(n) for n in range(120)]
    assert [data[1] for data in talk.sent] == [0x40, 0x7B, 0x5B, 0x5B, 0x7B, 0x5B]


def test_a_lost_question_is_asked_again() -> None:
    talk = Talk([large("12345678", 5)], down=drop(2))
    assert values(talk.run(reader.read(5))) == [Decimal(n) for n in range(120)]


def test_busy() -> None:
    meter = heat("12345678", 5)
    meter.busy = 2
    assert values(Talk([meter]).run(reader.read(5))) == HEAT
    meter.busy = 3
    with pytest.raises(ApplicationError, match="busy"):
        Talk([meter]).run(reader.read(5))


def test_an_echo_is_no_answer() -> None:
    class Echo:
        def receive(self, data: bytes, now: datetime) -> list[bytes]:
            return [data]

        def silence(self) -> None:
            pass

    meters: list[Responder] = [Echo(), heat("12345678", 5)]  # type: ignore[list-item]
    assert values(Talk(meters).run(reader.read(5))) == HEAT
    with pytest.raises(NoAnswer):
        Talk([Echo()]).run(reader.read(5))  # type: ignore[list-item]


def test_answers_of_others_are_passed_over() -> None:
    stranger = heat("99999999", 9)
    strange = next(iter(stranger.receive(bytes.fromhex("107b098416"), NOW)))
    talk = Talk([heat("12345678", 5)], up=lambda data: [strange, data])
    found = talk.run(reader.read(5))
    assert [telegram.meter.id for telegram in found.telegrams if telegram.meter] == ["12345678"]
    found = talk.run(reader.read(Secondary("12345678")))
    assert [telegram.meter.id for telegram in found.telegrams if telegram.meter] == ["12345678"]


def test_another_meter_at_the_address_is_not_taken_for_it() -> None:
    with pytest.raises(NoAnswer):
        Talk([heat("12345678", 5)]).run(reader.read(5, expect=Secondary("87654321")))


def test_set_address() -> None:
    meter, other = heat("12345678", 0), heat("87654321", 6)
    talk = Talk([Bus(meter, other)])
    talk.run(reader.set_address(0, 5))
    assert meter.address == 5
    assert meter.written == [(0x51, b"\x01\x7a\x05")]
    talk.run(reader.set_address(Secondary("12345678"), 7))
    assert meter.address == 7
    with pytest.raises(Refused):
        talk.run(reader.set_address(7, 6))
    for bad in (0, 251, -1):
        with pytest.raises(BadValue):
            talk.run(reader.set_address(7, bad))
    assert (meter.address, other.address) == (7, 6)


def test_set_address_with_its_acknowledgement_lost() -> None:
    meter = heat("12345678", 1)
    Talk([meter], up=drop(1, 2, 3)).run(reader.set_address(1, 5))
    assert meter.address == 5


@dataclass
class Fast:
    """A slave that only understands its own baud rate."""

    slave: Slave
    line: Callable[[], int]
    stuck: bool = False

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        before = self.slave.baud
        if self.line() == before:
            yield from list(self.slave.receive(data, now))
        if self.stuck:
            self.slave.baud = before

    def silence(self) -> None:
        self.slave.silence()


def at_speed(slave: Slave, stuck: bool = False, **more: Fault) -> Talk:
    talk = Talk([], **more)  # type: ignore[arg-type]
    talk.meters.append(Fast(slave, lambda: talk.bauds[-1] if talk.bauds else 2400, stuck))
    return talk


@pytest.mark.parametrize("target", [1, Secondary("12345678")])
def test_set_baud(target: int | Secondary) -> None:
    meter = heat("12345678", 1)
    talk = at_speed(meter)
    fast = talk.run(reader.set_baud(target, 9600))
    assert (meter.baud, meter.written, talk.bauds, fast.baud) == (9600, [(0xBD, b"")], [9600], 9600)
    assert values(talk.run(reader.read(target, settings=fast))) == HEAT
    with pytest.raises(BadValue, match="19200"):
        talk.run(reader.set_baud(1, 9601))
    assert Settings(baud=300).timeout > Settings(baud=9600).timeout > 0.5


def test_set_baud_with_its_acknowledgement_lost() -> None:
    acks = iter((True, False, False, False, True))
    meter = heat("12345678", 1)
    talk = at_speed(meter, up=lambda data: [data] if data != b"\xe5" or next(acks, True) else [])
    assert talk.run(reader.set_baud(1, 9600)).baud == 9600
    assert (meter.baud, meter.written) == (9600, [(0xBD, b"")])


def test_a_slave_that_stays_at_its_baud_rate() -> None:
    meter = heat("12345678", 1)
    talk = at_speed(meter, stuck=True)
    with pytest.raises(NoAnswer):
        talk.run(reader.set_baud(1, 9600))
    assert talk.bauds == [9600, 2400]
    assert values(talk.run(reader.read(1))) == HEAT


def test_a_repeated_write_is_done_once() -> None:
    meter = heat("12345678", 1)
    Talk([meter], up=drop(1)).run(reader.write(1, 0x51, b"\x04\x6d\x1e\x04\x96\x3b"))
    assert meter.written == [(0x51, b"\x04\x6d\x1e\x04\x96\x3b")]


def test_application_reset_begins_anew() -> None:
    meter = large("12345678", 5)
    talk = Talk([meter])
    talk.run(reader.read(5))
    talk.run(reader.reset_application(5, 0x10))
    assert meter.written == [(0x50, b"\x10")]
    assert values(talk.run(reader.read(5)))[0] == Decimal(0)


def test_an_unknown_order_is_reported_at_the_next_request() -> None:
    meter = heat("12345678", 5)
    talk = Talk([meter])
    talk.run(reader.write(5, 0x5C))
    with pytest.raises(ApplicationError, match="CI field"):
        talk.run(reader.read(5))
    talk.run(reader.write(5, 0x51, b"\x04"))
    with pytest.raises(ApplicationError, match="premature end"):
        talk.run(reader.read(5))
    assert values(talk.run(reader.read(5))) == HEAT


def test_deselect() -> None:
    meter = heat("12345678", 5)
    talk = Talk([meter])
    talk.run(reader.select(Secondary("12345678")))
    assert meter.selected
    talk.run(reader.deselect())
    assert not meter.selected
    with pytest.raises(NoAnswer):
        talk.run(reader.deselect())


def test_another_selection_deselects() -> None:
    one, other = heat("11111111"), heat("22222222")
    talk = Talk([Bus(one, other)])
    for number, selected in (("11111111", (True, False)), ("22222222", (False, True))):
        talk.run(reader.select(Secondary(number)))
        assert (one.selected, other.selected) == selected


def test_values_as_they_are_when_asked() -> None:
    def content(now: datetime) -> list[bytes]:
        return pages([record(b"\x04", b"\x6d", now.replace(tzinfo=None).isoformat())])

    talk = Talk([Slave(LongHeader("12345678", "KAM", 1, 4), content, 5)])
    assert values(talk.run(reader.read(5))) == ["2026-11-22T04:30:00"]
    talk.now = talk.now.replace(hour=9)
    assert values(talk.run(reader.read(5))) == ["2026-11-22T09:30:00"]


def test_alarm_is_asked_for_with_class_one() -> None:
    meter = heat("12345678", 5)
    ask = bytes.fromhex("105a055f16")
    assert list(meter.receive(ask, NOW)) == [b"\xe5"]
    meter.alarm = 4
    assert [answer.hex() for answer in meter.receive(ask, NOW)] == ["680404680805710482" + "16"]


def test_broadcasts_are_not_answered() -> None:
    meter = heat("12345678", 5)
    assert list(meter.receive(bytes.fromhex("1040ff3f16"), NOW)) == []


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(0, 1 << 30), st.booleans(), st.sampled_from([0.0, 0.2]))
def test_bad_lines_give_right_values_or_errors(up: int, down: int, secondary: bool, late: float) -> None:
    """Noise, losses, doubles, cuts and single wrong bits in both directions."""
    meters: list[Responder] = [Bus(large("12345678", 5), heat("87654321", 6))]
    talk = Talk(meters, up=hit(up, 0.15), down=hit(down, 0.15), late=late, seed=up)
    wanted = [Decimal(n) for n in range(120)]
    for _ in range(3):
        try:
            found = talk.run(reader.read(Secondary("12345678") if secondary else 5))
        except (DecodeError, NoAnswer):
            continue
        got = values(found)
        assert got == wanted if found.complete else got == wanted[: len(got)]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1 << 30))
def test_searches_on_bad_lines_find_nothing_that_is_not_there(seed: int) -> None:
    bus = Bus(heat("11111111", 1), heat("12222222", 2), heat("33333333", 3))
    talk = Talk([bus], up=hit(seed, 0.1), down=hit(seed + 1, 0.1))
    try:
        found = talk.run(reader.search(settings=Settings(tries=2)))
    except MetergateError:
        return
    assert {hit.secondary.id for hit in found.hits} <= {"11111111", "12222222", "33333333"}
    assert all([reading.value for reading in hit.telegram.readings] == HEAT for hit in found.hits)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=10))
def test_slaves_survive_rubbish(chunks: list[bytes]) -> None:
    meter = heat("12345678", 5)
    for chunk in chunks:
        for _ in meter.receive(chunk, NOW):
            pass
    meter.silence()
    assert (
        values(Talk([meter]).run(reader.read(254 if meter.address != 5 else 5, settings=replace(QUICK, tries=3))))
        == HEAT
    )


def test_set_clock() -> None:
    meter = heat("11111111", 5)
    talk = Talk([meter])
    talk.run(reader.set_clock(5, datetime(2026, 3, 31, 23, 59, 12)))
    assert meter.clock == "2026-03-31T23:59:00"
    assert talk.sent[-1].hex() == "680909687305" + "51" + "046d3b175f33" + "1e" + "16"
    talk.run(reader.set_clock(5, datetime(2026, 3, 31, 23, 59, 12), seconds=True))
    assert meter.clock == "2026-03-31T23:59:12"
    broadcast = Talk([meter, other := heat("22222222", 6)])
    broadcast.run(reader.broadcast_clock(datetime(2027, 1, 1)))
    assert (meter.clock, other.clock, broadcast.asked) == ("2027-01-01T00:00:00", "2027-01-01T00:00:00", 1)
