"""The wrapper over TCP and UDP: captured ones, both ends, streams split and joined."""

import json
import os
import tracemalloc
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogues import NOW, Talk, all_of, cut
from metergate.errors import BadValue, DecodeError, NoAnswer, Truncated
from metergate.wire import protocols
from metergate.wire.base import MORE, Ask, Problem, Telegram
from metergate.wire.dlms.wrapper import Wpdu, client, framer, server
from metergate.wire.dlms.wrapper.receiver import Receiver, explain, guess
from metergate.wire.hunt import Catch

CORPUS = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[2] / "../shared/corpora")) / "dlms"
PUSH = bytes.fromhex(
    "0001000100010046db082f192291991641033b30000001f1ceef1e2db661649abc3fc41b792b9ad5a9f0204aa1367b69d5dc180f8cd8af8d"
    "99259d1dfa165baa0967b1ce6ab98af8a5db9428d347"
)
"""pwitab/dlms-cosem tests/test_udp_message (MIT)."""

ports = st.integers(0, 0xFFFF)
wpdus = st.builds(Wpdu, ports, ports, st.binary(min_size=1, max_size=300))


def rows() -> list[dict[str, str]]:
    path = CORPUS / "wrapper.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def catches(*chunks: bytes) -> list[Catch]:
    hunter = framer()
    found = [catch for chunk in chunks for catch in hunter.feed(chunk)]
    return [*found, *hunter.silence()]


def backwards(client: int, server: int, apdu: bytes, now: datetime) -> bytes | None:
    return apdu[::-1]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["name"][-12:])
def test_captured_wrappers_come_back_as_they_were(row: dict[str, str]) -> None:
    octets = bytes.fromhex(row["frame"])
    assert Wpdu.of(octets).octets == octets


@given(wpdus)
def test_round_trip(wpdu: Wpdu) -> None:
    assert Wpdu.of(wpdu.octets) == wpdu


@given(st.lists(wpdus, max_size=5), st.lists(st.integers(0, 1 << 16), max_size=8))
def test_tcp_may_split_and_join(sent: list[Wpdu], places: list[int]) -> None:
    stream = b"".join(wpdu.octets for wpdu in sent)
    for chunks in ([stream], cut(stream, places), [stream[at : at + 1] for at in range(len(stream))]):
        assert [Wpdu.of(catch[1]) for catch in catches(*chunks) if not isinstance(catch, Problem)] == sent


@given(st.binary(max_size=300), st.lists(st.integers(0, 1 << 16), max_size=8))
def test_chunks_of_anything_change_nothing(stream: bytes, places: list[int]) -> None:
    assert catches(*cut(stream, places)) == catches(stream)


@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        ("000100010001", Truncated),
        ("00010001000100460000", Truncated),
        ("0002000100010001aa", BadValue),
        ("0001000100010000", BadValue),
        ("0001000100010001aabb", BadValue),
    ],
)
def test_what_is_wrong_is_named(octets: str, kind: type[DecodeError]) -> None:
    with pytest.raises(kind):
        Wpdu.of(bytes.fromhex(octets))


@pytest.mark.parametrize("wrong", [(1, 1, b""), (1, 1, bytes(65536)), (65536, 1, b"x"), (1, -1, b"x")])
def test_what_does_not_fit(wrong: tuple[int, int, bytes]) -> None:
    with pytest.raises(BadValue):
        _ = Wpdu(*wrong).octets


def test_endless_noise_does_not_grow() -> None:
    hunter, noise = framer(), bytes.fromhex("0001ffff0001ff00") * 512
    tracemalloc.start()
    for _ in range(1000):
        for _ in hunter.feed(noise):
            pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_question_and_answer() -> None:
    talk = Talk([server.Station(backwards, (1, 2))])
    link = client.Link(16, 2)
    talk.run(link.connect())
    assert talk.run(link.exchange(b"abc")) == b"cba"
    assert talk.sent == [bytes.fromhex("0001001000020003616263")]
    talk.run(link.disconnect())
    with pytest.raises(NoAnswer, match="connect first"):
        talk.run(link.exchange(b"abc"))


def test_other_devices_and_other_ports_are_passed_over() -> None:
    talk = Talk([server.Station(backwards)])
    link = client.Link(16, 2)
    talk.run(link.connect())
    with pytest.raises(NoAnswer):
        talk.run(link.exchange(b"abc"))
    assert not link.connected
    link = client.Link(16, 1)
    Talk([]).run(link.connect())
    dialogue = link.exchange(b"x")
    assert next(dialogue) == Ask(Wpdu(16, 1, b"x").octets, 5.0)
    assert dialogue.send(Wpdu(1, 17, b"not mine").octets) is MORE
    assert dialogue.send(Wpdu(2, 16, b"of another").octets) is MORE
    with pytest.raises(StopIteration):
        dialogue.send(Wpdu(1, 16, b"mine").octets)


def test_several_apdus_at_once() -> None:
    link = client.Link(16, 1)
    Talk([]).run(link.connect())
    dialogue = link.exchange(b"x")
    next(dialogue)
    last = Wpdu(1, 16, b"three").octets
    with pytest.raises(StopIteration) as end:
        dialogue.send(Wpdu(1, 16, b"one").octets + Wpdu(1, 16, b"two").octets + last[:4])
    assert end.value.value == b"one"
    assert Talk([]).run(link.receive()) == b"two"
    more = link.receive()
    assert next(more) == Ask(b"", 5.0)
    with pytest.raises(StopIteration) as end:
        more.send(last[4:])
    assert end.value.value == b"three"


def test_no_wrapper_is_an_error() -> None:
    link = client.Link(16, 1)
    Talk([]).run(link.connect())
    dialogue = link.exchange(b"x")
    next(dialogue)
    with pytest.raises(BadValue, match="no wrapper"):
        dialogue.send(b"HTTP/1.1 400 Bad Request\r\n\r\n" + Wpdu(1, 16, b"x").octets)
    assert not link.connected


def test_associations_end_with_their_connection() -> None:
    closed: list[tuple[int, int]] = []
    meter = server.Station(backwards, (1, 2), lambda who, device: closed.append((who, device)))
    for who, device in ((16, 1), (17, 1), (16, 1), (16, 2)):
        assert list(meter.receive(Wpdu(who, device, b"x").octets, NOW)) == [Wpdu(device, who, b"x").octets]
    meter.close()
    assert closed == [(16, 1), (17, 1), (16, 2)]
    for who in range(100):
        list(meter.receive(Wpdu(who, 1, b"x").octets, NOW))
    assert len(closed) == 3 + 36, "at most 64 pairs are remembered"


def test_a_wrapper_cut_off_is_dropped_in_silence() -> None:
    meter = server.Station(backwards)
    octets = Wpdu(16, 1, b"abc").octets
    assert list(meter.receive(octets[:9], NOW)) == []
    meter.silence()
    assert list(meter.receive(octets, NOW)) == [Wpdu(1, 16, b"cba").octets]
    assert meter.send(16, 1, b"push") == Wpdu(1, 16, b"push").octets


def test_telegrams_by_the_contract() -> None:
    [telegram] = all_of(protocols()["dlms-wrapper"].receiver({}, {}), PUSH)
    assert isinstance(telegram, Telegram)
    assert telegram.valid
    expected = {"version": 1, "source_wport": 1, "destination_wport": 1, "length": 70, "apdu_tag": 219}
    assert {name: telegram.frame[name] for name in expected} == expected
    [problem] = all_of(Receiver(), PUSH[:30])
    assert isinstance(problem, Problem)
    assert problem.code == "truncated"


def test_explanations_and_guess() -> None:
    spans = explain(PUSH)
    assert sum(span.length for span in spans if span.level == 1) == len(PUSH)
    assert {span.name: span.value for span in spans}["length"] == "70"
    assert explain(b"\x00\x02") == []
    assert (guess(PUSH), guess(PUSH * 2), guess(PUSH[:-1]), guess(b"")) == (80, 80, 0, 0)
