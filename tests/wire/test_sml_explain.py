"""A telegram for people: no byte left out, no field misnamed, nothing raised."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.wire.base import Span
from metergate.wire.sml.explain import explain, guess
from metergate.wire.sml.push import Style
from metergate.wire.sml.transport import ESCAPE, KERMIT, START
from smlkit import CORPORA, EMH, needs_corpora, telegram


def covered(spans: list[Span], size: int) -> bool:
    """Whether the outermost spans follow each other from the first byte to the last."""
    at = 0
    for span in spans:
        if span.level == 0:
            assert span.start == at, (span, at)
            at += span.length
    return at == size


def test_fields_of_a_real_telegram() -> None:
    spans = explain(EMH)
    assert covered(spans, len(EMH))
    told = {(span.start, span.length): (span.name, span.value) for span in spans}
    assert told[(0, 8)][0] == "start"
    assert [span.value for span in spans if span.name == "message"] == [
        "0101 OpenResponse",
        "0701 GetListResponse",
        "0201 CloseResponse",
    ]
    names = {span.name: span.value for span in spans}
    assert names["transport check sum"] == "e566: x25, right"
    assert ("unit", "30 Wh") in told.values()
    assert ("list entry", "1-0:16.7.0*255") in told.values()
    assert ("value", "454d48 'EMH'") in told.values()
    at = EMH.index(bytes.fromhex("560009247a55"))
    assert told[(at, 6)] == ("value", "153385557 (signed, 5 bytes)")
    assert all(span.paragraph for span in spans)


def test_inner_spans_lie_in_their_outer() -> None:
    outer: dict[int, Span] = {}
    for span in explain(telegram()):
        outer[span.level] = span
        if span.level:
            above = outer[span.level - 1]
            assert above.start <= span.start
            assert span.start + span.length <= above.start + above.length


def test_check_sums_are_judged() -> None:
    kermit = {span.name: span.value for span in explain(telegram(style=Style(crc=KERMIT)))}
    assert kermit["transport check sum"].endswith("kermit, right")
    assert kermit["check sum"].endswith("kermit, right")
    broken = EMH[:60] + bytes((EMH[60] ^ 1,)) + EMH[61:]
    wrong = [span.value for span in explain(broken) if "check sum" in span.name]
    assert [value.endswith("wrong") or "would be right" in value for value in wrong] == [False, True, False, True]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"nothing", "no telegram"),
        (b"", "no telegram"),
        (b"abc" + EMH, "noise"),
        (EMH + b"abc", "what follows"),
        (EMH[:100], "cut off"),
        (START + ESCAPE * 2 + ESCAPE + b"\x1a\x00\x00\x00", "messages"),
        (START + b"\x76\xff" + ESCAPE + b"\x1a\x00\x00\x00", "not readable"),
        (START + b"\x72\x01\x01" + ESCAPE + b"\x1a\x00\x00\x00", "no message"),
    ],
)
def test_what_is_no_whole_telegram(data: bytes, name: str) -> None:
    spans = explain(data)
    assert name in [span.name for span in spans]
    assert covered(spans, len(data))


@given(st.randoms(use_true_random=False), st.integers(1, 8))
def test_damaged_telegrams_are_explained_as_far_as_possible(chance: random.Random, changes: int) -> None:
    octets = bytearray(EMH)
    for _ in range(changes):
        octets[chance.randrange(len(octets))] = chance.randrange(256)
    assert covered(explain(bytes(octets)), len(octets))
    assert guess(bytes(octets)) in (0, 60, 100)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    assert covered(explain(START + data), len(data) + 8)
    assert guess(data) in (0, 60, 100)


@needs_corpora
def test_captures() -> None:
    for path in sorted(CORPORA.glob("*.bin")):
        data = path.read_bytes()
        assert covered(explain(data), len(data)), path.name
