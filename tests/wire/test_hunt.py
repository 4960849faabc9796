"""Finding frames: what is noise, what is a frame cut off or gone wrong, and that chunks do not matter."""

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from dialogues import cut
from metergate.errors import BadChecksum, DecodeError
from metergate.wire.base import Problem
from metergate.wire.hunt import NOISE_PAGE, Hunter


def measure(buffer: bytes | bytearray, at: int) -> int:
    """A frame is S, its length of data below 10, the data, and their sum modulo 10, all digits."""
    if len(buffer) - at < 2:
        return 0
    return buffer[at + 1] - 48 + 3 if 48 <= buffer[at + 1] < 58 else -1


def verify(frame: bytes, offset: int) -> DecodeError | None:
    return None if sum(frame[2:-1]) % 10 == frame[-1] - 48 else BadChecksum("sum", offset)


def hunt(*chunks: bytes) -> list[tuple[int, bytes] | Problem]:
    hunter = Hunter(ord("S"), measure, verify, ord("~"))
    return [*chain.from_iterable(hunter.feed(chunk) for chunk in chunks), *hunter.silence()]


def codes(*chunks: bytes) -> list[str]:
    return [item.code if isinstance(item, Problem) else item[1].decode() for item in hunt(*chunks)]


GOOD = b"S2115"[:4] + b"8"  # the digits 1 and 1 are 49 each: 98


def test_frames_fillers_and_noise() -> None:
    assert codes(b"~~" + GOOD + b"~" + GOOD) == ["S2118", "S2118"]
    assert hunt(b"xx~" + GOOD)[0] == Problem("noise", 3, "2 bytes of no frame")


def test_a_frame_inside_a_wrong_one_is_found() -> None:
    assert codes(b"S9" + GOOD + b"00000~~~") == ["bad_checksum", "S2118"]


def test_a_frame_inside_one_cut_off_is_found_after_silence() -> None:
    assert codes(b"S9" + GOOD) == ["truncated", "S2118"]


def test_endless_noise_is_told_at_every_page() -> None:
    found = hunt(b"x" * (3 * NOISE_PAGE + 5))
    assert [problem.offset for problem in found if isinstance(problem, Problem)] == [
        NOISE_PAGE,
        2 * NOISE_PAGE,
        3 * NOISE_PAGE,
        3 * NOISE_PAGE + 5,
    ]


pieces = st.lists(st.sampled_from([GOOD, b"S9", b"S", b"~", b"x" * 700, b"S2110", b"S0", b"S00", b"15"]), max_size=20)


@given(pieces.map(b"".join), st.lists(st.integers(0, 20000), max_size=12))
def test_chunks_do_not_matter(data: bytes, places: list[int]) -> None:
    assert hunt(*cut(data, places)) == hunt(data)


@given(pieces.map(b"".join))
def test_the_short_way_finds_what_the_long_one_finds(data: bytes) -> None:
    short, long = (Hunter(ord("S"), measure, verify, ord("~")) for _ in range(2))
    caught = short.whole(data)
    found = list(long.feed(data))
    assert caught is None or [caught] == found
    assert short.position == (len(data) if caught else 0)
