"""Requests and answers as pymodbus has them, and the two ways in which they are framed.

pymodbus's classes encode and decode what is inside; its framers put the frames together. Finding frames in a stream is
done here: what comes out must not depend on how the stream was cut, and a spoilt frame must not take its neighbours
along.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import cast

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU

from metergate.bits import crc_modbus
from metergate.errors import BadChecksum, BadValue, DecodeError
from metergate.wire.hunt import Hunter
from metergate.wire.modbus import TCP

READ_HOLDING, READ_INPUT, WRITE_ONE, WRITE_MANY, IDENTIFY = 3, 4, 6, 16, 0x2B
FUNCTIONS = (1, 2, READ_HOLDING, READ_INPUT, 5, WRITE_ONE, 15, WRITE_MANY, IDENTIFY)
"""Functions of which a listener takes note."""
FAILED = 0x80
RTU_MOST, TCP_MOST = 256, 260
_REQUESTS, _ANSWERS = DecodePDU(is_server=True), DecodePDU(is_server=False)
_FRAMERS = {"rtu": FramerRTU(_ANSWERS), TCP: FramerSocket(_ANSWERS)}
NAMES = {
    0x01: "illegal function",
    0x02: "illegal data address",
    0x03: "illegal data value",
    0x04: "server device failure",
    0x05: "acknowledge",
    0x06: "server device busy",
    0x08: "memory parity error",
    0x0A: "gateway path unavailable",
    0x0B: "gateway target device failed to respond",
}
"""Exceptions by code (MODBUS Application Protocol V1.1b3 §7)."""


def exception_name(code: int) -> str:
    """What an exception code means."""
    return f"exception {code} ({NAMES.get(code, 'unknown')})"


def build(framing: str, pdu: ModbusPDU) -> bytes:
    """A frame ready to be sent."""
    return _FRAMERS[framing].buildFrame(pdu)


def failure(request: ModbusPDU, code: int) -> ModbusPDU:
    """The answer that says no."""
    return ExceptionResponse(request.function_code, ExcCodes(code), request.dev_id, request.transaction_id)


def parse(framing: str, frame: bytes, asking: bool) -> ModbusPDU:
    """The request (`asking`) or answer in a whole frame. BadValue if there is none in it."""
    head = 7 if framing == TCP else 1
    content = frame[head:] if framing == TCP else frame[head:-2]
    unit = frame[head - 1]
    kind = _kind(bytes((unit,)) + content, asking)
    if kind is None:
        raise BadValue(f"function {content[:1].hex()} is not known")
    pdu = ExceptionResponse(content[0] & ~FAILED) if kind is ExceptionResponse else kind()
    try:
        pdu.decode(content[1:])
    except (ModbusException, ValueError, IndexError, struct.error) as error:
        raise BadValue(f"function {content[0]}: {error}") from None
    pdu.dev_id = unit
    pdu.transaction_id = int.from_bytes(frame[:2], "big") if framing == TCP else 0
    return pdu


def _kind(data: bytes, asking: bool) -> type[ModbusPDU] | None:
    """The class of what begins with unit and function; None if unknown or too short to tell."""
    if len(data) < 2 or (data[1] == IDENTIFY and len(data) < 3):
        return None
    return (_REQUESTS if asking else _ANSWERS).lookupPduClass(data)


def rtu_size(buffer: bytes | bytearray, at: int, asking: bool) -> int:
    """Length of the frame that begins at `at`, CRC included; 0: not yet known; -1: none begins here."""
    if len(buffer) < at + 2:
        return 0
    if (buffer[at + 1] if asking else buffer[at + 1] & ~FAILED) not in FUNCTIONS:
        return -1
    head = bytes(buffer[at : at + (RTU_MOST if buffer[at + 1] == IDENTIFY else _TELLING)])
    if head[1] == IDENTIFY and len(head) > 2 and head[2] != 0x0E:
        return -1
    kind = _kind(head, asking)
    if kind is None:
        return 0
    size = kind.calculateRtuFrameSize(head)
    if size in _UNKNOWN:
        return 0 if len(head) < RTU_MOST else -1
    return size if size <= RTU_MOST else -1


_TELLING = 8
"""Octets at the front that tell the length of everything but an identification."""
_UNKNOWN = (0, 998, 999)
"""What pymodbus says of a frame whose length is further inside than there are bytes."""


def check(frame: bytes, offset: int) -> DecodeError | None:
    """What is wrong with an RTU frame of full length."""
    if crc_modbus(frame[:-2]) == int.from_bytes(frame[-2:], "little"):
        return None
    return BadChecksum("CRC does not agree", offset)


def _fine(frame: bytes, offset: int) -> DecodeError | None:
    return None


def tcp_size(buffer: bytes | bytearray, at: int) -> int:
    """As `rtu_size`, by the header of Modbus TCP (MODBUS Messaging on TCP/IP V1.0b §3.1.3)."""
    head = buffer[at : at + 6]
    length = int.from_bytes(head[4:6], "big")
    if any(head[2:4]) or (len(head) == 6 and not 2 <= length < TCP_MOST - 5):
        return -1
    return 6 + length if len(head) == 6 else 0


def requests(framing: str, unit: int) -> Hunter:
    """Finds requests to `unit` (RTU), or to anybody (TCP)."""
    if framing == TCP:
        return Hunter(None, tcp_size, _fine)
    return Hunter(unit, lambda buffer, at: rtu_size(buffer, at, asking=True), check)


def answers(framing: str, request: ModbusPDU) -> Hunter:
    """Finds answers to `request` (RTU: of its unit, function and length), or any (TCP)."""
    if framing == TCP:
        return Hunter(None, tcp_size, _fine)
    return Hunter(request.dev_id, lambda buffer, at: _answer_size(buffer, at, request), check)


def _answer_size(buffer: bytes | bytearray, at: int, request: ModbusPDU) -> int:
    if len(buffer) < at + 2:
        return 0
    function = buffer[at + 1]
    if function & ~FAILED != request.function_code:
        return -1
    size = rtu_size(buffer, at, asking=False)
    if function in (READ_HOLDING, READ_INPUT) and size > 0 and size != 5 + 2 * request.count:
        return -1
    return size


def fits(framing: str, request: ModbusPDU, answer: ModbusPDU) -> bool:
    """Whether `answer` answers `request` and not an earlier one."""
    if framing == TCP and answer.transaction_id != request.transaction_id:
        return False
    if answer.dev_id != request.dev_id or answer.function_code & ~FAILED != request.function_code:
        return False
    if answer.isError() or request.function_code == IDENTIFY:
        return True
    if request.function_code in (READ_HOLDING, READ_INPUT):
        return len(answer.registers) == request.count
    return answer.address == request.address and (
        answer.count == request.count if request.function_code == WRITE_MANY else answer.registers == request.registers
    )


def caught(framing: str, frames: Iterator[object], asking: bool) -> Iterator[ModbusPDU]:
    """What a hunter found, without noise and what cannot be decoded."""
    for catch in frames:
        if isinstance(catch, tuple):
            try:
                yield parse(framing, cast(bytes, catch[1]), asking)
            except DecodeError:
                continue


def looks_like(framing: str, data: bytes) -> int:
    """0 to 90: how much `data` looks like one frame."""
    if framing == TCP:
        whole = tcp_size(data, 0) == len(data) and data[7] & ~FAILED in FUNCTIONS
        return 60 if whole else 0
    sizes = {rtu_size(data, 0, asking) for asking in (True, False)}
    return 90 if len(data) in sizes and check(data, 0) is None else 0
