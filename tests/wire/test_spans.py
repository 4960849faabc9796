"""Explanations: every octet of every telegram exactly once, with a paragraph; keys are used and never shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusrows import CorpusRow, corpus_rows
from metergate.errors import DecodeError
from metergate.sim.meters import PUSHERS
from metergate.wire import protocols
from metergate.wire.base import ProtocolEntry, Span, Telegram, received
from metergate.wire.spans import whole
from simulated import ASKED, LISTENERS, frames_of

SPANS = st.lists(
    st.builds(Span, st.integers(0, 40), st.integers(0, 40), st.just("field"), st.just(""), st.integers(0, 3)),
    max_size=12,
)


def check(spans: list[Span], size: int) -> None:
    """The innermost spans tile `size` octets, in order; every other holds those below it."""
    at, around = 0, list[Span]()
    told = [span for span in spans if span.length]
    for span, following in zip(told, [*told, None][1:], strict=True):
        while around and around[-1].level >= span.level:
            around.pop()
        assert span.level == len(around)
        if around:
            assert around[-1].start <= span.start
            assert span.start + span.length <= around[-1].start + around[-1].length
        around.append(span)
        assert span.name
        assert span.paragraph
        if following is None or following.level <= span.level:
            assert span.start == at
            at += span.length
    assert at == size


def telegrams(row: CorpusRow) -> list[bytes]:
    """Each by itself; all of what has none."""
    options = {"layer": row.layer} if row.layer else {}
    found = received(protocols()[row.protocol].receiver(row.keys, options), row.data)
    whole = [row.data[one.offset : one.offset + one.length] for one in found if isinstance(one, Telegram)]
    return whole or [row.data]


@pytest.fixture(scope="module")
def rows() -> list[CorpusRow]:
    found = corpus_rows()
    if not found:
        pytest.skip("no corpora")
    return found


@pytest.mark.parametrize("protocol", [name for name in protocols() if name not in ("mgc1", "modbus", "modbus-tcp")])
def test_every_octet_of_every_row_once(rows: list[CorpusRow], protocol: str) -> None:
    mine = [row for row in rows if row.protocol == LISTENERS.get(protocol, protocol)]
    assert mine
    for row in mine:
        for telegram in telegrams(row):
            check(protocols()[protocol].explain(telegram, row.keys), len(telegram))


@pytest.mark.parametrize("protocol", [*ASKED, *PUSHERS])
def test_every_octet_of_simulated_meters_and_their_readers(protocol: str) -> None:
    for frame in frames_of(protocol):
        check(protocols()[protocol].explain(frame, {}), len(frame))


def test_keys_open_and_are_not_shown(rows: list[CorpusRow]) -> None:
    """With a key there is more to see, and the key itself is nowhere to be seen."""
    opened = 0
    for row in rows:
        if not row.keys:
            continue
        entry = protocols()[row.protocol]
        for telegram in telegrams(row):
            spans = entry.explain(telegram, row.keys)
            opened += len(spans) > len(entry.explain(telegram, {}))
            shown = " ".join(f"{span.name} {span.value}" for span in spans).lower()
            assert not any(row.keys[name].hex() in shown for name in row.keys if name != "client_system_title")
    assert opened > 40


@given(st.binary(max_size=200))
def test_nothing_else_leaves_it_than_it_may(data: bytes) -> None:
    for entry in protocols().values():
        check(entry.explain(data, {}), len(data))


@given(SPANS, st.binary(min_size=1, max_size=60))
def test_whatever_a_protocol_names_is_made_whole(spans: list[Span], data: bytes) -> None:
    made = ProtocolEntry("x", "X", "DOC §1", None, lambda octets, keys: spans, None)  # type: ignore[arg-type]
    check(whole(made, data, {}), len(data))


def test_what_cannot_be_explained_says_so() -> None:
    def refuse(data: bytes, keys: object) -> list[Span]:
        raise DecodeError("torn")

    made = ProtocolEntry("x", "X", "DOC §1", None, refuse, None)  # type: ignore[arg-type]
    assert whole(made, b"abc", {}) == [Span(0, 3, "cannot be explained", "torn", 0, "DOC §1")]
    empty = ProtocolEntry("x", "X", "DOC §1", None, lambda data, keys: [], None)  # type: ignore[arg-type]
    assert whole(empty, b"abc", {})[0].name == "no X"
    assert whole(empty, b"", {}) == []
