"""MGC/1: the specified samples, records, every function between master and collector, retransmission, bad lines."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogues import NOW, Talk, all_of, cut, hit
from metergate.errors import ApplicationError, BadChecksum, DecodeError, NoAnswer, Refused
from metergate.model import Obis, Quality, TimeQuality, Unit
from metergate.wire.base import Ask, Problem, Telegram
from metergate.wire.mgc1 import (
    CODES,
    PROTOCOLS,
    REGISTERS,
    Collector,
    CollectorStatus,
    Declined,
    EventCode,
    EventRecord,
    Flag,
    Frame,
    Function,
    Ident,
    Master,
    Receiver,
    Record,
    Status,
    ValvePosition,
    ValveState,
    broadcast_time,
    explain,
    guess,
)
from metergate.wire.mgc1.master import CLOSE, DAY, OPEN, STEP, log

# The three frames that the protocol's definition gives.
STATUS = bytes.fromhex("7e0100120502000012cf")
CLOSE_3 = bytes.fromhex("7e01001207090008000010010301001eea26")
TIME = bytes.fromhex("7e01ffff0907000767e8898000000142ba")
EPOCH = int(NOW.timestamp())


def test_the_specified_frames() -> None:
    assert Frame(0x12, 5, Function.STATUS).encode() == STATUS
    master = Master(0x12, seq=6)
    (step,) = [next(master.valve(0x1001, 3, CLOSE, 30))]
    assert isinstance(step, Ask)
    assert step.data == CLOSE_3
    (step,) = list(broadcast_time(datetime(2025, 3, 30, tzinfo=UTC), 9))
    assert step == Ask(TIME, 0)
    found = [telegram for telegram in all_of(Receiver(), STATUS + CLOSE_3 + TIME) if isinstance(telegram, Telegram)]
    assert [telegram.frame["function"] for telegram in found] == ["STATUS", "VALVE", "SET_TIME"]
    assert {"order": 0x1001, "channel": 3, "action": 1, "ttl": 30}.items() <= found[1].frame.items()
    assert found[2].frame["time"] == int(datetime(2025, 3, 30, tzinfo=UTC).timestamp())


class Store:
    """A collector in memory: two channels, a log, one valve."""

    def __init__(self, records: int = 100) -> None:
        self.log = [record(cursor) for cursor in range(1, records + 1)]
        self.acked = 0
        self.moves: list[tuple[int, int, int]] = []
        self.locked = False
        self.offset = timedelta(0)
        self.settings = {7: b"\1\2"}
        self.channels = 2

    def ident(self) -> Ident:
        return Ident("MGC-24", "00012345", "1.0", self.channels, 3)

    def status(self, now: datetime) -> CollectorStatus:
        return CollectorStatus(int(now.timestamp()), 1, self.log[0].cursor, self.log[-1].cursor, self.acked)

    def read_now(self, channel: int | None, now: datetime) -> Iterable[Record]:
        wanted = range(1, self.channels + 1) if channel is None else [channel]
        if channel is not None and channel > self.channels:
            raise Declined(Status.CHANNEL_ABSENT)
        return [replace(record(0), channel=number, time=int(now.timestamp())) for number in wanted]

    def read_freeze(self, day: int, kind: int, channel: int | None) -> Iterable[Record]:
        if day != 20000:
            raise Declined(Status.NO_DATA)
        return [replace(record(0), channel=channel or 1, flags=Flag.FROZEN)]

    def read_log(self, cursor: int, most: int) -> tuple[Sequence[Record], bool]:
        found = [one for one in self.log if one.cursor >= cursor]
        return found[:most], len(found) > most

    def ack_log(self, cursor: int) -> None:
        self.acked = max(self.acked, cursor)

    def clock(self, now: datetime) -> datetime:
        return now + self.offset

    def set_clock(self, time: datetime, step: bool, now: datetime) -> None:
        self.offset = time - now

    def valve(self, order: int, channel: int, action: int, ttl: int, now: datetime) -> int:
        if self.locked and action == OPEN:
            raise Declined(Status.INTERLOCK)
        if not ttl:
            raise Declined(Status.EXPIRED)
        self.moves.append((order, channel, action))
        return ValvePosition.MOVING

    def valve_state(self, channel: int, now: datetime) -> ValveState:
        if channel > self.channels:
            raise Declined(Status.CHANNEL_ABSENT)
        order, _, action = self.moves[-1] if self.moves else (0, 0, 0)
        return ValveState(action, int(self.locked), order)

    def config(self, key: int) -> bytes:
        if key not in self.settings:
            raise Declined(Status.NO_DATA)
        return self.settings[key]

    def set_config(self, key: int, value: bytes) -> bytes:
        self.settings[key] = value
        return value

    def pass_through(self, raw: bytes, timeout_ms: int, now: datetime) -> bytes:
        return raw[::-1] + timeout_ms.to_bytes(2, "big")

    def events(self, cursor: int, most: int) -> Sequence[EventRecord]:
        overrun = EventRecord(2, EventCode.BUFFER_OVERRUN, EPOCH, first=17, second=20)
        return [one for one in (EventRecord(1, EventCode.POWER_UP, EPOCH), overrun) if one.cursor >= cursor][:most]


def record(cursor: int) -> Record:
    return Record(cursor, 1, CODES[Obis.parse("8-0:1.0.0")], EPOCH + cursor, 123_456 + cursor, boots=3)


def talk(store: Store | None = None) -> tuple[Talk, Store, Master]:
    store = store or Store()
    return Talk([Collector(0x12, store)]), store, Master(0x12)


def test_every_function() -> None:
    line, store, master = talk()
    assert line.run(master.ident()) == store.ident()
    assert line.run(master.status()) == store.status(NOW)
    assert [one.channel for one in line.run(master.read_now())] == [1, 2]
    assert [one.channel for one in line.run(master.read_now(2))] == [2]
    assert line.run(master.read_freeze(20000, DAY, 1))[0].flags == Flag.FROZEN
    assert line.run(master.read_freeze(20001)) == []
    assert line.run(master.read_log(90)) == (store.log[89:], False)
    assert line.run(master.read_log(1, 5)) == (store.log[:5], True)
    line.run(master.ack_log(55))
    assert store.acked == 55
    later = NOW + timedelta(minutes=1, milliseconds=250)
    assert line.run(master.set_time(later, STEP)) == NOW
    assert line.run(master.get_time()) == later
    assert line.run(master.valve(9, 1, CLOSE, 30)) == ValvePosition.MOVING
    assert line.run(master.valve_state(1)) == ValveState(ValvePosition.CLOSED, 0, 9)
    assert line.run(master.config(7)) == b"\1\2"
    assert line.run(master.set_config(8, b"abc")) == b"abc"
    assert store.settings[8] == b"abc"
    assert line.run(master.pass_through(b"\x68\x16", 1.5)) == b"\x16\x68\x05\xdc"
    assert [one.event("18").code for one in line.run(master.events(2))] == ["BUFFER_OVERRUN"]


def test_what_a_collector_refuses() -> None:
    line, store, master = talk()
    store.locked = True
    with pytest.raises(Refused, match="interlock"):
        line.run(master.valve(1, 1, OPEN, 30))
    with pytest.raises(Refused, match="expired"):
        line.run(master.valve(1, 1, CLOSE, 0))
    with pytest.raises(ApplicationError, match="channel absent"):
        line.run(master.read_now(3))
    with pytest.raises(ApplicationError, match="channel absent"):
        line.run(master.valve_state(3))
    with pytest.raises(ApplicationError, match="no data"):
        line.run(master.config(99))
    with pytest.raises(ApplicationError, match="bad payload"):
        line.run(master.read_log(1, 41))
    assert not store.moves


@pytest.mark.parametrize(
    ("function", "payload", "status"),
    [(0x55, b"", 1), (0x05, b"\0", 2), (0x0C, b"\0", 2), (0x02, b"\0", 2), (0x09, bytes(7) + b"\1", 0x06)],
)
def test_status_octets(function: int, payload: bytes, status: int) -> None:
    collector = Collector(0x12, Store())
    if function == 0x09:
        payload = bytes((0, 0, 0, 5, 1, 1, 0, 0))
    (answer,) = collector.receive(Frame(0x12, 1, function, payload).encode(), NOW)
    frame = Frame.of(answer)
    assert (frame.function, frame.seq, frame.payload) == (function | 0x80, 1, bytes((status,)))


def test_all_channels_that_do_not_fit_are_asked_one_by_one() -> None:
    line, store, master = talk()
    store.channels = 50
    assert [one.channel for one in line.run(master.read_now())] == list(range(1, 51))


def test_whole_log() -> None:
    line, store, master = talk()
    assert line.run(log(master, 1)) == store.log
    assert store.acked == 0


def test_retransmission_is_answered_alike_without_a_second_effect() -> None:
    store = Store()
    store.channels = 3
    collector = Collector(0x12, store)
    first = list(collector.receive(CLOSE_3, NOW))
    again = list(collector.receive(CLOSE_3, NOW + timedelta(seconds=1)))
    assert first == again
    assert len(store.moves) == 1
    late = list(collector.receive(CLOSE_3, NOW + timedelta(hours=1)))  # long after: the order's number still protects
    assert len(late) == len(store.moves) == 1
    other = Frame(0x12, 8, Function.VALVE, Frame.of(CLOSE_3).payload).encode()
    assert len(list(collector.receive(other, NOW))) == len(store.moves) == 1


def test_broadcast_is_carried_out_and_never_answered() -> None:
    line, store, _ = talk()
    line.run(broadcast_time(NOW + timedelta(seconds=30)))
    assert store.offset == timedelta(seconds=30)
    assert not list(Collector(0x12, store).receive(TIME, NOW))
    assert not list(Collector(0x13, store).receive(STATUS, NOW))


def test_registers_are_a_bijection_with_units() -> None:
    assert len(CODES) == len(REGISTERS)
    for obis, unit in {
        "1-0:1.8.0": Unit.KWH,
        "8-0:1.0.0": Unit.M3,
        "9-0:1.0.0": Unit.M3,
        "6-0:1.0.0": Unit.KWH,
    }.items():
        assert REGISTERS[CODES[Obis.parse(obis)]].unit is unit
    assert REGISTERS[CODES[Obis.parse("7-0:3.0.0")]].quantity == "volume"


def test_records_become_readings() -> None:
    reading = record(5).reading("18/1", NOW)
    assert (reading.value, reading.raw, reading.unit) == (Decimal("123.461"), 123461, Unit.M3)
    assert (reading.meter_time, reading.received) == (NOW + timedelta(seconds=5), NOW)
    nobody = replace(record(5), flags=Flag.NO_ANSWER, value=0).reading("18/1")
    assert (nobody.value, nobody.reason, nobody.quality) == (None, "no answer", Quality.ABSENT)
    guessed = replace(record(5), flags=Flag.ESTIMATED | Flag.CLOCK_DOUBTFUL | Flag.AFTER_POWER_UP).reading("18/1")
    assert (guessed.quality, guessed.time_quality) == (Quality.ESTIMATED, TimeQuality.DOUBTFUL)
    assert guessed.notes == ("after power-up",)
    strange = replace(record(5), register=0xEE).reading("18/1")
    assert (strange.value, strange.reason) == (None, "unknown register")


u8, u16, u32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32))


@given(u32, u8, u8, u32, st.integers(-(2**63), 2**63 - 1), u16, u16)
def test_records_round_trip(
    cursor: int, channel: int, code: int, time: int, value: int, flags: int, boots: int
) -> None:
    one = Record(cursor, channel, code, time, value, flags, boots)
    assert len(one.encode()) == 24
    assert Record.decode(one.encode()) == one
    one.reading("1/1")


@given(u32, u8, u32, u8, st.integers(0, 4), u32, u32)
def test_events_round_trip(cursor: int, code: int, time: int, channel: int, severity: int, a: int, b: int) -> None:
    one = EventRecord(cursor, code, time, channel, severity, a, b)
    assert EventRecord.decode(one.encode()) == one
    assert one.event("1").severity == severity


def test_a_record_with_a_wrong_bit_spoils_its_answer() -> None:
    octets = bytearray(record(1).encode())
    octets[15] ^= 1
    with pytest.raises(BadChecksum):
        Record.decode(bytes(octets))
    answer = Frame(0x12, 1, 0x83, b"\0" + record(2).encode() + bytes(octets)).encode()
    (telegram,) = [one for one in all_of(Receiver(), answer) if isinstance(one, Telegram)]
    assert not telegram.readings
    assert [problem.code for problem in telegram.problems] == ["bad_checksum"]


@given(st.integers(0, 0xFFFF), u8, u8, st.binary(max_size=1024))
def test_frames_round_trip(address: int, seq: int, function: int, payload: bytes) -> None:
    frame = Frame(address, seq, function, payload)
    octets = frame.encode()
    assert Frame.of(octets) == frame
    (telegram,) = all_of(Receiver(), octets)
    assert isinstance(telegram, Telegram)
    assert telegram.valid
    assert explain(octets)[0].length == len(octets)


def test_too_long_a_payload_cannot_be_sent() -> None:
    with pytest.raises(DecodeError):
        Frame(1, 1, 1, bytes(1025)).encode()


stream = st.lists(
    st.one_of(
        st.sampled_from([STATUS, CLOSE_3, TIME, STATUS[:5], b"\x7e", b"\x7e\x01" * 4, CLOSE_3[:-1] + b"\0"]),
        st.binary(max_size=20),
    ),
    max_size=8,
).map(b"".join)


@given(stream, st.lists(st.integers(0, 4000), max_size=12))
def test_result_does_not_depend_on_chunks(data: bytes, places: list[int]) -> None:
    assert all_of(Receiver(), *cut(data, places)) == all_of(Receiver(), data)


@given(st.binary(max_size=40).filter(lambda noise: b"\x7e" not in noise))
def test_a_frame_after_noise_is_found_and_the_noise_counted(noise: bytes) -> None:
    *before, last = all_of(Receiver(), noise + STATUS)
    assert isinstance(last, Telegram)
    assert last.offset == len(noise)
    assert [problem.code for problem in before if isinstance(problem, Problem)] == ["noise"] * bool(noise)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6))
def test_a_bad_line_gives_the_right_records_or_an_error(seed: int) -> None:
    store = Store(records=90)
    line = Talk([Collector(0x12, store)], up=hit(seed), down=hit(seed + 1), late=0.2, seed=seed)
    master = Master(0x12, tries=6, seq=seed & 0xFF)
    try:
        assert line.run(log(master, 1)) == store.log
    except (NoAnswer, DecodeError):
        pass
    try:
        line.run(master.valve(seed, 1, CLOSE, 30))
    except (NoAnswer, DecodeError):
        pass
    assert len(store.moves) <= 1


@settings(max_examples=200, deadline=None)
@given(u8, st.binary(max_size=40))
def test_a_collector_survives_any_request(function: int, payload: bytes) -> None:
    collector = Collector(0x12, Store())
    answers = list(collector.receive(Frame(0x12, 1, function, payload).encode(), NOW))
    assert len(answers) == (0 if function & 0x80 else 1)
    list(collector.receive(payload, NOW))
    collector.silence()
    assert list(collector.receive(STATUS, NOW))


def test_registry_guess_and_explain() -> None:
    assert [entry.name for entry in PROTOCOLS] == ["mgc1"]
    assert guess(b"\0" + STATUS) == 90
    assert guess(CLOSE_3[:-1] + b"\0") == 30
    assert guess(b"hello") == 0
    spans = explain(CLOSE_3)
    octets = sorted(at for span in spans if span.level == 1 for at in range(span.start, span.start + span.length))
    assert octets == list(range(len(CLOSE_3)))
