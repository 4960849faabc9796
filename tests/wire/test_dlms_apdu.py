"""APDUs: the corpus, every form there and back, and single APDUs by the decode contract."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.errors import BadValue, DecodeError, Truncated, Unsupported
from metergate.wire.base import Problem, Telegram, received
from metergate.wire.dlms import apdu
from metergate.wire.dlms import data as cosem
from metergate.wire.dlms.apdu import Attribute, Ciphered, Conformance, GeneralBlockTransfer, Method, Outcome, Selector
from metergate.wire.dlms.apdu.forms import FORMS
from metergate.wire.dlms.contract import ApduReceiver
from metergate.wire.dlms.explain import explain_apdu, guess_apdu
from metergate.wire.dlms.security import KeySet
from metergate.wire.dlms.security.general import Envelope, seal_general

CORPUS = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[2] / "../shared/corpora")) / "dlms"
EK, AK = bytes(range(16)), bytes(range(0xD0, 0xE0))
TITLE = "4d4d4d0000bc614e"
# The Green Book's example, as quoted by pwitab/dlms-cosem (MIT).
CLOCK = bytes.fromhex("c0010000080000010000ff0200")
GLO_CLOCK = bytes.fromhex("c81e3001234567411312ff935a47566827c467bc7d825c3be4a77c3fcc056b6b")


def rows(file: str) -> list[dict[str, Any]]:
    path = CORPUS / file
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def told(octets: bytes, keys: dict[str, bytes] | None = None, **options: object) -> tuple[Telegram, set[str]]:
    (found,) = received(ApduReceiver(keys or {}, options), octets)
    assert isinstance(found, Telegram)
    return found, {problem.code for problem in found.problems}


@pytest.mark.parametrize(
    "row",
    [row for row in rows("apdu.jsonl") if row["expected"].get("reencodes_identically")],
    ids=lambda row: row["name"],
)
def test_captured_apdus_come_back_as_they_were(row: dict[str, Any]) -> None:
    octets = bytes.fromhex(row["frame"])
    assert apdu.encode(apdu.decode(octets)) == octets
    found, problems = told(octets)
    assert found.frame["apdu"] == apdu.kind(octets)
    assert found.frame.get("reencoded") == octets or problems == {"key_missing"}


def test_an_object_list() -> None:
    row = next((row for row in rows("apdu.jsonl") if "elements" in row["expected"]), None)
    if row is None:
        pytest.skip("no corpora here")
    found, _ = told(bytes.fromhex(row["frame"]), layer=row["layer"])
    data = found.frame["data"]
    assert isinstance(data, list)
    assert len(data) == row["expected"]["elements"]


@pytest.mark.parametrize("row", rows("security_suites_oracle.jsonl"), ids=lambda row: row["name"])
def test_suites(row: dict[str, Any]) -> None:
    keys = {name: bytes.fromhex(key) for name, key in row["keys"].items()}
    found, problems = told(bytes.fromhex(row["frame"]), keys)
    assert not problems
    for name, want in row["expected"].items():
        have = found.frame[name]
        assert (have.hex() if isinstance(have, bytes) else have) == want
    spoilt = bytearray.fromhex(row["frame"])
    spoilt[-1] ^= 1
    if row["expected"]["security_control"] & 0x10:
        assert told(bytes(spoilt), keys)[1] == {"wrong_key"}


# ---- every form ------------------------------------------------------------------------------------------------------
ATTRIBUTE = st.builds(Attribute, st.integers(0, 65535), st.binary(min_size=6, max_size=6), st.integers(-128, 127))
DATA = st.one_of(st.builds(cosem.u32, st.integers(0, 2**32 - 1)), st.just(cosem.structure(cosem.NULL, cosem.u8(1))))
SELECTOR = st.builds(Selector, st.integers(0, 255), DATA)
RESULT = st.one_of(DATA, st.integers(1, 255))
U8, U16, U32 = st.integers(0, 255), st.integers(0, 65535), st.integers(0, 2**32 - 1)
OCTETS = st.binary(max_size=200)
ACCESS = st.one_of(
    st.builds(apdu.Access, st.sampled_from((1, 2)), ATTRIBUTE),
    st.builds(apdu.Access, st.just(3), ATTRIBUTE.map(lambda a: Method(a.class_id, a.instance, a.index))),
    st.builds(apdu.Access, st.sampled_from((4, 5)), ATTRIBUTE, SELECTOR),
)
VARIABLE = st.one_of(
    st.builds(apdu.Variable, U16),
    st.builds(apdu.Parameterised, U16, U8, DATA),
    st.builds(apdu.BlockNumber, U16),
    st.builds(apdu.BlockRead, st.booleans(), U16, OCTETS),
    st.builds(apdu.BlockWrite, st.booleans(), U16),
)
KEY = st.one_of(
    st.none(),
    st.builds(apdu.IdentifiedKey, U8),
    st.builds(apdu.WrappedKey, U8, OCTETS),
    st.builds(apdu.AgreedKey, OCTETS, OCTETS),
)


def several(strategy: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(strategy, min_size=least, max_size=4).map(tuple)


FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "invoke": U8,
    "attribute": ATTRIBUTE,
    "selector": st.one_of(st.none(), SELECTOR),
    "block": U16,
    "items": several(st.tuples(ATTRIBUTE, st.one_of(st.none(), SELECTOR))),
    "result": U8,
    "results": several(U8),
    "last": st.booleans(),
    "raw": OCTETS,
    "value": DATA,
    "values": several(DATA),
    "method": st.builds(Method, U16, st.binary(min_size=6, max_size=6), st.integers(-128, 127)),
    "methods": several(st.builds(Method, U16, st.binary(min_size=6, max_size=6), st.integers(-128, 127))),
    "parameter": st.one_of(st.none(), DATA),
    "parameters": several(DATA),
    "outcome": st.builds(Outcome, U8, st.one_of(st.none(), RESULT)),
    "outcomes": several(st.builds(Outcome, U8, st.one_of(st.none(), RESULT))),
    "conformance": st.integers(0, 2**24 - 1),
    "max_pdu": U16,
    "dedicated_key": st.one_of(st.none(), OCTETS),
    "response_allowed": st.booleans(),
    "quality": st.one_of(st.none(), U8),
    "version": U8,
    "short": st.booleans(),
    "vaa": U16,
    "time": st.one_of(st.just(b""), st.binary(min_size=12, max_size=12)),
    "body": DATA,
    "tagged": st.booleans(),
    "state": U8,
    "error": U8,
    "counter": st.one_of(st.none(), U32),
    "service": U8,
    "kind": U8,
    "control": U8,
    "acknowledged": U16,
    "system_title": st.binary(min_size=8, max_size=8),
    "content": OCTETS,
    "transaction": OCTETS,
    "originator": OCTETS,
    "recipient": OCTETS,
    "other": OCTETS,
    "key": KEY,
    "signature": OCTETS,
    "requests": several(ACCESS),
    "data": several(DATA),
    "variables": several(VARIABLE),
}
SPECIAL: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "get-response-normal": {"result": RESULT},
    "get-response-with-datablock": {"result": st.one_of(OCTETS, st.integers(1, 255))},
    "get-response-with-list": {"results": several(RESULT)},
    "read-response": {
        "results": several(
            st.one_of(
                RESULT,
                st.builds(apdu.BlockRead, st.booleans(), U16, OCTETS),
                st.builds(apdu.BlockNumber, U16),
            )
        )
    },
    "write-response": {"results": several(st.one_of(U8, st.builds(apdu.BlockNumber, U16)))},
    "access-response": {
        "results": several(st.tuples(st.integers(1, 3), U8)),
        "requests": st.one_of(st.none(), several(ACCESS)),
    },
    "event-notification-request": {"time": st.one_of(st.none(), st.binary(min_size=12, max_size=12))},
    "information-report-request": {"time": st.one_of(st.none(), st.text("0123456789Z", max_size=20))},
    "data-notification": {"invoke": U32},
    "access-request": {"invoke": U32},
}


def attempt(octets: bytes) -> Any:
    """The APDU, or why it is none."""
    try:
        return apdu.decode(octets)
    except DecodeError as error:
        return error


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.kind)
@given(draw=st.data())
def test_every_form_there_and_back(form: Any, draw: st.DataObject) -> None:
    known = FIELDS | SPECIAL.get(form.kind, {})
    if form.kind == "access-response":
        known["invoke"] = U32
    made = form.make(**{name: draw.draw(known[name], name) for name in form.fields})
    octets = apdu.encode(made)
    assert apdu.decode(octets) == made
    assert apdu.kind(octets) == form.kind
    cut = draw.draw(st.integers(0, len(octets) - 1))
    shorter = attempt(octets[:cut])
    if isinstance(shorter, DecodeError):
        assert 0 <= shorter.offset <= cut
    else:
        assert apdu.encode(shorter) == octets[:cut]
    with pytest.raises(BadValue):
        apdu.decode(octets + b"\x00" * 5)
    spans = explain_apdu(octets)
    assert all(span.start >= 0 and span.start + span.length <= len(octets) for span in spans)
    assert spans[0].value == form.kind
    if form.kind not in ("general-glo-ciphering", "general-ded-ciphering", "general-ciphering"):
        assert not any("cannot be read" in span.value for span in spans)


@given(st.binary(max_size=100), st.sampled_from(sorted({form.head for form in FORMS} | {b"\xc8", b"\x60", b""})))
def test_any_octets_are_an_apdu_or_an_error(rest: bytes, head: bytes) -> None:
    found = attempt(head + rest)
    if isinstance(found, DecodeError):
        assert 0 <= found.offset <= len(head + rest)
    else:
        again = apdu.encode(found)
        assert apdu.decode(again) == found or "NaN" in repr(found)
    explain_apdu(head + rest)
    assert 0 <= guess_apdu(head + rest) <= 100


# ---- what the specification shows ------------------------------------------------------------------------------------
def test_initiate() -> None:
    octets = bytes.fromhex("01000000065f1f0400007e1fffff")
    found = apdu.decode(octets)
    assert found == apdu.InitiateRequest(0x7E1F)
    offered = Conformance(found.conformance)
    assert {Conformance.GET, Conformance.SET, Conformance.ACTION, Conformance.BLOCK_GET} <= set(offered)
    assert Conformance.READ not in offered
    short = apdu.decode(bytes.fromhex("01000000065f0400007e1fffff"))
    assert (short.conformance, short.short) == (0x7E1F, True)


def test_a_block_of_landis_and_gyr() -> None:
    found = apdu.decode(bytes.fromhex("e0c0000300000211ff"))
    assert found == GeneralBlockTransfer(0xC0, 3, 0, b"\x11\xff")
    assert (found.last, found.streaming, found.window) == (True, True, 0)


def test_names_for_people() -> None:
    found = apdu.decode(CLOCK)
    assert str(found.attribute) == "0-0:1.0.0*255 class 8 attribute 2"
    assert str(Method(15, bytes((0, 0, 40, 0, 0, 255)), 1)).endswith("method 1")
    assert apdu.with_id(1) == 0xC1
    assert apdu.with_id(2, confirmed=False, urgent=False) == 2


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        ("", Truncated),
        ("c0", Truncated),
        ("c009", BadValue),
        ("ff00", Unsupported),
        ("c001c1000100002b0100ff0202", BadValue),
        ("01000000065e1f0400007e1fffff", BadValue),
        ("01000000065f1f0401007e1fffff", BadValue),
        ("c401c105", BadValue),
    ],
)
def test_what_is_no_apdu(octets: str, error: type[DecodeError]) -> None:
    with pytest.raises(error):
        apdu.decode(bytes.fromhex(octets))


def test_what_cannot_be_written() -> None:
    with pytest.raises((OverflowError, ValueError)):
        apdu.encode(apdu.GetRequestNext(1, 2**32))
    with pytest.raises(ValueError, match="cannot be written"):
        apdu.encode(apdu.GetResponse(1, "text"))  # type: ignore[arg-type]


# ---- single APDUs ----------------------------------------------------------------------------------------------------
def test_ciphered_with_and_without_keys() -> None:
    found, problems = told(GLO_CLOCK)
    assert (found.valid, found.frame["apdu"], problems) == (True, "glo-get-request", {"key_missing"})
    keys = {"encryption": EK, "authentication": AK}
    found, problems = told(GLO_CLOCK, keys, system_title=TITLE)
    assert (found.frame["plaintext"], problems) == (CLOCK, set())
    assert told(GLO_CLOCK, {"encryption": AK, "authentication": AK}, system_title=TITLE)[1] == {"wrong_key"}
    assert told(GLO_CLOCK, keys)[1] == {"bad_value"}  # whose is it?
    assert told(GLO_CLOCK[:-1], keys, system_title=TITLE)[1] == {"truncated"}


def test_inside_of_a_ciphered_apdu() -> None:
    general = bytes.fromhex("db08" + TITLE) + GLO_CLOCK[1:]
    spans = explain_apdu(general, {"encryption": EK, "authentication": AK})
    assert [span.value for span in spans if span.name == "APDU"] == ["general-glo-ciphering", "get-request-normal"]
    assert any(span.name == "attribute" and "0-0:1.0.0" not in span.name for span in spans)
    assert any("no key" in span.value or "not configured" in span.value for span in explain_apdu(general))


def test_general_ciphering_tells_its_key_itself() -> None:
    envelope = Envelope(bytes.fromhex(TITLE), bytes.fromhex("4d4d4d0000000001"))
    octets = apdu.encode(seal_general(CLOCK, envelope, 9, KeySet(EK, AK)))
    found, refused = told(octets)
    assert (found.valid, found.frame["apdu"], refused) == (True, "general-ciphering", {"key_missing"})
    found, refused = told(octets, {"encryption": EK, "authentication": AK})
    assert (found.frame["plaintext"], found.frame["invocation_counter"], refused) == (CLOCK, 9, set())
    assert told(octets, {"encryption": AK, "authentication": AK})[1] == {"wrong_key"}
    spans = explain_apdu(octets, {"encryption": EK, "authentication": AK})
    assert [span.value for span in spans if span.name == "APDU"] == ["general-ciphering", "get-request-normal"]


def test_chunks_make_no_difference() -> None:
    receiver = ApduReceiver()
    found = [item for octet in CLOCK for item in receiver.receive(bytes((octet,)))]
    assert not found
    assert receiver.position == len(CLOCK)
    (one,) = receiver.silence()
    (again,) = received(receiver, CLOCK)
    assert isinstance(one, Telegram)
    assert isinstance(again, Telegram)
    assert (one.offset, again.offset, one.frame) == (0, len(CLOCK), again.frame)


def test_octets_behind_an_apdu_are_told() -> None:
    found, problems = told(CLOCK + b"\x00\x00")
    assert (found.frame["reencoded"], problems) == (CLOCK, {"bad_value"})
    assert told(CLOCK[:-1])[0].valid is False
    (too_much,) = received(ApduReceiver(), bytes(70_000))
    assert isinstance(too_much, Problem)


def test_guesses() -> None:
    assert guess_apdu(CLOCK) == 60
    assert guess_apdu(b"\xe6\xe6\x00" + GLO_CLOCK) == 60
    assert guess_apdu(b"hello") == 0
    assert isinstance(apdu.decode(GLO_CLOCK), Ciphered)
