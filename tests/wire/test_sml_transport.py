"""Transport frames and their finding: escapes, padding, check sums, noise, cut telegrams, any chunking."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.wire.base import Found, Problem, Telegram
from metergate.wire.sml import transport
from metergate.wire.sml.receiver import SmlReceiver
from metergate.wire.sml.transport import (
    ESCAPE,
    KERMIT,
    START,
    X25,
    Accepted,
    CrcKind,
    Framer,
    crc_of,
    find_mark,
    unwrap,
    wrap,
)
from smlkit import EMH, chunked, codes, receive, telegram

PAYLOADS = st.lists(
    st.sampled_from([b"\x1b", ESCAPE, b"\x01", START, b"\x1a", b"\x00", b"\x76", b"\x02" * 4]) | st.binary(max_size=9),
    max_size=12,
).map(b"".join)


def frames(data: bytes, sizes: list[int]) -> list[bytes]:
    """Every right frame that a framer cuts out of a stream."""
    found: list[bytes] = []

    def accept(frame: bytes, offset: int) -> Accepted:
        good = crc_of(frame) is not None
        if good:
            assert data[offset : offset + len(frame)] == frame
            found.append(frame)
        return Accepted(Problem("noise", offset, ""), good)

    framer, at, number = Framer(accept), 0, 0
    while at < len(data):
        size = sizes[number % len(sizes)]
        list(framer.feed(data[at : at + size]))
        at, number = at + size, number + 1
    list(framer.silence())
    return found


def test_end_of_a_known_telegram() -> None:
    """The EMH capture ends in 1A, three padding bytes, and its check sum, low byte first."""
    assert crc_of(EMH) is X25
    assert unwrap(EMH)[-4:] == bytes.fromhex("63d65800")
    assert wrap(unwrap(EMH)) == EMH


@pytest.mark.parametrize(
    ("payload", "framed"),
    [
        ("", "1b1b1b1b 01010101 1b1b1b1b 1a00"),
        ("7601", "1b1b1b1b 01010101 7601 0000 1b1b1b1b 1a02"),
        ("1b1b1b1b", "1b1b1b1b 01010101 1b1b1b1b1b1b1b1b 1b1b1b1b 1a00"),
        ("aa1b1b1b1bbbccdd", "1b1b1b1b 01010101 aa1b1b1b1b1b1b1b1bbbccdd 1b1b1b1b 1a00"),
        ("1b1b1b", "1b1b1b1b 01010101 1b1b1b 00 1b1b1b1b 1a01"),
    ],
)
def test_escape_and_padding(payload: str, framed: str) -> None:
    """Derived from the transport's rules: doubled escapes, zero padding to four, the count behind 1A."""
    body = bytes.fromhex(framed)
    assert wrap(bytes.fromhex(payload)) == body + X25.stored(body)


@given(PAYLOADS, st.sampled_from([X25, KERMIT]))
def test_any_payload_comes_back(payload: bytes, crc: CrcKind) -> None:
    frame = wrap(payload, crc)
    assert len(frame) % 4 == 0
    assert crc_of(frame) is crc
    assert unwrap(frame) == payload
    assert frames(frame, [len(frame)]) == [frame]


@given(st.lists(PAYLOADS, min_size=1, max_size=4), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_frames_follow_each_other(payloads: list[bytes], sizes: list[int]) -> None:
    made = [wrap(payload) for payload in payloads]
    assert frames(b"".join(made), sizes) == made


@given(st.binary(max_size=30).filter(lambda noise: b"\x1b" not in noise), st.integers(1, 9))
def test_marks_need_no_alignment(noise: bytes, size: int) -> None:
    assert frames(noise + EMH + noise + EMH, [size]) == [EMH, EMH]


@given(st.integers(1, len(EMH) - 1), st.integers(1, 50))
def test_a_cut_telegram_does_not_swallow_the_next(cut: int, size: int) -> None:
    """Wherever the first one breaks off, behind half an escape too, the next one is found."""
    assert frames(EMH[:cut] + EMH + EMH, [size]) == [EMH, EMH]


def test_a_new_start_ends_the_old_telegram() -> None:
    found = receive(EMH[:100] + EMH)
    assert codes(found) == ["truncated"]
    assert [item.offset for item in found] == [0, 100]


def test_unaligned_end_is_accepted() -> None:
    body = START + b"\x76\x01\x02" + ESCAPE + b"\x1a\x00"
    assert frames(body + X25.stored(body), [100]) == [body + X25.stored(body)]


@pytest.mark.parametrize("escape", ["02020202", "03030303", "04050607"])
def test_unknown_escape_is_named_and_the_next_telegram_found(escape: str) -> None:
    found = receive(START + b"\x76" + ESCAPE + bytes.fromhex(escape) + EMH)
    assert codes(found) == ["unsupported"]
    assert next(item for item in found if isinstance(item, Telegram)).data == EMH


def test_version_2_is_named() -> None:
    found = receive(ESCAPE + b"\x02" * 4 + bytes(20) + EMH)
    assert codes(found)[0] == "unsupported"
    assert "version 2" in str(found[0])
    assert isinstance(found[-1], Telegram)


def test_noise_is_counted_and_told() -> None:
    receiver = SmlReceiver()
    found = [*receiver.receive(b"x" * 3000 + EMH + b"yz"), *receiver.silence()]
    assert receiver.framer.noise == 3002
    assert [item.message for item in found if isinstance(item, Problem)] == [
        "1024 bytes of no telegram",
        "1024 bytes of no telegram",
        "952 bytes of no telegram",
        "2 bytes of no telegram",
    ]


def test_silence_ends_a_telegram() -> None:
    receiver = SmlReceiver()
    assert list(receiver.receive(EMH[:200])) == []
    assert codes(receiver.silence()) == ["truncated"]
    assert codes(receiver.receive(EMH[200:])) == []
    found = [*receiver.receive(EMH), *receiver.silence()]
    assert [item.offset for item in found if isinstance(item, Telegram)] == [len(EMH)]


PIECES = st.sampled_from(
    [
        EMH,
        telegram(1),
        telegram(2),
        EMH[:150],
        EMH[40:],
        EMH[:-1] + b"\x00",
        ESCAPE,
        START,
        ESCAPE * 2 + b"\x01" * 4,
        ESCAPE + b"\x02" * 4,
        b"\x1b" * 7,
        b"\x00" * 5,
        b"noise" * 300,
    ]
)


@given(st.lists(PIECES, max_size=8), st.lists(st.integers(1, 500), min_size=1, max_size=6), st.sampled_from([64, 400]))
def test_chunking_changes_nothing(pieces: list[bytes], sizes: list[int], limit: int) -> None:
    data = b"".join(pieces)
    options = {"limit": limit}
    assert chunked(data, sizes, options) == receive(data, options=options) == chunked(data, [1], options)


def test_a_telegram_without_end_is_given_up_and_memory_stays_small() -> None:
    receiver = SmlReceiver({"limit": 1000})
    found: list[Found] = []
    for _ in range(500):
        found += receiver.receive(START + bytes(97))
        found += receiver.receive(bytes(2000))
        assert len(receiver.framer._buffer) <= 3100
    assert codes(found).count("bad_value") == 500
    found = [*receiver.receive(EMH), *receiver.silence()]
    assert [item.data for item in found if isinstance(item, Telegram)] == [EMH]


def test_endless_escapes_stay_bounded() -> None:
    receiver = SmlReceiver({"limit": 2000})
    for _ in range(100):
        list(receiver.receive(START + b"\x1b" * 1000))
    assert len(receiver.framer._buffer) <= 3100


@pytest.mark.parametrize("end", [b"", ESCAPE + b"\x1a\x00\xaa\xbb"])
def test_starts_that_could_be_payload_are_not_searched_again_and_again(end: bytes, monkeypatch: Any) -> None:
    """Each of a thousand doubled escapes looks like a start; what lies behind is looked at once."""
    looked = []

    def counting(buffer: bytes | bytearray, at: int) -> tuple[int, int]:
        mark, seen = find_mark(buffer, at)
        looked.append(max(seen - at, 0))
        return mark, seen

    monkeypatch.setattr(transport, "find_mark", counting)
    data = START + (ESCAPE * 2 + b"\x01" * 4) * 1000 + end + EMH
    found = receive(data)
    assert [item.data for item in found if isinstance(item, Telegram)] == [EMH]
    assert sum(looked) < 3 * len(data)


@pytest.mark.parametrize(
    ("run", "mark"), [(3, -1), (4, 0), (5, 1), (7, 3), (8, -1), (9, -1), (11, -1), (12, 8), (13, 9), (16, -1), (20, 16)]
)
def test_where_a_run_of_escapes_has_its_mark(run: int, mark: int) -> None:
    assert find_mark(b"\x1b" * run + b"\x1a\x00\xaa\xbb", 0)[0] == mark
