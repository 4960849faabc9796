"""A Modbus frame for people, field by field."""

from __future__ import annotations

from collections.abc import Iterator

from metergate.wire.base import Span
from metergate.wire.modbus import TCP
from metergate.wire.modbus.frame import FAILED, check, exception_name, rtu_size, tcp_size

_TITLES = {
    1: "read coils",
    2: "read discrete inputs",
    3: "read holding registers",
    4: "read input registers",
    5: "write single coil",
    6: "write single register",
    15: "write multiple coils",
    16: "write multiple registers",
    0x2B: "encapsulated interface: device identification",
}
_APPLICATION = "MODBUS Application Protocol V1.1b3 §"
_MBAP = "MODBUS Messaging on TCP/IP V1.0b §3.1.3"
_SERIAL = "MODBUS over Serial Line V1.02 §2.5.1"


def explain(framing: str, data: bytes) -> list[Span]:
    """The spans of one frame; none if no frame begins at the first octet."""
    if not data:
        return []
    if framing == TCP:
        return list(_tcp(data)) if tcp_size(data, 0) == len(data) else []
    fitting = [asking for asking in (True, False) if rtu_size(data, 0, asking) == len(data)]
    return list(_rtu(data, fitting[0])) if fitting else []


def _tcp(data: bytes) -> Iterator[Span]:
    yield Span(0, 2, "transaction", str(int.from_bytes(data[:2], "big")), 0, _MBAP)
    yield Span(2, 2, "protocol", "0", 0, _MBAP)
    yield Span(4, 2, "length", str(int.from_bytes(data[4:6], "big")), 0, _MBAP)
    asking = not data[7] & FAILED and rtu_size(data[6:] + b"\0\0", 0, True) == len(data) - 4
    yield from _inside(data, 6, len(data), asking)


def _rtu(data: bytes, asking: bool) -> Iterator[Span]:
    yield from _inside(data, 0, len(data) - 2, asking)
    right = "right" if check(data, 0) is None else "wrong"
    yield Span(len(data) - 2, 2, "CRC", right, 0, _SERIAL)


def _inside(data: bytes, at: int, end: int, asking: bool) -> Iterator[Span]:
    function = data[at + 1]
    yield Span(at, 1, "unit", str(data[at]), 0, _SERIAL)
    title = _TITLES.get(function & ~FAILED, "unknown")
    yield Span(at + 1, 1, "function", f"{function & ~FAILED} {title}", 0, _APPLICATION + "5")
    begin = at + 2
    if begin >= end:
        return
    if function & FAILED:
        yield Span(begin, 1, "exception", exception_name(data[begin]), 0, _APPLICATION + "7")
    elif function in (3, 4) and not asking:
        yield Span(begin, 1, "octets", str(data[begin]), 0, _APPLICATION + "6")
        for place in range(begin + 1, end - 1, 2):
            yield _word(data, place, f"register {(place - begin - 1) // 2}", 1)
    elif function in (3, 4, 6, 16):
        yield _word(data, begin, "address", 0)
        yield _word(data, begin + 2, "value" if function == 6 else "count", 0)
        if end > begin + 4:
            yield Span(begin + 4, end - begin - 4, "registers", data[begin + 5 : end].hex(), 0, _APPLICATION + "6.12")
    elif end > begin:
        yield Span(begin, end - begin, "content", data[begin:end].hex(), 0, _APPLICATION + "6")


def _word(data: bytes, at: int, name: str, level: int) -> Span:
    return Span(at, 2, name, str(int.from_bytes(data[at : at + 2], "big")), level, _APPLICATION + "6")
