"""What gateways tell of their lines: round trips, and nothing but DecodeError from anything else."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.errors import DecodeError
from metergate.wire import lines

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=24)
counts = st.integers(0, (1 << 53) - 1)
reports = st.builds(
    lines.LineReport,
    words,
    words,
    counts,
    counts,
    counts,
    st.none() | counts,
    st.dictionaries(words, counts, max_size=5),
)
sights = st.builds(
    lines.Sight,
    st.datetimes(timezones=st.just(UTC)),
    st.sampled_from(lines.WAYS),
    st.binary(max_size=lines.SHOWN),
    words,
    words,
)


@given(words, st.lists(reports, max_size=4))
def test_reports_come_back(began: str, found: list[lines.LineReport]) -> None:
    assert lines.decode_report(lines.encode_report(began, found)) == lines.Report(began, tuple(found))


@given(sights)
def test_sights_come_back(sight: lines.Sight) -> None:
    assert lines.decode_sight(lines.encode_sight(sight)) == sight


def test_a_long_message_is_cut() -> None:
    sight = lines.Sight(datetime(2026, 1, 1, tzinfo=UTC), "rx", bytes(5000), "sml", "x" * 999)
    found = lines.decode_sight(lines.encode_sight(sight))
    assert (len(found.data), len(found.text)) == (lines.SHOWN, 240)


@given(words.filter(bool))
def test_a_line_is_one_level_whatever_its_name(name: str) -> None:
    topic = lines.trace_topic("gw1", name)
    assert topic.count("/") == 3
    assert lines.place(topic) == ("gw1", name)
    assert lines.place(lines.report_topic("gw1")) == ("gw1", "")


@given(st.binary(max_size=200) | st.recursive(st.none() | words, st.lists).map(lambda tree: repr(tree).encode()))
def test_junk_is_a_decode_error(data: bytes) -> None:
    for decode in (lines.decode_report, lines.decode_sight):
        with pytest.raises(DecodeError):
            decode(data)


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"began":"a"}',
        '{"began":"a","lines":[1]}',
        '{"began":"a","lines":[{"name":"x","state":"","asked":-1,"answered":0,"telegrams":0}]}',
        '{"began":"a","lines":[{"name":"x","state":"","asked":true,"answered":0,"telegrams":0}]}',
        '{"began":"a","lines":[{"name":"\\u0000","state":"","asked":1,"answered":0,"telegrams":0}]}',
        '{"began":"a","lines":[{"name":"x","state":"","asked":1,"answered":0,"telegrams":0,"problems":[]}]}',
        '{"at":"2026-01-01T00:00:00","direction":"rx","hex":"","protocol":"","text":""}',
        '{"at":"2026-01-01T00:00:00Z","direction":"up","hex":"","protocol":"","text":""}',
        '{"at":"2026-01-01T00:00:00Z","direction":"rx","hex":"0","protocol":"","text":""}',
    ],
)
def test_near_misses_are_decode_errors(text: str) -> None:
    decode = lines.decode_report if "lines" in text or text[0] == "[" else lines.decode_sight
    with pytest.raises(DecodeError):
        decode(text.encode())
