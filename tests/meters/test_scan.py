"""Looking for meters on lines with several of them: all are found, each with an address at which it can be read."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from dialogues import Talk
from mbusbus import Bus, heat
from metergate.config import load_gateway
from metergate.errors import NoAnswer
from metergate.gateway.settings import Settings as GatewaySettings
from metergate.links.tcp import listen
from metergate.meters.map import MeterMap, load_maps
from metergate.meters.pollers import POLLERS, Target
from metergate.meters.scan import PROBES, Hit, Scope, Survey, scan, settings
from metergate.meters.scan.run import at_speed
from metergate.meters.scan.walk import narrower
from metergate.model import Obis, Unit
from metergate.sim.meters import responder
from metergate.sim.serve import address_of, bank_of, meter_of
from metergate.wire.base import Responder
from metergate.wire.cjt188 import Meter as CjtMeter
from metergate.wire.dlms.acse import Context, Mechanism
from metergate.wire.dlms.cosem.classes import DATA, Level
from metergate.wire.dlms.cosem.device import Device
from metergate.wire.dlms.cosem.objects import CosemObject
from metergate.wire.dlms.data import octets
from metergate.wire.dlms.security import KeySet
from metergate.wire.dlms.server import Admission, Identity, Server, over_wrapper
from metergate.wire.dlt645 import Meter as Dlt645Meter
from metergate.wire.hdlc.server import Station
from metergate.wire.modbus import RTU, TCP
from metergate.wire.modbus.meter import Meter as ModbusMeter
from metergate.wire.modbus.points import Point

INSTALLED = datetime(2026, 1, 1, tzinfo=UTC)
MODBUS = {name: one for name, one in load_maps().items() if one.point}


class Wire:
    """Several meters on one pair of wires: who speaks at once is not understood."""

    def __init__(self, *meters: Responder) -> None:
        self.meters = meters

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        answers = [answer for meter in self.meters for answer in meter.receive(data, now)]
        if len(answers) > 1:
            longest = max(map(len, answers))
            mixed = bytearray(b"\xff" * longest)
            for answer in answers:
                for at, octet in enumerate(answer):
                    mixed[at] &= octet
            mixed[-2] ^= 0x24
            answers = [bytes(mixed)]
        yield from answers

    def silence(self) -> None:
        for meter in self.meters:
            meter.silence()


def look(protocol: str, line: Sequence[Responder], scope: Scope | None = None) -> Survey:
    survey = Survey(scope or Scope(timeout=0.01))
    Talk(list(line)).run(PROBES[protocol](survey))
    return survey


def accepted(survey: Survey, folder: Path, url: str = "/dev/ttyUSB0") -> list[Hit]:
    """The hits; the settings written for them are good, and the meters in them are these."""
    file = folder / "gateway.toml"
    file.write_text(settings({url: survey}))
    lines = load_gateway(file).line
    told = [(meter.id, meter.address or meter.id, meter.map) for line in lines for meter in line.meter]
    assert told == [(hit.id, hit.address, hit.map) for hit in survey.hits if hit.sure]
    return survey.hits


def readable(hits: Sequence[Hit], line: Sequence[Responder]) -> None:
    """Every hit can be read with the address that was found."""
    for hit in hits:
        telegram = Talk(list(line)).run(POLLERS[hit.protocol]({}).read(Target(hit.id, hit.address, map=hit.map)))
        assert telegram.readings


def no_register(obis: Obis, at: datetime) -> Decimal | None:
    return Decimal("12.34")


# DL/T 645 and CJ/T 188
def energy(address: str) -> Dlt645Meter:
    return Dlt645Meter(address, no_register, INSTALLED)


def cjt(kind: int, address: str) -> CjtMeter:
    return CjtMeter(kind, address, no_register, INSTALLED)


def test_patterns() -> None:
    assert narrower("aaaa")[0] == "aa00"
    assert narrower("aa17")[99] == "9917"
    assert narrower("1217") == []


@pytest.mark.parametrize(
    "numbers",
    [
        ["202611000001"],
        ["202611000001", "202611000002", "199900000042"],
        ["202611000001", "202511000001", "202611990001"],
    ],
)
def test_dlt645(numbers: list[str], tmp_path: Path) -> None:
    line = [Wire(*map(energy, numbers))]
    hits = accepted(look("dlt645", line), tmp_path)
    assert sorted(hit.address for hit in hits) == sorted(numbers)
    readable(hits, line)


def test_cjt188(tmp_path: Path) -> None:
    meters = [(0x10, "11223344556677"), (0x10, "11223344556678"), (0x30, "11223344556677"), (0x20, "99000000000001")]
    line = [Wire(*(cjt(*meter) for meter in meters))]
    hits = accepted(look("cjt188", line), tmp_path)
    assert sorted(hit.address for hit in hits) == sorted(f"{kind:02X}:{address}" for kind, address in meters)
    readable(hits, line)


def test_one_water_meter(tmp_path: Path) -> None:
    (hit,) = accepted(look("cjt188", [cjt(0x11, "12345678901234")]), tmp_path)
    assert (hit.id, hit.address, hit.title) == ("12345678901234", "11:12345678901234", "CJ/T 188 hot water meter")


def test_two_with_one_address_are_told_of() -> None:
    survey = look("dlt645", [Wire(energy("202611000001"), energy("202611000001"))])
    assert survey.problems == ["several meters have the address 202611000001"]
    assert settings({"u": survey}) == "# several meters have the address 202611000001\n"


# M-Bus
def test_mbus(tmp_path: Path) -> None:
    """Two alone at their addresses, two that share one, one without an address."""
    line = [Bus(heat("10000001", 5), heat("10000002", 9), heat("20000001", 7), heat("20000002", 7), heat("30000000"))]
    survey = look("mbus", line, Scope(last=12, timeout=0.01))
    hits = accepted(survey, tmp_path)
    assert {hit.id: hit.address for hit in hits} == {
        "10000001": "5",
        "10000002": "9",
        "20000001": "20000001",
        "20000002": "20000002",
        "30000000": "30000000",
    }
    assert hits[0].title.endswith("heat")
    assert any("address 7" in problem for problem in survey.problems)
    readable(hits, line)


def test_mbus_by_address_only() -> None:
    line = [Bus(heat("10000001", 5), heat("30000000", 200))]
    survey = look("mbus", line, Scope(last=12, timeout=0.01, secondary=False))
    assert [(hit.id, hit.address) for hit in survey.hits] == [("10000001", "5")]


# Modbus
SHOWN = {Unit.V: "230.5", Unit.A: "2", Unit.HZ: "50", Unit.W: "450", Unit.KWH: "123.5"}


def shows(point: Point, now: datetime) -> Decimal:
    return Decimal(SHOWN.get(point.unit, "1")) if point.unit else Decimal(1)


def modbus(unit: int, name: str, strict: bool = True, tells: bool = False) -> ModbusMeter:
    one = MODBUS[name]
    return ModbusMeter(unit, one.point, shows, RTU, (one.brand, one.model, "1") if tells else None, strict=strict)


def has_mains(one: MeterMap) -> bool:
    return any(point.unit in (Unit.V, Unit.HZ) for point in one.point)


def same_registers(one: MeterMap, other: MeterMap) -> bool:
    """Whether every point of `one` is a point of `other`: then nobody can tell them apart, but for what is missing."""
    held = {(point.designator, point.type, point.divisor, point.unit, point.word_order) for point in other.point}
    return all((p.designator, p.type, p.divisor, p.unit, p.word_order) in held for p in one.point)


@pytest.mark.parametrize("name", [name for name, one in MODBUS.items() if has_mains(one)])
def test_every_model_is_recognised(name: str) -> None:
    """By its registers alone; of models with the same registers one stands for all, and the others are named."""
    (hit,) = look("modbus", [modbus(1, name)], Scope(last=1, timeout=0.01)).hits
    assert hit.sure
    fits = same_registers(MODBUS[name], MODBUS[hit.map]) or same_registers(MODBUS[hit.map], MODBUS[name])
    assert hit.map == name or name in hit.note or fits
    assert len(MODBUS[hit.map].point) >= len(MODBUS[name].point)


@pytest.mark.parametrize("strict", [True, False])
def test_modbus(strict: bool, tmp_path: Path) -> None:
    names = {3: "eastron_sdm630_modbus", 4: "carlo_gavazzi_ex3x0_modbus", 9: "abb_ab_modbus"}
    line = [modbus(unit, name, strict) for unit, name in names.items()]
    hits = accepted(look("modbus", line, Scope(last=12, timeout=0.01)), tmp_path)
    found = {int(hit.address): {hit.map, *hit.note.removeprefix("or ").split(", ")} for hit in hits}
    assert set(found) == set(names)
    assert all(names[unit] in maps for unit, maps in found.items())
    assert hits[0].map == names[3]
    readable(hits, line)


def test_a_unit_that_names_itself() -> None:
    (hit,) = look("modbus", [modbus(2, "janitza_b_modbus", tells=True)], Scope(last=3, timeout=0.01)).hits
    assert (hit.title, hit.map, hit.note) == ("Janitza B series", "janitza_b_modbus", "")


class Mute(ModbusMeter):
    """Keeps silent where others answer with an exception."""

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        for answer in super().receive(data, now):
            if not answer[1] & 0x80:
                yield answer


def test_a_unit_that_never_complains() -> None:
    one = MODBUS["eastron_sdm630_modbus"]
    line = [Mute(3, one.point, shows, strict=True)]
    (hit,) = look("modbus", line, Scope(first=3, last=3, timeout=0.01)).hits
    assert hit.map == one.name


@pytest.mark.parametrize("name", MODBUS)
def test_a_unit_that_is_silent_where_it_has_no_register_is_there(name: str) -> None:
    """Whatever known model it is: also of those that have no register 0."""
    line = [Mute(3, MODBUS[name].point, shows, strict=True)]
    assert [hit.address for hit in look("modbus", line, Scope(first=2, last=4, timeout=0.01, thorough=True)).hits] == [
        "3"
    ]


def test_silent_units_are_asked_last_and_only_if_wanted() -> None:
    name = next(name for name, one in MODBUS.items() if all(point.address for point in one.point))
    line: list[Responder] = [Mute(2, MODBUS[name].point, shows, strict=True), modbus(4, "eastron_sdm630_modbus")]
    told: list[str] = []
    survey = Survey(Scope(last=4, timeout=0.01, thorough=True), lambda what, done, of: told.append(what))
    Talk(line).run(PROBES["modbus"](survey))
    assert [hit.address for hit in survey.hits] == ["4", "2"]
    assert told == ["unit 1", "unit 2", "unit 3", "unit 4", "silent unit 1", "silent unit 2", "silent unit 3"]
    quick = look("modbus", line, Scope(last=4, timeout=0.01))
    assert [hit.address for hit in quick.hits] == ["4"]


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6])
def test_an_exception_is_an_answer(code: int) -> None:
    """Whatever it complains of; its registers are none that are known."""
    meter = ModbusMeter(3, (), shows)
    meter.trouble.failing = {(function, 0): code for function in (3, 4)}
    (hit,) = look("modbus", [meter], Scope(first=2, last=4, timeout=0.01)).hits
    assert (hit.address, hit.sure) == ("3", False)


@pytest.mark.parametrize("code", [10, 11])
def test_a_gateway_that_says_nobody_is_there_is_believed(code: int) -> None:
    meter = ModbusMeter(3, (), shows, TCP, strict=True)
    meter.trouble.failing = {(function, at): code for function in (3, 4) for at in range(65536)}
    assert not look("modbus-tcp", [meter], Scope(first=3, last=3, timeout=0.01)).hits


def test_a_unit_of_no_known_model(tmp_path: Path) -> None:
    odd = ModbusMeter(7, (Point("level", 17),), lambda point, now: Decimal(3))
    survey = look("modbus", [odd], Scope(first=7, last=7, timeout=0.01))
    (hit,) = accepted(survey, tmp_path)
    assert not hit.sure
    assert "# # [[" not in settings({"u": survey})
    assert '# id = "modbus-7"' in settings({"u": survey})


# DLMS
# DLMS
def dlms_meter(protocol: str) -> tuple[Responder, str]:
    spec = meter_of(protocol, "10000001", 0, "", 0, 1.0)
    return responder(spec, bank_of(spec, INSTALLED, 1.0, seed=5)), address_of(spec)


@pytest.mark.parametrize("protocol", ["dlms-hdlc", "dlms-wrapper"])
def test_dlms_by_the_public_client(protocol: str, tmp_path: Path) -> None:
    meter, address = dlms_meter(protocol)
    (hit,) = accepted(look(protocol, [meter]), tmp_path)
    assert (hit.id, hit.address, hit.title, hit.note, hit.sure) == (
        "10000001",
        address,
        "DLMS meter, MGT10000001",
        "",
        True,
    )
    readable([hit], [meter])


def test_dlms_that_refuses_the_public_client(tmp_path: Path) -> None:
    device, identity = Device(), Identity(b"MGT00001", KeySet())
    admission = Admission(17, Level.READER, Mechanism.LOW, (Context.LN,), b"12345678")
    meter = over_wrapper(Server(device, [admission], identity))
    (hit,) = accepted(look("dlms-wrapper", [meter]), tmp_path)
    assert (hit.id, hit.address, hit.sure) == ("dlms-1", "1", False)
    assert "refuses the public client" in hit.note


def test_dlms_that_tells_everybody_only_its_name(tmp_path: Path) -> None:
    device = Device(CosemObject(DATA, "0-0:42.0.0", {"value": octets(b"ABC4711\0")}, Level.PUBLIC))
    meter = over_wrapper(Server(device, [Admission(16, Level.PUBLIC)], Identity(b"MGT00001", KeySet())))
    (hit,) = accepted(look("dlms-wrapper", [meter]), tmp_path)
    assert (hit.id, hit.sure) == ("ABC4711", False)
    assert "not for everybody" in hit.note


def test_what_answers_hdlc_but_no_dlms_is_told(tmp_path: Path) -> None:
    station = Station(lambda client, logical, apdu, now: None, physical=17)
    assert not accepted(look("dlms-hdlc", [station]), tmp_path)


# Lines
@pytest.mark.parametrize("protocol", PROBES)
def test_nobody_there(protocol: str) -> None:
    survey = look(protocol, [], Scope(last=3, timeout=0.01))
    assert (survey.hits, survey.problems) == ([], [])
    assert settings({"u": survey}) == "# nothing was found\n"


def test_speeds() -> None:
    assert at_speed("/dev/ttyUSB0", "mbus", 300) == "/dev/ttyUSB0?baud=300&format=8E1"
    assert at_speed("/dev/ttyUSB0?baud=9600&echo=1", "mbus", None) == "/dev/ttyUSB0?baud=9600&echo=1&format=8E1"
    assert at_speed("/dev/ttyUSB0?baud=9600", "modbus", 19200) == "/dev/ttyUSB0?baud=19200&format=8N1"
    assert at_speed("tcp://a:1", "mbus", 300) == "tcp://a:1"


def written(surveys: dict[str, Survey], folder: Path) -> tuple[str, GatewaySettings]:
    """The file, and what a gateway makes of it."""
    file = folder / "gateway.toml"
    file.write_text(settings(surveys))
    return file.read_text(), load_gateway(file)


def of(*hits: Hit, scope: Scope | None = None) -> Survey:
    survey = Survey(scope or Scope())
    for hit in hits:
        survey.found(hit)
    return survey


ODD = Hit("dlt645", "202611000001", "202611000001", 'with "quotes"\nand an end')
WATER = Hit("cjt188", "11223344556677", "10:11223344556677", "water")
UNSURE = Hit("modbus", "modbus-7", "7", "unknown meter", note="give its map", sure=False)


def test_two_protocols_on_one_line(tmp_path: Path) -> None:
    text, gateway = written({"/dev/ttyUSB0": of(ODD, WATER)}, tmp_path)
    assert [(line.protocol, len(line.meter)) for line in gateway.line] == [("dlt645", 1)]
    assert '# protocol = "cjt188"' in text
    assert text.startswith(
        "# Meters of several protocols or speeds answer on this line: 1 of dlt645 (/dev/ttyUSB0), 1 of cjt188"
    )
    assert "need a line of their own" in text


def test_the_protocol_with_most_meters_that_can_be_read_is_in_force(tmp_path: Path) -> None:
    text, gateway = written({"/dev/ttyUSB0": of(UNSURE, replace(UNSURE, id="modbus-8"), ODD)}, tmp_path)
    assert [(line.protocol, [meter.id for meter in line.meter]) for line in gateway.line] == [("dlt645", [ODD.id])]
    assert '# protocol = "modbus"' in text


def test_two_speeds_of_one_line(tmp_path: Path) -> None:
    """A port is opened once; another port is another line."""
    slow, fast, other = (f"/dev/ttyUSB{port}?baud={baud}&format=8E1" for port, baud in ((0, 300), (0, 2400), (1, 2400)))
    meters = [Hit("mbus", f"1000000{number}", str(number), "heat") for number in range(4)]
    found = {slow: of(meters[0]), fast: of(meters[1], meters[2]), other: of(meters[3])}
    text, gateway = written(found, tmp_path)
    assert [(line.url, len(line.meter)) for line in gateway.line] == [(fast, 2), (other, 1)]
    assert f'# url = "{slow}"' in text


def test_the_commented_block_holds_once_it_is_put_in_place(tmp_path: Path) -> None:
    text, _ = written({"/dev/ttyUSB0": of(ODD, WATER, UNSURE)}, tmp_path)
    blocks = text.split("# instead of the block above:\n")
    assert len(blocks) == 3
    for block, hit in zip(blocks[1:], (WATER, UNSURE), strict=True):
        file = tmp_path / "other.toml"
        file.write_text("\n".join(re.sub("^# ?", "", line) for line in block.splitlines()))
        (line,) = load_gateway(file).line
        assert (line.protocol, [meter.id for meter in line.meter]) == (hit.protocol, [hit.id] if hit.sure else [])


def test_how_the_line_was_searched_is_how_it_is_read(tmp_path: Path) -> None:
    _, gateway = written({"/dev/ttyUSB0": of(ODD, scope=Scope(timeout=2.5, echo=True))}, tmp_path)
    assert gateway.line[0].echo
    assert gateway.line[0].spare == 2.5
    _, gateway = written({"/dev/ttyUSB0": of(ODD, scope=Scope(timeout=0.5))}, tmp_path)
    assert not gateway.line[0].echo
    assert gateway.line[0].spare == 0.0


def test_every_protocol_finds_its_own_meters_among_those_of_others(tmp_path: Path) -> None:
    """One pair of wires with meters of five protocols."""
    hdlc, _ = dlms_meter("dlms-hdlc")
    own = {
        "dlt645": "202611000001",
        "cjt188": "11223344556677",
        "mbus": "10000001",
        "modbus": "modbus-3",
        "dlms-hdlc": "10000001",
    }
    wire = Wire(
        energy(own["dlt645"]),
        cjt(0x10, own["cjt188"]),
        Bus(heat(own["mbus"], 5)),
        modbus(3, "eastron_sdm630_modbus"),
        hdlc,
    )
    survey = Survey(Scope(last=12, timeout=0.01))
    for protocol in own:
        Talk([wire]).run(PROBES[protocol](survey))
    assert {hit.protocol: hit.id for hit in survey.hits} == own
    assert len(survey.hits) == len(own)
    text, gateway = written({"/dev/ttyUSB0": survey}, tmp_path)
    assert len(gateway.line) == 1
    assert text.count("# instead of the block above:") == 4


@pytest.mark.anyio
async def test_what_was_found_is_kept_when_it_is_stopped() -> None:
    async def serve(link: object) -> None:
        meters = [modbus(1, "abb_ab_modbus"), modbus(2, "eastron_sdm630_modbus")]
        while data := await link.read():  # type: ignore[attr-defined]
            for meter in meters:
                for answer in meter.receive(data, INSTALLED):
                    await link.write(answer)  # type: ignore[attr-defined]

    port = await listen("127.0.0.1", 0, serve)
    surveys: dict[str, Survey] = {}
    at_three = asyncio.Event()

    def tell(what: str, done: int, of: int) -> None:
        if what == "unit 3":
            at_three.set()

    url = f"tcp://127.0.0.1:{port.port}"
    survey = Survey(Scope(timeout=0.3), tell)
    task = asyncio.create_task(scan(url, {"modbus": PROBES["modbus"]}, [None], surveys, survey))
    async with asyncio.timeout(60):
        await at_three.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await port.close()
    assert [hit.address for hit in surveys[url].hits] == ["1", "2"]
    assert surveys[url].hits[1].map == "eastron_sdm630_modbus"


def test_silence_is_no_hit() -> None:
    with pytest.raises(NoAnswer):
        Talk([]).run(POLLERS["modbus"]({}).read(Target("m", "1", map="abb_ab_modbus")))
