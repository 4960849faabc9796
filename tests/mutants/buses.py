"""Lines of SML, M-Bus on wires and by radio, Modbus, and the collector's own protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from dialogues import Talk
from metergate.meters.pollers import POLLERS, Target
from metergate.model import Obis
from metergate.sim.meters import responder
from metergate.sim.source import HouseholdSource
from metergate.sim.specs import MeterSpec
from metergate.wire.mgc1 import CODES, Frame, Record
from mutants.lines import AT, BANK, CORPORA, HOME, KEY, Line, answered, made, pushed, rows
from seals import Bare, Mbus, Mgc1, Modbus, ModbusTcp, Seal, Sml, Wmbus


def _captures() -> list[bytes]:
    known = rows("sml/expected.jsonl")
    files = {row["file"]: (CORPORA / "sml" / row["file"]).read_bytes() for row in known}
    return [files[row["file"]][int(row["offset"]) :][: int(row["length"])] for row in known]


def _mbus() -> list[bytes]:
    return [bytes.fromhex(path.read_text()) for path in sorted((CORPORA / "mbus").glob("*.hex"))]


def _radio() -> list[bytes]:
    return [bytes.fromhex(row["telegram"]) for row in rows("wmbus/telegrams.jsonl") if len(row["telegram"]) < 512]


def _radio_keys() -> dict[str, str]:
    return {row["id"]: row["key"] for row in rows("wmbus/telegrams.jsonl") if row.get("key")} | {"key": KEY}


def _slaves() -> list[bytes]:
    specs = [MeterSpec("mbus", "61203344", 0, kind) for kind in (4, 6)]
    address = int("61203344") % 250 + 1
    question = f"105b{address:02x}{(0x5B + address) % 256:02x}16"
    return [frame for spec in specs for frame in answered(spec, question)]


def _collector() -> list[bytes]:
    """Answers with records, and what is asked and answered besides."""
    show, code = HouseholdSource(HOME), Obis.parse("1-0:1.8.0")
    records = []
    for cursor in range(1, 41):
        at = AT - timedelta(minutes=15 * (41 - cursor))
        raw = int((show(code, at) or 0) * 1000)
        flags = cursor % 7 == 0 and 2
        records.append(Record(cursor, cursor % 5, CODES[code], int(at.timestamp()), raw, int(flags)).encode())
    answers = [b"".join(records[:count]) for count in (1, 3, 40)]
    logs = [Frame(18, 1, 0x85, b"\0" + body + b"\1").encode() for body in answers]
    nows = [Frame(18, 2, function, b"\0" + answers[1]).encode() for function in (0x83, 0x84)]
    others = [Frame(18, 3, function, bytes(range(size))).encode() for function in range(1, 15) for size in (0, 5, 7)]
    refusals = [Frame(18, 4, 0x80 | function, bytes((function % 8,))).encode() for function in range(1, 15)]
    return logs + nows + others + refusals


def _registers(protocol: str) -> list[bytes]:
    """All that passes while a simulated meter is read and asked who it is."""
    passed: list[bytes] = []

    def keep(data: bytes) -> list[bytes]:
        passed.append(data)
        return [data]

    talk = Talk([responder(MeterSpec(protocol, "4711", 0), BANK)], AT, up=keep, down=keep)
    target = Target("4711", str(4711 % 247 + 1), map="eastron_sdm120_modbus")
    talk.run(POLLERS[protocol]({}).read(target))
    for function in ("2b0e0100", "030000007e", "0600010001", "10000100020400010002"):
        content = bytes((4711 % 247 + 1,)) + bytes.fromhex(function)
        sealed = Modbus().close(content) if protocol == "modbus" else ModbusTcp().close(b"\0\7" + content)
        passed += [sealed, *talk._answers(sealed)]
    return passed


def _air(name: str, seal: Seal, options: Mapping[str, object]) -> Line:
    contents = tuple(_radio() + [Bare().close(_stripped(frame)) for frame in pushed("wmbus", 4, 6)])
    return Line(name, "wmbus", seal, tuple(map(seal.close, contents)), contents, _radio_keys(), options)


def _stripped(frame: bytes) -> bytes:
    """The content of a right frame of format A."""
    return b"".join((frame[:10], *(frame[at : at + 18][:-2] for at in range(12, len(frame), 18))))


def _mixed() -> Line:
    """A receiver that is not told which frame format the stick delivers."""
    bare = _air("wmbus", Bare(), {})
    frames = [seal.close(content) for content in bare.contents for seal in (Bare(), Wmbus("A"), Wmbus("B"))]
    return Line("wmbus", "wmbus", Bare(), tuple(frames), bare.contents, bare.keys)


MAKERS = {
    "sml": lambda: made("sml", Sml(), _captures() + pushed("sml", 0)),
    "mbus": lambda: made("mbus", Mbus(), _mbus() + _slaves()),
    "wmbus": _mixed,
    "wmbus-a": lambda: _air("wmbus-a", Wmbus("A"), {"link_crc": "A"}),
    "wmbus-b": lambda: _air("wmbus-b", Wmbus("B"), {"link_crc": "B"}),
    "mgc1": lambda: made("mgc1", Mgc1(), _collector()),
    "modbus": lambda: replace(made("modbus", Modbus(), _registers("modbus")), reads=False),
    "modbus-tcp": lambda: replace(made("modbus-tcp", ModbusTcp(), _registers("modbus-tcp")), reads=False, summed=False),
}
