"""The meter's end heard by the reader's: every mode, header and frame; fragments, compact cycles, replays."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogues import all_of
from metergate.errors import BadChecksum, BadValue, Replay, Truncated, Unsupported
from metergate.wire.base import Found, Telegram
from metergate.wire.mbus.records import RawRecord, encode_records, record
from metergate.wire.wmbus import Address, Context, Counters, Decoder, Format, Formats, Keyring, Receiver, Sender
from metergate.wire.wmbus.compact import pack, signature
from metergate.wire.wmbus.fragments import MOST_MESSAGES, Reassembler, split
from metergate.wire.wmbus.layers import Afl

KEY = bytes(range(16))
METER = Address.named("12345678", "ELS", 51, 7)
ADAPTER = Address.named("11223344", "RAD", 3, 0x37)
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
RECORDS = [
    record(b"\x0c", b"\x13", Decimal("123.456")),
    record(b"\x02", b"\x59", Decimal("-3.25")),
    record(b"\x0d", b"\xfd\x11", "customer"),
    record(b"\x42", b"\x6c", "2026-10-31"),
]
VALUES = [Decimal("123.456"), Decimal("-3.25"), "customer", "2026-10-31"]
WAYS = [
    (form, mode, header, ell, adapter)
    for form, mode, header, ell, adapter in product(
        Format, (0, 5, 7, 10), ("none", "short", "long"), (None, 0x8C, 0x8D, 0x8E, 0x8F), (None, ADAPTER)
    )
    if not (mode and header == "none") and not (adapter and header != "long")
]


def reader(key: bytes | None = KEY, **context: object) -> Receiver:
    made = Context(Keyring({METER.id: key, ADAPTER.id: key} if key else {}), **context)  # type: ignore[arg-type]
    return Receiver(Decoder(made).decode)


def heard(ears: Receiver, frames: Sequence[bytes], at: datetime = AT) -> list[Telegram]:
    found: list[Found] = [one for frame in frames for one in ears.datagram(frame, at)]
    telegrams = [one for one in found if isinstance(one, Telegram)]
    assert telegrams == found
    return telegrams


def values(telegram: Telegram) -> list[object]:
    return [one.value for one in telegram.readings]


def codes(telegram: Telegram) -> list[str]:
    assert telegram.problems == () or telegram.readings == ()
    return [one.code for one in telegram.problems]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_every_way_is_read_again(way: tuple[Format, int, str, int | None, Address | None]) -> None:
    form, mode, header, ell, adapter = way
    meter = Sender(METER, KEY, mode, form, header, ell, adapter, every=3)
    ears = reader()
    for turn in range(4):
        (found,) = heard(ears, meter.frames(RECORDS, status=4))
        assert codes(found) == []
        assert values(found) == VALUES
        assert found.meter is not None
        assert found.meter.id == "12345678"
        assert found.frame["ci"] in (("79", "7b", "73") if turn % 3 else ("78", "7a", "72"))
        assert found.frame["protected"] is bool(mode or ell in (0x8D, 0x8F))


numbers = st.integers(-(2**31), 2**31 - 1).map(lambda raw: record(b"\x04", b"\x13", Decimal(raw).scaleb(-3)))
digits = st.integers(0, 99_999_999).map(lambda raw: record(b"\x8c\x10", b"\x06", Decimal(raw).scaleb(3)))
texts = st.text("abcXYZ 019", max_size=12).map(lambda text: record(b"\x0d", b"\xfd\x10", text))


@settings(max_examples=150)
@given(st.lists(numbers | digits | texts, min_size=1, max_size=9), st.sampled_from(WAYS), st.integers(0, 255))
def test_any_records_come_back(
    records: list[RawRecord], way: tuple[Format, int, str, int | None, Address | None], access: int
) -> None:
    form, mode, header, ell, adapter = way
    meter = Sender(METER, KEY, mode, form, header, ell, adapter, access=access)
    (found,) = heard(reader(), meter.frames(records))
    assert found.frame["records"] == [
        {"dif": one.dif.hex(), "vif": one.vif.hex(), "data": one.data.hex()} for one in records
    ]


LEARNT = [
    (mode, header, ell)
    for mode, header, ell in product((0, 5, 7, 10), ("none", "short", "long"), (None, 0x8C, 0x8D, 0x8E, 0x8F))
    if not (mode and header == "none")
]


@pytest.mark.parametrize(("mode", "header", "ell"), LEARNT)
def test_the_learnt_way_reads_every_mode_as_the_general_one_does(mode: int, header: str, ell: int | None) -> None:
    for form, adapter in ((Format.NONE, None), (Format.A, ADAPTER if header == "long" else None)):
        meter = Sender(METER, KEY, mode, form, header, ell, adapter, every=3)
        keys = Keyring({METER.id: KEY, ADAPTER.id: KEY} if mode or ell in (0x8D, 0x8F) else {})
        short, long = (
            Receiver(Decoder(Context(keys, Counters()), learn=learn).decode, form) for learn in (True, False)
        )
        for step in range(8):
            frames = meter.frames([record(b"\x0c", b"\x13", Decimal(step)), *RECORDS[1:]], status=step)
            assert heard(short, frames) == heard(long, frames)


SHORT_WAYS = [
    *((mode, header, ell) for mode in (5, 7, 10) for header in ("short", "long") for ell in (None, 0x8C, 0x8E)),
    *((0, header, ell) for header in ("none", "short") for ell in (0x8D, 0x8F)),
]


@pytest.mark.parametrize(("mode", "header", "ell"), SHORT_WAYS)
def test_values_alone_are_those_of_the_readings(mode: int, header: str, ell: int | None) -> None:
    every = 3 if header == "none" else 1
    meter = Sender(METER, KEY, mode, Format.NONE, header, ell, every=every)
    short, long = (Decoder(Context(Keyring({METER.id: KEY}), accept_clear=False)) for _ in range(2))
    for step in range(6):
        (frame,) = meter.frames([record(b"\x0c", b"\x13", Decimal(step)), *RECORDS[1:]])
        found, whole = short.values(frame), long.decode(frame, 0, Format.NONE, frame, AT)
        if step == 0:
            assert found is None
            assert whole == short.decode(frame, 0, Format.NONE, frame, AT)
            continue
        assert found is not None
        assert [*zip(*found, strict=True)] == [(one.register, one.value) for one in whole.readings]


@pytest.mark.parametrize(("mode", "ell"), [(7, None), (10, 0x8C), (0, 0x8D)])
@given(st.data())
def test_the_learnt_way_takes_no_changed_telegram(mode: int, ell: int | None, data: st.DataObject) -> None:
    """What MAC, tag or CRC cover. The header in front names the meter, or tells the general way what to do; the control
    field of the AFL has spare bits that are covered by nothing: with one of those changed the values stay the same."""
    meter = Sender(METER, KEY, mode, Format.NONE, "none" if ell == 0x8D else "short", ell)
    decoder, other = (Decoder(Context(Keyring({METER.id: KEY}), Counters(), accept_clear=False)) for _ in range(2))
    (first,), (frame,) = meter.frames(RECORDS), meter.frames(RECORDS)
    decoder.decode(first, 0, Format.NONE, first, AT)
    changed = bytearray(frame)
    changed[data.draw(st.integers(15 if ell == 0x8D else 10 + 3 * bool(ell), len(frame) - 1))] ^= data.draw(
        st.integers(1, 255)
    )
    assert decoder.values(bytes(changed)) is None
    if readings := decoder.decode(bytes(changed), 0, Format.NONE, bytes(changed), AT).readings:
        assert mode
        assert readings == other.decode(frame, 0, Format.NONE, frame, AT).readings
        return
    assert decoder.values(frame[:-1]) is None
    assert decoder.values(frame) is not None
    if mode:
        assert decoder.values(frame) is None
        assert codes(decoder.decode(frame, 0, Format.NONE, frame, AT)) == ["replay"]


def test_meters_of_one_model_share_a_layout_and_keep_their_registers() -> None:
    decoder = Decoder(Context(Keyring({}, common=KEY)))
    senders = [Sender(Address.named(f"{number:08d}", "ELS", 51, 7), KEY, 5, Format.NONE) for number in range(5)]
    for turn in range(3):
        for number, sender in enumerate(senders):
            value = Decimal(turn * 10 + number)
            (frame,) = sender.frames([record(b"\x0c", b"\x13", value), *RECORDS[1:]])
            found = decoder.values(frame)
            if turn == 0:
                decoder.decode(frame, 0, Format.NONE, frame, AT)
                continue
            assert found is not None
            assert found[0][0].meter == f"{number:08d}"
            assert list(found[1]) == [value, *VALUES[1:]]


def test_a_key_that_changes_is_used_at_once_also_on_the_learnt_way() -> None:
    keys = Keyring({METER.id: KEY})
    ears = Receiver(Decoder(Context(keys)).decode)
    meter = Sender(METER, KEY, 5)
    for _ in range(3):
        assert values(*heard(ears, meter.frames(RECORDS))) == VALUES
    keys.add(METER.id, bytes(16))
    assert codes(*heard(ears, meter.frames(RECORDS))) == ["wrong_key"]
    keys.remove(METER.id)
    assert codes(*heard(ears, meter.frames(RECORDS))) == ["key_missing"]
    keys.add("ELS 12345678", KEY)
    assert values(*heard(ears, meter.frames(RECORDS))) == VALUES


def test_a_thousand_meters_each_with_its_key() -> None:
    names = [f"{number:08d}" for number in range(1000)]
    keys = {name: name.encode() * 2 for name in names}
    ears = Receiver(Decoder(Context(Keyring(keys))).decode)
    for name in names[::7]:
        meter = Sender(Address.named(name, "ELS", 1, 7), keys[name], 5)
        assert values(*heard(ears, meter.frames(RECORDS))) == VALUES


def test_the_makers_own_key_comes_before_the_number_alone() -> None:
    ring = Keyring({"12345678": bytes(16), "ELS 12345678": KEY})
    ears = Receiver(Decoder(Context(ring)).decode)
    assert values(*heard(ears, Sender(METER, KEY, 5).frames(RECORDS))) == VALUES
    assert len(ring) == 2


@pytest.mark.parametrize(("mode", "ell"), [(5, None), (7, None), (0, 0x8D)])
def test_wrong_and_missing_keys(mode: int, ell: int | None) -> None:
    frames = Sender(METER, KEY, mode, ell=ell).frames(RECORDS)
    for key, code in ((None, "key_missing"), (bytes(16), "wrong_key")):
        (found,) = heard(reader(key), frames)
        assert (codes(found), found.valid) == ([code], True)


@pytest.mark.parametrize("mode", [5, 7])
def test_telegrams_in_clear_are_refused_where_a_key_is_set(mode: int) -> None:
    payload = encode_records(RECORDS)
    clear = Sender(METER, KEY, 0).send(0x7A, payload)
    emptied = Sender(METER, KEY, 0, header="long").send(0x72, payload)
    stored = bytearray(Sender(METER, KEY, mode, Format.NONE).frames(RECORDS)[0])
    begin = len(stored) - len(payload) - (-len(b"//" + payload) % 16) - 2
    stored[begin:] = b"//" + payload + b"/" * (len(stored) - begin - 2 - len(payload))
    for frames in (clear, emptied, [bytes(stored)]):
        assert codes(*heard(reader(accept_clear=False), frames)) == ["unprotected"]
        assert values(*heard(reader(accept_clear=True), frames)) == VALUES
        assert values(*heard(reader(None, accept_clear=False), frames)) == VALUES


@given(st.data())
def test_a_changed_bit_never_changes_the_values_of_a_mode_7_message(data: st.DataObject) -> None:
    (frame,) = Sender(METER, KEY, 7, Format.NONE).frames(RECORDS)
    bad = bytearray(frame)
    bad[data.draw(st.integers(10, len(bad) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    for found in reader(accept_clear=False).datagram(bytes(bad), AT):
        assert isinstance(found, Telegram)
        assert values(found) in ([], VALUES)


def test_old_messages_are_refused_and_counters_are_kept() -> None:
    meter = Sender(METER, KEY, 7)
    first, second, third = (meter.frames(RECORDS) for _ in range(3))
    counters = Counters()
    ears = reader(counters=counters)
    assert values(*heard(ears, second)) == VALUES
    for old in (first, second):
        assert codes(*heard(ears, old)) == ["replay"]
    saved = counters.saved()
    assert saved == {"ELS 12345678": 2}
    restarted = reader(counters=Counters(saved))
    assert codes(*heard(restarted, second)) == ["replay"]
    assert values(*heard(restarted, third)) == VALUES
    assert values(*heard(reader(), first)) == VALUES


def test_a_forged_counter_does_not_lock_the_meter_out() -> None:
    meter = Sender(METER, KEY, 7, Format.NONE)
    counters = Counters()
    ears = reader(counters=counters)
    forged = bytearray(meter.frames(RECORDS)[0])
    forged[15:19] = b"\xff\xff\xff\xff"
    assert codes(*heard(ears, [bytes(forged)])) == ["wrong_key"]
    assert counters.saved() == {}
    assert values(*heard(ears, meter.frames(RECORDS))) == VALUES


def test_counters_only_grow() -> None:
    counters = Counters()
    counters.accept("a", 0)
    with pytest.raises(Replay):
        counters.accept("a", 0)
    counters.accept("a", 5)
    counters.accept("b", 1)
    with pytest.raises(Replay):
        counters.accept("a", 4)


def fragments(**more: object) -> list[bytes]:
    meter = Sender(METER, KEY, 7, Format.A, "long", 0x8C, ADAPTER, longest=90, **more)  # type: ignore[arg-type]
    return meter.frames(RECORDS * 5)


def test_fragments_in_any_order() -> None:
    frames = fragments()
    assert len(frames) == 3
    for order in permutations(frames):
        *waiting, last = heard(reader(accept_clear=False), order)
        assert [(codes(one), values(one)) for one in waiting] == [([], [])] * 2
        assert (codes(last), values(last)) == ([], VALUES * 5)


def test_a_lost_fragment_loses_the_message_and_not_the_next() -> None:
    first, second = fragments(), fragments(counter=7)
    for lost in range(3):
        ears = reader()
        for one in heard(ears, [*first[:lost], *first[lost + 1 :]]):
            assert values(one) == []
        *waiting, last = heard(ears, second, AT + timedelta(minutes=5))
        assert [values(one) for one in waiting] == [[], []]
        assert values(last) == VALUES * 5


def test_fragments_of_two_messages_are_never_mixed() -> None:
    first, second = fragments(), fragments(counter=7)
    for wrong in (0, 1, 2):
        mixed = [*first[:wrong], second[wrong], *first[wrong + 1 :]]
        assert codes(heard(reader(), mixed)[-1]) == ["wrong_key"]


def test_a_fragment_heard_twice_does_no_harm() -> None:
    first, second, third = fragments()
    *_, last = heard(reader(), [first, second, second, first, third])
    assert values(last) == VALUES * 5


def test_fragments_are_given_up_after_a_minute_and_never_pile_up() -> None:
    box, parts = Reassembler(), split(Afl(mcl=1), b"abcdefgh", 3)
    assert box.add(b"meter", *parts[0], AT) is None
    assert box.add(b"meter", *parts[1], AT + timedelta(seconds=61)) is None
    assert box.add(b"meter", *parts[2], AT + timedelta(seconds=62)) is None
    whole = box.add(b"meter", *parts[0], AT + timedelta(seconds=63))
    assert whole is not None
    assert (whole[1], whole[0].fragment, whole[0].more) == (b"abcdefgh", 0, False)
    for number in range(2 * MOST_MESSAGES):
        assert box.add(number.to_bytes(8), *parts[0], AT) is None
    assert len(box) == MOST_MESSAGES


def test_messages_of_a_wrong_length_are_refused() -> None:
    box, parts = Reassembler(), split(Afl(), b"abcdefgh", 4)
    head, body = parts[1]
    assert box.add(b"meter", *parts[0]) is None
    with pytest.raises(Truncated):
        box.add(b"meter", head, body[:-1])
    for number in range(1, 69):
        assert box.add(b"meter", Afl(fragment=number, more=True), bytes(240)) is None
    with pytest.raises(BadValue):
        box.add(b"meter", Afl(fragment=69, more=True), bytes(240))
    assert len(box) == 0


def test_compact_frames_wait_for_a_full_one() -> None:
    meter = Sender(METER, header="none", every=3)
    full, compact, again = (meter.frames(RECORDS) for _ in range(3))
    ears = reader()
    (found,) = heard(ears, compact)
    assert codes(found) == ["unsupported"]
    assert "waiting for a full frame" in found.problems[0].message
    assert values(*heard(ears, full)) == VALUES
    assert values(*heard(ears, compact)) == VALUES
    assert values(*heard(ears, again)) == VALUES


@given(st.data())
def test_no_changed_compact_frame_is_believed(data: st.DataObject) -> None:
    formats = Formats()
    formats.learn(one.dif + one.vif for one in RECORDS)
    lvar = ((one, b"" if one.lvar is None else bytes((one.lvar,))) for one in RECORDS)
    payload = pack((one.dif + one.vif, size + one.data) for one, size in lvar)
    assert formats.rebuild(payload, 0) == encode_records(RECORDS)
    bad = bytearray(payload)
    bad[data.draw(st.integers(0, len(bad) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises((BadChecksum, Unsupported, Truncated, BadValue)):
        formats.rebuild(bytes(bad), 0)


def test_layouts_are_kept_by_their_signature() -> None:
    formats = Formats()
    formats.learn([b"\x0c\x13", b"\x02\x59"])
    name = signature([b"\x0c\x13", b"\x02\x59"])
    assert formats.saved() == {f"{name:04X}": "0C13 0259"}
    assert Formats(formats.saved()).of(name) == (b"\x0c\x13", b"\x02\x59")
    with pytest.raises(BadValue):
        Formats({"0000": "0C13 0259"})


@pytest.mark.parametrize(
    "wrong",
    [{"mode": 9}, {"mode": 5, "key": None}, {"mode": 5, "header": "none"}, {"adapter": ADAPTER}, {"key": b"short"}],
)
def test_settings_that_do_not_fit_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadValue):
        replace(Sender(METER, KEY), **wrong)  # type: ignore[arg-type]


def test_what_does_not_fit_is_refused_before_it_is_sent() -> None:
    with pytest.raises(BadValue):
        Sender(METER, KEY, 5).frames(RECORDS * 12)
    with pytest.raises(BadValue):
        Sender(METER, KEY, 0).frames(RECORDS * 12)


def test_counters_of_the_meter_go_on_after_a_restart() -> None:
    meter = Sender(METER, KEY, 7, ell=0x8D, access=255)
    meter.frames(RECORDS)
    saved = meter.saved()
    assert saved == {"access": 0, "counter": 1, "session": 1, "sent": 1}
    again = Sender(METER, KEY, 7, ell=0x8D, **saved)  # type: ignore[arg-type]
    assert again.frames(RECORDS) == meter.frames(RECORDS)


@pytest.mark.parametrize(("word", "text"), [(0x0A10, "message counter"), (0x0D10, "TLS")])
def test_modes_that_are_not_decoded_are_refused_in_words(word: int, text: str) -> None:
    body = b"\x7a\x01\x00" + word.to_bytes(2, "little") + bytes(16)
    data = bytes((9 + len(body), 0x44)) + METER.octets + body
    (found,) = heard(reader(), [data])
    assert codes(found) == ["unsupported"]
    assert text in found.problems[0].message
    assert found.valid


def test_errors_and_alarms_of_the_meter() -> None:
    ears = reader(None)
    (error,) = heard(ears, Sender(METER).send(0x6E, b"\x08"))
    assert codes(error) == ["application_error"]
    assert "busy" in error.problems[0].message
    (alarm,) = heard(ears, Sender(METER).send(0x74, b"\x01"))
    assert (codes(alarm), values(alarm)) == ([], [])
    (maker,) = heard(ears, Sender(METER, header="none").send(0xA2, b"\x01\x02"))
    assert codes(maker) == ["unsupported"]
    assert maker.frame["manufacturer_data"] == "0102"


def test_keys_are_in_no_text() -> None:
    key = b"marker-key-bytes"
    meter = Sender(METER, key, 7)
    assert "marker" not in repr(meter)
    ears = reader(bytes(16))
    for found in heard(ears, meter.frames(RECORDS)):
        assert key.hex() not in f"{found} {dict(found.frame)}"
    assert all_of(ears) == []
