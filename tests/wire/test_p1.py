"""P1: frames, receiver, layouts, encryption, faults; telegrams of simulated meters of all versions and countries."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogues import all_of, cut, hit
from metergate.errors import BadChecksum, BadValue, ConfigError
from metergate.model import Obis, Quality, TimeQuality
from metergate.sim.household import Household
from metergate.sim.meters import Pusher
from metergate.sim.meters.p1 import KINDS, TITLE
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.base import Found, Telegram
from metergate.wire.p1 import STYLES, Frame, Line, P1Receiver, decode_frame, explain, guess, seal_telegram
from metergate.wire.p1.frame import LIMIT, check
from metergate.wire.p1.moments import moment, stamp
from metergate.wire.p1.push import spoilt, written

AT = datetime(2026, 11, 22, 12, 3, 4, tzinfo=UTC)
HOME = Household(11, pv_watts=4000, since=date(2026, 11, 1))
BANK = Bank((HOME,), (), installed=datetime(2026, 11, 1, tzinfo=UTC))
KEY = "000102030405060708090a0b0c0d0e0f"
ID = "E0099000000471126"


def pushed(kind: int = 5, key: str = "", count: int = 1, mode: int = 0) -> list[bytes]:
    pusher = Pusher(MeterSpec("p1", ID, 0, kind, key, mode), BANK)
    return [frame for n in range(count) for frame in pusher.frames(AT + timedelta(seconds=n))]


def telegrams(found: list[Found]) -> list[Telegram]:
    return [item for item in found if isinstance(item, Telegram)]


def codes(found: list[Found]) -> list[str]:
    problems = [p for item in found for p in (item.problems if isinstance(item, Telegram) else (item,))]
    return [problem.code for problem in problems]


# --- all versions and countries --------------------------------------------------------------------------------------
@pytest.mark.parametrize("key", ["", KEY], ids=["clear", "encrypted"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_meter_is_read(kind: int, key: str) -> None:
    (frame,) = pushed(kind, key)
    keys = {"encryption": bytes.fromhex(key)} if key else {}
    (found,) = telegrams(all_of(P1Receiver(keys), frame))
    assert found.valid
    assert found.data == frame
    style = STYLES[KINDS[kind]]
    values = {str(reading.obis): reading.value for reading in found.readings}
    assert {code.partition("*")[0] for code in style.rows} <= values.keys()
    if style.serial:
        assert found.meter is not None
        assert found.meter.id == ID
    totals = [values.get(f"1-0:1.8.{tariff}") for tariff in (0, 1, 2)]
    if None not in totals:
        assert totals[0] == totals[1] + totals[2]  # type: ignore[operator]


@pytest.mark.parametrize("kind", KINDS)
@given(places=st.lists(st.integers(0, 5000)))
def test_any_chunking_of_two_telegrams_gives_the_same(kind: int, places: list[int]) -> None:
    data = b"\x00" + b"".join(pushed(kind, count=2)) + b"1-0:1.8.0(1)\r\n"
    assert all_of(P1Receiver(), *cut(data, places)) == all_of(P1Receiver(), data)


# --- frames ----------------------------------------------------------------------------------------------------------
numbers = st.decimals(0, 999999, places=3).map(lambda value: f"{value:010.3f}*kWh")
stamps = st.datetimes(datetime(2000, 1, 2), datetime(2098, 1, 1)).map(lambda at: stamp(at.replace(tzinfo=UTC)))
groups = st.one_of(numbers, stamps, st.text("0123456789ABCDEF.*-", max_size=20))
codes_of = st.builds("{}-{}:{}.{}.{}".format, *[st.integers(0, 255)] * 5)
lines = st.builds(Line, codes_of, st.lists(groups, min_size=1, max_size=5).map(tuple))
frames = st.builds(Frame, st.just("MGT5\\2P1"), st.lists(lines, max_size=20).map(tuple), st.booleans())


@given(frames)
def test_frames_come_back_as_they_were(frame: Frame) -> None:
    assert decode_frame(frame.encode()) == frame
    assert decode_frame(frame.encode()).encode() == frame.encode()


@given(st.lists(lines, max_size=12), st.data())
def test_layout_and_general_decoder_agree(made: list[Line], data: st.DataObject) -> None:
    """A layout is learnt, then every digit of the telegram may be another one."""
    head = [Line("0-0:1.0.0", ("261122130304W",))]
    first = Frame("MGT5\\2P1", (*head, *made)).encode()
    second = bytearray(first.rpartition(b"!")[0])
    digits = [at for at in range(15, len(second)) if chr(second[at]).isdigit()]
    for at in data.draw(st.lists(st.sampled_from(digits), max_size=20)):
        second[at] = data.draw(st.sampled_from(b"0123456789:?"))
    sealed = decode_frame_leniently(bytes(second) + b"!\r\n")
    learnt, general = P1Receiver(), P1Receiver(options={"learn": False})
    for octets in (first, sealed, first, sealed):
        assert [*learnt.receive(octets, AT)] == [*general.receive(octets, AT)]


def decode_frame_leniently(octets: bytes) -> bytes:
    from metergate.bits import crc_arc

    body = octets.rpartition(b"!")[0] + b"!"
    return body + b"%04X\r\n" % crc_arc(body)


def test_the_values_of_a_layout_are_those_of_its_readings() -> None:
    receiver = P1Receiver()
    first, second = pushed(count=2)
    list(receiver.receive(first))
    (layout,) = receiver.layouts.known()
    (told,) = telegrams([*receiver.receive(second)])
    by_register = {reading.register: reading for reading in told.readings}
    raw = layout.values(second)
    assert raw is not None
    for register, value in zip(layout.registers, raw, strict=True):
        assert (by_register[register].raw, by_register[register].value) == (
            value,
            Decimal(value).scaleb(register.scaler),
        )
    assert layout.values(spoilt(second)) is None


# --- check sums ------------------------------------------------------------------------------------------------------
def test_every_third_check_sum_is_wrong_on_demand() -> None:
    found = all_of(P1Receiver(), *pushed(count=6, mode=3))
    assert codes(found) == ["bad_checksum"] * 2
    assert len(telegrams(found)) == 4


def test_lenient_tells_it_as_suspect() -> None:
    (found,) = telegrams(all_of(P1Receiver(options={"crc": "lenient"}), spoilt(pushed()[0])))
    assert not found.valid
    assert {reading.quality for reading in found.readings} == {Quality.SUSPECT}


def test_a_check_sum_without_leading_zeros_is_the_same_number() -> None:
    frame = next(f for f in (pushed(count=400)) if f.rpartition(b"!")[2].startswith(b"0"))
    body, _, digits = frame.rpartition(b"!")
    short = body + b"!" + digits.lstrip(b"0")
    assert telegrams(all_of(P1Receiver(), short))[0].readings == telegrams(all_of(P1Receiver(), frame))[0].readings


def without(frame: bytes) -> bytes:
    return frame.rpartition(b"!")[0] + b"!\r\n"


@pytest.mark.parametrize(("kind", "expected"), [(3, []), (46, []), (4, ["bad_checksum"]), (5, ["bad_checksum"])])
def test_only_old_versions_may_have_none(kind: int, expected: list[str]) -> None:
    assert codes(all_of(P1Receiver(), without(pushed(kind)[0]))) == expected


@pytest.mark.parametrize("kind", [4, 5])
def test_a_spoilt_version_demands_a_check_sum_too(kind: int) -> None:
    """Its line has lost the end, and the check sum is gone: nothing of it is believed."""
    (frame,) = pushed(kind)
    at = frame.index(b")", frame.index(b"1-3:0.2.8("))
    assert codes(all_of(P1Receiver(), without(frame[:at] + b")kvarh" + frame[at:]))) == ["bad_checksum"]


def test_a_line_that_had_check_sums_keeps_them() -> None:
    first, second = pushed(46, count=2)
    found = all_of(P1Receiver(), first, without(second))
    assert codes(found) == ["bad_checksum"]


# --- finding telegrams -----------------------------------------------------------------------------------------------
def test_the_last_start_before_the_data_counts() -> None:
    first, second = pushed(count=2)
    found = all_of(P1Receiver(), first[:200] + second)
    assert "truncated" in codes(found)
    assert [telegram.data for telegram in telegrams(found)] == [second]


def test_what_is_unfinished_is_truncated_and_endless_text_is_noise() -> None:
    assert codes(all_of(P1Receiver(), pushed()[0][:-30])) == ["truncated"]
    receiver = P1Receiver()
    found = [*receiver.receive(b"/MGT5x\r\n\r\n" + b"1-0:1.8.0(1)\r\n" * 4000)]
    assert found
    assert len(receiver.framer._buffer) <= LIMIT
    assert telegrams([*receiver.receive(pushed()[0])])


def test_a_missing_last_line_end_is_no_harm() -> None:
    assert len(telegrams(all_of(P1Receiver(), pushed()[0].rstrip()))) == 1


@given(st.integers(0, 1 << 30))
def test_a_bad_line_never_gives_a_wrong_value(seed: int) -> None:
    sent = pushed(5, count=12)
    fault = hit(seed)
    right = {item.readings for frame in sent for item in telegrams(all_of(P1Receiver(), frame))}
    receiver = P1Receiver()
    found = [item for frame in sent for piece in fault(frame) for item in receiver.receive(piece)]
    assert {item.readings for item in telegrams(found)} <= right
    assert telegrams(all_of(receiver, sent[0]))


# --- encrypted -------------------------------------------------------------------------------------------------------
def test_missing_wrong_and_right_key_are_different_answers() -> None:
    (frame,) = pushed(352, KEY)
    for keys, expected in (
        ({}, ["key_missing"]),
        ({"encryption": bytes(16)}, ["wrong_key"]),
        ({"key": bytes(5)}, ["wrong_key"]),
        ({"key": bytes.fromhex(KEY), "authentication": bytes(16)}, ["wrong_key"]),
        ({"key": bytes.fromhex(KEY)}, []),
        ({"4711": bytes(16), ID: bytes.fromhex(KEY)}, []),
    ):
        (found,) = telegrams(all_of(P1Receiver(keys), frame))
        assert found.valid
        assert codes([found]) == expected
        assert bool(found.readings) is not bool(expected)
        assert found.frame["invocation_counter"]
        assert KEY not in repr(found)


def test_another_authentication_key() -> None:
    key, other = bytes.fromhex(KEY), bytes(range(16, 32))
    frame = seal_telegram(pushed(43)[0], key, TITLE, 7, other)
    assert telegrams(all_of(P1Receiver({"encryption": key, "authentication": other}), frame))[0].readings
    assert not telegrams(all_of(P1Receiver({"encryption": key}), frame))[0].readings


def test_noise_under_a_key_that_was_right_is_a_check_sum() -> None:
    first, second = pushed(352, KEY, 2)
    bad = second[:40] + bytes((second[40] ^ 1,)) + second[41:]
    found = all_of(P1Receiver({"key": bytes.fromhex(KEY)}), first, bad, second)
    assert codes(found) == ["bad_checksum"]
    assert len(telegrams(found)) == 2


def test_the_check_sum_inside_counts_too() -> None:
    frame = seal_telegram(spoilt(pushed(352)[0]), bytes.fromhex(KEY), TITLE, 7)
    found = all_of(P1Receiver({"key": bytes.fromhex(KEY)}), frame)
    assert (codes(found), telegrams(found)) == (["bad_checksum"], [])


def test_clear_telegrams_where_a_key_is_known_are_not_believed() -> None:
    assert codes(all_of(P1Receiver({"key": bytes.fromhex(KEY)}), pushed(352)[0])) == ["unprotected"]


@given(st.binary(max_size=80), st.lists(st.integers(0, 5000)))
def test_encrypted_telegrams_are_found_in_noise(noise: bytes, places: list[int]) -> None:
    sent = pushed(352, KEY, 2)
    receiver = P1Receiver({"key": bytes.fromhex(KEY)})
    data = noise.replace(b"\xdb", b"\xda").replace(b"/", b".") + b"".join(sent)
    found = all_of(receiver, *cut(data, places))
    assert [item.data for item in telegrams(found)] == sent


def test_an_encrypted_telegram_is_explained_with_its_key() -> None:
    (frame,) = pushed(352, KEY)
    assert guess(frame) == 65
    names = [span.name for span in explain(frame, {"key": bytes.fromhex(KEY)})]
    assert {"system title", "invocation counter", "equipment id", "check sum", "tag"} <= set(names)
    closed = explain(frame, {})
    assert any("no key" in span.value for span in closed)
    assert sum(span.length for span in closed) == len(frame)


# --- times -----------------------------------------------------------------------------------------------------------
@given(st.datetimes(datetime(2000, 1, 2), datetime(2099, 12, 30)), st.sampled_from([-60, 0, 60, 120]))
def test_time_stamps_come_back(at: datetime, winter: int) -> None:
    instant = at.replace(microsecond=0, tzinfo=UTC)
    assert moment(stamp(instant, winter), winter) == instant


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("261025023000S", "2026-10-25T00:30:00+00:00"),
        ("261025023000W", "2026-10-25T01:30:00+00:00"),
        ("260701120000W", "2026-07-01T11:00:00+00:00"),
        ("260701120000", "2026-07-01T10:00:00+00:00"),
        ("260329013000", "2026-03-29T00:30:00+00:00"),
        ("260329033000", "2026-03-29T01:30:00+00:00"),
        ("240229120000W", "2024-02-29T11:00:00+00:00"),
        ("632525252525W", None),
        ("230229120000W", None),
    ],
)
def test_time_stamps(text: str, expected: str | None) -> None:
    found = moment(text)
    assert (found.isoformat() if found else None) == expected


def test_a_meter_clock_that_is_ahead_is_doubted() -> None:
    (found,) = [*P1Receiver().receive(pushed()[0], AT - timedelta(hours=1))]
    assert isinstance(found, Telegram)
    assert {r.time_quality for r in found.readings if r.meter_time == AT} == {TimeQuality.DOUBTFUL}
    assert all(reading.value is not None for reading in found.readings)


# --- meters that were changed ----------------------------------------------------------------------------------------
def device(channel: int, kind: int, time: str, value: str) -> list[Line]:
    return [Line(f"0-{channel}:24.1.0", (f"{kind:03}",)), Line(f"0-{channel}:24.2.1", (time, f"{value}*m3"))]


def read(*made: Line) -> Telegram:
    data = Frame("MGT5\\2P1", (Line("1-3:0.2.8", ("50",)), *made)).encode()
    (found,) = telegrams(all_of(P1Receiver(), data))
    return found


def test_after_a_swap_the_newest_device_counts() -> None:
    found = read(*device(1, 3, "250101120000W", "00012.000"), *device(2, 3, "261122120000W", "00001.000"))
    media = {reading.value: reading.register.quantity for reading in found.readings if len(reading.notes) < 2}
    assert (media[Decimal("12.000")], media[Decimal("1.000")]) == (None, "gas")


def test_two_living_devices_of_a_kind_both_count() -> None:
    found = read(*device(1, 7, "261122120000W", "00012.000"), *device(2, 7, "261122115500W", "00001.000"))
    assert [r.register.quantity for r in found.readings if r.obis and r.obis.c == 24 and r.obis.d == 2] == ["water"] * 2


def test_of_a_channel_sent_twice_the_newest_value_counts() -> None:
    old, new = device(1, 3, "250101120000W", "00012.000"), device(1, 3, "261122120000W", "00001.000")
    values = [r.value for r in read(*old, *new).readings if r.obis == Obis.parse("0-1:24.2.1")]
    assert values == [Decimal("1.000")]


# --- what is unknown -------------------------------------------------------------------------------------------------
def test_unknown_lines_are_kept_as_they_are() -> None:
    found = read(Line("STRANGE(1)x"), Line("1-0:200.7.9", ("0012*bananas",)), Line("1-0:1.7.0", ("",)))
    told = [(r.register.address or str(r.obis), r.value, r.unit) for r in found.readings]
    assert told[1:] == [
        ("STRANGE", "(1)x", None),
        ("1-0:200.7.9", Decimal(12), None),
        ("1-0:1.7.0", None, None),
    ]
    assert found.readings[2].notes == ("unit bananas",)


def test_a_code_that_cannot_be_is_a_text() -> None:
    assert read(Line("1-0:256.8.0", ("12*kWh",))).readings[1].value == "(12*kWh)"


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [("000.0*V", "230.19", "230.1*V"), ("00.000*kW", "1.2", "01.200*kW"), ("0000", "2", "0002")],
)
def test_patterns(pattern: str, value: str, expected: str) -> None:
    assert written(pattern, Decimal(value)) == expected


@pytest.mark.parametrize("value", ["100000", "-1"])
def test_what_does_not_fit_a_pattern_is_refused(value: str) -> None:
    with pytest.raises(BadValue, match="does not fit"):
        written("00.000*kW", Decimal(value))


def test_identifications_that_are_none_are_refused() -> None:
    with pytest.raises(BadValue, match="no identification"):
        Frame("5x").encode()


@pytest.mark.parametrize("options", [{"crc": "maybe"}, {"winter": "CET"}, {"winter": 9999}])
def test_options_that_are_wrong_are_named(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        P1Receiver(options=options)


def test_without_a_check_sum_one_wrong_bit_does_not_end_a_telegram() -> None:
    """`)` and `!` differ in one bit: only what begins a line ends the telegram of a meter that sends no check sum."""
    sound = b"/ABC5METER\r\n\r\n1-0:1.8.1(000001.000*kWh)\r\n1-0:1.8.2(000002.000*kWh)\r\n!\r\n"
    assert check(sound) is None
    cut = sound[: sound.index(b")")] + b"!\r\n"
    assert isinstance(check(cut), BadChecksum)
