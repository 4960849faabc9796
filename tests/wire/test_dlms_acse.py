"""Opening and closing associations: captured APDUs, round trips, and what is refused."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.errors import BadValue, DecodeError, Truncated, Unsupported
from metergate.wire.dlms import acse
from metergate.wire.dlms.acse import Aare, Aarq, Context, Diagnostic, Mechanism, Result, Rlre, Rlrq, Source

CORPUS = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[2] / "../shared/corpora")) / "dlms"
LOW = "6036a1090607608574050801018a0207808b0760857405080201ac0a80083132333435363738be10040e01000000065f1f0400007e1f04b0"
"""pwitab/dlms-cosem tests/test_aarq (MIT)."""
REFUSED = "611fa109060760857405080101a203020101a305a103020101be0604040e010601"
"""pwitab/dlms-cosem tests/test_aare (MIT)."""


def rows() -> list[dict[str, object]]:
    path = CORPUS / "apdu.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [row for row in found if row["frame"][:2] in ("60", "61", "62", "63")]


@pytest.mark.parametrize("row", rows(), ids=lambda row: str(row["name"])[-20:])
def test_captured_apdus_come_back_as_they_were(row: dict[str, object]) -> None:
    octets = bytes.fromhex(str(row["frame"]))
    assert acse.decode(octets).encode() == octets


def test_a_password() -> None:
    found = acse.decode(bytes.fromhex(LOW))
    assert found == Aarq(Context.LN, Mechanism.LOW, b"", b"12345678", bytes.fromhex("01000000065f1f0400007e1f04b0"))
    assert found.encode().hex() == LOW


def test_the_examples_of_the_specification() -> None:
    asked = Aarq(user_information=bytes.fromhex("01000000065f1f0400401e5dffff"))
    assert asked.encode().hex() == "601da109060760857405080101be10040e01000000065f1f0400401e5dffff"
    told = Aare(user_information=bytes.fromhex("0800065f1f040000001802000007"))
    expected = "6129a109060760857405080101a203020100a305a103020100be10040e0800065f1f040000001802000007"
    assert told.encode().hex() == expected
    assert Rlre().encode().hex() == "6303800100"
    assert Rlrq().encode().hex() == "6203800100"


def test_refusals_say_why() -> None:
    found = acse.decode(bytes.fromhex(REFUSED))
    assert isinstance(found, Aare)
    assert found.result is Result.REJECTED_PERMANENT
    assert str(found.diagnostic) == "no reason given"
    assert found.user_information.hex() == "0e010601"
    assert str(acse.AUTHENTICATION_FAILURE) == "authentication failure"
    assert str(Diagnostic(Source.PROVIDER, 2)) == "no common ACSE version"
    assert str(Diagnostic(Source.USER, 99)) == "diagnostic 99 of the user"


octets = st.binary(max_size=200)
titles = st.sampled_from([b"", b"MMM\0\0\xbc\x61\x4e"])
values = st.none() | st.binary(max_size=64)
mechanisms = st.none() | st.sampled_from(Mechanism)
version, user, place = (0x80, b"\x07\x80"), (0xA9, b"\x02\x01\x05"), (0xA8, b"\x02\x01\x01")
others = st.sampled_from([(), (version,), (user,), (version, place, user)])
requests = st.builds(Aarq, st.sampled_from(Context), mechanisms, titles, values, octets, octets, others)
diagnostics = st.builds(Diagnostic, st.sampled_from(Source), st.integers(0, 255))
answers = st.builds(
    Aare, st.sampled_from(Context), st.sampled_from(Result), diagnostics, mechanisms, titles, values, octets, octets
)
reasons = st.none() | st.integers(0, 255)
apdus = requests | answers | st.builds(Rlrq, reasons, octets) | st.builds(Rlre, reasons, octets)


@given(apdus)
def test_round_trip(apdu: acse.Acse) -> None:
    assert acse.decode(apdu.encode()) == apdu


@given(st.binary(max_size=80) | apdus.map(lambda apdu: apdu.encode()), st.integers(0, 1 << 16), st.integers(0, 255))
def test_only_our_errors(data: bytes, place: int, octet: int) -> None:
    spoilt = bytearray(data)
    if spoilt:
        spoilt[place % len(spoilt)] = octet
    try:
        found = acse.decode(bytes(spoilt))
    except DecodeError:
        return
    assert acse.decode(found.encode()) == found


@given(apdus, st.integers(1, 1 << 16))
def test_cut_off(apdu: acse.Acse, cut: int) -> None:
    data = apdu.encode()
    with pytest.raises(Truncated):
        acse.decode(data[: -(cut % len(data)) or -1])


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ("", Truncated),
        ("0f00", Unsupported),
        ("6000", Truncated),
        ("600ba109060760857405080105", Unsupported),
        ("600ba109060760857405080100", Unsupported),
        ("600ba109060760857405090101", Unsupported),
        ("600ba10904076085740508010100", BadValue),
        ("620380010000", BadValue),
        ("6204800200 00", BadValue),
        ("6206800100800100", BadValue),
        ("6129a109060760857405080101a203020103a305a103020100be10040e0800065f1f040000001802000007", BadValue),
        ("6117a109060760857405080101a203020100a305a303020100", BadValue),
        ("6110a109060760857405080101a203020100", Truncated),
        ("60850000000001", BadValue),
    ],
)
def test_what_is_wrong_is_named(data: str, kind: type[DecodeError]) -> None:
    with pytest.raises(kind):
        acse.decode(bytes.fromhex(data))


def test_kinds_of_contexts_and_mechanisms() -> None:
    assert [context.ciphered for context in Context] == [False, False, True, True]
    assert [context.short_names for context in Context] == [False, True, False, True]
    assert [mechanism.high for mechanism in Mechanism] == [False, False, True, True, True, True, True, True]
