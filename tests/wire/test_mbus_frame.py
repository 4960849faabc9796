"""Frames of wired M-Bus in a stream: the four kinds, both ways, in any chunking, through noise and wrecks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogues import all_of, cut
from metergate.errors import BadChecksum, BadValue, DecodeError
from metergate.wire.base import Problem, Telegram
from metergate.wire.mbus import PROTOCOLS, Receiver, guess
from metergate.wire.mbus.fixed import Fixed
from metergate.wire.mbus.frame import Frame, Framer, parse
from metergate.wire.mbus.telegram import Decoder, LongHeader

octet = st.integers(0, 255)
frames = st.one_of(
    st.just(Frame()),
    st.builds(Frame, octet, octet),
    st.builds(Frame, octet, octet, octet, st.binary(max_size=252)),
)


def kinds(*chunks: bytes) -> list[str]:
    return [item.code if isinstance(item, Problem) else str(item.frame["kind"]) for item in all_of(Receiver(), *chunks)]


@given(frames)
def test_frames_come_back(frame: Frame) -> None:
    assert parse(frame.octets) == frame


def test_the_four_kinds() -> None:
    assert parse(b"\xe5").kind == "single"
    assert parse(bytes.fromhex("105bfe5916")) == Frame(0x5B, 0xFE)
    assert parse(bytes.fromhex("6803036853fe50a116")) == Frame(0x53, 0xFE, 0x50)
    assert Frame(0x53, 0xFE, 0x51, b"\x01\x7a\x08").octets == bytes.fromhex("6806066853fe51017a082516")
    assert [Frame(0x5B, 1).from_master, Frame(0x08, 1, 0x72).from_master] == [True, False]


@pytest.mark.parametrize("data", ["", "e6", "10", "105bfe5816", "105bfe5917", "6802026853fea116", "6803046853fe50a116"])
def test_no_frames(data: str) -> None:
    with pytest.raises(DecodeError):
        parse(bytes.fromhex(data))


def test_what_is_too_long_for_a_frame() -> None:
    with pytest.raises(BadValue):
        _ = Frame(0x08, 1, 0x72, bytes(253)).octets


@given(st.lists(frames, max_size=6), st.lists(st.integers(0, 1 << 12), max_size=12))
def test_streams_of_frames(sent: list[Frame], places: list[int]) -> None:
    stream = b"".join(frame.octets for frame in sent)
    framer = Framer()
    caught = [catch for chunk in cut(stream, places) for catch in framer.feed(chunk)] + list(framer.silence())
    assert [catch if isinstance(catch, Problem) else parse(catch[1]) for catch in caught] == sent
    assert (framer.position, framer.noise) == (len(stream), 0)


@given(st.lists(st.one_of(frames.map(lambda f: f.octets), st.binary(max_size=20)), max_size=6), st.data())
def test_chunking_does_not_matter(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(part[: data.draw(st.integers(0, len(part)))] for part in parts)
    places = data.draw(st.lists(st.integers(0, 1 << 12), max_size=12))
    assert all_of(Receiver(), *cut(stream, places)) == all_of(Receiver(), stream)


@given(st.binary(max_size=200), st.builds(Frame, octet, octet, octet, st.binary(min_size=1, max_size=40)))
def test_a_good_frame_after_anything_is_found(rubbish: bytes, frame: Frame) -> None:
    """Once the line went quiet, at the latest."""
    found = all_of(Receiver(), rubbish + frame.octets)
    assert any(isinstance(item, Telegram) and item.data.endswith(frame.octets[-9:]) for item in found)


def test_damage_is_named() -> None:
    frame = Frame(0x08, 1, 0x72, LongHeader("12345678", "KAM", 1, 7).octets).octets
    wrong = frame[:10] + bytes((frame[10] ^ 4,)) + frame[11:]
    assert kinds(wrong) == ["bad_checksum"]
    assert kinds(frame[:-1] + b"\x17") == ["bad_checksum"]
    assert kinds(frame[:-3]) == ["truncated"]
    assert kinds(b"\x01\x02", frame) == ["noise", "long"]
    assert kinds(frame[:-3], frame) == ["bad_checksum", "long"]
    assert kinds(wrong, frame, b"\xe5") == ["bad_checksum", "long", "single"]


def test_a_wreck_holds_no_acknowledgement() -> None:
    """Five bytes or one that look right within a damaged frame are part of it."""
    inner = Frame(0x08, 1, 0x78, b"\x01\xe5\xe5" + Frame(0x5B, 1).octets).octets
    assert kinds(inner[:-2] + b"\0\x16") == ["bad_checksum"]


def test_endless_noise_is_told_and_not_kept() -> None:
    receiver = Receiver()
    found = [item for _ in range(100) for item in receiver.receive(b"\xaa" * 100)]
    assert [item.code for item in found if isinstance(item, Problem)] == ["noise"] * 9
    assert (receiver.noise, receiver.position) == (10_000, 10_000)


def test_master_frames_are_no_readings() -> None:
    found = all_of(
        Receiver(),
        Frame(0x73, 0xFD, 0x52, bytes.fromhex("78563412ffffffff")).octets,
        Frame(0x73, 5, 0x51, bytes.fromhex("0413e8030000")).octets,
        Frame(0x73, 5, 0xBD).octets,
        Frame(0x7B, 5).octets,
    )
    telegrams = [item for item in found if isinstance(item, Telegram)]
    assert [telegram.frame.get("ci") for telegram in telegrams] == [0x52, 0x51, 0xBD, None]
    assert telegrams[2].frame["baud_rate"] == 9600
    assert all(telegram.valid and not telegram.readings for telegram in telegrams)


def decoded(ci: int, data: bytes, control: int = 0x08) -> Telegram:
    return Decoder().telegram(Frame(control, 7, ci, data).octets)


def test_headers() -> None:
    head = LongHeader("12345678", "ABC", 9, 7, 3, 4, 0)
    assert LongHeader.parse(head.octets) == head
    found = decoded(0x72, head.octets + bytes.fromhex("0413e8030000"), 0x38)
    assert [str(reading.value) for reading in found.readings] == ["1.000"]
    assert found.readings[0].status == 4
    assert (found.frame["access_demand"], found.frame["data_flow_control"]) == (True, True)
    short = decoded(0x7A, bytes.fromhex("2a1000000413e8030000"))
    assert (short.meter, short.frame["access_number"], short.readings[0].register.meter) == (None, 42, "mbus:7")
    bare = decoded(0x78, bytes.fromhex("0413e8030000"))
    assert [str(reading.value) for reading in bare.readings] == ["1.000"]


def test_high_byte_first() -> None:
    """CI 76: every number the other way round."""
    found = decoded(0x76, bytes.fromhex("1234567804430907030400000413000003e8"))
    assert found.meter is not None
    assert (found.meter.id, found.meter.manufacturer) == ("12345678", "ABC")
    assert [reading.raw for reading in found.readings] == [1000]


@pytest.mark.parametrize(
    ("ci", "data", "code", "message"),
    [
        (0x70, "08", "application_error", "application busy"),
        (0x70, "07", "application_error", "error 07H"),
        (0x70, "", "application_error", "unspecified error"),
        (0x66, "00", "unsupported", "CI 66H is not decoded"),
        (0x72, "78563412", "truncated", "the header has 12 bytes, 4 came"),
        (0x72, "7856341224400107550000000413", "truncated", "the record's value wants 4 bytes, 0 are left"),
        (0x73, "78563412", "truncated", "the fixed data structure has 16 bytes, 4 came"),
        (0x7A, "2a", "truncated", "the short header has 4 bytes, 1 came"),
        (
            0x72,
            "785634122440010755001005" + "ab" * 16,
            "key_missing",
            "encrypted (security mode 5), and there is no key for the meter",
        ),
    ],
)
def test_what_gives_no_readings(ci: int, data: str, code: str, message: str) -> None:
    found = decoded(ci, bytes.fromhex(data))
    assert found.readings == ()
    assert [(problem.code, problem.message) for problem in found.problems] == [(code, message)]


def test_one_broken_record_spoils_the_whole_frame() -> None:
    head = LongHeader("12345678", "ABC", 9, 7).octets
    good = bytes.fromhex("0413e8030000")
    assert len(decoded(0x72, head + good).readings) == 1
    assert decoded(0x72, head + good + b"\x04").readings == ()


def test_alarm() -> None:
    found = decoded(0x71, b"\x04")
    assert (found.frame["alarm"], found.problems) == (b"\x04", ())


counters = st.one_of(st.none(), st.integers(0, 99_999_999))


@given(
    st.from_regex(r"[0-9]{8}", fullmatch=True),
    octet,
    st.integers(0, 15),
    octet.map(lambda n: n & 63),
    counters,
    counters,
)
def test_fixed_data_structure(
    number: str, access: int, medium: int, unit: int, one: int | None, two: int | None
) -> None:
    sent = Fixed(number, access, 0, medium, (unit, 0x3E), (one, two))
    assert Fixed.parse(sent.octets) == sent
    binary = Fixed(number, access, 1, medium, (unit, 0x3E), (-1 if one is None else one, 2))
    assert Fixed.parse(binary.octets) == binary
    first, second = sent.readings()
    assert (first.value is None) == (one is None)
    assert (first.raw, second.raw) == (one, two)
    assert first.unit == second.unit


def test_guess() -> None:
    assert guess(Frame(0x08, 1, 0x78, b"\x04\x13").octets) == 100
    assert guess(b"\0\0" + Frame(0x5B, 1).octets) == 40
    assert guess(b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01") == 0
    assert guess(b"") == 0


def test_values_alone_come_from_right_frames_of_known_layout() -> None:
    head = LongHeader("12345678", "ABC", 9, 7).octets
    one, other = (Frame(8, 7, 0x72, head + b"\x04\x13" + n.to_bytes(4, "little")).octets for n in (1000, 2500))
    decoder = Decoder()
    assert decoder.values(one) is None
    wanted = [reading.register for reading in decoder.telegram(one).readings]
    found = decoder.values(other)
    assert found is not None
    assert (list(found[0]), [str(value) for value in found[1]]) == (wanted, ["2.500"])
    for wrong in (other[:-1], other[:-1] + b"\x17", other[:-3] + bytes((other[-3] ^ 1,)) + other[-2:], b"", b"\xe5"):
        assert decoder.values(wrong) is None


def test_registry_entry() -> None:
    (entry,) = PROTOCOLS
    assert entry.name == "mbus"
    found = all_of(entry.receiver({}, {}), Frame(0x08, 1, 0x78, bytes.fromhex("0413e8030000")).octets)
    assert [len(item.readings) for item in found if isinstance(item, Telegram)] == [1]
    assert entry.explain(b"\xe5", {})[0].name == "frame"


def test_wrong_check_sum_names_itself() -> None:
    with pytest.raises(BadChecksum):
        parse(bytes.fromhex("6803036853fe50a216"))
