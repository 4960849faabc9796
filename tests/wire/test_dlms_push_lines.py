"""Pushes on their way: carriers, parts that are lost, bad lines; layouts against the general decoder."""

import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogues import all_of, cut
from dlmspush import AIDON, AK, AT, EK, KEYS, TITLE, heard, only, problems, reading, telegrams, values
from metergate.model import Obis, Unit
from metergate.wire.base import received
from metergate.wire.dlms import data as cosem
from metergate.wire.dlms.data import Data
from metergate.wire.dlms.push import PushReceiver
from metergate.wire.dlms.push.writer import (
    blocks,
    hdlc_frames,
    mbus_frames,
    notification,
    push_object_list,
    self_describing,
)
from metergate.wire.dlms.security import KeySet, seal
from metergate.wire.hdlc.address import Address
from metergate.wire.hdlc.frame import Frame

NAMED = {"1-1:0.2.129": "KFM_001", "0-0:96.1.0": "6970631402614476", "0-0:96.1.7": "MA304H3E"}


# ---- carriers --------------------------------------------------------------------------------------------------------
PUSH = notification(
    self_describing(
        [
            reading("0-0:96.1.0", "12345678"),
            *(reading(f"1-0:{code}.7.0", Decimal(code), Unit.W) for code in range(1, 80)),
        ]
    )
)


def carried(way: str) -> list[bytes]:
    if way == "hdlc":
        return hdlc_frames(PUSH)
    if way == "segments":
        return hdlc_frames(PUSH, size=120)
    if way == "blocks":
        return [
            Frame(Address(103), Address(1, 1), 0x13, (b"\xe6\xe7\x00" if place == 0 else b"") + block).octets
            for place, block in enumerate(blocks(PUSH, 300))
        ]
    if way == "mbus":
        return mbus_frames(PUSH)
    return [b"\x00\x01\x00\x01\x00\x67" + len(PUSH).to_bytes(2, "big") + PUSH]


WAYS = ["hdlc", "segments", "blocks", "mbus", "wrapper"]


@pytest.mark.parametrize("way", WAYS)
def test_carriers(way: str) -> None:
    found = only(b"".join(carried(way)))
    assert found.valid
    assert len(found.readings) == 80
    assert found.data == b"".join(carried(way))


@pytest.mark.parametrize("way", WAYS)
@given(st.data())
@settings(max_examples=30)
def test_any_chunking_gives_the_same(way: str, draw: st.DataObject) -> None:
    stream = b"".join(carried(way)) * 2
    places = draw.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    assert all_of(PushReceiver(), *cut(stream, places)) == all_of(PushReceiver(), stream)


@pytest.mark.parametrize("way", ["segments", "blocks", "mbus"])
def test_a_part_that_is_missing_or_spoilt(way: str) -> None:
    parts = carried(way)
    assert len(parts) > 2
    for missing in range(len(parts)):
        rest = [part for place, part in enumerate(parts) if place != missing]
        found = heard(b"".join(rest) + b"".join(parts))
        assert [len(telegram.readings) for telegram in telegrams(found) if telegram.readings] in ([80], [])
        assert problems(found)
    spoilt = list(parts)
    spoilt[1] = spoilt[1][:20] + bytes((spoilt[1][20] ^ 1,)) + spoilt[1][21:]
    found = heard(b"".join(spoilt) + b"".join(parts))
    assert [len(telegram.readings) for telegram in telegrams(found) if telegram.readings] == [80]
    assert "bad_checksum" in problems(found)


def test_blocks_sent_twice_and_the_silence() -> None:
    one, *rest = carried("blocks")
    assert [len(item.readings) for item in telegrams(heard(one + one + b"".join(rest)))] == [80]
    receiver = PushReceiver()
    assert not list(receiver.receive(one, AT))
    assert problems(receiver.silence()) == {"truncated"}
    assert telegrams(received(receiver, b"".join((one, *rest)), AT))


@given(st.integers(0, 2**32))
@settings(max_examples=60)
def test_a_bad_line_gives_no_wrong_value(seed: int) -> None:
    dice = random.Random(seed)
    frames = carried(dice.choice(WAYS[:4])) if seed % 2 else hdlc_frames(AIDON[3:])
    right = values(only(b"".join(frames)))
    stream = bytearray(b"".join(frames * 3))
    for _ in range(dice.randrange(1, 6)):
        place = dice.randrange(len(stream))
        match dice.randrange(3):
            case 0:
                stream[place] ^= 1 << dice.randrange(8)
            case 1:
                del stream[place : place + dice.randrange(1, 20)]
            case _:
                stream[place:place] = dice.randbytes(dice.randrange(1, 20))
    for telegram in telegrams(heard(bytes(stream), layer="mbus" if frames[0][:1] == b"h" else "hdlc")):
        assert not telegram.readings or values(telegram) == right


# ---- layouts ---------------------------------------------------------------------------------------------------------
@st.composite
def lists(draw: st.DrawFn) -> tuple[Data, ...]:
    """Several lists of one meter whose layout stays the same while their numbers change."""
    kinds = draw(st.lists(st.sampled_from((Unit.W, Unit.A, Unit.V, Unit.WH)), min_size=1, max_size=8))
    scalers = [draw(st.integers(-3, 3)) for _ in kinds]
    form = draw(st.sampled_from(("self", "pairs", "pushed", "kaifa")))
    return tuple(_list(draw, form, kinds, scalers) for _ in range(3))


def _list(draw: st.DrawFn, form: str, kinds: list[Unit], scalers: list[int]) -> Data:
    codes = [Obis(1, 0, place, 7, 0) for place in range(1, len(kinds) + 1)]
    number = st.integers(-(2**31), 2**31 - 1)
    clock = draw(st.binary(min_size=12, max_size=12))
    if form == "pushed":
        objects = [(1, Obis.parse("0-0:42.0.0").octets), (8, Obis.parse("0-0:1.0.0").octets)]
        held = [cosem.octets(b"LGZ1030655933512"), cosem.octets(clock), *(cosem.i32(draw(number)) for _ in kinds)]
        return push_object_list([*objects, *((3, code.octets) for code in codes)], held)
    if form == "kaifa":
        held = [cosem.octets(text.encode()) for text in NAMED.values()]
        return cosem.structure(*held, *(cosem.u32(draw(st.integers(0, 2**32 - 1))) for _ in range(10)))
    items: list[Data] = [cosem.octets(Obis.parse("0-0:1.0.0").octets), cosem.octets(clock)]
    for code, unit, scaler in zip(codes, kinds, scalers, strict=True):
        items += [cosem.octets(code.octets), cosem.i32(draw(number))]
        if form == "self":
            items.append(
                cosem.structure(cosem.i8(scaler), cosem.enum({"W": 27, "A": 33, "V": 35, "Wh": 30}[unit.value]))
            )
    return cosem.structure(cosem.visible("Kamstrup_V0001"), *items)


@given(lists(), st.binary(min_size=12, max_size=12), st.booleans())
def test_layouts_read_as_the_general_decoder_does(bodies: tuple[Data, ...], time: bytes, ciphered: bool) -> None:
    learning, general = (PushReceiver(KEYS if ciphered else {}, {"learn": learn}) for learn in (True, False))
    for number, body in enumerate(bodies, 1):
        octets = notification(body, time, invoke=number * 77)
        if ciphered:
            octets = seal(octets, KeySet(EK, AK), TITLE, number, general=True).encode()
        stream = b"".join(hdlc_frames(octets))
        quick, slow = (list(receiver.receive(stream, AT)) for receiver in (learning, general))
        assert quick == slow
        assert [dict(item.frame) for item in telegrams(quick)] == [dict(item.frame) for item in telegrams(slow)]
    assert learning.layouts.hits == 2
    assert general.layouts.hits == 0
    again = notification(bodies[0], time)
    known = seal(again, KeySet(EK, AK), TITLE, 9, general=True).encode() if ciphered else again
    layout = learning.layouts.known()[0]
    assert learning.values(known) == layout.values(again)
    assert len(layout.values(again) or ()) == len(layout.registers)


def test_values_of_what_is_doubtful() -> None:
    receiver = PushReceiver(KEYS)
    made = [seal(AIDON[3:], KeySet(EK, AK), TITLE, place, general=True).encode() for place in (5, 6, 7)]
    assert receiver.values(made[0]) is None  # nothing learnt yet
    list(received(receiver, made[0], AT))
    assert receiver.values(made[0]) is None  # sent again
    found = receiver.values(made[1])
    assert found is not None
    assert found[:4] == (280, 0, 0, 128)
    assert receiver.values(made[1]) is None
    assert receiver.values(made[2][:-1] + bytes((made[2][-1] ^ 1,))) is None
    assert receiver.values(AIDON[3:]) is None  # in clear although there are keys
    assert receiver.values(b"\xdb") is None
