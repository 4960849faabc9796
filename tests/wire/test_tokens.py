"""Tokens of OpenPAYGO against published ones, devices that are tried out, and toy tokens of the form of STS."""

import json
import os
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.crypto.siphash import siphash24
from metergate.errors import BadChecksum, BadValue, Replay
from metergate.wire.tokens import sts
from metergate.wire.tokens.openpaygo import (
    Answer,
    Kind,
    Rules,
    Secret,
    State,
    enter,
    from_keypad,
    generate,
    keypad,
    next_count,
)

CORPORA = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[2] / "../shared/corpora"))
ROWS = CORPORA / "tokens" / "openpaygo.jsonl"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECRET = Secret(bytes.fromhex("05f5fae18b8358cb90d442cf2ac3ed84"), 101537813)


def test_siphash_of_its_authors() -> None:
    """The example in the paper's appendix: key 00..0F, message 00..0E."""
    assert siphash24(bytes(range(16)), bytes(range(15))) == 0xA129CA6149BE45E5
    with pytest.raises(BadValue):
        siphash24(b"short", b"")


@pytest.mark.skipif(not ROWS.exists(), reason="the corpora are not here")
def test_all_rows_of_the_corpus() -> None:
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()]
    assert len(rows) == 13
    for row in rows:
        secret = Secret(bytes.fromhex(row["keys"]["secret_key"]), row["keys"]["starting_code"])
        given_, expected = row["input"], row["expected"]
        token, count = generate(secret, given_["count"], Kind(int(given_["type"])), given_["value"])
        assert (token, count) == (expected["token"], expected["updated_count"])
        _, entry = enter(secret, State(given_["count"]), token, NOW)
        value, kind, count, _ = expected["decoded"]
        assert (entry.answer, entry.value, entry.kind, entry.count) == (Answer.ACCEPTED, value, Kind(kind), count)


@given(st.integers(0, 60), st.sampled_from(Kind), st.integers(0, 995))
def test_what_is_made_is_accepted_once(count: int, kind: Kind, value: int) -> None:
    token, made = generate(SECRET, count, kind, value)
    state, entry = enter(SECRET, State(count), token, NOW)
    sent = value if kind in (Kind.ADD, Kind.SET) else 0
    assert (entry.answer, entry.kind, entry.value, state.count) == (Answer.ACCEPTED, kind, sent, made)
    assert made == next_count(count, kind)
    again, entry = enter(SECRET, state, token, NOW)
    assert entry.answer is Answer.USED
    assert again == state


@given(st.integers(0, 40), st.permutations(range(6)))
def test_tokens_that_add_may_come_in_any_order(count: int, order: list[int]) -> None:
    tokens, last = [], count
    for value in range(6):
        token, last = generate(SECRET, last, Kind.ADD, value + 1)
        tokens.append(token)
    state, credit = State(count), 0
    for place in [*order, *order]:
        state, entry = enter(SECRET, state, tokens[place], NOW)
        credit += entry.value
    assert credit == sum(range(1, 7))


def test_a_token_that_sets_makes_older_ones_void() -> None:
    added, count = generate(SECRET, 0, Kind.ADD, 7)
    reset, _ = generate(SECRET, count, Kind.SET, 1)
    state, entry = enter(SECRET, State(), reset, NOW)
    assert entry.answer is Answer.ACCEPTED
    assert enter(SECRET, state, added, NOW)[1].answer is Answer.USED


def test_too_far_ahead_or_for_another() -> None:
    token, _ = generate(SECRET, 100, Kind.ADD, 7)
    assert enter(SECRET, State(50), token, NOW)[1].answer is Answer.WRONG
    assert enter(SECRET, State(50), token, NOW, Rules(window=60))[1].answer is Answer.ACCEPTED
    sync, count = generate(SECRET, 100, Kind.SYNC)
    state, entry = enter(SECRET, State(20), sync, NOW)
    assert (entry.kind, state.count) == (Kind.SYNC, count)
    other = Secret(bytes(16), 101537813)
    assert enter(other, State(100), token, NOW)[1].answer is Answer.WRONG
    for text in ("", "12345678", "1234567890", "12345678x", "١٢٣٤٥٦٧٨٩"):
        assert enter(SECRET, State(), text, NOW)[1].answer is Answer.WRONG


def test_guessing_is_slowed_down() -> None:
    good, _ = generate(SECRET, 0, Kind.ADD, 7)
    state, now = State(), NOW
    for _ in range(5):
        state, entry = enter(SECRET, state, "000000000", now)
        assert entry.answer is Answer.WRONG
    for minutes in (1, 2, 4, 8):
        assert state.locked == now + timedelta(minutes=minutes)
        assert enter(SECRET, state, good, now + timedelta(minutes=minutes, seconds=-1)) == (
            state,
            enter(SECRET, state, good, now)[1],
        )
        assert enter(SECRET, state, good, now)[1].answer is Answer.LOCKED
        now += timedelta(minutes=minutes)
        state, entry = enter(SECRET, state, "000000000", now)
        assert entry.answer is Answer.WRONG
    state, entry = enter(SECRET, state, good, now + timedelta(minutes=16))
    assert (entry.answer, state.wrong, state.locked) == (Answer.ACCEPTED, 0, None)


@given(st.integers(0, 999_999_999))
def test_the_keypad_of_four(number: int) -> None:
    digits = keypad(f"{number:09d}")
    assert set(digits) <= set("1234")
    assert from_keypad(digits) == f"{number:09d}"


def test_values_that_cannot_be_sent() -> None:
    for value in (-1, 996):
        with pytest.raises(BadValue):
            generate(SECRET, 0, Kind.ADD, value)
    for key, code in ((b"", 1), (bytes(16), 10**9)):
        with pytest.raises(BadValue):
            Secret(key, code)
    for digits in ("1" * 14, "5" * 15):
        with pytest.raises(BadValue):
            from_keypad(digits)
    assert "05f5" not in repr(SECRET)


# The form of STS, with toy keys
VAULT, OTHER = sts.Toy(bytes(range(16))), sts.Toy(bytes(16))
tokens = st.builds(
    sts.Token,
    st.sampled_from([*sts.Resource, *sts.Order]),
    st.integers(0, (1 << 24) - 1).map(lambda minutes: sts.BASES[1993] + timedelta(minutes=minutes)),
    st.integers(0, 16383),
    st.integers(0, 15),
)


@given(tokens)
def test_a_toy_token_there_and_back(token: sts.Token) -> None:
    digits = sts.encode(token, VAULT)
    assert (len(digits), digits.isdecimal()) == (20, True)
    assert sts.decode(digits, VAULT) == token


@given(tokens, st.integers(0, 19), st.integers(1, 9))
def test_a_mistyped_toy_token_is_hardly_ever_another(token: sts.Token, place: int, more: int) -> None:
    digits = sts.encode(token, VAULT)
    wrong = digits[:place] + str((int(digits[place]) + more) % 10) + digits[place + 1 :]
    try:
        assert sts.decode(wrong, VAULT) != token
    except (BadChecksum, BadValue):
        pass


@given(st.integers(0, 18_201_624))
def test_amounts_are_rounded_up(tenths: int) -> None:
    told = sts.bits_amount(sts.amount_bits(tenths))
    assert tenths <= told < tenths + 1000
    assert told == tenths or tenths > 16383


def test_limits_of_toy_tokens() -> None:
    late = sts.Token(sts.Resource.WATER, datetime(2030, 1, 1, tzinfo=UTC), 1)
    with pytest.raises(BadValue, match="base 1993"):
        sts.encode(late, VAULT)
    assert sts.decode(sts.encode(late, VAULT, 2014), VAULT, 2014) == late
    with pytest.raises(BadValue):
        sts.amount_bits(18_201_625)
    for digits in ("1", "9" * 20, "x" * 20):
        with pytest.raises(BadValue):
            sts.decode(digits, VAULT)
    with pytest.raises((BadChecksum, BadValue)):
        sts.decode(sts.encode(late, VAULT, 2014), OTHER, 2014)


def test_a_meter_takes_each_token_once() -> None:
    meter, begin = sts.Meter(), datetime(2020, 1, 1, tzinfo=UTC)
    made = [
        sts.encode(sts.Token(sts.Resource.ELECTRICITY, begin + timedelta(days=day), 255), VAULT) for day in range(60)
    ]
    for digits in made:
        meter, token = meter.enter(digits, VAULT)
        assert token.value == Decimal("25.5")
    assert meter.tenths == 60 * 255
    for digits in made:
        with pytest.raises(Replay):
            meter.enter(digits, VAULT)
    clear = sts.encode(sts.Token(sts.Order.CLEAR_CREDIT, begin + timedelta(days=99), 0), VAULT)
    assert meter.enter(clear, VAULT)[0].tenths == 0
