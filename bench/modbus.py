"""Modbus RTU: an answer with 20 values to readings per second, beside pymodbus, whose frames ours are as well."""

from __future__ import annotations

import struct

from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU, ModbusPDU
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse

from bench.rows import Row, against, every, row
from metergate.model import Obis, Reading, Unit
from metergate.wire.modbus import RTU
from metergate.wire.modbus.frame import build, parse
from metergate.wire.modbus.points import Kind, Point, reading

POINTS = [Point(f"p{n}", 2 * n, type=Kind.FLOAT32, unit=Unit.V, obis=Obis.parse("1-0:32.7.0")) for n in range(20)]
LEAST = 2_000


def _answer() -> bytes:
    words = [word for n in range(20) for word in struct.unpack(">HH", struct.pack(">f", 230.1 + n))]
    return build(RTU, ReadHoldingRegistersResponse(registers=words, dev_id=1))


def _ours(frame: bytes) -> list[Reading]:
    answer = parse(RTU, frame, asking=False)
    words = {(3, place): word for place, word in enumerate(answer.registers)}
    return [reading(point, words, "1") for point in POINTS]


def _theirs(frame: bytes) -> list[object]:
    _, _, _, data = FRAMER.decode(frame)
    answer = DECODER.decode(data)
    assert isinstance(answer, ModbusPDU)
    kind = ModbusClientMixin.DATATYPE.FLOAT32
    return [
        ModbusClientMixin.convert_from_registers(answer.registers[place : place + 2], kind) for place in range(0, 40, 2)
    ]


DECODER = DecodePDU(False)
FRAMER = FramerRTU(DECODER)


def run() -> list[Row]:
    """The rows of this benchmark; theirs are floats, ours exact decimals with unit and code."""
    frames = [_answer()] * 50
    mine, other = against(every(_ours, frames), every(_theirs, frames))
    return [row("Modbus RTU answer, 20 values", mine, "1/s", peer=("pymodbus", other), least=LEAST)]


if __name__ == "__main__":
    for line in run():
        print(line)
