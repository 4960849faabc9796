"""Encrypted telegrams on the wired M-Bus: right key, wrong key, no key, clear ones, and what is not decoded."""

from dataclasses import replace
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given
from hypothesis import strategies as st

from dialogues import NOW, Talk
from mbusbus import Bus, heat_records
from metergate.errors import KeyMissing, WrongKey
from metergate.wire import protocols
from metergate.wire.base import Telegram, received
from metergate.wire.mbus import Decoder, explain, reader
from metergate.wire.mbus.frame import Frame
from metergate.wire.mbus.keys import Keyring
from metergate.wire.mbus.records import encode_records
from metergate.wire.mbus.slave import SEALED_ROOM, Slave, pages
from metergate.wire.mbus.telegram import LongHeader

KEY = bytes(range(16))
OTHER = bytes(16)
HEADER = LongHeader("12345678", "KAM", 8, 4, 41)
RECORDS = heat_records()


def frame(key: bytes = KEY, records: bytes = encode_records(RECORDS), ci: int = 0x72, mode: int = 5) -> bytes:
    """An encrypted answer, made with `cryptography` alone."""
    plain = b"\x2f\x2f" + records
    plain += b"\x2f" * (-len(plain) % 16)
    word = mode << 8 | len(plain) // 16 << 4
    head = replace(HEADER, signature=word).octets
    vector = head[4:6] + head[:4] + head[6:8] + head[8:9] * 8
    cipher = Cipher(AES(key), CBC(vector)).encryptor()
    return Frame(0x08, 7, ci, head[0 if ci == 0x72 else 8 :] + cipher.update(plain) + cipher.finalize()).octets


def heard(data: bytes, keys: dict[str, bytes] | None = None, **options: object) -> Telegram:
    (found,) = received(protocols()["mbus"].receiver(keys or {}, options), data)
    assert isinstance(found, Telegram)
    return found


def codes(found: Telegram) -> list[str]:
    return [problem.code for problem in found.problems]


CLEAR = heard(Frame(0x08, 7, 0x72, HEADER.octets + encode_records(RECORDS)).octets)


@pytest.mark.parametrize("name", ["key", "12345678", "KAM 12345678"])
def test_the_right_key_gives_what_a_clear_telegram_says(name: str) -> None:
    found = heard(frame(), {name: KEY})
    assert [reading.value for reading in found.readings] == [reading.value for reading in CLEAR.readings]
    assert found.meter == CLEAR.meter
    assert (found.problems, found.frame["protected"]) == ((), True)


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({}, "key_missing"),
        ({"87654321": KEY}, "key_missing"),
        ({"key": OTHER}, "wrong_key"),
        ({"key": b"8bytes.."}, "unsupported"),
    ],
)
def test_without_the_key_there_is_no_reading(keys: dict[str, bytes], code: str) -> None:
    found = heard(frame(), keys)
    assert (found.valid, found.readings, codes(found)) == (True, (), [code])
    assert found.meter == CLEAR.meter


@given(st.integers(19, 100), st.integers(0, 7))
def test_a_changed_bit_gives_an_error_or_no_wrong_first_block(place: int, bit: int) -> None:
    """CBC itself protects only the check bytes: a changed first block is refused, never read."""
    data = bytearray(frame())
    place = 19 + place % 16
    data[place] ^= 1 << bit
    data[-2] = sum(data[4:-2]) & 0xFF
    assert codes(heard(bytes(data), {"key": KEY})) == ["wrong_key"]


def test_a_key_and_a_telegram_in_clear() -> None:
    data = CLEAR.data
    assert codes(heard(data, {"key": KEY}, accept_clear=False)) == ["unprotected"]
    assert heard(data, {"key": KEY}).readings == CLEAR.readings
    assert heard(data, accept_clear=False).readings == CLEAR.readings


def test_stored_in_clear_behind_a_header_that_says_encrypted() -> None:
    plain = b"\x2f\x2f" + encode_records(RECORDS)
    plain += b"\x2f" * (-len(plain) % 16)
    head = replace(HEADER, signature=0x0500 | len(plain) // 16 << 4)
    data = Frame(0x08, 7, 0x72, head.octets + plain).octets
    assert heard(data).readings == CLEAR.readings
    assert heard(data, {"key": KEY}).readings == CLEAR.readings
    assert codes(heard(data, {"key": KEY}, accept_clear=False)) == ["unprotected"]


@pytest.mark.parametrize("mode", [7, 10, 13])
def test_modes_that_are_not_decoded(mode: int) -> None:
    assert codes(heard(frame(mode=mode))) == ["key_missing"]
    assert codes(heard(frame(mode=mode), {"key": KEY})) == ["unsupported"]


def test_fewer_bytes_than_announced() -> None:
    data = frame()
    cut = Frame(0x08, 7, 0x72, data[7:-2][:-16]).octets
    assert codes(heard(cut, {"key": KEY})) == ["truncated"]


def test_a_short_header_needs_a_long_one_before() -> None:
    decoder = Decoder(keys=Keyring(common=KEY))
    assert codes(decoder.telegram(frame(ci=0x7A))) == ["unsupported"]
    decoder.telegram(frame())
    found = decoder.telegram(frame(ci=0x7A))
    assert [reading.value for reading in found.readings] == [reading.value for reading in CLEAR.readings]
    assert codes(Decoder().telegram(frame(ci=0x7A))) == ["key_missing"]


def test_values_by_the_learnt_layout_need_the_key_as_well() -> None:
    keys = Keyring({"12345678": KEY})
    decoder, data = Decoder(keys=keys, accept_clear=False), frame()
    assert decoder.values(data) is None
    whole = decoder.telegram(data)
    found = decoder.values(data)
    assert found is not None
    assert [*zip(*found, strict=True)] == [(one.register, one.value) for one in whole.readings]
    assert decoder.values(frame(key=OTHER)) is None
    assert decoder.values(Frame(0x08, 7, 0x72, HEADER.octets + encode_records(RECORDS)).octets) is None
    assert decoder.values(data[:-2] + bytes((data[-2] ^ 1, data[-1]))) is None
    keys.add("12345678", OTHER)
    assert decoder.values(data) is None
    keys.remove("12345678")
    assert decoder.values(data) is None


def test_explanation() -> None:
    shut = {span.name: span.value for span in explain(frame())}
    assert shut["broken"].startswith("key_missing")
    names = [span.name for span in explain(frame(), {"key": KEY})]
    assert [name for name in names if name.startswith("record")] == [
        span.name for span in explain(CLEAR.data) if span.name.startswith("record")
    ]


def test_a_meter_that_encrypts_is_read_with_its_key() -> None:
    many = [record for _ in range(30) for record in RECORDS[:2]]
    meter = Slave(HEADER, pages(many, room=SEALED_ROOM), 7, KEY)
    found = Talk([Bus(meter)]).run(reader.read(7, decoder=Decoder(keys=Keyring(common=KEY))))
    assert len(found.telegrams) > 1
    assert [reading.value for reading in found.readings] == [Decimal(12345000), Decimal("345.678")] * 30
    with pytest.raises(KeyMissing):
        Talk([Bus(meter)]).run(reader.read(7))
    with pytest.raises(WrongKey):
        Talk([Bus(meter)]).run(reader.read(7, decoder=Decoder(keys=Keyring(common=OTHER))))


def test_no_frame_of_the_meter_is_like_another() -> None:
    meter = Slave(HEADER, pages(RECORDS), 7, KEY)
    (first,), (second,) = (
        list(meter.receive(bytes.fromhex(f"10{c}07{s}16"), NOW)) for c, s in (("7b", "82"), ("5b", "62"))
    )
    assert first[19:-2] != second[19:-2]
