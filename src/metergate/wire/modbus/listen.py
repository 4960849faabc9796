"""Listening to a Modbus line: requests and answers of any unit as telegrams, paired where they belong together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pymodbus.pdu import ModbusPDU

from metergate.errors import DecodeError
from metergate.wire.base import Problem, Telegram
from metergate.wire.hunt import Hunter, HuntingReceiver
from metergate.wire.modbus import TCP
from metergate.wire.modbus.frame import FAILED, check, exception_name, parse, rtu_size, tcp_size

READS = (1, 2, 3, 4)


def _size(buffer: bytes | bytearray, at: int) -> int:
    """Length of the request or answer at `at`: of the two the one whose CRC is right, else the shorter."""
    sizes = [rtu_size(buffer, at, asking) for asking in (True, False)]
    known = sorted(size for size in sizes if size > 0)
    for size in known:
        if at + size > len(buffer):
            return size
        if check(bytes(buffer[at : at + size]), 0) is None:
            return size
    if 0 in sizes:
        return 0
    return known[0] if known else -1


def _verify(frame: bytes, offset: int) -> DecodeError | None:
    return None


class Listener(HuntingReceiver):
    """Every right frame is a telegram; `frame` tells its fields. Without a map registers are no readings."""

    def __init__(self, framing: str) -> None:
        super().__init__(Hunter(None, tcp_size, _verify) if framing == TCP else Hunter(None, _size, check))
        self._framing = framing
        self._asked: tuple[ModbusPDU, int] | None = None

    def telegram(self, offset: int, octets: bytes, at: datetime | None) -> Telegram:
        """See `HuntingReceiver`."""
        name = "modbus-tcp" if self._framing == TCP else "modbus"
        try:
            pdu, asking = self._understood(octets)
        except DecodeError as error:
            problem = Problem(error.code, offset, error.reason)
            return Telegram(name, offset, len(octets), True, octets, problems=(problem,))
        fields = {"unit": pdu.dev_id, "function": pdu.function_code & ~FAILED, **self._fields(pdu, asking)}
        self._asked = (pdu, offset) if asking else None
        return Telegram(name, offset, len(octets), True, octets, frame=fields)

    def _understood(self, octets: bytes) -> tuple[ModbusPDU, bool]:
        """The frame as request or answer: an answer if it follows a request of its unit and function and can be one."""
        ways = [asking for asking in (True, False) if self._can_be(octets, asking)]
        if len(ways) > 1 and self._asked is not None:
            earlier = self._asked[0]
            head = octets[6:8] if self._framing == TCP else octets[:2]
            ways = [head != bytes((earlier.dev_id, earlier.function_code))]
        return parse(self._framing, octets, ways[0] if ways else True), ways[0] if ways else True

    def _can_be(self, octets: bytes, asking: bool) -> bool:
        if self._framing != TCP:
            return rtu_size(octets, 0, asking) == len(octets)
        if asking and octets[7] & FAILED:
            return False
        inside = octets[6:] + b"\0\0"
        return rtu_size(inside, 0, asking) == len(inside)

    def _fields(self, pdu: ModbusPDU, asking: bool) -> Mapping[str, object]:
        if pdu.isError():
            return {"kind": "exception", "exception": exception_name(pdu.exception_code)}
        told: dict[str, object] = {"kind": "request" if asking else "answer"}
        if self._framing == TCP:
            told["transaction"] = pdu.transaction_id
        earlier = self._asked[0] if self._asked else None
        paired = earlier is not None and earlier.dev_id == pdu.dev_id and earlier.function_code == pdu.function_code
        if asking or pdu.function_code not in READS:
            told |= {"address": pdu.address, "count": pdu.count or len(pdu.registers)}
        elif paired and earlier is not None:
            told["address"] = earlier.address
        return told | ({"registers": list(pdu.registers)} if pdu.registers else {})
