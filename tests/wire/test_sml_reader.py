"""Reader and meter talking to each other, over lines that cut, lose, repeat and echo."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.errors import BadValue, NoAnswer, Refused
from metergate.wire.base import Ask, Dialogue
from metergate.wire.sml import reader
from metergate.wire.sml.codec import Message, encode_telegram
from metergate.wire.sml.messages import (
    Attention,
    Body,
    CloseResponse,
    GetListResponse,
    ListEntry,
    OpenResponse,
    ParameterValue,
    Path,
    ProfileValue,
    Tree,
)
from metergate.wire.sml.meter import MeterData, Period, SmlResponder, parameter_entry, parameter_tree
from metergate.wire.sml.push import Style, entry_of, timestamp
from metergate.wire.sml.reader import Session
from metergate.wire.sml.tlv import Integer
from metergate.wire.sml.transport import KERMIT
from smlkit import AT, SERVER, sample, telegram

ENERGY = bytes.fromhex("0100010800ff")
ENTRIES = [entry_of(item) for item in sample()]
SESSION = Session(b"file", server=SERVER)
Line = Callable[[bytes], Sequence[bytes]]


def periods(begin: datetime, end: datetime) -> list[Period]:
    """A quarter-hour profile of one register, counting from midnight."""
    day = AT.replace(hour=0)
    times = [day + timedelta(minutes=15 * step) for step in range(96)]
    return [
        Period(timestamp(time), (ProfileValue(ENERGY, 30, -1, Integer(step, 4)), ProfileValue(b"other!", value=None)))
        for step, time in enumerate(times)
        if begin <= time < end
    ]


def meter(**more: Any) -> SmlResponder:
    return SmlResponder(MeterData(SERVER, lambda now: ENTRIES, periods, **more))


def talk(dialogue: Dialogue[Any], line: Line) -> tuple[Any, int]:
    """Drive a dialogue; `line` gives the chunks that come back for what was sent. Its result and how often it asked."""
    asked, waiting, send = 0, [], None
    try:
        step = next(dialogue)
        while True:
            if isinstance(step, Ask):
                asked += 1
                waiting = [chunk for chunk in line(step.data) if chunk]
            send = waiting.pop(0) if waiting else b""
            step = dialogue.send(send)
    except StopIteration as done:
        return done.value, asked


def answers(responder: SmlResponder, now: datetime = AT) -> Line:
    return lambda data: list(responder.receive(data, now))


def test_get_list() -> None:
    found, asked = talk(reader.get_list(SESSION, b"list"), answers(meter()))
    assert isinstance(found, GetListResponse)
    assert found.values == tuple(ENTRIES)
    assert (found.server, found.name, found.time, asked) == (SERVER, b"list", timestamp(AT), 1)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=4), st.binary(max_size=30), st.booleans())
def test_any_chunking_noise_echo_and_pushes(sizes: list[int], noise: bytes, echo: bool) -> None:
    """Pushed telegrams, an adapter's echo and noise around the answer do no harm."""
    responder = meter()

    def line(data: bytes) -> list[bytes]:
        requests = [data[at : at + sizes[0]] for at in range(0, len(data), sizes[0])]
        answer = b"".join(part for piece in requests for part in responder.receive(piece, AT))
        stream = telegram(5) + (data if echo else b"") + noise + answer
        at = 0
        cuts: list[bytes] = []
        while at < len(stream):
            size = sizes[len(cuts) % len(sizes)]
            cuts.append(stream[at : at + size])
            at += size
        return cuts

    found, asked = talk(reader.get_list(SESSION), line)
    assert found.values == tuple(ENTRIES)
    assert asked == 1


def test_a_lost_answer_is_asked_for_again() -> None:
    line, lost = answers(meter()), [2]

    def lossy(data: bytes) -> Sequence[bytes]:
        whole = list(line(data))
        lost[0] -= 1
        return [whole[0][:100]] if lost[0] >= 0 else whole

    found, asked = talk(reader.get_list(SESSION), lossy)
    assert (len(found.values), asked) == (len(ENTRIES), 3)


def test_a_silent_meter() -> None:
    with pytest.raises(NoAnswer, match="3 tries"):
        talk(reader.get_list(SESSION), lambda data: [])


def test_a_late_answer_to_another_file_is_passed_over() -> None:
    responder = meter()
    late = list(responder.receive(sent(reader.get_list(Session(b"old", server=SERVER))), AT))

    def line(data: bytes) -> list[bytes]:
        return [*late, *responder.receive(data, AT)]

    found, _ = talk(reader.get_list(SESSION, b"new"), line)
    assert found.name == b"new"


class Deaf:
    """A line on which nobody answers."""

    heard = 0

    def __call__(self, data: bytes) -> list[bytes]:
        self.heard += 1
        return []


def sent(dialogue: Dialogue[Any]) -> bytes:
    first = next(dialogue)
    assert isinstance(first, Ask)
    return first.data


@pytest.mark.parametrize(
    ("session", "said"),
    [
        (Session(b"f", server=b"someone else"), "unknown server id"),
        (Session(b"f", username=b"me", password=b"wrong"), "bad credentials"),
        (Session(b"f", server=SERVER), "bad credentials"),
    ],
)
def test_refusals_are_told(session: Session, said: str) -> None:
    responder = meter(username=b"me", password=b"right")
    with pytest.raises(Refused, match=said):
        talk(reader.get_list(session), answers(responder))
    good = Session(b"f", username=b"me", password=b"right")
    assert talk(reader.get_list(good), answers(responder))[0].values == tuple(ENTRIES)


def test_parameters_of_several_registers_in_one_file() -> None:
    paths = [(entry.name or b"",) for entry in ENTRIES] + [(b"nobody",)]
    found, asked = talk(reader.get_parameters(Session(b"lmn"), paths), answers(meter()))
    assert asked == 1
    assert [parameter_entry(tree) for tree in found[:-1]] == [
        ListEntry(entry.name, entry.status, None, entry.unit, entry.scaler or 0, entry.value) for entry in ENTRIES
    ]
    assert isinstance(found[-1], Attention)
    assert "cannot be read" in reader.attention_text(found[-1])


def test_set_parameter_is_sent_once_and_its_answer_told() -> None:
    written: list[tuple[Path, Tree | None]] = []

    def write(path: Path, tree: Tree | None) -> int:
        written.append((path, tree))
        return 0xFD00 if path == (b"ok",) else 0xFE09

    tree, line = Tree(b"name", ParameterValue(1, True)), answers(meter(write=write))
    assert talk(reader.set_parameter(SESSION, (b"ok",), tree), line) == (None, 1)
    with pytest.raises(Refused, match="out of range"):
        talk(reader.set_parameter(SESSION, (b"no",), tree), line)
    assert written == [((b"ok",), tree), ((b"no",), tree)]
    asked = Deaf()
    with pytest.raises(NoAnswer):
        talk(reader.set_parameter(SESSION, (b"ok",), tree), asked)
    assert asked.heard == 1


def test_a_meter_is_read_only_unless_told() -> None:
    with pytest.raises(Refused, match="cannot be written"):
        talk(reader.set_parameter(SESSION, (b"ok",), Tree(b"x")), answers(meter()))


BEGIN, END = AT - timedelta(hours=1), AT


def test_profile_list_and_pack_agree() -> None:
    many, _ = talk(reader.get_profile_list(SESSION, BEGIN, END, (ENERGY,), (ENERGY,)), answers(meter()))
    assert [body.value_time.instant for body in many] == [BEGIN + timedelta(minutes=15 * step) for step in range(4)]
    assert [[value.value.value for value in body.values] for body in many] == [[44], [45], [46], [47]]
    pack, _ = talk(reader.get_profile_pack(SESSION, BEGIN, END, (ENERGY,)), answers(meter()))
    assert [head.name for head in pack.headers] == [ENERGY, b"other!"]
    assert [row.time.instant for row in pack.periods] == [body.value_time.instant for body in many]
    assert [row.values[0].value.value for row in pack.periods] == [44, 45, 46, 47]
    assert {row.values[1].value for row in pack.periods} == {None}
    assert pack.period == 900


def test_an_empty_profile_is_refused_with_the_reason() -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    with pytest.raises(Refused, match="nothing in that range"):
        talk(reader.get_profile_list(SESSION, past, past + timedelta(days=1), (ENERGY,)), answers(meter()))


def test_an_answer_file_without_the_answer() -> None:
    def line(data: bytes) -> list[bytes]:
        bodies: tuple[Body, ...] = (OpenResponse(), CloseResponse())
        return [encode_telegram([Message(body, b"file" + bytes((0, 2 * at))) for at, body in enumerate(bodies)])]

    with pytest.raises(BadValue, match="without a GetListResponse"):
        talk(reader.get_list(SESSION), line)


def test_kermit_both_ways() -> None:
    session = Session(b"file", crc=KERMIT)
    found, _ = talk(reader.get_list(session), answers(meter(style=Style(crc=KERMIT, choice_size=4))))
    assert found.values == tuple(ENTRIES)


def test_a_meter_ignores_damage_and_its_own_kind() -> None:
    responder = meter()
    request = sent(reader.get_list(SESSION))
    assert list(responder.receive(request[:-1] + b"\x00", AT)) == []
    assert list(responder.receive(telegram(1), AT)) == []
    assert list(responder.receive(request[:50], AT)) == []
    responder.silence()
    assert list(responder.receive(request[50:], AT)) == []
    assert len(list(responder.receive(request, AT))) == 1


@given(st.binary(max_size=200))
def test_a_tree_that_is_no_register(name: bytes) -> None:
    with pytest.raises(BadValue, match="no register"):
        parameter_entry(Tree(name))


def test_parameter_trees_keep_a_status_and_an_absent_value() -> None:
    for entry in (ListEntry(ENERGY, Integer(4, 1), None, 30, -1, Integer(9, 4)), ListEntry(ENERGY, scaler=0)):
        assert parameter_entry(parameter_tree(entry)) == entry
