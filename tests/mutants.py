"""Telegrams spoilt at random, fed to the receivers, and what must hold whatever they are.

`fuzz(line, count, seed)` feeds `count` spoilt telegrams to one protocol's receivers and checks every answer; on a
failure it says which one it was. The telegrams are those of the corpora, where they are there, and of simulated meters.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from dialogues import Talk
from dlmsseals import Hdlc, Pushed, Wrapper
from metergate.errors import DECODE_CODES
from metergate.meters.pollers import POLLERS, Target
from metergate.model import Obis
from metergate.sim.household import Household
from metergate.sim.meters import Pusher, responder
from metergate.sim.source import HouseholdSource
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire import protocols
from metergate.wire.base import Found, Problem, Receiver, Responder, Telegram
from metergate.wire.contract import respond
from metergate.wire.dlms.push.writer import blocks, hdlc_frames
from metergate.wire.gdw376.frame import Frame as Gdw376Frame
from metergate.wire.gdw376.frame import unit
from metergate.wire.gdw376.terminal import Terminal
from metergate.wire.mgc1 import CODES, Frame, Record
from seals import Bare, Cjt188, Dlt645, Dlt698, Gdw376, Iec62056, Mbus, Mgc1, Modbus, ModbusTcp, Seal, Sml, Wmbus
from textseals import P1, SealedP1, Tic, p1_captures

CORPORA = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[1] / "../shared/corpora"))
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
CODES_KNOWN = {*DECODE_CODES, "noise"}
KEY = "000102030405060708090a0b0c0d0e0f"
LIFE = 500
"""Spoilt telegrams that a receiver sees before it is exchanged for a fresh one."""
_ODD = (0x00, 0x01, 0x7F, 0x80, 0xFF, 0x16, 0x1A, 0x1B, 0x68, 0x7E, 0x76, 0xFE)
Dice = random.Random


# --- seeds -----------------------------------------------------------------------------------------------------------
def _rows(name: str) -> list[dict[str, Any]]:
    path = CORPORA / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _frames(*names: str) -> list[bytes]:
    found: list[bytes] = []
    for row in (row for name in names for row in _rows(name)):
        many = [octets for _, octets in row.get("frames", ())]
        found += [bytes.fromhex(text) for text in (*many, *([row["frame"]] if "frame" in row else []))]
    return found


def _captures() -> list[bytes]:
    rows = _rows("sml/expected.jsonl")
    files = {row["file"]: (CORPORA / "sml" / row["file"]).read_bytes() for row in rows}
    return [files[row["file"]][int(row["offset"]) :][: int(row["length"])] for row in rows]


def _mbus() -> list[bytes]:
    return [bytes.fromhex(path.read_text()) for path in sorted((CORPORA / "mbus").glob("*.hex"))]


def _radio() -> list[bytes]:
    return [bytes.fromhex(row["telegram"]) for row in _rows("wmbus/telegrams.jsonl") if len(row["telegram"]) < 512]


def _radio_keys() -> dict[str, str]:
    return {row["id"]: row["key"] for row in _rows("wmbus/telegrams.jsonl") if row.get("key")} | {"key": KEY}


_HOME = Household(11, pv_watts=4000, since=date(2026, 11, 1))
_BANK = Bank((_HOME,), (), installed=datetime(2026, 11, 1, tzinfo=UTC))


def _pushed(protocol: str, *kinds: int) -> list[bytes]:
    """What simulated meters push, in clear and encrypted."""
    specs = [MeterSpec(protocol, "61203344", 0, kind, key, 5 if key else 0) for kind in kinds for key in ("", KEY)]
    return [frame for spec in specs for frame in Pusher(spec, _BANK).frames(AT)]


def _texts(protocol: str, *kinds: int, key: str = "") -> list[bytes]:
    """What simulated meters of text protocols push."""
    specs = [MeterSpec(protocol, "041876097115", 0, kind, key) for kind in kinds]
    return [frame for spec in specs for frame in Pusher(spec, _BANK).frames(AT)]


def _answered(spec: MeterSpec, *questions: str) -> list[bytes]:
    """What a simulated meter answers."""
    meter: Responder = responder(spec, _BANK)
    talk = Talk([meter], AT)
    return [answer for question in questions for answer in talk._answers(bytes.fromhex(question))]


def _slaves() -> list[bytes]:
    specs = [MeterSpec("mbus", "61203344", 0, kind) for kind in (4, 6)]
    address = int("61203344") % 250 + 1
    question = f"105b{address:02x}{(0x5B + address) % 256:02x}16"
    return [frame for spec in specs for frame in _answered(spec, question)]


def _energy_meter() -> list[bytes]:
    content = bytes.fromhex("010000112620") + b"\x11"
    items = ("00010000", "00020000", "02010100", "02030000")
    asked = [bytes.fromhex(di)[::-1] for di in items] + [bytes.fromhex("01000406 03 0012221126"), b"\x10\xa0"]
    questions = [content + bytes(octet + 0x33 & 255 for octet in each) for each in asked]
    return _answered(MeterSpec("dlt645", "202611000001", 0), *(Dlt645().close(each).hex() for each in questions))


def _water_meter() -> list[bytes]:
    content = bytes.fromhex("10" + "01000000001147" + "01" + "901f00")
    return _answered(MeterSpec("cjt188", "47110000000001", 0, 0x10), Cjt188().close(content).hex())


def _objects() -> list[bytes]:
    """What a simulated meter of DL/T 698.45 answers: values, lists, a table whole and in parts."""
    apdus = ("05010100100200 00", "0502020320000200001002002001020000", "05010340000200 00", "05010400990200 00")
    table = "0503055004020 00a0501 02 00 20210200 00 00100200 00".replace(" ", "")
    content = bytes.fromhex("4305010000112620 10")
    questions = [Dlt698().close(content + bytes.fromhex(apdu)).hex() for apdu in (*apdus, table)]
    return _answered(MeterSpec("dlt698", "202611000001", 0), *questions)


def _terminal() -> list[bytes]:
    """What a simulated terminal of Q/GDW 376.1 says: login, present and frozen data, a curve, a forwarded answer."""
    terminal = responder(MeterSpec("gdw376", "02001234", 0), _BANK)
    assert isinstance(terminal, Terminal)
    curve = bytes.fromhex("000020112611") + b"\x01\x18"
    units = [(0x0C, unit(1, 25)), (0x0C, unit(1, 33) + unit(1, 129)), (0x0D, unit(1, 101, curve[1:]))]
    inner = Dlt645().close(bytes.fromhex("341200020000" + "11" + "33333433"))
    units.append((0x10, unit(0, 1, bytes.fromhex("1f6b0532") + len(inner).to_bytes(2, "little") + inner)))
    questions = [Gdw376Frame("02001234", afn, 0x61, body, 0x4B, 2, b"\0" * 16 * (afn == 16)) for afn, body in units]
    answers = [answer for each in questions for answer in terminal.receive(each.encode(), AT)]
    return [terminal.open(AT), terminal.report(3, AT, b"abc"), *answers]


def _readouts() -> list[bytes]:
    """Readouts as captured, pushed and answered by simulated meters, with parity bits, and a session."""
    rows = [row["text"].encode("latin-1") for row in _rows("iec62056_21/readouts.jsonl")]
    rows += _pushed("iec62056-d", 0)[:1] + _frames("iec62056_21/messages.jsonl")
    rows += [bytes(octet | (octet.bit_count() % 2) << 7 for octet in row) for row in rows[-2:]]
    meter, asked = MeterSpec("iec62056-21", "4711", 0), ("2f3f210d0a", "063035300d0a", "2f3f210d0a", "063035310d0a")
    told = _answered(meter, *asked, Iec62056.command(b"R1\x021.8.0()"), Iec62056.command(P01))
    return [*rows, *told, told[0] + told[1]]


P01 = b"R5\x02P.01(2611211200;2611211400)"


def _lists() -> list[bytes]:
    """What a meter pushes by itself: in one frame, in segments, in blocks, and a frame that carries none."""
    (push,) = _pushed("dlms-push", 0)[:1]
    apdu = push[push.index(b"\xe6\xe7\x00") + 3 : -3]
    segments, parts = hdlc_frames(apdu, size=100), blocks(apdu, 100)
    return [push, b"".join(segments), b"".join(frame for part in parts for frame in hdlc_frames(part)), segments[0]]


def _collector() -> list[bytes]:
    """Answers with records, and what is asked and answered besides."""
    show, code = HouseholdSource(_HOME), Obis.parse("1-0:1.8.0")
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

    talk = Talk([responder(MeterSpec(protocol, "4711", 0), _BANK)], AT, up=keep, down=keep)
    target = Target("4711", str(4711 % 247 + 1), map="eastron_sdm120_modbus")
    talk.run(POLLERS[protocol]({}).read(target))
    for function in ("2b0e0100", "030000007e", "0600010001", "10000100020400010002"):
        content = bytes((4711 % 247 + 1,)) + bytes.fromhex(function)
        sealed = Modbus().close(content) if protocol == "modbus" else ModbusTcp().close(b"\0\7" + content)
        passed += [sealed, *talk._answers(sealed)]
    return passed


# --- lines -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Line:
    """A line of one protocol: how it is received, what was sent on it, and how that is sealed."""

    name: str
    protocol: str
    seal: Seal
    frames: tuple[bytes, ...]
    contents: tuple[bytes, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    silent: bytes = b""
    """An octet that stands between frames and means nothing."""

    @property
    def parts(self) -> bool:
        """Whether a telegram has parts with checks of their own, so that one can be good and another not."""
        return self.protocol == "sml"

    def receiver(self) -> Receiver:
        """A fresh receiver."""
        keys = {name: bytes.fromhex(key) for name, key in self.keys.items()}
        return protocols()[self.protocol].receiver(keys, self.options)

    def protected(self, telegram: Telegram) -> bool:
        """Whether the bytes under a telegram with readings carry the check they must carry."""
        form = telegram.frame.get("link_crc")
        seal = self.seal if form is None else Bare() if form == "none" else Wmbus(str(form))
        return telegram.valid and seal.right(telegram.data)


def _line(protocol: str, seal: Seal, frames: Sequence[bytes], silent: bytes = b"") -> Line:
    contents = [content for frame in frames if (content := seal.open(frame)) is not None]
    return Line(protocol, protocol, seal, tuple(frames), tuple(contents), silent=silent)


def _air(name: str, seal: Seal, options: Mapping[str, object]) -> Line:
    contents = tuple(_radio() + [Bare().close(_stripped(frame)) for frame in _pushed("wmbus", 4, 6)])
    return Line(name, "wmbus", seal, tuple(map(seal.close, contents)), contents, _radio_keys(), options)


def _stripped(frame: bytes) -> bytes:
    """The content of a right frame of format A."""
    return b"".join((frame[:10], *(frame[at : at + 18][:-2] for at in range(12, len(frame), 18))))


def _mixed() -> Line:
    """A receiver that is not told which frame format the stick delivers."""
    bare = _air("wmbus", Bare(), {})
    frames = [seal.close(content) for content in bare.contents for seal in (Bare(), Wmbus("A"), Wmbus("B"))]
    return Line("wmbus", "wmbus", Bare(), tuple(frames), bare.contents, bare.keys)


MAKERS: dict[str, Callable[[], Line]] = {
    "sml": lambda: _line("sml", Sml(), _captures() + _pushed("sml", 0)),
    "mbus": lambda: _line("mbus", Mbus(), _mbus() + _slaves()),
    "wmbus": _mixed,
    "wmbus-a": lambda: _air("wmbus-a", Wmbus("A"), {"link_crc": "A"}),
    "wmbus-b": lambda: _air("wmbus-b", Wmbus("B"), {"link_crc": "B"}),
    "dlt645": lambda: _line(
        "dlt645",
        Dlt645(),
        _frames("dlt645/frames_2007.jsonl", "dlt645/frames_1997.jsonl", "dlt645/exchanges_2007.jsonl")
        + _energy_meter(),
        silent=b"\xfe",
    ),
    "cjt188": lambda: _line("cjt188", Cjt188(), _frames("cjt188/frames.jsonl") + _water_meter(), silent=b"\xfe"),
    "dlt698": lambda: _line("dlt698", Dlt698(), _frames("dlt698/frames.jsonl") + _objects(), silent=b"\xfe"),
    "gdw376": lambda: _line("gdw376", Gdw376(), _frames("gdw376/frames.jsonl") + _terminal()),
    "iec62056-21": lambda: _line("iec62056-21", Iec62056(), _readouts(), silent=b"\0\r\n\x80\x8d\x8a"),
    "mgc1": lambda: _line("mgc1", Mgc1(), _collector()),
    "p1": lambda: _line("p1", P1(), p1_captures(CORPORA) + _texts("p1", 4, 5, 32, 36, 46)),
    "p1-sealed": lambda: replace(
        _line("p1", SealedP1(KEY), _texts("p1", 5, 43, 352, key=KEY)), name="p1-sealed", keys={"encryption": KEY}
    ),
    "tic": lambda: replace(
        _line("tic", Tic(), _frames("linky/frames.jsonl") + _texts("tic", 0, 1)), options={"groups": "strict"}
    ),
    "dlms-hdlc": lambda: _line("dlms-hdlc", Hdlc(), _frames("dlms/hdlc.jsonl", "dlms/sessions.jsonl"), silent=b"\x7e"),
    "dlms-push": lambda: replace(
        _line("dlms-push", Pushed(), _frames("dlms/han_push.jsonl") + _lists(), silent=b"\x7e"),
        options={"layer": "hdlc"},
    ),
    "dlms-wrapper": lambda: _line("dlms-wrapper", Wrapper(), _frames("dlms/wrapper.jsonl")),
    "modbus": lambda: _line("modbus", Modbus(), _registers("modbus")),
    "modbus-tcp": lambda: _line("modbus-tcp", ModbusTcp(), _registers("modbus-tcp")),
}


@cache
def line(name: str) -> Line:
    """A line by its name."""
    return MAKERS[name]()


# --- mutations -------------------------------------------------------------------------------------------------------
def _span(dice: Dice, data: bytes | bytearray, most: int = 64) -> tuple[int, int]:
    begin = dice.randrange(len(data) + 1)
    return begin, min(len(data), begin + dice.randrange(1, most + 1))


def _flip(dice: Dice, data: bytearray, line: Line) -> None:
    for _ in range(dice.choice((1, 1, 2, 5))):
        if data:
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _replace(dice: Dice, data: bytearray, line: Line) -> None:
    for _ in range(dice.choice((1, 1, 2, 8))):
        if data:
            data[dice.randrange(len(data))] = dice.choice((dice.choice(_ODD), dice.randrange(256)))


def _remove(dice: Dice, data: bytearray, line: Line) -> None:
    begin, end = _span(dice, data)
    del data[begin:end]


def _repeat(dice: Dice, data: bytearray, line: Line) -> None:
    begin, end = _span(dice, data)
    data[begin:begin] = data[begin:end] * dice.choice((1, 1, 2, 9))


def _insert(dice: Dice, data: bytearray, line: Line) -> None:
    begin, _ = _span(dice, data)
    octets = dice.choice((dice.randbytes(dice.randrange(1, 20)), bytes((dice.choice(_ODD),)) * dice.randrange(1, 40)))
    data[begin:begin] = octets


def _cut(dice: Dice, data: bytearray, line: Line) -> None:
    """Lose the beginning or the end."""
    at = dice.randrange(len(data) + 1)
    del data[dice.choice((slice(0, at), slice(at, None)))]


def _join(dice: Dice, data: bytearray, line: Line) -> None:
    """Go on with another telegram, or a part of one."""
    other = dice.choice(line.frames)
    data += other[dice.choice((0, dice.randrange(len(other) + 1))) :]


def _cross(dice: Dice, data: bytearray, line: Line) -> None:
    """Carry on at some place with some place of another telegram."""
    other = dice.choice(line.contents or line.frames)
    data[dice.randrange(len(data) + 1) :] = other[dice.randrange(len(other) + 1) :]


_DAMAGES = (_flip, _flip, _replace, _replace, _remove, _repeat, _insert, _cut, _cross)


def mutant(dice: Dice, line: Line) -> bytes:
    """A spoilt telegram: on the wire, or in its content with the outer, or all, checks made right again."""
    way = dice.randrange(5)
    if way < 2 or not line.contents:
        data = bytearray(dice.choice(line.frames))
        for damage in dice.choices((*_DAMAGES, _join), k=dice.choice((1, 1, 2, 4))):
            damage(dice, data, line)
        return bytes(data)
    content = bytearray(dice.choice(line.contents))
    for damage in dice.choices(_DAMAGES, k=dice.choice((1, 1, 2, 4))):
        damage(dice, content, line)
    return line.seal.close(line.seal.inside(bytes(content)) if way < 4 else bytes(content))


# --- what must hold --------------------------------------------------------------------------------------------------
@dataclass
class Tally:
    """What came of it. `grown`: bytes of memory that the second half of the telegrams left behind."""

    line: str
    count: int
    outcomes: Counter[str] = field(default_factory=Counter)
    grown: int = 0
    slowest: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        told = ", ".join(f"{name} {count}" for name, count in sorted(self.outcomes.items()))
        speed = f"{self.seconds:.1f} s, slowest {self.slowest * 1000:.1f} ms, memory {self.grown / 1024:+.0f} kB"
        return f"{self.line:8} {self.count} spoilt telegrams: {told}; {speed}"


def _chunks(dice: Dice, data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        step = dice.choice((len(data), len(data), 1, dice.randrange(1, 40)))
        yield data[at : at + step]
        at += step


def _heard(receiver: Receiver, chunks: Iterator[bytes]) -> list[Found]:
    found = [item for chunk in chunks for item in receiver.receive(chunk, AT)]
    return [*found, *receiver.silence()]


def _problems(found: list[Found]) -> Iterator[Problem]:
    for item in found:
        yield from (item,) if isinstance(item, Problem) else item.problems


def _check(line: Line, data: bytes, base: int, found: list[Found], tally: Tally) -> None:
    assert found or not data.strip(line.silent or None), "no answer"
    for problem in _problems(found):
        assert problem.code in CODES_KNOWN, f"unknown code {problem.code!r}"
        tally.outcomes[problem.code] += 1
    for item in found:
        if isinstance(item, Problem):
            continue
        begin = item.offset - base
        assert data[begin : begin + item.length] == item.data, "the telegram is not what was sent"
        if item.readings:
            assert line.protected(item), f"{len(item.readings)} readings from a telegram whose check is wrong"
            assert line.parts or not item.problems, "readings from a telegram that could not be decoded"
        tally.outcomes["with readings" if item.readings else "without readings"] += 1


def _answers(line: Line, data: bytes) -> None:
    """The same through the decode contract, which must always have something to say, in JSON."""
    answer = respond({"protocol": line.protocol, "hex": data.hex(), "keys": line.keys, "options": line.options})
    assert answer["telegrams"] or answer["errors"], "an empty answer"
    json.dumps(answer, allow_nan=False)


def memory() -> int:
    """Bytes that this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def left_behind(line: Line, count: int, seed: int, times: int = 4) -> int:
    """Objects that one receiver gains while it hears the same `count` spoilt telegrams again and again."""
    dice = random.Random(f"{seed} {line.name}")
    data = [mutant(dice, line) for _ in range(count)]
    receiver, before = line.receiver(), 0
    for turn in range(times):
        for octets in data:
            _heard(receiver, iter((octets,)))
        gc.collect()
        before = before if turn > 1 else sys.getallocatedblocks()
    return sys.getallocatedblocks() - before


def _try(line: Line, receiver: Receiver, data: bytes, dice: Dice, tally: Tally) -> None:
    base, start = receiver.position, time.process_time()
    found = _heard(receiver, _chunks(dice, data))
    tally.slowest = max(tally.slowest, time.process_time() - start)
    _check(line, data, base, found, tally)


def fuzz(line: Line, count: int, seed: int) -> Tally:
    """Feed `count` spoilt telegrams. AssertionError names the first that broke a promise."""
    dice = random.Random(f"{seed} {line.name}")
    tally, began, receiver, before = Tally(line.name, count), time.perf_counter(), line.receiver(), 0
    gc.freeze()  # what was there before is not the receiver's: its walks through memory would count as slow telegrams
    for number in range(count):
        before = memory() if number == count // 2 else before
        data = b""
        try:
            if number % LIFE == 0:
                receiver = line.receiver()
                _heard(receiver, iter(line.frames))
            data = mutant(dice, line)
            _try(line, receiver, data, dice, tally)
            if number % 8 == 0:
                _answers(line, data)
        except Exception as error:
            where = f"{line.name}, seed {seed}, telegram {number}"
            raise AssertionError(f"{where}: {type(error).__name__}: {error}\n{data.hex()}") from error
    tally.grown = memory() - before
    tally.seconds = time.perf_counter() - began
    return tally
