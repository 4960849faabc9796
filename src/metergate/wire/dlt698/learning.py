"""Answers whose layout is known already: a meter repeats it, and then only the numbers in it are taken out.

Learnt are answers to get-requests, normal and list, that hold nothing but numbers. All octets that are no number and
not the question's number (PIID) must be the same; `Layout.telegram` equals what the general way makes of that frame.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from struct import Struct
from typing import Any

from metergate.errors import DecodeError
from metergate.model import MeterIdentity, Quality, Register, TimeQuality
from metergate.model.reading import quick_reading
from metergate.wire.base import Telegram
from metergate.wire.dlt698 import objects
from metergate.wire.dlt698.apdu import Apdu
from metergate.wire.dlt698.frame import SCRAMBLED, SPLIT, Frame, header_size
from metergate.wire.dlt698.values import (
    ARRAY,
    ENUM,
    INT8,
    INT16,
    INT32,
    INT64,
    UINT8,
    UINT16,
    UINT32,
    UINT64,
    Data,
)

LEARNED = 16384
"""Most layouts that a receiver remembers."""
CODES = {INT32: "i", UINT32: "I", INT8: "b", INT16: "h", UINT8: "B", UINT16: "H", INT64: "q", UINT64: "Q", ENUM: "B"}


def key_of(octets: bytes) -> bytes | None:
    """What picks a layout: length, control, addresses, service and the beginning of the APDU; None: never learnt."""
    if octets[3] & (SPLIT | SCRAMBLED):
        return None
    head = header_size(octets[4])
    if octets[head] != 0x85 or octets[head + 1] not in (1, 2):
        return None
    return octets[1 : head - 2] + octets[head : head + 2] + octets[head + 3 : head + 9]


class Layout:
    """The layout of one answer, learnt from `octets`. DecodeError if it holds anything but numbers."""

    __slots__ = ("_constants", "_counts", "_head", "_meter", "_plan", "_single", "_struct", "_told")

    def __init__(self, octets: bytes, meter: MeterIdentity | None, told: dict[str, object]) -> None:
        frame = Frame.of(octets)
        apdu = Apdu.decode(frame.apdu, strict=True)
        if apdu.fields["follow_report"] or apdu.fields["time_tag"]:
            raise DecodeError("an answer with more than its values")
        self._single = apdu.service == "get-response-normal"
        attributes = [apdu.fields["attribute"]] if self._single else apdu.fields["attributes"]
        self._plan: list[tuple[Register, int]] = []
        self._counts: list[int | None] = []
        form, pending = ">2sB", 0 if self._single else 1
        for oad, (which, value) in attributes:
            if not which or oad >> 28 == 1:
                raise DecodeError("not a number")
            pending += 5
            many = value.tag == ARRAY
            if many:
                pending += 2
            self._counts.append(len(value.value) if many else None)
            for place, one in enumerate(value.value if many else (value,)):
                form += f"{pending + 1}s{_code(one)}"
                pending = 0
                register = objects.register(frame.address.text, oad, place)
                self._plan.append((register, -register.scaler))
        self._struct = Struct(form + "2s")
        self._head, self._meter = header_size(octets[4]), meter
        self._told = {name: one for name, one in told.items() if name not in ("piid", "raw")}
        if self._struct.size != len(frame.apdu):
            raise DecodeError("a layout of another size")
        self._constants = self._struct.unpack(frame.apdu)[0::2]

    def telegram(self, offset: int, octets: bytes, received: datetime | None) -> Telegram | None:
        """The telegram of a whole, right frame; None if it has another layout after all."""
        fields = self._struct.unpack_from(octets, self._head)
        if fields[0::2] != self._constants or self._head + self._struct.size + 3 != len(octets):
            return None
        numbers = fields[1::2]
        found = tuple(
            [
                quick_reading(
                    register,
                    Decimal(f"{raw}E-{places}") if places else Decimal(raw),
                    raw,
                    None,
                    received,
                    None,
                    Quality.GOOD,
                    TimeQuality.NONE,
                )
                for (register, places), raw in zip(self._plan, numbers[1:], strict=True)
            ]
        )
        told = self._told | {"piid": numbers[0], "raw": self._raw(numbers[1:])}
        return Telegram("dlt698", offset, len(octets), True, octets, self._meter, told, found)

    def _raw(self, numbers: tuple[int, ...]) -> Any:
        """The numbers in the shape of the attributes."""
        shaped: list[Any] = []
        at = 0
        for count in self._counts:
            shaped.append(numbers[at] if count is None else [*numbers[at : at + count]])
            at += 1 if count is None else count
        return shaped[0] if len(shaped) == 1 else shaped


def _code(value: Data) -> str:
    code = CODES.get(value.tag)
    if code is None:
        raise DecodeError("not a number")
    return code
