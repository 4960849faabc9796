"""Mode 10 by other rules, keys of both directions, and what a receiver keeps over a restart."""

import json
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st

from metergate.crypto.aes import Aes
from metergate.errors import BadValue
from metergate.wire.base import Telegram, received
from metergate.wire.mbus.records import record
from metergate.wire.wmbus import Address, CcmRules, Format, Sender, receiver
from metergate.wire.wmbus.security import AUTHENTICATE, DOWN, ENCRYPT, derive, purpose

KEY = bytes(range(16))
METER = Address.named("12345678", "ELS", 51, 7)
RECORDS = [record(b"\x0c", b"\x13", Decimal("123.456")), record(b"\x02", b"\x59", Decimal("-3.25"))]
OPTIONS = {"link_crc": "A", "replay": True, "accept_clear": False}


def heard(options: dict[str, object], *frames: bytes, key: bytes | None = KEY) -> list[Telegram]:
    found = received(receiver({"key": key} if key else {}, options), b"".join(frames))
    return [one for one in found if isinstance(one, Telegram)]


def code(telegram: Telegram) -> str:
    return telegram.problems[0].code if telegram.problems else ""


@given(
    st.sampled_from([8, 12, 16]),
    st.lists(st.sampled_from(["address", "counter", "access"]), min_size=1, max_size=3, unique=True),
    st.booleans(),
    st.booleans(),
)
def test_mode_10_by_any_rules(tag: int, nonce: list[str], derived: bool, header: bool) -> None:
    rules = CcmRules(tag, tuple(nonce), derived, header)
    options = OPTIONS | {
        "ccm_tag": tag,
        "ccm_nonce": " ".join(nonce),
        "ccm_derived": derived,
        "ccm_header": header,
    }
    (frame,) = Sender(METER, KEY, 10, ccm=rules).frames(RECORDS)
    (found,) = heard(options, frame)
    assert [one.value for one in found.readings] == [Decimal("123.456"), Decimal("-3.25")]
    (wrong,) = heard(options, frame, key=bytes(16))
    assert (wrong.readings, code(wrong)) == ((), "wrong_key")
    (missing,) = heard(options, frame, key=None)
    assert (missing.readings, code(missing)) == ((), "key_missing")
    if header:
        (other,) = heard(options | {"ccm_header": False}, frame)
        assert code(other) == "wrong_key"


def test_mode_10_as_cryptography_does_it() -> None:
    """The usual rules: nonce of address, counter and a zero; tag of 8; key by CMAC over 00, counter, id, 07 x 7."""
    (frame,) = Sender(METER, KEY, 10, header="short", counter=6).frames(RECORDS)
    telegram = frame[:10] + b"".join(frame[at : at + 18][:-2] for at in range(12, len(frame), 18))
    counter = (7).to_bytes(4, "little")
    body = telegram[telegram.index(b"\x7a") :]
    mac = CMAC(AES(KEY))
    mac.update(b"\0" + counter + METER.number + b"\x07" * 7)
    plain = AESCCM(mac.finalize(), tag_length=8).decrypt(METER.octets + counter + b"\0", body[6:], body[:6])
    assert plain == b"".join(one.octets for one in RECORDS)


@given(st.integers(0, 400))
def test_a_changed_bit_of_mode_10_is_refused(place: int) -> None:
    (frame,) = Sender(METER, KEY, 10, form=Format.NONE).frames(RECORDS)
    data = bytearray(frame)
    first = data.index(b"\x7a") + 1
    at = first + place % (len(data) - first)
    data[at] ^= 1 << place % 8
    for found in heard(OPTIONS | {"link_crc": "none"}, bytes(data)):
        assert found.readings == ()


def test_rules_that_cannot_be() -> None:
    for wrong in ({"ccm_tag": 7}, {"ccm_nonce": "meter"}, {"ccm_tag": "8"}):
        with pytest.raises(BadValue):
            receiver({}, wrong)


def test_keys_of_both_directions_differ() -> None:
    """EN 13757-7: 00 and 01 from the meter, 10 and 11 to it."""
    assert [purpose(ENCRYPT, 0x7A), purpose(AUTHENTICATE, 0x72)] == [0x00, 0x01]
    assert [purpose(ENCRYPT, 0x5B), purpose(AUTHENTICATE, 0x5A)] == [0x10, 0x11]
    mac = CMAC(AES(KEY))
    mac.update(bytes.fromhex("10 2a000000") + METER.number + b"\x07" * 7)
    block = bytes(16)
    assert derive(Aes(KEY), ENCRYPT | DOWN, 42, METER).blocks(block) == Aes(mac.finalize()).blocks(block)


@pytest.mark.parametrize("mode", [7, 10])
def test_a_replay_is_refused_also_after_a_restart(mode: int) -> None:
    meter = Sender(METER, KEY, mode)
    frames = [meter.frames(RECORDS)[0] for _ in range(3)]
    ears = receiver({"key": KEY}, OPTIONS)
    assert [code(one) for one in received(ears, b"".join((*frames, frames[1]))) if isinstance(one, Telegram)] == [
        "",
        "",
        "",
        "replay",
    ]
    assert ears.memory is not None
    kept = json.loads(json.dumps(ears.memory.saved()))
    again = receiver({"key": KEY}, OPTIONS)
    assert again.memory is not None
    again.memory.restore(kept)
    fresh = meter.frames(RECORDS)[0]
    found = [one for one in received(again, frames[2] + fresh) if isinstance(one, Telegram)]
    assert [code(one) for one in found] == ["replay", ""]
    assert found[0].readings == ()


def test_compact_layouts_are_kept_over_a_restart() -> None:
    meter = Sender(METER, KEY, 5, every=2)
    full, compact = meter.frames(RECORDS)[0], meter.frames(RECORDS)[0]
    ears = receiver({"key": KEY}, OPTIONS)
    assert ears.memory is not None
    before = ears.memory.changes
    list(received(ears, full))
    assert ears.memory.changes == before + 1
    again = receiver({"key": KEY}, OPTIONS)
    assert again.memory is not None
    assert [code(one) for one in received(receiver({"key": KEY}, OPTIONS), compact) if isinstance(one, Telegram)] == [
        "unsupported"
    ]
    again.memory.restore(ears.memory.saved())
    (found,) = received(again, compact)
    assert isinstance(found, Telegram)
    assert [one.value for one in found.readings] == [Decimal("123.456"), Decimal("-3.25")]


@pytest.mark.parametrize(
    "saved",
    [
        {"layouts": 3},
        {"counters": [1]},
        {"counters": {"ELS 1": "2"}},
        {"layouts": {"0000": "0413"}},
        {"layouts": {"0000": "zz"}},
    ],
)
def test_what_was_kept_wrongly_is_refused(saved: dict[str, object]) -> None:
    ears = receiver({"key": KEY}, OPTIONS)
    assert ears.memory is not None
    with pytest.raises(BadValue):
        ears.memory.restore(saved)
