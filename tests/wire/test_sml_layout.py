"""The fast way must be the general way: same readings, same problems, bit for bit."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metergate.errors import DecodeError
from metergate.model import Unit
from metergate.wire.base import Found, Telegram
from metergate.wire.learnt import PER_LENGTH, TRIES
from metergate.wire.sml.codec import Message, encode_telegram
from metergate.wire.sml.layout import Layout
from metergate.wire.sml.messages import Attention, GetListResponse, ListEntry
from metergate.wire.sml.push import Style, sec_index
from metergate.wire.sml.readings import QUIRKS, STATUS_SIGN
from metergate.wire.sml.receiver import SmlReceiver
from metergate.wire.sml.tlv import Integer, outline
from metergate.wire.sml.transport import CRC_KINDS, ESCAPE, KERMIT, X25, CrcKind, crc_of
from metergate.wire.sml.values import LOCAL, TIMESTAMP, Time
from smlkit import AT, CORPORA, EMH, SERVER, needs_corpora, reading, sample, telegram

NAME = bytes.fromhex("0100010800ff")
NOW = int(AT.timestamp())


def odd_sizes() -> bytes:
    """Every integer width, signed and unsigned, status words and times of several kinds."""
    times = (None, sec_index(7), Time(TIMESTAMP, NOW), Time(LOCAL, NOW, 60, 60), Time(LOCAL, NOW, bare=True))
    entries = tuple(
        ListEntry(
            bytes((1, 0, size, 8, signed, 255)),
            Integer(size, size) if size % 2 else None,
            times[size % 5],
            30,
            -1,
            Integer(-1 if signed else 200, size, signed),
        )
        for size in range(1, 9)
        for signed in (False, True)
    )
    power = ListEntry(bytes.fromhex("0100100700ff"), None, None, 27, -2, Integer(-300, 2, True))
    body = GetListResponse(None, SERVER, NAME, Time(TIMESTAMP, NOW), (*entries, power), b"signature", sec_index(9))
    return encode_telegram([Message(body, b"abc")])


SAMPLES = {
    "emh": EMH,
    "ours": telegram(),
    "kermit": telegram(style=Style(crc=KERMIT)),
    "bare time": telegram(style=Style(bare_time=True, choice_size=4)),
    "no time": telegram(time=None),
    "clock": telegram(time=Time(TIMESTAMP, NOW)),
    "odd sizes": odd_sizes(),
}


def learnt(frame: bytes, **options: Any) -> tuple[SmlReceiver, Layout]:
    receiver = SmlReceiver(options)
    list(receiver.receive(frame, AT))
    return receiver, receiver.layouts.known()[0]


def listed(time: Time | None, *entries: ListEntry) -> bytes:
    return encode_telegram([Message(GetListResponse(None, SERVER, None, time, entries), b"1")])


def general(frame: bytes, **options: Any) -> list[Found]:
    return list(SmlReceiver({"learn": False, **options}).receive(frame, AT))


def sealed(frame: bytes, crc: CrcKind, inner: bool = True) -> bytes:
    """The frame with its check sums made right again, those of the messages too as far as they can be read."""
    octets, at, end = bytearray(frame), 8, len(frame) - 8
    while inner and at < end:
        if octets[at] == 0:
            at += 1
            continue
        try:
            element = outline(bytes(octets), at, end)
        except DecodeError:
            break
        if len(element.items) == 6 and element.items[4].end - element.items[4].content == 2:
            check = element.items[4]
            octets[check.content : check.end] = crc.stored(bytes(octets[at : check.at]))
        at = element.end
    octets[-2:] = crc.stored(bytes(octets[:-2]))
    return bytes(octets)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_repeated_telegram_is_read_by_its_layout(name: str) -> None:
    frame = SAMPLES[name]
    receiver, _ = learnt(frame)
    again = list(receiver.receive(frame, AT))
    assert receiver.layouts.hits == 1
    (wanted,) = general(frame)
    (found,) = again
    assert isinstance(found, Telegram)
    assert isinstance(wanted, Telegram)
    assert found.readings == wanted.readings
    assert (found.meter, found.frame, found.valid, found.data) == (wanted.meter, wanted.frame, True, frame)
    assert [type(item.value) for item in found.readings] == [type(item.value) for item in wanted.readings]
    assert [str(item.value) for item in found.readings] == [str(item.value) for item in wanted.readings]


@given(
    st.sampled_from(sorted(SAMPLES)),
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=6),
    st.booleans(),
    st.booleans(),
    st.sampled_from([(), (STATUS_SIGN,), QUIRKS]),
)
@settings(max_examples=500)
def test_any_change_is_read_alike(
    name: str, changes: list[tuple[int, int]], inner: bool, outer: bool, quirks: tuple[str, ...]
) -> None:
    """Bytes anywhere, check sums made right again or not: the layout says what the general decoder says, or nothing."""
    frame = SAMPLES[name]
    octets = bytearray(frame)
    for place, value in changes:
        octets[8 + place % (len(frame) - 16)] = value
    crc = crc_of(frame) or X25
    changed = sealed(bytes(octets), crc, inner) if outer else bytes(octets)
    receiver, layout = learnt(frame, quirks=quirks)
    base = receiver.position
    found = [move(item, base) for item in receiver.receive(changed, AT)]
    assert found == [move(item, 0) for item in general(changed, quirks=quirks)]
    numbers = layout.values(changed)
    if numbers is not None:
        (told,) = general(changed)
        assert isinstance(told, Telegram)
        assert told.problems == ()
        assert numbers == tuple(item.raw for item in told.readings if item.raw is not None)


def move(item: Found, base: int) -> tuple[Any, ...]:
    """A found item without its place, since the streams differ in what came before."""
    if isinstance(item, Telegram):
        inner = tuple((problem.code, problem.offset - base) for problem in item.problems)
        return item.valid, item.data, item.meter, dict(item.frame), item.readings, inner, item.offset - base
    return item.code, item.offset - base, item.message


@given(st.integers(0, 2**64 - 1), st.integers(0, 3), st.integers(0, 2**32 - 1))
def test_escapes_inside_values_are_read_alike(number: int, shift: int, seconds: int) -> None:
    """Values that put 1B1B1B1B on the line change the frame's length or its meaning, never silently a reading."""
    value = int.from_bytes(ESCAPE * 2, "big") >> 8 * shift ^ number % 256
    pairs = ((number, 1), (value, seconds), (value, 0x1B1B1B1B), (value, 2))
    frames = [listed(sec_index(time), ListEntry(NAME, value=Integer(raw, 8))) for raw, time in pairs]
    receiver, plain = SmlReceiver(), SmlReceiver({"learn": False})
    for frame in frames:
        assert list(receiver.receive(frame, AT)) == list(plain.receive(frame, AT))


def test_a_doubled_escape_of_the_same_length_is_not_the_layout() -> None:
    """A value of eight bytes 1B, written without doubling, is read as four by the transport's rules."""
    frame = listed(None, ListEntry(NAME, value=Integer(5, 8)))
    receiver, layout = learnt(frame)
    forged = sealed(frame.replace((5).to_bytes(8, "big"), ESCAPE * 2), X25)
    assert layout.values(forged) is None
    assert [move(item, len(frame)) for item in receiver.receive(forged, AT)] == [
        move(item, 0) for item in general(forged)
    ]


def test_values_are_the_wires_integers_of_the_registers() -> None:
    _, layout = learnt(EMH)
    assert layout.values(EMH) == (153385557, 153385557, 0, 5635)
    assert [register.obis.full for register in layout.registers if register.obis] == [
        "1-0:1.8.0*255",
        "1-0:1.8.1*255",
        "1-0:1.8.2*255",
        "1-0:16.7.0*255",
    ]
    assert layout.values(EMH[:-1] + b"\x00") is None
    assert layout.values(telegram()) is None
    _, ours = learnt(telegram(1, sample(total=1 << 24)))
    assert ours.values(telegram(2, sample(total=(1 << 24) + 5, power=-1), sec_index(3))) is None
    later = telegram(2, sample(total=(1 << 24) + 5), sec_index(3))
    assert ours.values(later) == ((1 << 24) + 5, 262445726, 35624, 2305)


@given(st.integers(1 << 24, (1 << 32) - 1), st.integers(1 << 8, (1 << 16) - 1), st.integers(0, 2**32 - 1))
def test_every_value_comes_through(total: int, power: int, seconds: int) -> None:
    _, layout = learnt(telegram(1, sample(total=1 << 24)))
    frame = telegram(2, sample(total=total, power=power), sec_index(seconds))
    if ESCAPE not in frame[8:-8]:
        assert layout.values(frame) == (total, 262445726, power, 2305)


@pytest.mark.parametrize(
    "bodies",
    [
        (Attention(SERVER, b"123456"),),
        (GetListResponse(None, SERVER, None, None, (ListEntry(NAME, value=True),)),),
        (GetListResponse(None, SERVER, None, None, (ListEntry(NAME, value=sec_index(1)),)),),
    ],
)
def test_what_has_no_fixed_layout_is_read_by_the_general_decoder(bodies: tuple[Any, ...]) -> None:
    frame = encode_telegram([Message(body, b"1") for body in bodies])
    receiver = SmlReceiver()
    for _ in range(3):
        (found,) = receiver.receive(frame, AT)
        assert isinstance(found, Telegram)
    assert (receiver.layouts.hits, receiver.layouts.learnt) == (0, 0)


@needs_corpora
@pytest.mark.parametrize("crc", CRC_KINDS)
def test_captures_are_read_alike_after_changes(crc: CrcKind) -> None:
    """Every captured frame, learnt, then changed at random with its check sums made right again."""
    chance = random.Random(5)
    for path in sorted(CORPORA.glob("*.bin")):
        for told in SmlReceiver({"learn": False}).receive(path.read_bytes(), AT):
            if not isinstance(told, Telegram) or told.frame["crc_kind"] != crc.name or told.problems:
                continue
            receiver = SmlReceiver()
            list(receiver.receive(told.data, AT))
            for _ in range(15):
                octets = bytearray(told.data)
                for _ in range(chance.randint(1, 4)):
                    octets[8 + chance.randrange(len(octets) - 16)] = chance.randrange(256)
                changed, base = sealed(bytes(octets), crc), receiver.position
                found = [move(item, base) for item in receiver.receive(changed, AT)]
                found += [move(item, base) for item in receiver.silence()]
                plain = SmlReceiver({"learn": False})
                assert found == [move(item, 0) for item in [*plain.receive(changed, AT), *plain.silence()]]


def test_memory_and_time_for_layouts_are_bounded() -> None:
    """A line whose telegrams never repeat stops learning; of one length only so many layouts are kept."""
    receiver = SmlReceiver()
    for number in range(3 * TRIES):
        made = [reading("1-0:1.8.0", number, Unit.WH), reading(f"1-0:{number % 200}.8.0", 1, Unit.WH)]
        list(receiver.receive(telegram(1, made, server=SERVER[:-1] + bytes((number,))), AT))
    assert receiver.layouts.learnt == TRIES
    assert len(receiver.layouts.known()) == PER_LENGTH


def test_several_meters_on_one_line_have_their_layouts() -> None:
    receiver = SmlReceiver()
    for turn in range(5):
        for meter in range(8):
            (found,) = receiver.receive(telegram(turn, server=SERVER[:-1] + bytes((meter,))), AT)
            assert isinstance(found, Telegram)
            assert found.meter is not None
    assert receiver.layouts.learnt == 8
    assert receiver.layouts.hits == 32
