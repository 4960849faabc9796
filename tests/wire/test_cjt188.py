"""CJ/T 188: the corpus, meter and reader, valves that take their time, both orders of the identifier, bad lines."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogues import NOW, Talk, all_of, cut, hit
from metergate.errors import ApplicationError, BadChecksum, DecodeError, NoAnswer
from metergate.model import Medium, Obis, Unit
from metergate.model.command import Outcome
from metergate.wire.base import Problem, Telegram
from metergate.wire.cjt188 import PROTOCOLS, VALVE_C0, Frame, Meter, Receiver, StatusMap, dialogue, explain, guess
from metergate.wire.cjt188.dialogue import Line

CORPUS = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[2] / "../shared/corpora")) / "cjt188"
# From aixiwang/python_cjt188 (BSD), a reply that its source quotes.
REPLY = bytes.fromhex("fefefe6810120000000000008116901f00100010002c100010002c0000000000000000ff6716")
INSTALLED = datetime(2020, 1, 1, tzinfo=UTC)
COLD: tuple[int, str] = (0x10, "00000000001234")
HEAT: tuple[int, str] = (0x20, "00000000005678")


def rows() -> list[dict[str, Any]]:
    path = CORPUS / "frames.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line, parse_float=Decimal) for line in lines]


def telegrams(*chunks: bytes, **options: object) -> list[Telegram]:
    return [found for found in all_of(Receiver(options=options), *chunks) if isinstance(found, Telegram)]


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpora here")
@pytest.mark.parametrize("row", rows(), ids=lambda row: row["name"])
def test_corpus(row: dict[str, Any]) -> None:
    want = row["expected"]
    found = all_of(Receiver(), bytes.fromhex(row["frame"]))
    valid = [telegram for telegram in found if isinstance(telegram, Telegram)]
    if want["checksum_valid"] is False:
        assert not valid
        assert "bad_checksum" in {problem.code for problem in found if isinstance(problem, Problem)}
        return
    (telegram,) = valid
    names = ("meter_type", "address", "control", "di", "ser", "status", "new_address", "time")
    assert {name: telegram.frame.get(name) for name in names if name in want} == {
        name: want[name] for name in names if name in want
    }
    for name, storage in (("cumulative", 0), ("settlement_day", 1), ("value", 0)):
        if name in want:
            (value,) = [reading.value for reading in telegram.readings if reading.register.storage == storage]
            assert value == Decimal(want[name])


def test_reply_of_a_cold_water_meter() -> None:
    (telegram,) = telegrams(REPLY)
    total, settled = telegram.readings
    assert (total.value, total.unit, total.obis) == (Decimal("1000.10"), Unit.M3, Obis.parse("8-0:1.0.0"))
    assert settled.obis == Obis.parse("8-0:1.0.0*1")
    assert telegram.meter is not None
    assert telegram.meter.medium is Medium.COLD_WATER
    assert (telegram.frame["time"], telegram.frame["valve"]) == (None, "open")


def test_litres_and_unknown_units() -> None:
    payload = bytes.fromhex("901f00 47700100 29 51480100 77 20052820582400 0000".replace(" ", ""))
    (telegram,) = telegrams(Frame(*COLD, 0x81, payload).encode())
    litres, unknown = telegram.readings
    assert (litres.value, litres.unit) == (Decimal(17047), Unit.L)
    assert (unknown.value, unknown.reason) == (None, "unknown unit")


def test_error_reply_has_no_readings() -> None:
    (telegram,) = telegrams(Frame(*COLD, 0xC1, bytes.fromhex("901f0102")).encode())
    assert [problem.code for problem in telegram.problems] == ["application_error"]
    assert not telegram.readings


def test_length_that_fits_no_layout_gives_no_readings() -> None:
    (telegram,) = telegrams(Frame(*COLD, 0x81, bytes.fromhex("901f0010001000")).encode())
    assert [problem.code for problem in telegram.problems] == ["truncated"]
    assert not telegram.readings


def test_status_map_is_a_setting() -> None:
    octets = REPLY[:-4] + b"\x60\x00"
    octets = REPLY[:3] + Frame.of(octets[3:] + b"\0\0").encode()
    plain, other = telegrams(octets)[0].frame, telegrams(octets, status_map=VALVE_C0)[0].frame
    assert (plain["valve"], plain["battery_low"]) == ("open", False)
    assert (other["valve"], other["battery_low"]) == ("closed", True)


stream = st.lists(
    st.one_of(
        st.sampled_from([REPLY, REPLY[3:], b"\xfe" * 3, REPLY[:20], b"\x68\x10", b"\x68" * 14]), st.binary(max_size=20)
    ),
    max_size=8,
).map(b"".join)


@given(stream, st.lists(st.integers(0, 4000), max_size=12))
def test_result_does_not_depend_on_chunks(data: bytes, places: list[int]) -> None:
    assert all_of(Receiver(), *cut(data, places)) == all_of(Receiver(), data)


@given(st.integers(24, 8 * len(REPLY) - 1))
def test_no_flipped_bit_yields_a_reading(bit: int) -> None:
    bad = bytearray(REPLY)
    bad[bit // 8] ^= 1 << bit % 8
    found = all_of(Receiver(), bytes(bad))
    assert bit // 8 < 3 or not [t for t in found if isinstance(t, Telegram) and t.readings]


@given(
    st.sampled_from([0x10, 0x20, 0x30, 0x40, 0xAA]),
    st.sampled_from([0x81, 0xC1, 0x84, 0x15, 0x83]),
    st.binary(max_size=60),
)
def test_any_data_in_a_right_frame_is_survived(kind: int, control: int, data: bytes) -> None:
    octets = Frame(kind, COLD[1], control, data).encode()
    (telegram,) = telegrams(octets)
    assert (telegram.valid, telegram.frame["data"]) == (True, data.hex())
    assert Frame.of(octets) == Frame(kind, COLD[1], control, data)
    assert explain(octets)[0].length == len(octets)


def source(obis: Obis, at: datetime) -> Decimal | None:
    hours = Decimal(int((at - INSTALLED).total_seconds())) / 3600
    shown = {1: hours / 100, 2: hours / 50, 3: hours, 8: Decimal("4.25"), 9: Decimal("0.1234")}
    return {10: Decimal("61.5"), 11: Decimal("40.25")}.get(obis.c, shown.get(obis.c))


def meter(who: tuple[int, str] = COLD, **more: Any) -> Meter:
    return Meter(*who, source, INSTALLED, **more)


def total(at: datetime = NOW) -> Decimal:
    return (Decimal(int((at - INSTALLED).total_seconds())) / 360000).quantize(Decimal("0.01"), "ROUND_DOWN")


@pytest.mark.parametrize("swapped", [None, False, True])
def test_reader_finds_the_order_of_the_identifier(swapped: bool | None) -> None:
    state = Talk([meter(swapped=swapped)]).run(dialogue.read(COLD))
    assert [reading.value for reading in state.readings] == [total(), total(datetime(2026, 10, 31, 16, tzinfo=UTC))]
    assert state.swapped is bool(swapped)
    assert state.time == "2026-11-22T12:30:" + ("02" if swapped else "00")


def test_an_order_that_is_set_is_kept() -> None:
    with pytest.raises(NoAnswer):
        Talk([meter(swapped=True)]).run(dialogue.read(COLD, Line(swapped=False)))


def test_heat_meter_with_all_registers() -> None:
    state = Talk([meter(HEAT)]).run(dialogue.read(HEAT, utc_offset=480))
    shown = {
        str(reading.obis or reading.register.quantity): (reading.value, reading.unit) for reading in state.readings
    }
    assert shown["6-0:1.0.0"] == (total(), Unit.KWH)
    assert shown["6-0:8.0.0"] == (Decimal("4.25"), Unit.KW)
    assert shown["6-0:9.0.0"] == (Decimal("0.1234"), Unit.M3_PER_H)
    assert shown["6-0:10.0.0"] == (Decimal("61.50"), Unit.DEG_C)
    assert shown["operating time"] == (Decimal(int((NOW - INSTALLED).total_seconds()) // 3600), Unit.H)
    assert [reading.meter_time for reading in state.readings if reading.register.storage == 0] == [NOW] * 7


def test_gas_meter_in_litres() -> None:
    gas = (0x30, "00000000000009")
    state = Talk([meter(gas, unit=Unit.L)]).run(dialogue.read(gas))
    assert state.readings[0].unit is Unit.L
    assert state.readings[0].obis == Obis.parse("7-0:3.0.0")
    assert state.readings[0].raw == int(Decimal(int((NOW - INSTALLED).total_seconds())) / 3600 * 1000) % 10**8


def test_flags_battery_and_leak() -> None:
    bits = StatusMap(leak=0x0100)
    one = meter(status_map=bits)
    one.battery_low = one.leak = True
    state = Talk([one]).run(dialogue.read(COLD))
    assert bits.describe(state.status) == {"valve": "open", "battery_low": True, "leak": True}
    assert state.readings[0].status == state.status


def test_valve_closes_after_its_travel_and_opens_again() -> None:
    one = meter()
    talk = Talk([one])
    assert talk.run(dialogue.valve(COLD, dialogue.CLOSE)) is Outcome.DONE
    assert one.valve.closed
    assert talk.now - NOW >= one.valve.travel
    assert talk.run(dialogue.valve_state(COLD)) == "closed"
    assert talk.run(dialogue.valve(COLD, dialogue.OPEN)) is Outcome.DONE
    assert not one.valve.closed


def test_stuck_valve_is_not_called_done() -> None:
    one = meter()
    one.valve.stuck = True
    talk = Talk([one])
    assert talk.run(dialogue.valve(COLD, dialogue.CLOSE)) is Outcome.UNSURE
    assert talk.run(dialogue.valve_state(COLD)) == "fault"


def test_silent_valve_is_no_answer() -> None:
    assert Talk([]).run(dialogue.valve(COLD, dialogue.CLOSE)) is Outcome.NO_ANSWER


def test_a_lost_reply_leads_to_reading_back_first() -> None:
    one = meter()
    one.valve.travel = timedelta(0)
    talk = Talk([one], up=lambda answer: [] if answer[9] == 0x84 else [answer])
    assert talk.run(dialogue.valve(COLD, dialogue.CLOSE)) is Outcome.DONE
    assert sum(question[13] == 0x04 for question in talk.sent if question) == 1


def test_addresses_are_found_set_and_told_apart() -> None:
    talk = Talk([meter()])
    assert talk.run(dialogue.read_address()) == COLD
    talk.run(dialogue.set_address(COLD, "00000000004321"))
    assert talk.run(dialogue.read_address()) == (0x10, "00000000004321")
    with pytest.raises(BadChecksum, match="more than one meter"):
        Talk([meter(), meter(HEAT)]).run(dialogue.read_address())


def test_unknown_identifier_is_an_error_of_the_meter() -> None:
    with pytest.raises(ApplicationError):
        Talk([_Refusing()]).run(dialogue.read(COLD))


class _Refusing:
    """A meter that says no to everything."""

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        request = Frame.of(data.lstrip(b"\xfe"))
        yield Frame(*COLD, request.control | 0xC0, request.data[:3] + b"\1").encode()

    def silence(self) -> None:
        """Nothing is kept."""


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6))
def test_a_bad_line_gives_the_right_value_or_an_error(seed: int) -> None:
    talk = Talk([meter()], up=hit(seed), down=hit(seed + 1), late=0.2, seed=seed)
    try:
        state = talk.run(dialogue.read(COLD, Line(tries=6)))
    except (NoAnswer, DecodeError):
        return
    assert (state.readings[0].value, state.readings[0].unit) == (total(), Unit.M3)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 0x7F))
def test_a_meter_survives_any_request(data: bytes, control: int) -> None:
    one = meter()
    list(one.receive(Frame(*COLD, control, data).encode(), NOW))
    list(one.receive(data, NOW))
    one.silence()
    assert Talk([one]).run(dialogue.read((0x10, one.address))).readings[0].value == total()


def test_registry_and_guess() -> None:
    assert [entry.name for entry in PROTOCOLS] == ["cjt188"]
    assert guess(REPLY) == 100
    assert guess(REPLY[:-2] + b"\0\x16") == 30
    assert guess(bytes.fromhex("68129078563412681104333434356b16")) == 0


def test_explain_names_every_octet() -> None:
    spans = explain(REPLY[3:])
    octets = sorted(at for span in spans if span.level == 1 for at in range(span.start, span.start + span.length))
    assert octets == list(range(len(REPLY) - 3))
    assert any(span.value == "1000.10 m3" for span in spans)
