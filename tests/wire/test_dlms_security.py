"""Ciphered APDUs: published vectors, every suite and kind, counters, replay, and what is refused and how."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from metergate.errors import (
    BadValue,
    DecodeError,
    KeyMissing,
    Replay,
    Truncated,
    Unprotected,
    Unsupported,
    WrongKey,
)
from metergate.wire.dlms import security
from metergate.wire.dlms.security import Channel, Counter, Heard, KeySet, SecurityControl
from metergate.wire.dlms.security.control import COUNTER_END

CORPUS = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[2] / "../shared/corpora")) / "dlms"
KEYS = KeySet(bytes(range(16)), bytes(range(0xD0, 0xE0)))
TITLE, METER = bytes.fromhex("4d4d4d0000bc614e"), bytes.fromhex("4d4d4d0000000001")
GET = bytes.fromhex("c0010000080000010000ff0200")
GLO_GET = "c81e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b"
"""The example of the Green Book, as in pwitab/dlms-cosem tests/test_security (MIT)."""
PUSH = bytes.fromhex(
    "db082f192291991641033b30000001e5025ce9d2271fd78be8c204211a916a9d7f587e0a7a814cadea89e9593f01f92e"
    "a8c087b5bdfdefeab6becf282dfe49c08f5be6dc8400"
)
"""pwitab/dlms-cosem tests/test_general_global_cipher (MIT), with the key of that test."""


def rows(name: str) -> list[dict[str, Any]]:
    path = CORPUS / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def key_set(size: int, name: int = 0) -> KeySet:
    return KeySet(*(bytes((name + kind,)) * size for kind in range(1, 6)))


# --- vectors ---------------------------------------------------------------------------------------------------------
def test_the_example_of_the_specification() -> None:
    made = security.seal(GET, KEYS, TITLE, 0x01234567)
    assert made.encode().hex() == GLO_GET
    found = security.parse(bytes.fromhex(GLO_GET))
    assert found == made
    assert (found.counter, found.control.octet, found.open(KEYS, TITLE)) == (0x01234567, 0x30, GET)


def test_a_captured_push() -> None:
    key = b"MYDUMMYGLOBALKEY"
    found = security.parse(PUSH)
    assert (found.title.hex(), found.counter) == ("2f19229199164103", 485)
    assert found.open(KeySet(key, key))[:1] == b"\x0f"


@pytest.mark.parametrize("row", rows("security_suites_oracle.jsonl"), ids=lambda row: str(row["name"])[14:])
def test_every_suite_and_protection(row: dict[str, Any]) -> None:
    keys = KeySet(*(bytes.fromhex(row["keys"].get(name, "")) for name in ("encryption", "authentication")))
    octets, expected = bytes.fromhex(str(row["frame"])), row["expected"]
    found = security.parse(octets)
    assert found.open(keys).hex() == expected["plaintext"]
    assert found.title.hex() == expected["system_title"]
    assert (found.counter, found.control.octet) == (expected["invocation_counter"], expected["security_control"])
    again = security.seal(found.open(keys), keys, found.title, found.counter, found.control, general=True)
    assert again.encode() == octets


@pytest.mark.parametrize("row", rows("security.jsonl"), ids=lambda row: str(row["name"])[14:])
def test_published_examples(row: dict[str, Any]) -> None:
    names = ("encryption", "authentication", "dedicated")
    texts = [row["keys"].get(name, "") for name in names]
    keys = KeySet(bytes.fromhex(texts[0]), bytes.fromhex(texts[1]))
    given, expected = row["input"], row["expected"]
    if "glo_initiate_request" in expected:
        plain = f"010110{texts[2]}0000065f1f0400{given['conformance']}{int(given['max_pdu']):04x}"
        octets = expected["glo_initiate_request"]
    elif "glo_get_request_apdu" in expected:
        plain, octets = given["plaintext"], expected["glo_get_request_apdu"]
    else:
        return
    title, counter = bytes.fromhex(given["system_title"]), int(given["invocation_counter"])
    assert security.seal(bytes.fromhex(plain), keys, title, counter).encode().hex() == octets
    assert security.parse(bytes.fromhex(octets)).open(keys, title).hex() == plain


controls = st.builds(SecurityControl, st.integers(0, 2), st.booleans(), st.booleans(), st.booleans())
services = st.sampled_from([0xC0, 0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC7])
apdus = st.builds(lambda tag, rest: bytes((tag,)) + rest, services, st.binary(max_size=300))


@given(apdus, controls, st.integers(0, COUNTER_END - 1), st.booleans(), st.booleans())
def test_round_trip(apdu: bytes, control: SecurityControl, counter: int, dedicated: bool, general: bool) -> None:
    keys = key_set(32 if control.suite == 2 else 16)
    made = security.seal(apdu, keys, TITLE, counter, control, dedicated=dedicated, general=general)
    found = security.parse(made.encode())
    assert found == made
    assert SecurityControl.of(control.octet) == control
    assert found.open(keys, TITLE) == apdu
    name = "dedicated" if dedicated else "broadcast" if control.broadcast else "encryption"
    assert found.payload == recomputed(apdu, keys.key(name, control.suite), keys.authentication, control, counter)


def recomputed(apdu: bytes, key: bytes, authentication: bytes, control: SecurityControl, counter: int) -> bytes:
    """The payload by the bare AES-GCM, as the specification puts it in words."""
    gcm, iv, head = AESGCM(key), TITLE + counter.to_bytes(4), bytes((control.octet,)) + authentication
    if control.authenticated and control.encrypted:
        return gcm.encrypt(iv, apdu, head)[:-4]
    if control.authenticated:
        return apdu + gcm.encrypt(iv, b"", head + apdu)[:12]
    return gcm.encrypt(iv, apdu, None)[: len(apdu)] if control.encrypted else apdu


@given(apdus, st.integers(0, 1 << 16), st.integers(1, 255), st.booleans(), st.booleans())
def test_no_changed_octet_passes(apdu: bytes, place: int, flip: int, encrypted: bool, general: bool) -> None:
    control = SecurityControl(0, True, encrypted)
    octets = bytearray(security.seal(apdu, KEYS, TITLE, 7, control, general=general).encode())
    octets[place % len(octets)] ^= flip
    channel = Channel(KEYS, METER, TITLE, control=control)
    with pytest.raises(DecodeError):
        channel.open(bytes(octets))
    assert channel.heard.last == -1, "what is not authentic moves no counter"


# --- different answers to different faults ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("octets", "kind"),
    [
        ("", Truncated),
        ("c8", Truncated),
        ("c81e30", Truncated),
        ("c800", Truncated),
        (GLO_GET + "00", BadValue),
        (GLO_GET[:4] + "b0" + GLO_GET[6:], Unsupported),
        (GLO_GET[:4] + "33" + GLO_GET[6:], Unsupported),
        ("c001c10008", Unsupported),
        ("c884", Truncated),
        ("c8850000000000", BadValue),
    ],
)
def test_what_is_wrong_is_named(octets: str, kind: type[DecodeError]) -> None:
    with pytest.raises(kind):
        security.parse(bytes.fromhex(octets))


def test_compression_is_refused_in_words() -> None:
    with pytest.raises(Unsupported, match="compressed"):
        SecurityControl.of(0xB0)


def test_keys() -> None:
    found = security.parse(bytes.fromhex(GLO_GET))
    with pytest.raises(KeyMissing, match="encryption key"):
        found.open(KeySet(), TITLE)
    with pytest.raises(KeyMissing, match="authentication key"):
        found.open(KeySet(KEYS.encryption), TITLE)
    with pytest.raises(WrongKey):
        found.open(key_set(16), TITLE)
    with pytest.raises(WrongKey):
        found.open(KEYS, METER)
    with pytest.raises(BadValue, match="suite 0 wants 16"):
        found.open(key_set(32), TITLE)
    with pytest.raises(BadValue, match="system title"):
        found.open(KEYS)


def test_encryption_alone_with_a_wrong_key() -> None:
    made = security.seal(GET, KEYS, TITLE, 1, SecurityControl(authenticated=False))
    with pytest.raises(WrongKey):
        made.open(key_set(16), TITLE)


def test_keys_never_show() -> None:
    keys = key_set(16)
    assert repr(keys) == "KeySet(encryption, authentication, broadcast, dedicated, master)"
    with pytest.raises(BadValue) as size:
        keys.key("encryption", 2)
    with pytest.raises(WrongKey) as tag:
        Channel(keys, METER, TITLE).open(bytes.fromhex(GLO_GET))
    for octet in range(1, 6):
        for text in (str(size.value), str(tag.value)):
            assert f"{octet:02x}" * 4 not in text
            assert repr(bytes((octet,)) * 4)[2:-1] not in text


def test_kinds_without_a_tag_of_their_own() -> None:
    with pytest.raises(Unsupported):
        security.seal(b"\x0f\0", KEYS, TITLE, 1)
    made = security.seal(b"\x0f\0", KEYS, TITLE, 1, general=True)
    assert (made.tag, made.open(KEYS)) == (0xDB, b"\x0f\0")


# --- counters --------------------------------------------------------------------------------------------------------
def test_numbers_are_stored_before_they_are_used() -> None:
    stored: list[int] = []
    counter = Counter(41, stored.append, jump=10)
    assert [counter.next() for _ in range(12)] == list(range(42, 54))
    assert stored == [52, 63]


@given(st.lists(st.one_of(st.just("crash"), st.just("next"), st.integers(0, 3000)), max_size=60), st.integers(0, 40))
def test_no_number_comes_twice_whatever_crashes(story: list[str | int], jump: int) -> None:
    kept = [0]
    counter, used = Counter(0, kept.append, jump), []
    for step in story:
        if step == "crash":
            counter = Counter(kept[-1], kept.append, jump)
        elif step == "next":
            used.append(counter.next())
        else:
            counter.lift(int(step))
            assert counter.last + 1 >= int(step)
    assert used == sorted(set(used))


def test_a_store_that_fails_lets_no_number_out() -> None:
    def full(number: int) -> None:
        raise OSError("disk full")

    counter = Counter(5, full)
    with pytest.raises(OSError, match="full"):
        counter.next()
    assert counter.last == 5


def test_the_last_number_is_never_used() -> None:
    counter = Counter(COUNTER_END - 2)
    assert counter.next() == COUNTER_END - 1
    with pytest.raises(BadValue, match="key must be changed"):
        counter.next()
    for wrong in (-1, COUNTER_END):
        with pytest.raises(BadValue):
            Counter(wrong)
    with pytest.raises(BadValue):
        Counter().lift(COUNTER_END)
    with pytest.raises(BadValue):
        security.seal(GET, KEYS, TITLE, COUNTER_END)
    with pytest.raises(BadValue):
        Heard().check(COUNTER_END)


@given(st.lists(st.integers(0, 50), max_size=30))
def test_only_growing_counters_are_accepted(numbers: list[int]) -> None:
    kept: list[int] = []
    heard, highest = Heard(store=kept.append), -1
    for number in numbers:
        if number > highest:
            heard.accept(number)
            highest = number
        else:
            with pytest.raises(Replay):
                heard.accept(number)
    assert heard.last == highest
    assert kept == sorted(set(kept))


# --- the channel -----------------------------------------------------------------------------------------------------
@given(st.lists(apdus, min_size=1, max_size=6), st.booleans(), st.booleans())
def test_both_ends_of_a_channel(messages: list[bytes], dedicated: bool, general: bool) -> None:
    keys = KeySet(KEYS.encryption, KEYS.authentication, dedicated=bytes(16) if dedicated else b"")
    one, two = Channel(keys, TITLE, METER, general=general), Channel(keys, METER, TITLE, general=general)
    for message in messages:
        sealed = one.seal(message)
        assert two.open(sealed) == message
        with pytest.raises(Replay):
            two.open(sealed)
        assert one.open(two.seal(message)) == message
    assert (one.counter.last == 0) is dedicated


def test_initiate_uses_the_global_key_even_where_one_is_dedicated() -> None:
    keys = KeySet(KEYS.encryption, KEYS.authentication, dedicated=bytes(16))
    one, two = Channel(keys, TITLE, METER), Channel(keys, METER, TITLE)
    sealed = one.seal(bytes.fromhex("01000000065f1f0400007e1f04b0"))
    assert sealed[0] == 0x21
    assert two.open(sealed)[0] == 0x01
    assert one.seal(GET)[0] == 0xD0
    assert one.seal(b"\x0f\0")[0] == 0xDC


def test_the_broadcast_key_has_a_counter_of_its_own() -> None:
    keys = KeySet(KEYS.encryption, KEYS.authentication, broadcast=bytes(16))
    channel, everybody = Channel(keys, METER, TITLE), SecurityControl(broadcast=True)
    assert channel.open(security.seal(GET, keys, TITLE, 5).encode()) == GET
    told = security.seal(GET, keys, TITLE, 5, everybody).encode()
    assert channel.open(told) == GET
    with pytest.raises(Replay):
        channel.open(told)
    with pytest.raises(BadValue, match="empty"):
        channel.seal(b"")


def test_less_protection_than_agreed() -> None:
    channel = Channel(KEYS, METER, TITLE)
    with pytest.raises(Unprotected, match="in clear"):
        channel.open(GET)
    for weak in (SecurityControl(encrypted=False), SecurityControl(authenticated=False)):
        with pytest.raises(Unprotected, match="protects less"):
            channel.open(security.seal(GET, KEYS, TITLE, 1, weak).encode())
    modest = Channel(KEYS, METER, TITLE, control=SecurityControl(encrypted=False))
    assert modest.open(security.seal(GET, KEYS, TITLE, 1).encode()) == GET


def test_another_sender_and_an_unknown_dedicated_key() -> None:
    channel = Channel(KEYS, METER, TITLE)
    with pytest.raises(WrongKey, match="system title"):
        channel.open(security.seal(GET, KEYS, METER, 1, general=True).encode())
    keys = KeySet(KEYS.encryption, KEYS.authentication, dedicated=bytes(16))
    with pytest.raises(KeyMissing, match="dedicated"):
        channel.open(security.seal(GET, keys, TITLE, 1, dedicated=True).encode())
    unknown = Channel(KEYS, METER)
    assert unknown.open(security.seal(GET, KEYS, TITLE, 1, general=True).encode()) == GET
