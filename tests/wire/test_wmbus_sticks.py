"""Formats of radio sticks: made by hand and by their other end, in any chunking, damaged, and among noise."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogues import all_of, cut
from metergate.errors import BadValue, Unsupported
from metergate.wire.base import Found, Problem, Telegram
from metergate.wire.mbus.records import record
from metergate.wire.wmbus import Address, Format, Sender, receiver
from metergate.wire.wmbus.sticks import STICKS, StickReceiver, amber, im871a, lines, stick_of

AT = datetime(2026, 11, 23, tzinfo=UTC)
METER = Address.named("12345678", "ELS", 51, 7)
TIME = "2026-11-23 01:02:03.000"


def frame(form: Format = Format.NONE, value: str = "12.345", address: Address = METER) -> bytes:
    (found,) = Sender(address, form=form).frames([record(b"\x0c", b"\x13", Decimal(value))])
    return found


TELEGRAM = frame()
SAID: dict[str, bytes] = {
    "im871a": im871a.indication(TELEGRAM),
    "amb8465": amber.indication(TELEGRAM),
    "cul": lines.cul_line(frame(Format.A)),
    "lines": lines.rtl_line(TELEGRAM, TIME),
}
OTHERS: dict[str, list[bytes]] = {
    "lines": [
        lines.cul_line(frame(Format.B), form=Format.B),
        TELEGRAM.hex().encode() + b"\n",
        b"0x" + frame(Format.A).hex().encode() + b"\r\n",
        b"telegram=|" + TELEGRAM.hex().encode() + b"|+17\n",
        b'{"time": "2026-11-23 01:02:03", "model": "Wireless-MBus", "mode": "T", "data": "%s", "rssi": -7.2}\n'
        % TELEGRAM.hex().encode(),
    ],
    "amb8465": [amber.command(amber.SET_MODE | amber.ANSWER, b"\0") + SAID["amb8465"]],
    "im871a": [im871a.message(im871a.MANAGEMENT, 4, b"\0") + SAID["im871a"]],
}
EVERY = [(name, said) for name in STICKS for said in (SAID[name], *OTHERS.get(name, []))]


def ears(name: str, **options: object) -> StickReceiver:
    found = receiver({}, {"stick": name} | options)
    assert isinstance(found, StickReceiver)
    return found


def telegrams(found: list[Found]) -> list[Telegram]:
    return [one for one in found if isinstance(one, Telegram)]


def values(found: list[Found]) -> list[object]:
    return [reading.value for one in telegrams(found) for reading in one.readings]


@pytest.mark.parametrize(("name", "said"), EVERY)
def test_a_stick_is_understood(name: str, said: bytes) -> None:
    found = [*ears(name).receive(said, AT)]
    assert values(found) == [Decimal("12.345")]
    (telegram,) = telegrams(found)
    assert telegram.readings[0].received == AT
    assert telegram.meter is not None
    assert telegram.meter.id == "12345678"
    assert said[telegram.offset : telegram.offset + telegram.length].strip() == said[telegram.offset :].strip()


def test_made_by_hand() -> None:
    """The frames as the makers' documents draw them, without our encoders."""
    body = TELEGRAM[1:]
    xor = 0
    for octet in (command := bytes((0xFF, 0x03, len(body) + 1)) + body + b"\x90"):
        xor ^= octet
    assert values([*ears("amb8465").receive(command + bytes((xor,)))]) == [Decimal("12.345")]
    bare = bytes((0xA5, 0x02, 0x03, len(body))) + body
    assert values([*ears("im871a").receive(bare)]) == [Decimal("12.345")]
    text = f"T1;1;1;{TIME};70;69;12345678;0x{TELEGRAM.hex()}\n"
    assert values([*ears("lines").receive(text.encode())]) == [Decimal("12.345")]


def test_what_sticks_tell_besides() -> None:
    (radio,) = telegrams([*ears("im871a").receive(im871a.indication(TELEGRAM, 0x65, 7))])
    assert (radio.frame["rssi"], radio.frame["stick_time"], radio.frame["link_crc"]) == (-73, "7", "none")
    (radio,) = telegrams([*ears("amb8465").receive(amber.indication(TELEGRAM, 0x80))])
    assert (radio.frame["rssi"], "stick_time" in radio.frame) == (-138, False)
    (radio,) = telegrams([*ears("cul").receive(lines.cul_line(frame(Format.A), 0x10))])
    assert (radio.frame["rssi"], radio.frame["link_crc"]) == (-66, "A")
    (radio,) = telegrams([*ears("lines").receive(SAID["lines"])])
    assert radio.frame["stick_time"] == TIME
    bare = ears("amb8465", stick_rssi=False).receive(amber.indication(TELEGRAM, None))
    assert "rssi" not in telegrams([*bare])[0].frame


@given(st.sampled_from(EVERY), st.lists(st.integers(0, 400), max_size=8))
def test_any_chunking_gives_the_same(said: tuple[str, bytes], places: list[int]) -> None:
    name, data = said
    assert all_of(ears(name), *cut(data * 3, places)) == all_of(ears(name), data * 3)


@given(st.sampled_from(EVERY), st.integers(0, 10_000), st.integers(0, 7))
def test_a_flipped_bit_never_gives_a_wrong_value(said: tuple[str, bytes], place: int, bit: int) -> None:
    """Where the stick checks at all; text without a CRC cannot."""
    name, good = said
    if name == "lines":
        good = SAID["cul"]
    data = bytearray(good)
    data[place % len(data)] ^= 1 << bit
    assert set(values(all_of(ears(name), bytes(data), good))) <= {Decimal("12.345")}


@pytest.mark.parametrize(("name", "said"), EVERY)
def test_noise_before_is_counted_and_passed_over(name: str, said: bytes) -> None:
    noise = b"\x00\x01hello\r\n"
    radio = ears(name)
    found = all_of(radio, noise + said)
    assert values(found) == [Decimal("12.345")]
    assert radio.noise > 0
    assert any(isinstance(one, Problem) and one.code == "noise" for one in found)


@pytest.mark.parametrize("name", STICKS)
def test_a_frame_cut_off_is_no_telegram(name: str) -> None:
    found = all_of(ears(name), SAID[name][: len(SAID[name]) // 2])
    assert telegrams(found) == [] or not values(found)
    assert found


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (lines.rtl_line(TELEGRAM, TIME, right=False), "bad_checksum"),
        (b"b" + frame(Format.A).hex().encode()[:40] + b"\n", "bad_value"),
        (b"x" * 5000 + b"\n", "noise"),
        (b'{"model": "Acurite", "data": "00"}\n', "noise"),
        (b'{"model": "Wireless-MBus", "data": 3}\n', "noise"),
        (b"{" * 4000 + b"\n", "noise"),
        (b"b0102\n", "noise"),
    ],
)
def test_lines_that_are_none(text: bytes, code: str) -> None:
    radio = ears("lines")
    found = all_of(radio, text, SAID["lines"])
    assert [one.code for one in found if isinstance(one, Problem)] == [code]
    assert values(found) == [Decimal("12.345")]


def test_endless_lines_are_not_kept() -> None:
    radio = ears("lines")
    for _ in range(100):
        list(radio.receive(b"y" * 1000))
    stick = radio.stick
    assert isinstance(stick, lines.Lines)
    assert len(stick._buffer) <= lines.LONGEST
    assert radio.noise > 90_000


def test_a_damaged_frame_inside_a_right_line() -> None:
    bad = bytearray(frame(Format.A))
    bad[14] ^= 1
    found = all_of(ears("cul"), lines.cul_line(bytes(bad)))
    assert [one.code for one in found if isinstance(one, Problem)] == ["bad_checksum"]
    assert values(found) == []


def test_greetings() -> None:
    (catch,) = im871a.Im871a()._hunter.feed(ears("im871a", stick_mode="C1").greeting)
    assert isinstance(catch, tuple)
    assert catch[1][3:10].hex() == "06000206300101"
    assert ears("amb8465").greeting.hex() == "ff040108f2"
    assert ears("cul", stick_mode="S1").greeting == b"brs\r\nX21\r\n"
    assert ears("lines").greeting == b""


def test_sending() -> None:
    for name, stick in (("im871a", im871a.Im871a()), ("amb8465", amber.Amber())):
        data = stick.send(TELEGRAM)
        assert TELEGRAM[1:] in data
        assert STICKS[name]("T1", {}).send(TELEGRAM) == data
    assert amber.Amber().send(TELEGRAM)[:3] == bytes((0xFF, 0x00, TELEGRAM[0]))
    with pytest.raises(Unsupported):
        lines.Lines().send(TELEGRAM)


def test_sticks_that_there_are_not() -> None:
    assert stick_of({}) is None
    for wrong in ({"stick": "other"}, *({"stick": name, "stick_mode": "X9"} for name in ("im871a", "amb8465", "cul"))):
        with pytest.raises(BadValue):
            receiver({}, wrong)


@given(st.sampled_from(list(STICKS)), st.lists(st.binary(max_size=80), max_size=6))
def test_sticks_survive_rubbish(name: str, chunks: list[bytes]) -> None:
    radio = ears(name)
    assert values(all_of(radio, *chunks)) == []
    assert values(all_of(radio, b"\n" if name in ("cul", "lines") else b"", SAID[name])) == [Decimal("12.345")]
