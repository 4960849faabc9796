"""HDLC frames: captured ones, round trips, any chunking, shared flags, noise, and what the framer holds."""

import json
import os
import random
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogues import all_of, cut
from metergate.bits import Cursor, crc_x25
from metergate.errors import BadChecksum, BadValue, DecodeError, Truncated, Unsupported
from metergate.wire import protocols
from metergate.wire.base import Problem, Telegram
from metergate.wire.hdlc import Address, Frame, Framer, Kind, Parameters
from metergate.wire.hdlc.frame import FLAG, kind_of
from metergate.wire.hdlc.receiver import Receiver, explain, guess
from metergate.wire.hunt import Catch

CORPUS = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[2] / "../shared/corpora")) / "dlms"
UA = bytes.fromhex("7ea01f21022373e6c781801205019a06019a070400000001080400000001cca27e")
"""pwitab/dlms-cosem tests/test_hdlc (MIT): UA of server 1/17 to client 16."""
UI = bytes.fromhex("7ea02a410883130413e6e7000f40000000000101020309060100010700ff060000067d02020f00161b1c057e")
"""pwitab/dlms-cosem tests/test_hdlc (MIT): a notification with 7DH in its data, which escapes nothing."""
RR = bytes.fromhex("7ea0070321 1111c5 7e".replace(" ", ""))

upper = st.integers(0, 127)
wide = st.integers(0, (1 << 14) - 1)
addresses = st.one_of(
    st.builds(Address, upper),
    st.builds(Address, upper, upper),
    st.builds(Address, wide, wide, st.just(4)),
)
controls = st.sampled_from([kind | 0x10 for kind in Kind if kind > Kind.RNR]) | st.integers(0, 255).filter(
    lambda octet: not octet & 1 or octet & 0x0F in (1, 5)
)
frames = st.builds(Frame, addresses, addresses, controls, st.binary(max_size=300), st.booleans())


def rows(name: str) -> list[dict[str, object]]:
    path = CORPUS / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def catches(*chunks: bytes) -> list[Catch]:
    framer = Framer()
    found = [catch for chunk in chunks for catch in framer.feed(chunk)]
    return [*found, *framer.silence()]


def good(*chunks: bytes) -> list[bytes]:
    return [catch[1] for catch in catches(*chunks) if not isinstance(catch, Problem)]


@pytest.mark.parametrize("row", rows("hdlc.jsonl"), ids=lambda row: str(row["name"])[-30:])
def test_captured_frames_come_back_as_they_were(row: dict[str, object]) -> None:
    octets = bytes.fromhex(str(row["frame"]))
    assert Frame.of(octets).octets == octets
    assert good(octets) == [octets]


def test_captured_session_with_flags_shared() -> None:
    for row in rows("sessions.jsonl"):
        frames = [bytes.fromhex(octets) for _, octets in row["frames"]]  # type: ignore[attr-defined]
        assert good(b"".join(frames)) == frames
        assert good(b"\x7e" + b"".join(frame[1:] for frame in frames)) == frames


def test_fields_of_a_captured_frame() -> None:
    frame = Frame.of(UA)
    assert (frame.destination, frame.source, frame.kind) == (Address(16), Address(1, 17), Kind.UA)
    assert Parameters.of(frame.information) == Parameters(154, 154, 1, 1)
    assert Parameters.of(b"") == Parameters(128, 128, 1, 1)
    assert Frame.of(UI).information.hex() == "e6e7000f40000000000101020309060100010700ff060000067d02020f00161b"


def test_clients_of_the_specification() -> None:
    assert (Address(16).octets.hex(), Address(1).octets.hex()) == ("21", "03")
    four = Address(17, 5481, 4)
    assert (four.octets.hex(), Address.take(Cursor(four.octets))) == ("002254d3", four)
    assert Address(200, 1).size == 4
    assert (Address(127).broadcast, Address(1, 127).broadcast, Address(1, 0x3FFF).broadcast) == (True, True, True)
    assert not Address(127, 5, 4).broadcast


@pytest.mark.parametrize("wrong", [(128,), (-1,), (1, 1 << 14), (1, 2, 3), (1, None, 2), (300, 1, 2), (1, 2, 1)])
def test_no_address(wrong: tuple[int, ...]) -> None:
    with pytest.raises(BadValue):
        Address(*wrong)


@pytest.mark.parametrize("octets", ["020401", "0000000001", "000000000021"])
def test_addresses_of_three_or_more_than_four_bytes(octets: str) -> None:
    with pytest.raises(BadValue):
        Address.take(Cursor(bytes.fromhex(octets)))


def test_control_fields_that_nobody_uses() -> None:
    for control in (0x09, 0xEF, 0x0B):
        with pytest.raises(Unsupported):
            kind_of(control)
    assert [kind_of(control).name for control in (0x93, 0x73, 0x53, 0x1F, 0x97, 0x13, 0x30, 0x51, 0x35)] == [
        "SNRM",
        "UA",
        "DISC",
        "DM",
        "FRMR",
        "UI",
        "I",
        "RR",
        "RNR",
    ]


@given(frames)
def test_round_trip(frame: Frame) -> None:
    assert Frame.of(frame.octets) == frame
    assert good(frame.octets) == [frame.octets]


@given(st.builds(Parameters, *(st.integers(1, 2030),) * 2, *(st.integers(1, 7),) * 2))
def test_parameters_come_back(parameters: Parameters) -> None:
    assert Parameters.of(parameters.octets) == parameters
    agreed = Parameters(512, 256, 7, 3).answered(parameters)
    assert agreed.transmit == min(512, parameters.receive)
    assert agreed.receive_window == min(3, parameters.transmit_window)


@pytest.mark.parametrize("octets", ["8180", "81800505", "80810100", "8180030502", "818003070408", "818003050100"])
def test_broken_parameters(octets: str) -> None:
    with pytest.raises(DecodeError):
        Parameters.of(bytes.fromhex(octets))


def test_a_frame_too_long_for_its_length_field() -> None:
    with pytest.raises(BadValue):
        _ = Frame(Address(1), Address(16), 0x10, bytes(2040)).octets


broken = st.builds(lambda length, rest: bytes((FLAG, 0xA0, length)) + rest, st.integers(5, 16), st.binary(max_size=20))
"""Headers that do not fit in their frame, and frames whose checks are wrong."""


@given(
    st.lists(st.one_of(frames.map(lambda frame: frame.octets), broken, st.binary(max_size=40)), max_size=6), st.data()
)
def test_chunks_change_nothing(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    whole = catches(stream)
    assert catches(*(stream[at : at + 1] for at in range(len(stream)))) == whole
    places = data.draw(st.lists(st.integers(0, 1 << 16), max_size=8))
    assert catches(*cut(stream, places)) == whole


@pytest.mark.parametrize("step", range(1, 16))
def test_a_header_that_does_not_fit_in_its_frame(step: int) -> None:
    """Its addresses end behind the frame: that is said also when the frame is there and nothing behind it yet."""
    stream = bytes.fromhex("7ea00a0834360306000895d9ffffc4ffea170c7ea0ff")
    whole = catches(stream)
    assert catches(*(stream[at : at + step] for at in range(0, len(stream), step))) == whole


@given(frames, frames, st.booleans())
def test_every_frame_between_noise_is_found(one: Frame, two: Frame, shared: bool) -> None:
    stream = b"\xff\x00\x7e\x12" + one.octets + (two.octets[1:] if shared else two.octets) + b"\x7e\x7e\x01"
    assert good(stream) == [one.octets, two.octets]


@given(frames, st.integers(0, 1 << 16), st.integers(1, 255))
def test_a_spoilt_frame_is_never_taken_and_the_next_is_found(frame: Frame, place: int, flip: int) -> None:
    bad = bytearray(frame.octets)
    bad[place % len(bad)] ^= flip
    found = good(bytes(bad) + UA + bytes(2100))
    assert frame.octets not in found
    assert UA in found


def codes(stream: bytes) -> list[str]:
    return [catch.code for catch in catches(stream) if isinstance(catch, Problem)]


def test_what_is_wrong_is_named() -> None:
    assert codes(UA[:-4] + b"\x00\x00\x00\x7e") == ["bad_checksum"]
    assert codes(UA[:-9]) == ["truncated"]
    assert codes(b"\x7e\x7e" + UA + b"\x7e\x7e\x7e") == []
    with pytest.raises(BadChecksum, match="FCS"):
        Frame.of(UA[:10] + b"\x00" + UA[11:])
    bad = bytearray(UA)
    bad[7] ^= 1
    bad[-3:-1] = crc_x25(bytes(bad[1:-3])).to_bytes(2, "little")
    with pytest.raises(BadChecksum, match="HCS"):
        Frame.of(bytes(bad))
    with pytest.raises(Truncated):
        Frame.of(UA[:20])
    with pytest.raises(BadValue, match="flag"):
        Frame.of(UA[:-1] + b"\x7f")


def test_a_broken_length_does_not_swallow_the_next_frame() -> None:
    framer = Framer()
    bad = bytearray(UA)
    bad[2] = 0xF0
    found = list(framer.feed(bytes(bad) + UA))
    assert (len(bad), UA) in found, "no need to wait for the 240 bytes that the broken header tells of"


def test_endless_noise_does_not_grow() -> None:
    dice, framer = random.Random(7), Framer()
    noise = [dice.randbytes(4096) + b"\x7e\xa7\xff" for _ in range(256)]
    for chunk in noise:
        for _ in framer.feed(chunk):
            pass
    tracemalloc.start()
    for chunk in noise * 2:
        for _ in framer.feed(chunk):
            pass
    grown, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 16_384
    assert peak < 65_536


def test_telegrams_by_the_contract() -> None:
    found = all_of(protocols()["dlms-hdlc"].receiver({}, {}), UA[:7], UA[7:])
    assert len(found) == 1
    telegram = found[0]
    assert isinstance(telegram, Telegram)
    assert telegram.frame["destination"] == {"logical": 16, "physical": None}
    assert telegram.frame["source"] == {"logical": 1, "physical": 17}
    assert (telegram.frame["control"], telegram.frame["segmented"], telegram.valid) == ("73", False, True)
    assert telegram.frame["information"] == UA[9:-3].hex()


def test_unknown_control_fields_are_unsupported() -> None:
    frame = Frame(Address(16), Address(1), 0xEF)
    [telegram] = all_of(Receiver(), frame.octets)
    assert isinstance(telegram, Telegram)
    assert [problem.code for problem in telegram.problems] == ["unsupported"]


@given(frames)
@settings(max_examples=50)
def test_explanations_cover_every_octet(frame: Frame) -> None:
    octets = frame.octets
    spans = [span for span in explain(b"\x00" + octets) if span.level == 1]
    assert sum(span.length for span in spans) == len(octets)
    assert [span.start for span in spans] == [1 + sum(other.length for other in spans[:n]) for n in range(len(spans))]


def test_explanations_name_parameters_and_apdus() -> None:
    texts = {span.name: span.value for span in explain(UA)}
    assert texts["parameters"] == "transmit 154 bytes, window 1, receive 154 bytes, window 1"
    assert {span.name: span.value for span in explain(UI)}["APDU"].startswith("0f40000000")
    assert explain(b"no frame") == []


def test_guess() -> None:
    assert (guess(UA), guess(b"\x00\x01" * 20), guess(b"")) == (100, 0, 0)
    assert guess(UA[:12] + b"\x00" + UA[13:]) == 30
