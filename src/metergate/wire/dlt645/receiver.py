"""The listening end: bytes in any chunking -> telegrams with readings; the layout of repeated replies is learned."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from metergate.errors import DecodeError
from metergate.model import Medium, MeterIdentity, Quality, Reading, Register
from metergate.wire.base import Found, Keys, Options, Problem, Telegram
from metergate.wire.dlt645.decode import Assembler, edition, header, readings, slots, whole
from metergate.wire.dlt645.frame import MINUS_33, Frame, error_text, hunter
from metergate.wire.dlt645.values import NO_NUMBER, NULL
from metergate.wire.hunt import HuntingReceiver

LEARNED = 16384
"""Most layouts (meter x identifier) that a receiver remembers."""


class Layout:
    """What stays the same in every reply of one meter to one question: all but the digits.

    Only for payloads of unsigned and signed numbers; `readings` equals `decode.readings` of the same payload.
    """

    __slots__ = ("di_size", "fields", "frame", "meter", "plan", "protocol")

    def __init__(self, octets: bytes) -> None:
        frame = Frame.of(octets)
        kind = edition(frame)
        self.protocol = kind.name
        self.di_size = kind.di_size
        size = len(frame.data) - kind.di_size
        self.fields = header(frame)
        self.meter = identity(frame.address)
        di = int(str(self.fields["di"]), 16)
        places, over = slots(kind, frame.address, di, size)
        if over or any(place.layout.kind != "X" for place in places):
            raise DecodeError("not only numbers")
        self.plan: list[tuple[int, int, int, bool, Register]] = []
        for place in places:
            begin = 2 * (size - place.at - place.layout.size)
            digits = begin + 2 * place.layout.size
            self.plan.append((begin, digits, place.layout.decimals, place.layout.signed, place.register))

    def telegram(self, offset: int, octets: bytes, received: datetime | None) -> Telegram:
        """The telegram of a whole, right frame that begins like the one this was learned from."""
        data = octets[10:-2].translate(MINUS_33)
        digits = data[: self.di_size - 1 : -1].hex()
        found = tuple(
            [
                _reading(register, digits[begin:end], decimals, signed, received)
                for begin, end, decimals, signed, register in self.plan
            ]
        )
        frame = self.fields | {"data": data.hex()}
        return Telegram(self.protocol, offset, len(octets), True, octets, self.meter, frame, found)


def _reading(register: Register, digits: str, decimals: int, signed: bool, received: datetime | None) -> Reading:
    minus = signed and digits[0] in "89abcdef" and digits.strip("f")
    if minus:
        digits = f"{int(digits[0], 16) & 7}{digits[1:]}"
    if not digits.isdecimal():
        reason, quality = (NO_NUMBER, Quality.BAD) if digits.strip("f") else (NULL, Quality.ABSENT)
        return Reading(register, None, None, None, received, quality=quality, reason=reason)
    raw = -int(digits) if minus else int(digits)
    value = Decimal(f"{raw}E-{decimals}") if decimals else Decimal(raw)
    return Reading(register, value, raw, None, received)


def identity(address: str) -> MeterIdentity | None:
    """The meter that an address names; None for a broadcast or a wildcard."""
    return None if "aa" in address or address == "99" * 6 else MeterIdentity(address, medium=Medium.ELECTRICITY)


class Receiver(HuntingReceiver):
    """Frames of both editions. Option `utc_offset`: minutes of the meters' clocks, for times of demand maxima."""

    def __init__(self, keys: Keys | None = None, options: Options | None = None) -> None:
        super().__init__(hunter())
        offset = (options or {}).get("utc_offset")
        self._utc_offset = offset if isinstance(offset, int) else None
        self._assembler = Assembler()
        self._layouts: dict[bytes, Layout | None] = {}

    def receive(self, data: bytes, at: datetime | None = None) -> Iterator[Found]:
        """See `wire.base.Receiver`. A whole frame at once, as a meter's answer comes, needs no hunt."""
        if caught := self._hunter.whole(data):
            yield self.telegram(*caught, at)
        else:
            yield from super().receive(data, at)

    def telegram(self, offset: int, octets: bytes, at: datetime | None) -> Telegram:
        """The telegram of a whole, right frame, by its learnt layout where it has one."""
        control = octets[8]
        if control in (0x91, 0x81):
            key = octets[: 14 if control == 0x91 else 12]
            layout = self._layouts[key] if key in self._layouts else self._learn(key, octets)
            if layout is not None:
                self._assembler.reset()
                return layout.telegram(offset, octets, at)
        return self.decode(offset, octets, at)

    def _learn(self, key: bytes, octets: bytes) -> Layout | None:
        """The layout of replies that begin with `key` (address, control, length, identifier), if they have one."""
        if len(self._layouts) >= LEARNED:
            self._layouts.clear()
        try:
            layout = Layout(octets) if len(octets) > len(key) + 2 else None
        except (DecodeError, KeyError):
            layout = None
        self._layouts[key] = layout
        return layout

    def decode(self, offset: int, octets: bytes, at: datetime | None) -> Telegram:
        """The general way, for every whole, right frame."""
        frame = Frame.of(octets)
        kind = edition(frame)
        found: tuple[Reading, ...] = ()
        problems: tuple[Problem, ...] = ()
        try:
            payload = whole(kind, frame, self._assembler)
            if isinstance(payload, DecodeError):
                raise payload
            if payload:
                found = readings(kind, frame.address, *payload, at, self._utc_offset)
        except DecodeError as error:
            problems = (Problem(error.code, offset, error.reason),)
        if frame.error is not None:
            problems = (Problem("application_error", offset, f"the meter reports: {error_text(frame.error)}"),)
        head = header(frame)
        return Telegram(kind.name, offset, len(octets), True, octets, identity(frame.address), head, found, problems)
