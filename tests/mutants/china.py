"""Lines of the Chinese protocols."""

from __future__ import annotations

from chinaseals import Cjt188, Dlt645, Dlt698, Gdw376
from metergate.sim.meters import responder
from metergate.sim.specs import MeterSpec
from metergate.wire.gdw376.frame import Frame as Gdw376Frame
from metergate.wire.gdw376.frame import unit
from metergate.wire.gdw376.terminal import Terminal
from mutants.lines import AT, BANK, answered, frames, made


def _energy_meter() -> list[bytes]:
    content = bytes.fromhex("010000112620") + b"\x11"
    items = ("00010000", "00020000", "02010100", "02030000")
    asked = [bytes.fromhex(di)[::-1] for di in items] + [bytes.fromhex("01000406 03 0012221126"), b"\x10\xa0"]
    questions = [content + bytes(octet + 0x33 & 255 for octet in each) for each in asked]
    return answered(MeterSpec("dlt645", "202611000001", 0), *(Dlt645().close(each).hex() for each in questions))


def _water_meter() -> list[bytes]:
    content = bytes.fromhex("10" + "01000000001147" + "01" + "901f00")
    return answered(MeterSpec("cjt188", "47110000000001", 0, 0x10), Cjt188().close(content).hex())


def _objects() -> list[bytes]:
    """What a simulated meter of DL/T 698.45 answers: values, lists, a table whole and in parts."""
    apdus = ("05010100100200 00", "0502020320000200001002002001020000", "05010340000200 00", "05010400990200 00")
    table = "0503055004020 00a0501 02 00 20210200 00 00100200 00".replace(" ", "")
    content = bytes.fromhex("4305010000112620 10")
    questions = [Dlt698().close(content + bytes.fromhex(apdu)).hex() for apdu in (*apdus, table)]
    return answered(MeterSpec("dlt698", "202611000001", 0), *questions)


def _terminal() -> list[bytes]:
    """What a simulated terminal of Q/GDW 376.1 says: login, present and frozen data, a curve, a forwarded answer."""
    terminal = responder(MeterSpec("gdw376", "02001234", 0), BANK)
    assert isinstance(terminal, Terminal)
    curve = bytes.fromhex("000020112611") + b"\x01\x18"
    units = [(0x0C, unit(1, 25)), (0x0C, unit(1, 33) + unit(1, 129)), (0x0D, unit(1, 101, curve[1:]))]
    inner = Dlt645().close(bytes.fromhex("341200020000" + "11" + "33333433"))
    units.append((0x10, unit(0, 1, bytes.fromhex("1f6b0532") + len(inner).to_bytes(2, "little") + inner)))
    questions = [Gdw376Frame("02001234", afn, 0x61, body, 0x4B, 2, b"\0" * 16 * (afn == 16)) for afn, body in units]
    answers = [answer for each in questions for answer in terminal.receive(each.encode(), AT)]
    return [terminal.open(AT), terminal.report(3, AT, b"abc"), *answers]


MAKERS = {
    "dlt645": lambda: made(
        "dlt645",
        Dlt645(),
        frames("dlt645/frames_2007.jsonl", "dlt645/frames_1997.jsonl", "dlt645/exchanges_2007.jsonl") + _energy_meter(),
        silent=b"\xfe",
    ),
    "cjt188": lambda: made("cjt188", Cjt188(), frames("cjt188/frames.jsonl") + _water_meter(), silent=b"\xfe"),
    "dlt698": lambda: made("dlt698", Dlt698(), frames("dlt698/frames.jsonl") + _objects(), silent=b"\xfe"),
    "gdw376": lambda: made("gdw376", Gdw376(), frames("gdw376/frames.jsonl") + _terminal()),
}
