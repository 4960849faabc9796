"""The `openpaygo` package both ways: it takes our tokens, we take its."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.crypto.siphash import siphash24
from metergate.wire.tokens.openpaygo import Answer, Kind, Secret, State, enter, generate, keypad

openpaygo: Any = pytest.importorskip("openpaygo")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
keys = st.binary(min_size=16, max_size=16)
codes = st.integers(1, 999_999_999)
counts = st.integers(0, 40)
kinds = st.sampled_from(Kind)
values = st.integers(0, 995)


def theirs(secret: Secret, count: int, kind: Kind, value: int, **more: object) -> tuple[int, str]:
    counted = kind in (Kind.ADD, Kind.SET)
    made: tuple[int, str] = openpaygo.generate_token(
        secret_key=secret.key.hex(),
        count=count,
        value=value if counted else None,
        token_type=kind.value,
        starting_code=secret.starting_code,
        **more,
    )
    return made


@given(keys, codes, counts, kinds, values)
def test_the_same_tokens_are_made(key: bytes, code: int, count: int, kind: Kind, value: int) -> None:
    secret = Secret(key, code)
    token, made = generate(secret, count, kind, value)
    assert theirs(secret, count, kind, value) == (made, token)
    assert theirs(secret, count, kind, value, restricted_digit_set=True) == (made, keypad(token))


@given(keys, codes, counts, kinds, values)
def test_it_takes_our_tokens(key: bytes, code: int, count: int, kind: Kind, value: int) -> None:
    secret = Secret(key, code)
    token, made = generate(secret, count, kind, value)
    taken = openpaygo.decode_token(
        token=token, secret_key=key.hex(), count=count, used_counts=[count], starting_code=code
    )
    expected = {Kind.DISABLE: 998, Kind.SYNC: 999}.get(kind, value)
    assert taken[:3] == (expected, kind.value, made)


@given(keys, codes, counts, kinds, values)
def test_we_take_its_tokens(key: bytes, code: int, count: int, kind: Kind, value: int) -> None:
    secret = Secret(key, code)
    made, token = theirs(secret, count, kind, value)
    state, entry = enter(secret, State(count), token, NOW)
    assert (entry.answer, entry.kind, state.count) == (Answer.ACCEPTED, kind, made)
    assert entry.value == (value if kind in (Kind.ADD, Kind.SET) else 0)


@given(keys, st.binary(max_size=40))
def test_the_same_hash(key: bytes, message: bytes) -> None:
    siphash: Any = pytest.importorskip("siphash")
    assert siphash24(key, message) == siphash.SipHash_2_4(key, message).hash()
