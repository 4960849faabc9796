"""The stream side: any chunking, noise, frames behind each other, corrupt frames, mutations of everything."""

import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogues import all_of, cut
from metergate.errors import DECODE_CODES
from metergate.wire.base import Found, Problem, Telegram
from metergate.wire.mbus.records import record
from metergate.wire.wmbus import Address, Context, Decoder, Format, Keyring, Receiver, Sender, receiver

KEY = bytes(range(16))
METER = Address.named("12345678", "ELS", 51, 7)


def ears(form: Format | None = None) -> Receiver:
    return Receiver(Decoder(Context(Keyring(common=KEY))).decode, form)


def frame(value: int, form: Format = Format.A, mode: int = 0, count: int = 1) -> bytes:
    volume = record(b"\x0c", b"\x13", Decimal(value) / 1000)
    (made,) = Sender(METER, KEY, mode, form).frames([volume] * count)
    return made


def volumes(found: list[Found]) -> list[list[object]]:
    return [[one.value for one in each.readings] for each in found if isinstance(each, Telegram)]


def frames() -> st.SearchStrategy[bytes]:
    return st.builds(
        frame, st.integers(0, 9999), st.sampled_from(list(Format)), st.sampled_from((0, 5, 7)), st.integers(1, 15)
    )


@settings(max_examples=300)
@given(
    st.lists(frames() | st.binary(max_size=60), max_size=5),
    st.lists(st.integers(0, 2000), max_size=12),
    st.sampled_from((None, *Format)),
)
def test_chunks_do_not_matter(parts: list[bytes], places: list[int], form: Format | None) -> None:
    data = b"".join(parts)
    assert all_of(ears(form), *cut(data, places)) == all_of(ears(form), data)
    assert all_of(ears(form), *(data[at : at + 1] for at in range(len(data)))) == all_of(ears(form), data)


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("told", [True, False])
def test_frames_behind_each_other(form: Format, told: bool) -> None:
    data = b"".join(frame(value, form, value % 3 and 5) for value in range(7))
    assert volumes(all_of(ears(form if told else None), data)) == [[Decimal(value) / 1000] for value in range(7)]


@pytest.mark.parametrize("form", list(Format))
def test_noise_around_frames_is_counted(form: Format) -> None:
    noise = bytes.fromhex("0000ff0155aa")
    data = noise + frame(1, form) + noise + frame(2, form) + noise
    heard = ears(Format.NONE if form is Format.NONE else None)
    found = all_of(heard, data)
    assert volumes(found) == [[Decimal("0.001")], [Decimal("0.002")]]
    assert [one.code for one in found if isinstance(one, Problem)] == ["noise"] * 3
    assert heard.noise == 3 * len(noise)
    (first, *_) = (one for one in found if isinstance(one, Telegram))
    assert (first.offset, first.data) == (len(noise), frame(1, form))


def test_without_crcs_and_between_noise_nothing_is_guessed() -> None:
    noise = bytes.fromhex("0000ff0155aa")
    good = frame(1, Format.NONE)
    assert volumes(all_of(ears(), noise + good)) == [[Decimal("0.001")]]
    assert volumes(all_of(ears(), good + noise)) == [[Decimal("0.001")]]
    assert volumes(all_of(ears(), noise + good + noise)) == []


@pytest.mark.parametrize("form", [Format.A, Format.B])
def test_after_a_corrupt_frame_the_next_good_one_is_found(form: Format) -> None:
    good, total = frame(7, form), len(frame(7, form))
    for at in range(1, total):
        bad = bytearray(frame(5, form))
        bad[at] ^= 0x10
        found = all_of(ears(form), frame(3, form) + bytes(bad) + good)
        assert volumes(found) == [[Decimal("0.003")], [Decimal("0.007")]]
        (told,) = {one.code for one in found if isinstance(one, Problem)}
        assert told == "bad_checksum" or (told == "noise" and at < 4)


def test_a_line_that_has_shown_crcs_does_not_believe_frames_without() -> None:
    bad = bytearray(frame(5, Format.B))
    bad[-3] ^= 1
    heard = ears()
    assert volumes(all_of(heard, frame(1, Format.B))) == [[Decimal("0.001")]]
    assert [one.code for one in all_of(heard, bytes(bad)) if isinstance(one, Problem)] == ["bad_checksum"]
    assert volumes(all_of(heard, frame(2, Format.A))) == [[Decimal("0.002")]]


def test_a_line_whose_stick_removes_crcs_from_now_on_is_believed_again() -> None:
    heard = ears()
    all_of(heard, frame(1, Format.B))
    heard_of = [volumes(all_of(heard, frame(value, Format.NONE))) for value in range(4)]
    assert heard_of[0] == []
    assert heard_of[2:] == [[[Decimal("0.002")]], [[Decimal("0.003")]]]


@pytest.mark.parametrize("form", [None, *Format])
def test_a_frame_cut_off_is_named_so(form: Format | None) -> None:
    whole = frame(5, form or Format.A, count=5)
    for size in range(4, len(whole)):
        found = all_of(ears(form), whole[:size])
        assert [one.code for one in found if isinstance(one, Problem)] in (["truncated"], ["bad_checksum"])
        assert volumes(found) == []


def test_a_datagram_is_whole_at_once_and_keeps_its_time() -> None:
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    (found,) = ears().datagram(frame(5, Format.NONE), at)
    assert isinstance(found, Telegram)
    assert [one.received for one in found.readings] == [at]


def test_endless_noise_does_not_grow_the_buffer() -> None:
    heard, dice = ears(), random.Random(7)
    for _ in range(400):
        assert not [one for one in heard.receive(dice.randbytes(1000)) if isinstance(one, Telegram) and one.readings]
        assert len(heard._buffer) < 700
    assert heard.position == 400_000


def mutated(original: bytes, dice: random.Random) -> bytes:
    """With a few bits flipped, bytes lost, added or cut off."""
    data = bytearray(original)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data))
        match dice.randrange(4):
            case 0 | 1:
                data[at] ^= 1 << dice.randrange(8)
            case 2:
                data[at:] = data[at:][: dice.randrange(1, 40)] or b"\x00"
            case _:
                data[at:at] = dice.randbytes(dice.randrange(1, 4))
    return bytes(data)


def test_mutations_give_problems_or_the_same_values_and_nothing_else() -> None:
    dice = random.Random(1)
    originals = [(frame(5, form, mode, 3), form) for form in (Format.A, Format.B) for mode in (0, 5, 7)]
    right = [Decimal("0.005")] * 3
    for _ in range(6000):
        original, form = dice.choice(originals)
        for found in all_of(receiver({"key": KEY}, {"link_crc": form.value}), mutated(original, dice)):
            if isinstance(found, Telegram):
                assert [one.value for one in found.readings] in ([], right)
                assert all(one.code in DECODE_CODES for one in found.problems)
            else:
                assert found.code in (*DECODE_CODES, "noise")


@settings(max_examples=400)
@given(
    st.binary(max_size=120), st.sampled_from((0x72, 0x7A, 0x78, 0x79, 0x7B, 0x73, 0x8C, 0x8D, 0x8F, 0x90, 0xA2, 0x70))
)
def test_any_payload_is_a_telegram_with_readings_or_a_problem(body: bytes, ci: int) -> None:
    data = bytes((0, 0x44)) + METER.octets + bytes((ci,)) + body
    data = bytes((len(data) - 1,)) + data[1:]
    for key in (KEY, None):
        heard = receiver({"key": key} if key else {}, {"link_crc": "none"})
        (found,) = all_of(heard, data)
        assert isinstance(found, Telegram)
        assert found.frame["telegram"] == data.hex()
        assert not (found.problems and found.readings)
        assert all(one.code in DECODE_CODES and 0 <= one.offset <= len(data) + 2 for one in found.problems)
