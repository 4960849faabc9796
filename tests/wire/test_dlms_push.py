"""Pushes: the corpus, every maker's form, times, keys, and what people are shown."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from dlmspush import AIDON, AK, AT, EK, KEYS, TITLE, heard, only, problems, reading, rows, telegrams, values
from metergate.errors import BadValue, ConfigError
from metergate.model import Medium, Obis, Quality, Reading, Register, TimeQuality, Unit
from metergate.wire import protocol
from metergate.wire.base import received
from metergate.wire.dlms import data as cosem
from metergate.wire.dlms.data import Data, DateTime, Tag
from metergate.wire.dlms.explain import explain_push, guess_push
from metergate.wire.dlms.push import PushReceiver
from metergate.wire.dlms.push.writer import (
    hdlc_frames,
    notification,
    pairs,
    positional,
    push_object_list,
    self_describing,
)
from metergate.wire.dlms.security import KeySet, SecurityControl, seal

# ---- the corpus ------------------------------------------------------------------------------------------------------
NAMES = {"active_power_import": "1.7.0", "voltage_l1": "32.7.0", "current_l1": "31.7.0", "current_l3": "71.7.0",
         "active_power_import_total": "1.8.0", "reactive_power_export_total": "4.8.0", "voltage_l3": "72.7.0",
         "reactive_power_import": "3.7.0", "active_power_export_l2": "42.7.0"}  # fmt: skip


@pytest.mark.parametrize(
    "row", [row for row in rows() if "decoded" in row["expected"]], ids=lambda row: row["name"][12:]
)
def test_captured_lists(row: dict[str, Any]) -> None:
    want = row["expected"]["decoded"]
    found = only(bytes.fromhex(row["frame"]), layer=row["layer"])
    told = {str(reading.obis).partition(":")[2]: reading.value for reading in found.readings}
    for name, code in NAMES.items():
        if name in want:
            assert told[code] == Decimal(want[name]), name
    if "meter_id" in want:
        assert found.meter is not None
        assert (found.meter.id, found.meter.model) == (want["meter_id"], want["meter_type"])
        assert found.meter.medium is Medium.ELECTRICITY


@pytest.mark.parametrize("row", [row for row in rows() if "hdlc" in row["layer"]], ids=lambda row: row["name"][12:])
def test_captured_segments_and_blocks(row: dict[str, Any]) -> None:
    keys = {name: bytes.fromhex(key) for name, key in row.get("keys", {}).items()}
    data = bytes.fromhex(row["frame"])
    found = telegrams(heard(data, keys))
    if "note" in row["expected"]:
        assert not found
        assert problems(heard(data)) == {"truncated"}
        return
    assert [telegram.valid for telegram in found] == [True]
    assert found[0].readings
    if keys:
        assert problems(heard(data)) == {"key_missing"}
        wrong = {"encryption": bytes(16)}
        assert (problems(heard(data, wrong)), telegrams(heard(data, wrong))[0].readings) == ({"wrong_key"}, ())
        assert found[0].readings[0].notes == ("not authenticated",)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["name"][12:])
def test_the_carrier_is_found_out(row: dict[str, Any]) -> None:
    keys = {name: bytes.fromhex(key) for name, key in row.get("keys", {}).items()}
    data = bytes.fromhex(row["frame"])
    assert heard(data, keys) == heard(data, keys, layer=row["layer"])


# ---- forms -----------------------------------------------------------------------------------------------------------
def test_scaler_and_unit_of_the_list() -> None:
    found = only(AIDON)
    assert found.meter is not None
    assert (found.meter.id, found.meter.manufacturer, found.meter.model) == ("7359992892587665", "AIDON", "6525")
    assert values(found)["1-0:31.7.0"] == Decimal("1.3")
    assert [reading.unit for reading in found.readings if str(reading.obis) == "1-0:32.7.0"] == [Unit.V]
    assert (found.frame["form"], found.frame["apdu"]) == ("self-describing", "data-notification")


def test_kamstrup_leaves_the_scale_out() -> None:
    body = pairs(
        "Kamstrup_V0001",
        [
            reading("1-1:0.0.5", "5705705705705702"),
            reading("1-1:1.7.0", Decimal(1896), Unit.W),
            reading("1-1:31.7.0", Decimal("8.96"), Unit.A),
            reading("1-1:32.7.0", Decimal(225), Unit.V),
            reading("1-1:1.8.0", Decimal(1230), Unit.WH),
        ],
    )
    found = only(notification(body))
    assert found.meter is not None
    assert (found.meter.id, found.meter.manufacturer) == ("5705705705705702", "Kamstrup")
    assert list(values(found).values())[1:] == [Decimal(1896), Decimal("8.96"), Decimal(225), Decimal(1230)]


CODES = ("1-0:1.7.0", "1-0:2.7.0", "1-0:3.7.0", "1-0:4.7.0")
PHASES = ("1-0:31.7.0", "1-0:51.7.0", "1-0:71.7.0", "1-0:32.7.0", "1-0:52.7.0", "1-0:72.7.0")
NAMED = {"1-1:0.2.129": "KFM_001", "0-0:96.1.0": "6970631402614476", "0-0:96.1.7": "MA304H3E"}
CLOCK = DateTime(2020, 1, 25, 6, 14, 0, 10, 0xFF, -0x8000, 0)


def kaifa(count: int) -> dict[Obis, Decimal | str | bytes]:
    powers = {code: Decimal(place) for place, code in enumerate(CODES)}
    one = {"1-0:31.7.0": Decimal("14.571"), "1-0:32.7.0": Decimal("219.3")}
    three = {code: Decimal(place).scaleb(-3 if "1.7" in code else -1) for place, code in enumerate(PHASES)}
    hourly = {"0-0:1.0.0": CLOCK.octets, **{f"1-0:{code}.8.0": Decimal(79591144 + code) for code in (1, 2, 3, 4)}}
    forms: dict[int, dict[str, Any]] = {
        1: {CODES[0]: Decimal(7)},
        9: NAMED | powers | one,
        13: NAMED | powers | three,
        14: NAMED | powers | one | hourly,
        18: NAMED | powers | three | hourly,
    }
    return {Obis.parse(code): value for code, value in forms[count].items()}


@pytest.mark.parametrize("count", [1, 9, 13, 14, 18])
def test_positions_of_kaifa(count: int) -> None:
    held = kaifa(count)
    found = only(notification(positional(held), CLOCK.octets, tagged=True))
    told = {reading.obis: reading.value for reading in found.readings}
    assert told == {code: "2020-01-25T14:00:10" if isinstance(value, bytes) else value for code, value in held.items()}
    assert found.frame["form"] == "positional"
    if count > 1:
        assert found.meter is not None
        assert (found.meter.id, found.meter.manufacturer, found.meter.model) == ("6970631402614476", "KFM", "MA304H3E")


def test_a_push_object_list() -> None:
    objects = [(1, "0-0:42.0.0"), (8, "0-0:1.0.0"), (3, "1-0:1.7.0"), (3, "1-1:1.8.0"), (3, "1-0:13.7.0")]
    body = push_object_list(
        [(kind, Obis.parse(code).octets) for kind, code in objects],
        [
            cosem.octets(b"LGZ1030655933512"),
            cosem.octets(CLOCK.octets),
            cosem.u32(28),
            cosem.u64(10**12),
            cosem.u16(941),
        ],
    )
    found = only(notification(body))
    assert found.meter is not None
    assert (found.meter.id, found.meter.manufacturer) == ("LGZ1030655933512", "LGZ")
    units = {str(reading.obis): (reading.value, reading.unit) for reading in found.readings}
    assert units["1-0:1.7.0"] == (Decimal(28), Unit.W)
    assert units["1-1:1.8.0"] == (Decimal(10**12), Unit.WH)
    assert units["1-0:13.7.0"] == (Decimal("0.941"), None)
    short = cosem.structure(*body.items[:-1])
    assert problems([only(notification(short))]) == {"bad_value"}


def test_absent_values_and_codes_as_text() -> None:
    body = cosem.structure(
        cosem.visible("1.0.1.8.0.255"),
        cosem.NULL,
        cosem.visible("1-0:2.8.0"),
        cosem.u32(5),
        Data(Tag.OCTET_STRING, bytes((1, 0, 32, 7, 0, 255))),
        Data(Tag.FLOAT32, Decimal("230.1")),
        Data(Tag.OCTET_STRING, bytes((1, 0, 52, 7, 0, 255))),
        Data(Tag.FLOAT32, Decimal("NaN")),
    )
    absent, known, inexact, broken = only(notification(body)).readings
    assert (absent.value, absent.reason) == (None, "null")
    assert known.value == 5
    assert (inexact.value, inexact.notes) == (Decimal("230.1"), ("inexact",))
    assert (broken.value, broken.quality) == (None, Quality.BAD)


def test_the_last_of_two_values_wins_and_unknown_units_are_noted() -> None:
    item = cosem.octets(bytes((1, 0, 1, 8, 0, 255)))
    scale = cosem.structure(cosem.i8(3), cosem.enum(200))
    body = cosem.structure(item, cosem.u8(1), scale, item, cosem.u8(2), scale)
    (found,) = only(notification(body)).readings
    assert (found.value, found.unit, found.notes) == (Decimal(2000), None, ("unit code 200 is unknown",))


@pytest.mark.parametrize(
    "body", [cosem.structure(cosem.u8(1), cosem.u8(2)), cosem.array(), cosem.u8(1), cosem.structure(cosem.visible("x"))]
)
def test_lists_that_nobody_knows(body: Data) -> None:
    assert problems([only(notification(body))]) == {"unsupported"}


# ---- time and meter --------------------------------------------------------------------------------------------------
BODY = self_describing([reading("1-0:1.7.0", Decimal(280), Unit.W)])


def test_the_time_of_a_notification() -> None:
    at = datetime(2026, 3, 1, 11, 59, 50, tzinfo=UTC)
    told = DateTime.of(at.astimezone(UTC)).octets
    (one,) = only(notification(BODY, told)).readings
    assert (one.meter_time, one.time_quality, one.received) == (at, TimeQuality.UNCHECKED, AT)
    local = DateTime(2026, 3, 1, 0xFF, 12, 59, 50)
    (one,) = only(notification(BODY, local.octets), utc_offset=60).readings
    assert one.meter_time == at
    (one,) = only(notification(BODY, local.octets)).readings
    assert one.meter_time is None
    inverted = DateTime(2026, 3, 1, 0xFF, 12, 59, 50, 0, 60, 0)
    (one,) = only(notification(BODY, inverted.octets), deviation="inverted").readings
    assert one.meter_time == at
    (one,) = only(notification(BODY, inverted.octets)).readings
    assert (one.meter_time, one.time_quality) == (at.replace(hour=13), TimeQuality.DOUBTFUL)


def test_whose_a_short_list_is() -> None:
    receiver = PushReceiver()
    (before,) = telegrams(received(receiver, notification(BODY), AT))
    assert before.meter is None
    list(received(receiver, AIDON, AT))
    for _ in range(3):  # the general decoder, then a layout
        (after,) = telegrams(received(receiver, notification(BODY), AT))
        assert after.meter is not None
        assert after.meter.id == after.readings[0].meter == "7359992892587665"
    other = AIDON.replace(b"7359992892587665", b"7359992892587666")
    for _ in range(3):
        list(received(receiver, other, AT))
        (after,) = telegrams(received(receiver, notification(BODY), AT))
        assert after.readings[0].meter == "7359992892587666"
        list(received(receiver, AIDON, AT))
    assert receiver.layouts.hits > 5
    (named,) = only(notification(BODY), meter="Main meter").readings
    assert named.meter == "Main meter"


# ---- ciphered --------------------------------------------------------------------------------------------------------
def ciphered(counter: int, control: SecurityControl | None = None) -> bytes:
    return seal(AIDON[3:], KeySet(EK, AK), TITLE, counter, control, general=True).encode()


def test_keys() -> None:
    found = only(ciphered(7), KEYS)
    assert len(found.readings) == 12
    assert (found.frame["invocation_counter"], found.frame["system_title"]) == (7, TITLE)
    assert found.readings[0].notes == ()
    assert len(only(ciphered(7), {TITLE.hex(): EK + AK}).readings) == 12
    assert len(only(ciphered(7), {"key": EK + AK}).readings) == 12
    assert only(ciphered(7), {"key": EK}).readings[0].notes == ("not authenticated",)
    for keys, code in (
        ({}, "key_missing"),
        ({"encryption": AK}, "wrong_key"),
        ({**KEYS, "encryption": AK}, "wrong_key"),
    ):
        refused = only(ciphered(7), keys)
        assert (refused.valid, refused.readings, problems([refused])) == (True, (), {code})


def test_what_protects_less_is_refused() -> None:
    encrypted = ciphered(7, SecurityControl(authenticated=False))
    assert problems([only(encrypted, KEYS)]) == {"unprotected"}
    assert len(only(encrypted, {"encryption": EK}).readings) == 12
    refused = only(AIDON, KEYS)
    assert (refused.readings, problems([refused])) == ((), {"unprotected"})


def test_old_telegrams_sent_again() -> None:
    receiver = PushReceiver(KEYS)
    for counter, code in ((5, set()), (5, {"replay"}), (4, {"replay"}), (6, set())):
        found = list(received(receiver, ciphered(counter), AT))
        assert problems(found) == code
        assert bool(telegrams(found)[0].readings) is not bool(code)


def test_what_else_may_be_inside() -> None:
    text = seal(b"/KFM5KAIFA-METER\r\n", KeySet(EK, AK), TITLE, 1, general=True).encode()
    assert problems([only(text, KEYS)]) == {"unsupported"}
    (found,) = received(PushReceiver(options={"layer": "apdu"}), bytes.fromhex("c001c1000100002b0100ff0200"))
    assert problems([found]) == {"unsupported"}


def test_an_event_notification() -> None:
    found = only(bytes.fromhex("c200 0003 0100010700ff 02 06 00000118"), layer="apdu")
    assert values(found) == {"1-0:1.7.0": Decimal(280)}


# ---- for people ------------------------------------------------------------------------------------------------------
def test_every_octet_is_explained() -> None:
    for octets in (AIDON, b"".join(hdlc_frames(AIDON[3:])), b"".join(hdlc_frames(AIDON[3:], size=80))):
        spans = explain_push(octets)
        assert all(span.start >= 0 and span.start + span.length <= len(octets) for span in spans)
        covered = {place for span in spans for place in range(span.start, span.start + span.length)}
        assert len(covered) == len(octets)
    assert any("7359992892587665" in span.value for span in explain_push(AIDON))
    inside = explain_push(ciphered(7), KEYS)
    assert any("7359992892587665" in span.value for span in inside)


def test_guesses() -> None:
    assert guess_push(AIDON) == guess_push(b"".join(hdlc_frames(AIDON[3:]))) == 100
    assert guess_push(ciphered(1)) == 50
    assert guess_push(b"hello world") == guess_push(b"") == 0


@pytest.mark.parametrize(
    "options",
    [{"layer": "radio"}, {"utc_offset": "east"}, {"utc_offset": 5000}, {"system_title": "xyz"}],
    ids=str,
)
def test_options_are_checked(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        PushReceiver({}, options)


def test_what_cannot_be_written() -> None:
    with pytest.raises(BadValue, match="multiple"):
        self_describing([reading("1-0:1.7.0", Decimal("1.5"), Unit.W)])
    with pytest.raises(BadValue, match="form"):
        positional({Obis.parse("1-0:1.8.0"): Decimal(1)})
    with pytest.raises(BadValue, match="OBIS"):
        self_describing([Reading(Register("x"), Decimal(1))])
    with pytest.raises(BadValue, match="64 bits"):
        self_describing([reading("1-0:1.7.0", Decimal(2**63), Unit.W)])


def test_the_registry_knows_it() -> None:
    entry = protocol("dlms-push")
    assert entry is not None
    assert len(telegrams(received(entry.receiver({}, {}), AIDON))) == 1
