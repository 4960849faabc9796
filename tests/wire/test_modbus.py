"""Modbus: values exact, plans that tear nothing, both roles through lines that go wrong, and pymodbus as the judge."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogues import NOW, Talk, all_of, cut, hit
from metergate.errors import ApplicationError, BadValue, MetergateError, NoAnswer, Refused
from metergate.model import Obis, Quality, Unit
from metergate.wire import protocols
from metergate.wire.base import Problem, Telegram
from metergate.wire.modbus import RTU, TCP
from metergate.wire.modbus.meter import Meter
from metergate.wire.modbus.plan import MOST, Planner, Span
from metergate.wire.modbus.points import (
    COARSE,
    INEXACT,
    ByteOrder,
    Kind,
    Point,
    WordOrder,
    encode,
    octets,
    reading,
    to_words,
)
from metergate.wire.modbus.reader import Identification, Reader, Settings, spans_of

QUICK = Settings(timeout=0.1, rest=0.001, flush=0.01, busy=0.01)


def hexed(point: Point, text: str, **more: int) -> object:
    """What a point reads from these octets on the wire."""
    raw = bytes.fromhex(text)
    words = {
        (point.function, point.address + at // 2): int.from_bytes(raw[at : at + 2], "big")
        for at in range(0, len(raw), 2)
    }
    return reading(point, words | {(point.function, int(at[1:])): word for at, word in more.items()}, "m").value


# Values
@pytest.mark.parametrize(
    ("kind", "more", "wire", "value"),
    [
        ("u16", {}, "ffff", "65535"),
        ("i16", {"divisor": Decimal(10)}, "fffe", "-0.2"),
        ("u32", {"divisor": Decimal(100)}, "000059e4", "230.12"),
        ("i32", {"word_order": WordOrder.LSW, "divisor": Decimal(10)}, "08fe0000", "230.2"),
        ("i32", {"word_order": WordOrder.LSW}, "fffeffff", "-2"),
        ("u32", {"byte_order": ByteOrder.LITTLE}, "0000e459", "23012"),
        ("u64", {"divisor": Decimal(1000)}, "0000000000bc614e", "12345.678"),
        ("i64", {}, "ffffffffffffffff", "-1"),
        ("float32", {}, "43664ccd", "230.3"),
        ("float32", {"divisor": Decimal("0.001")}, "3f800000", "1000"),
        ("float32", {"divisor": Decimal(1000)}, "49742400", "1000"),
        ("float64", {"divisor": Decimal(1000)}, "4132efa800000000", "1241"),
        ("float32", {}, "7fc00000", None),
        ("float32", {}, "ff800000", None),
        ("i16", {"invalid": ("8000",)}, "8000", None),
        ("u32", {"invalid": ("FFFFFFFF", "7fffffff")}, "ffffffff", None),
    ],
)
def test_values(kind: str, more: dict[str, object], wire: str, value: str | None) -> None:
    point = Point("v", 7, type=Kind(kind), **more)  # type: ignore[arg-type]
    assert hexed(point, wire) == (None if value is None else Decimal(value))


def test_digits_of_the_wire_are_kept() -> None:
    assert str(hexed(Point("v", 0, divisor=Decimal(100)), "59d8")) == "230.00"


def test_fractions_are_flagged() -> None:
    words = {(3, 0): 0x4B80, (3, 1): 0x0000}
    found = reading(Point("v", 0, type=Kind.FLOAT32), words, "m")
    assert (found.value, found.notes) == (Decimal(1 << 24), (INEXACT, COARSE))
    assert reading(Point("v", 0, type=Kind.FLOAT32), {(3, 0): 0x3F80, (3, 1): 0}, "m").notes == (INEXACT,)


def test_reasons() -> None:
    absent = reading(Point("v", 0, type=Kind.U32), {(3, 0): 1}, "m")
    assert (absent.value, absent.reason, absent.quality) == (None, "not supported", Quality.ABSENT)
    nan = reading(Point("v", 0, type=Kind.FLOAT32), {(3, 0): 0x7FC0, (3, 1): 0}, "m")
    assert (nan.value, nan.reason, nan.quality) == (None, "not a number", Quality.BAD)


def test_scale_and_ratio_registers() -> None:
    scaled = Point("v", 0, scale_register=1)
    assert hexed(scaled, "0911", _1=0xFFFF) == Decimal("232.1")
    assert hexed(scaled, "0911", _1=1) == Decimal(23210)
    assert hexed(scaled, "0911", _1=0x8000) is None
    assert hexed(scaled, "0911", _1=99) is None
    assert hexed(scaled, "0911") is None
    assert hexed(Point("v", 0, divisor=Decimal(10), ct_ratio=5), "0064", _5=40) == Decimal(400)
    assert hexed(Point("v", 0, ct_ratio=5), "0064", _5=0) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"function": 6},
        {"words": 2},
        {"address": 65536},
        {"type": Kind.U32, "address": 65535},
        {"divisor": Decimal(3)},
        {"divisor": Decimal(-10)},
        {"invalid": ("80",)},
        {"invalid": ("80g0",)},
        {"function": 4, "writable": True},
    ],
)
def test_points_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        Point(**({"name": "v", "address": 0} | wrong))  # type: ignore[arg-type]


whole = st.sampled_from([kind for kind in Kind if not kind.fraction])
points = st.builds(
    Point,
    st.just("v"),
    st.integers(0, 60000),
    st.sampled_from((3, 4)),
    whole,
    word_order=st.sampled_from(WordOrder),
    byte_order=st.sampled_from(ByteOrder),
    divisor=st.sampled_from([Decimal(10) ** power for power in range(-3, 5)]),
)


@given(points, st.data())
def test_whole_numbers_there_and_back(point: Point, data: st.DataObject) -> None:
    bits = 16 * point.type.words
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if point.type.signed else (0, (1 << bits) - 1)
    raw = data.draw(st.integers(low, high))
    value = Decimal(raw) / point.divisor
    words = encode(point, value)
    held = {(point.function, point.address + at): word for at, word in enumerate(words)}
    found = reading(point, held, "m")
    assert (found.value, found.raw) == (value, raw)
    assert to_words(point, octets(point, words)) == words


@given(st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_the_shortest_decimal_of_a_single(number: float) -> None:
    numpy = pytest.importorskip("numpy")
    point = Point("v", 0, type=Kind.FLOAT32)
    found = hexed(point, struct.pack(">f", number).hex())
    assert found == Decimal(str(numpy.float32(number)))


def test_what_does_not_fit() -> None:
    for kind, value in ((Kind.U16, -1), (Kind.I16, 32768), (Kind.FLOAT32, Decimal("1e99"))):
        with pytest.raises(BadValue):
            encode(Point("v", 0, type=kind), Decimal(value))


# Plans
spans = st.lists(
    st.builds(Span, st.sampled_from((3, 4)), st.integers(0, 600), st.sampled_from((1, 2, 4))), min_size=1, max_size=60
)


@given(spans, st.integers(0, 20))
def test_a_plan_tears_nothing(wanted: list[Span], gap: int) -> None:
    blocks = Planner(gap).blocks(wanted)
    assert sorted(span for block in blocks for span in block.spans) == sorted(set(wanted))
    for block in blocks:
        assert 1 <= block.count <= MOST
        assert all(block.address <= span.address and span.end <= block.address + block.count for span in block.spans)


def overlap(one: Span, other: Span) -> bool:
    return one.function == other.function and one.address < other.end and other.address < one.end


@given(spans, st.sets(st.integers(0, 605)))
def test_refusals_are_learnt(wanted: list[Span], holes: set[int]) -> None:
    """Whatever the meter lacks: all that it has is read, and the second time nothing is refused."""
    planner = Planner()

    def round_of_requests() -> tuple[set[Span], int]:
        got, refused, todo = set[Span](), 0, planner.blocks(wanted)
        while todo:
            block = todo.pop()
            if holes & set(range(block.address, block.address + block.count)):
                planner.refused(block)
                refused += 1
                todo += planner.blocks(block.spans)
            else:
                got |= set(block.spans)
        return got, refused

    first, _ = round_of_requests()
    second, refused = round_of_requests()
    whole = {span for span in wanted if not holes & set(range(span.address, span.end))}
    assert first == second <= whole
    assert refused == 0
    alone = {span for span in whole if not any(one != span and overlap(one, span) for one in wanted)}
    assert alone <= first


def test_gaps_and_limits() -> None:
    joined = Planner().blocks([Span(3, 0, 2), Span(3, 10, 2), Span(3, 21, 2)])
    assert [(block.address, block.count) for block in joined] == [(0, 12), (21, 2)]
    many = Planner().blocks([Span(4, at, 2) for at in range(0, 130, 2)])
    assert [(block.address, block.count) for block in many] == [(0, 124), (124, 6)]


# Both roles
TABLE = (
    Point("voltage", 0, 4, Kind.FLOAT32, unit=Unit.V, obis=Obis.parse("1-0:32.7.0")),
    Point("current", 6, 4, Kind.FLOAT32, unit=Unit.A),
    Point("power", 12, 4, Kind.I32, divisor=Decimal(10), unit=Unit.W),
    Point("import", 300, 4, Kind.U64, divisor=Decimal(1000), unit=Unit.KWH),
    Point("limit", 40, 3, Kind.U32, writable=True),
    Point("relay", 50, 3, writable=True),
)
VALUES = {
    "voltage": Decimal("230.4"),
    "current": Decimal("3.125"),
    "power": Decimal("-718.5"),
    "import": Decimal("123456.789"),
    "limit": Decimal(70000),
    "relay": Decimal(1),
}


def meter(framing: str = RTU, unit: int = 5, **more: object) -> Meter:
    return Meter(unit, TABLE, lambda point, now: VALUES[point.name], framing, **more)  # type: ignore[arg-type]


def reader(framing: str = RTU, unit: int = 5) -> Reader:
    return Reader(unit, replace(QUICK, framing=framing))


def values(talk: Talk, asking: Reader, planner: Planner | None = None) -> dict[str, object]:
    wanted = spans_of(place for point in TABLE for place in point.places)
    words = talk.run(asking.read(wanted, planner))
    return {point.name: reading(point, words, "m").value for point in TABLE}


@pytest.mark.parametrize("framing", [RTU, TCP])
def test_a_meter_is_read(framing: str) -> None:
    talk = Talk([meter(framing, 4), meter(framing), meter(framing, 6)])
    assert values(talk, reader(framing)) == VALUES


@pytest.mark.parametrize("seed", range(150))
def test_through_noise_loss_and_delay(seed: int) -> None:
    """Right values or an error, never wrong ones."""
    talk = Talk([meter(), meter(unit=6)], up=hit(seed), down=hit(seed + 1), late=0.15, seed=seed)
    asking = reader()
    for _ in range(3):
        try:
            assert values(talk, asking) == VALUES
        except (NoAnswer, ApplicationError):
            pass


def reorder(seed: int) -> Callable[[bytes], list[bytes]]:
    return lambda data: [data[:4], data[4:], data]


@pytest.mark.parametrize("seed", range(20))
def test_tcp_through_doubles_and_delays(seed: int) -> None:
    talk = Talk([meter(TCP)], up=reorder(seed), late=0.4, seed=seed)
    asking = reader(TCP)
    for _ in range(5):
        try:
            assert values(talk, asking) == VALUES
        except NoAnswer:
            pass


def test_late_answers_are_nobodys() -> None:
    """Each answer comes one question too late; of equal length, it would be taken for the next one's."""
    same = (Point("a", 0), Point("b", 100))
    late = Meter(5, same, lambda point, now: Decimal(point.address + 1))
    late.trouble.late = True
    talk, asking = Talk([late]), reader()
    for _ in range(4):
        words = talk.run(asking.read(spans_of(place for point in same for place in point.places)))
        assert words == {(3, 0): 1, (3, 100): 101}


def test_dead_and_foreign() -> None:
    with pytest.raises(NoAnswer):
        values(Talk([]), reader())
    with pytest.raises(NoAnswer):
        values(Talk([meter(unit=6)]), reader())


def test_holes_are_learnt() -> None:
    talk, planner = Talk([meter(strict=True)]), Planner()
    assert values(talk, reader(), planner) == VALUES
    asked = talk.asked
    assert values(talk, reader(), planner) == VALUES
    assert talk.asked - asked < asked


def test_exceptions_by_name() -> None:
    one = meter()
    one.trouble.failing[4, 300] = 4
    with pytest.raises(ApplicationError, match=r"unit 5: registers from 300: exception 4 .server device failure."):
        values(Talk([one]), reader())
    one.trouble.failing[4, 300] = 0x0B
    with pytest.raises(NoAnswer):
        values(Talk([one]), reader())
    with pytest.raises(ApplicationError, match=r"exception 2 .illegal data address."):
        Talk([meter(strict=True)]).run(reader().registers(4, 1000, 2))


def test_a_busy_meter_is_asked_again() -> None:
    one = meter()
    one.trouble.busy = 2
    assert values(Talk([one]), reader()) == VALUES
    one.trouble.busy = 99
    with pytest.raises(ApplicationError, match="busy"):
        values(Talk([one]), reader())


def test_a_value_is_not_torn() -> None:
    """Time passes between two requests: who reads the words one by one gets a number that never was."""
    began = NOW

    def counting(point: Point, now: datetime) -> Decimal:
        return Decimal(0xFFFF + round((now - began).total_seconds()))

    one = Meter(5, (Point("count", 0, type=Kind.U32),), counting)
    one.trouble.skew = timedelta(seconds=1)
    talk = Talk([one])
    high = talk.run(reader().registers(3, 0, 1))[0]
    low = talk.run(reader().registers(3, 1, 1))[0]
    assert high << 16 | low not in range(0xFFFF, 0x10010)
    for _ in range(3):
        words = talk.run(reader().read([Span(3, 0, 2)]))
        assert words[3, 0] << 16 | words[3, 1] in range(0xFFFF, 0x10010)


def test_writing() -> None:
    one = meter()
    talk = Talk([one])
    talk.run(reader().write(40, [0, 4600]))
    talk.run(reader().write(50, [0]))
    assert one.written == {(3, 40): 0, (3, 41): 4600, (3, 50): 0}
    with pytest.raises(Refused, match="illegal data address"):
        talk.run(reader().write(41, [1, 2]))
    assert (3, 42) not in one.written


def test_a_write_whose_answer_is_lost_is_read_back() -> None:
    one = meter()
    lost: Iterator[list[bytes] | None] = iter([[], *[None] * 99])

    def fault(data: bytes) -> list[bytes]:
        return [data] if next(lost) is None else []

    talk = Talk([one], up=fault)
    talk.run(reader().write(50, [0]))
    assert one.written == {(3, 50): 0}
    assert sum(data[1:2] == b"\x06" for data in talk.sent) == 1


@pytest.mark.parametrize("framing", [RTU, TCP])
def test_identification(framing: str) -> None:
    talk = Talk([meter(framing, identity=("Maker", "Model 7", "1.4"))])
    assert talk.run(reader(framing).identify()) == Identification("Maker", "Model 7", "1.4")
    assert Talk([meter(framing)]).run(reader(framing).identify()) is None


# Listening
def heard(framing: str, *chunks: bytes) -> list[Telegram]:
    name = "modbus" if framing == RTU else "modbus-tcp"
    return [item for item in all_of(protocols()[name].receiver({}, {}), *chunks) if isinstance(item, Telegram)]


def conversation(framing: str) -> bytes:
    """All that passes on a line while a meter is read and written."""
    passed: list[bytes] = []

    def keep(data: bytes) -> list[bytes]:
        passed.append(data)
        return [data]

    talk = Talk([meter(framing, identity=("Maker", "Model", "1"))], up=keep, down=keep)
    asking = reader(framing)
    values(talk, asking)
    talk.run(asking.write(40, [0, 1]))
    talk.run(asking.identify())
    return b"".join(passed)


@pytest.mark.parametrize("framing", [RTU, TCP])
def test_a_listener_tells_requests_from_answers(framing: str) -> None:
    found = heard(framing, conversation(framing))
    assert [item.frame["kind"] for item in found] == ["request", "answer"] * (len(found) // 2)
    assert {item.frame["function"] for item in found} == {3, 4, 16, 0x2B}
    first = found[:2]
    assert first[0].frame["address"] == first[1].frame["address"]
    assert len(first[1].frame["registers"]) == first[0].frame["count"]  # type: ignore[arg-type]


@pytest.mark.parametrize("framing", [RTU, TCP])
@given(data=st.data())
def test_chunks_do_not_matter(framing: str, data: st.DataObject) -> None:
    line = conversation(framing)
    noise = data.draw(st.binary(max_size=20))
    stream = line[: len(line) // 2] + noise + line[len(line) // 2 :]
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    name = "modbus" if framing == RTU else "modbus-tcp"
    receiver = protocols()[name].receiver
    assert all_of(receiver({}, {}), *cut(stream, places)) == all_of(receiver({}, {}), stream)


def test_a_wrong_crc_is_no_telegram() -> None:
    frame = bytearray.fromhex("050300280002" + "0000")
    found = all_of(protocols()["modbus"].receiver({}, {}), bytes(frame))
    assert [item.code for item in found if isinstance(item, Problem)][:1] == ["bad_checksum"]
    assert not [item for item in found if isinstance(item, Telegram)]


def test_the_answers_of_the_standard() -> None:
    """The examples of MODBUS Application Protocol V1.1b3, 6.3 and 6.6, in RTU frames made by pymodbus."""
    module = pytest.importorskip("pymodbus.framer")
    framer = module.FramerRTU(None)
    request = framer.encode(bytes.fromhex("03006b0003"), 17, 0)
    answer = framer.encode(bytes.fromhex("0306022b00000064"), 17, 0)
    found = heard(RTU, request, answer)
    assert [item.frame["kind"] for item in found] == ["request", "answer"]
    assert found[0].frame["address"] == 0x6B
    assert found[1].frame["registers"] == [0x022B, 0, 100]
    entry = protocols()["modbus"]
    assert [entry.guess(one) for one in (request, answer, b"abcdef")] == [90, 90, 0]
    spans = entry.explain(answer, {})
    assert [(span.start, span.length) for span in spans] == [(0, 1), (1, 1), (2, 1), (3, 2), (5, 2), (7, 2), (9, 2)]
    assert spans[3].value == "555"


def test_errors_are_ours() -> None:
    assert issubclass(BadValue, MetergateError)
