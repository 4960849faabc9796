"""IEC 62056-21, both ends talking: readout in all modes, programming, profile, clock, mode E; and bad lines."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from dialogues import NOW, Talk, hit
from metergate.errors import ApplicationError, BadChecksum, DecodeError, MetergateError, NoAnswer, Refused, Unsupported
from metergate.model import Quality
from metergate.wire.base import Dialogue
from metergate.wire.iec62056 import Access, Identification, Meter, Setup, reader
from metergate.wire.iec62056.datasets import DataSet, data_set
from metergate.wire.iec62056.frame import ACK, NAK, Block, Command, Option, Request
from metergate.wire.iec62056.profile import Channel, Section, section
from metergate.wire.iec62056.session import Session

ACCESS = Access({1: "11111111", 2: "22222222"}, write={"0.9.1": 1, "0.9.2": 1, "0.2.2": 2})
VALUES = {"1.8.0": Decimal("285.4"), "2.8.0": Decimal("120.1"), "16.7.0": Decimal("-0.512")}
QUIET = reader.Line(confirm=0.1)


def show(now: datetime) -> Sequence[DataSet]:
    return [
        data_set("C.1.0", "12345678"),
        data_set("1.8.0", "000285.4*kWh"),
        data_set("2.8.0", "000120.1*kWh"),
        data_set("16.7.0", "-00.512*kW"),
        data_set("0.2.2", "ABC"),
    ]


def profile(begin: datetime, end: datetime) -> Sequence[Section]:
    rows = tuple((f"{number}.25", f"0.{number:02d}") for number in range(40))
    return [Section(f"{begin:%y%m%d%H%M}", "80", 15, (Channel("1.5.0", "kW"), Channel("2.5.0", "kW")), rows)]


def log(begin: datetime, end: datetime) -> Sequence[Section]:
    return [Section("2611220815", "0040", 0, (), ()), Section("2611220830", "0080", 0, (), ())]


def meter(baud_id: str = "5", text: str = "M1", **setup: object) -> Meter:
    who = Identification("MGT", baud_id, text)
    return Meter(Setup(who, access=ACCESS, **setup), show, profile, log)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("baud_id", "bauds"), [("5", [300, 9600]), ("0", [300, 300]), ("D", [300, 4800]), ("x", [300])]
)
def test_readout_in_modes_c_b_and_a(baud_id: str, bauds: list[int]) -> None:
    talk = Talk([meter(baud_id)])
    telegram = talk.run(reader.readout())
    assert {r.register.address: r.value for r in telegram.readings if r.unit} == VALUES
    assert all(reading.quality is Quality.GOOD for reading in telegram.readings)
    assert telegram.meter
    assert (telegram.meter.id, telegram.meter.manufacturer) == ("12345678", "MGT")
    assert talk.bauds == bauds


def test_the_meter_speaks_at_the_speed_that_was_agreed() -> None:
    one = meter("5")
    assert list(one.receive(b"/?!\r\n", NOW)) == [b"/MGT5M1\r\n"]
    assert one.baud == 300
    answers = one.receive(Option("0", "3", "0").encode(), NOW)
    assert next(answers).startswith(b"\x02C.1.0(12345678)")
    assert one.baud == 2400
    assert list(answers) == []
    assert one.baud == 300


def test_a_limit_of_speed_and_none_at_all() -> None:
    for line, baud in ((reader.Line(fastest="3"), 2400), (reader.Line(stay=True), 300)):
        talk = Talk([meter("6")])
        assert talk.run(reader.readout(line)).readings
        assert talk.bauds == [300, baud]


def test_meters_on_a_bus_are_called_by_their_address() -> None:
    both = Talk([meter(address="0017"), meter("4", text="M2", address="18")])
    assert both.run(reader.readout(reader.Line(address="17"))).frame["identification"] == "M1"
    assert both.run(reader.readout(reader.Line(address="18"))).frame["identification"] == "M2"
    with pytest.raises(NoAnswer):
        both.run(reader.readout(reader.Line(address="19")))


def test_meters_on_batteries_are_woken() -> None:
    talk = Talk([meter()])
    assert talk.run(reader.readout(reader.Line(wake=True))).readings
    assert talk.sent[0] == bytes(66)


def read(*addresses: str, name: str = "R1") -> reader.Work[list[DataSet]]:
    def work(session: Session) -> Dialogue[list[DataSet]]:
        found = []
        for address in addresses:
            found += [(yield from session.read(address, name=name))]
        return found

    return work


@pytest.mark.parametrize("named", [True, False])
def test_registers_are_read_in_programming_mode(named: bool) -> None:
    talk = Talk([meter(named=named)])
    found = talk.run(reader.programming(read("1.8.0", "1-0:2.8.0", "0.9.2"), "11111111"))
    assert [str(one) for one in found] == ["1.8.0(000285.4*kWh)", "1-0:2.8.0(000120.1*kWh)", "0.9.2(261122)"]
    assert talk.sent[-1] == bytes.fromhex("0142300371")
    assert talk.bauds == [300, 9600, 300]


def test_what_the_meter_does_not_have_is_an_error() -> None:
    with pytest.raises(ApplicationError, match="ER01"):
        Talk([meter()]).run(reader.programming(read("9.9.9"), "11111111"))


def write(address: str, value: str) -> reader.Work[DataSet]:
    def work(session: Session) -> Dialogue[DataSet]:
        yield from session.write(address, value)
        return (yield from session.read(address))

    return work


def test_registers_are_written_at_the_level_that_they_need() -> None:
    one = meter()
    with pytest.raises(Refused, match="ER02"):
        Talk([one]).run(reader.programming(write("0.2.2", "NEW"), "11111111"))
    with pytest.raises(Refused, match="ER02"):
        Talk([one]).run(reader.programming(write("0.2.2", "NEW")))
    with pytest.raises(Refused, match="ER01"):
        Talk([one]).run(reader.programming(write("1.8.0", "0"), "22222222", level="2"))
    assert one.written == {}
    found = Talk([one]).run(reader.programming(write("0.2.2", "NEW"), "22222222", level="2"))
    assert str(found) == "0.2.2(NEW)"


def test_wrong_passwords_lock_the_meter_for_a_while() -> None:
    one = meter()
    for _ in range(3):
        with pytest.raises(Refused) as caught:
            Talk([one]).run(reader.programming(read("1.8.0"), "99999999"))
        assert "99999999" not in str(caught.value)
    with pytest.raises(Refused, match="locked"):
        Talk([one]).run(reader.programming(read("1.8.0"), "11111111"))
    later = Talk([one], now=NOW + timedelta(minutes=16))
    assert later.run(reader.programming(read("1.8.0"), "11111111"))


def test_without_mode_c_there_is_no_programming_mode() -> None:
    with pytest.raises(Unsupported, match="mode B"):
        Talk([meter("C")]).run(reader.programming(read("1.8.0")))


def test_a_session_ends_by_itself() -> None:
    one = meter()
    for asked in (Request(), Option("0", "5", "1"), Command("P1", "(11111111)")):
        assert list(one.receive(asked.encode(), NOW))
    assert (one.level, one.baud) == (1, 9600)
    assert list(one.receive(Command("R1", "1.8.0()").encode(), NOW + timedelta(minutes=5))) == []
    assert (one.level, one.baud) == (None, 300)


@pytest.mark.parametrize("block", [0, 7])
def test_a_load_profile_comes_whole_or_in_partial_blocks(block: int) -> None:
    begin, end = datetime(2026, 11, 22), datetime(2026, 11, 22, 10)
    talk = Talk([meter(block=block)])
    sets = talk.run(reader.programming(lambda session: session.profile(begin, end)))
    part = section(sets[0])
    assert (part.begin, part.status, part.period) == ("2611220000", "80", 15)
    assert part.rows == profile(begin, end)[0].rows
    assert talk.sent.count(ACK) == (5 if block else 0)


def test_the_clock_is_set_and_read_back() -> None:
    one = meter()
    wanted = datetime(2026, 12, 31, 23, 59, 58)

    def work(session: Session) -> Dialogue[datetime]:
        yield from session.set_clock(wanted)
        return (yield from session.clock())

    assert Talk([one]).run(reader.programming(work, "11111111")) == wanted
    with pytest.raises(Refused, match="ER03"):
        Talk([one]).run(reader.programming(write("0.9.1", "996199"), "11111111"))


def test_nak_asks_for_the_same_again() -> None:
    one = meter()
    for asked in (Request(), Option("0", "5", "1")):
        answers = list(one.receive(asked.encode(), NOW))
    assert [list(one.receive(NAK, NOW)) for _ in range(4)] == [answers, answers, answers, []]
    assert list(one.receive(Command("R1", "1.8.0()").encode()[:-1] + b"\x7f", NOW)) == [NAK]


def test_a_readout_with_a_wrong_check_is_asked_for_again() -> None:
    spoilt = [True, True]

    def once(data: bytes) -> list[bytes]:
        if data[:1] == b"\x02" and spoilt and spoilt.pop():
            return [data.replace(b"285", b"385")]
        return [data]

    talk = Talk([meter()], up=once)
    assert talk.run(reader.readout()).readings[1].value == VALUES["1.8.0"]
    assert talk.sent.count(NAK) == 2


def test_a_check_that_stays_wrong_is_refused_or_taken_as_suspect() -> None:
    def always(data: bytes) -> list[bytes]:
        return [data[:-1] + bytes((data[-1] ^ 1,)) if data[:1] == b"\x02" else data]

    with pytest.raises(BadChecksum):
        Talk([meter()], up=always).run(reader.readout())
    found = Talk([meter()], up=always).run(reader.readout(reader.Line(lenient=True)))
    assert not found.valid
    assert {reading.quality for reading in found.readings} == {Quality.SUSPECT}


class Echo:
    """What answers after the hand-over."""

    def receive(self, data: bytes, now: datetime) -> list[bytes]:
        return [data[::-1]]

    def silence(self) -> None:
        pass


def test_mode_e_hands_the_line_over() -> None:
    one = Meter(Setup(Identification("MGT", "5", "\\2M1")), show, hdlc=Echo())  # type: ignore[arg-type]
    talk = Talk([one])
    assert talk.run(reader.sign_on_hdlc(QUIET)).capabilities == "2"
    assert talk.bauds == [300, 9600]
    assert one.baud == 9600
    assert list(one.receive(b"\x7e\xa0", NOW)) == [b"\xa0\x7e"]
    with pytest.raises(Unsupported, match="HDLC"):
        Talk([meter()]).run(reader.sign_on_hdlc(QUIET))
    assert Talk([one], now=NOW + timedelta(minutes=5)).run(reader.readout(reader.Line(tries=2))).readings


@pytest.mark.parametrize("seed", range(40))
def test_on_bad_lines_values_are_right_or_there_is_an_error(seed: int) -> None:
    talk = Talk([meter(block=7)], up=hit(seed), down=hit(seed + 1000), late=0.1 if seed % 2 else 0.0, seed=seed)
    right = 0
    for _ in range(6):
        try:
            telegram = talk.run(reader.readout())
        except MetergateError:
            continue
        for reading in telegram.readings:
            if reading.quality is Quality.GOOD and reading.unit:
                assert reading.value == VALUES[str(reading.register.address)]
                right += 1
    assert right or seed


@pytest.mark.parametrize("seed", range(40))
def test_sessions_on_bad_lines_read_what_is_right_or_fail(seed: int) -> None:
    talk = Talk([meter()], up=hit(seed), down=hit(seed + 500), late=0.1 if seed % 2 else 0.0, seed=seed)
    for _ in range(6):
        try:
            found = talk.run(reader.programming(read("1.8.0", "2.8.0", "0.2.2"), "11111111"))
        except (DecodeError, NoAnswer, Refused):
            talk.now += timedelta(minutes=20)
            continue
        assert [str(one) for one in found] == ["1.8.0(000285.4*kWh)", "2.8.0(000120.1*kWh)", "0.2.2(ABC)"]


def test_an_answer_to_another_question_is_dropped() -> None:
    late = [Block("1.8.0(000999.9*kWh)").encode()]

    def up(data: bytes) -> list[bytes]:
        return [late.pop(), data] if late and data.startswith(b"\x022.8.0") else [data]

    found = Talk([meter()], up=up).run(reader.programming(read("2.8.0")))
    assert str(found[0]) == "2.8.0(000120.1*kWh)"
