"""The meter's end of DL/T 645-2007, and of the edition of 1997 with a part of its identifiers.

What a register shows comes from a `RegisterSource`, which is asked for any instant: so settlements and freezes are the
source's values at past instants, and nothing has to be recorded when they happen.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from metergate.errors import DecodeError
from metergate.wire.base import Problem
from metergate.wire.dlt645 import control, control97, serve
from metergate.wire.dlt645.core import NO_DATA, OTHER, Core, Prepaid, Refusal, RegisterSource, State
from metergate.wire.dlt645.decode import E1997, Edition, edition
from metergate.wire.dlt645.frame import BROADCAST, FAILED, FOLLOWS, REPLY, Frame, hunter, matches

FOR_ALL = (0x08, 0x16)
"""What may be told to all meters at once: the time, and to freeze."""
__all__ = ["Meter", "Prepaid", "RegisterSource", "State"]


class Meter(Core):
    """One meter on the line; a `wire.base.Responder`. Arguments as `core.Core`.

    `most_data` bounds the data of a reply: longer items go out in follow-up frames.
    """

    def __init__(
        self,
        address: str,
        source: RegisterSource,
        installed: datetime,
        utc_offset: timedelta = timedelta(hours=8),
        tariffs: int = 4,
        passwords: dict[int, bytes] | None = None,
        most_data: int = 200,
        state: State | None = None,
    ) -> None:
        super().__init__(address, source, installed, utc_offset, tariffs, passwords, most_data, state)
        self._hunter = hunter()
        self._parts: list[bytes] = []
        self._part_of = b""
        self._next = 0

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        """See `wire.base.Responder`. `now` is the true time, aware; the meter's own clock may be wrong."""
        for catch in self._hunter.feed(data):
            if isinstance(catch, Problem):
                continue
            request = Frame.of(catch[1])
            if not request.from_meter and (reply := self.answer(request, now)):
                yield reply.encode()

    def silence(self) -> None:
        """See `wire.base.Responder`."""
        for _ in self._hunter.silence():
            pass

    def answer(self, request: Frame, now: datetime) -> Frame | None:
        """The reply, or None: the request is not for this meter, or for all of them."""
        everybody = request.address == BROADCAST
        if not everybody and not matches(request.address, self.address):
            return None
        if everybody and request.function not in FOR_ALL:
            return None
        try:
            code, data = self._perform(request, now)
        except Refusal as refusal:
            code, data = FAILED, bytes((refusal.octet,))
        except (DecodeError, ValueError):
            code, data = FAILED, bytes((OTHER,))
        return (
            None if everybody or request.function == 0x08 else Frame(self.address, request.control | REPLY | code, data)
        )

    def _perform(self, request: Frame, now: datetime) -> tuple[int, bytes]:
        kind = edition(request)
        if request.function == kind.read:
            return self._read(request.data, now, kind)
        if request.function == kind.follow:
            return self._follow(request.data, kind.di_size)
        perform = (control97 if kind is E1997 else control).FUNCTIONS.get(request.function)
        if perform is None:
            raise Refusal(OTHER)
        return 0, perform(self, request.data, now)

    def _read(self, data: bytes, now: datetime, kind: Edition) -> tuple[int, bytes]:
        begin, asked = data[: kind.di_size], data[kind.di_size :]
        di = int.from_bytes(begin, "little")
        if kind is E1997:
            octets = serve.item_1997(self, di, now)
        elif di >> 24 == 0x06:
            octets = serve.load_records(self, di, asked, now)
        else:
            octets = serve.item_2007(self, di, now)
        if octets is None:
            raise Refusal(NO_DATA)
        most = self.most_data - len(begin) - 1
        self._parts = [octets[at : at + most] for at in range(0, len(octets), most)] or [b""]
        self._part_of, self._next = begin, 1
        return FOLLOWS if len(self._parts) > 1 else 0, begin + self._parts[0]

    def _follow(self, data: bytes, size: int) -> tuple[int, bytes]:
        """The next part; in 2007 the sequence number tells which, so asking again gives the same."""
        number = data[-1] if size == 4 and len(data) > 4 else self._next
        if data[:size] != self._part_of or not 0 < number < len(self._parts):
            raise Refusal(NO_DATA)
        self._next = number + 1
        tail = bytes((number,)) if size == 4 else b""
        return FOLLOWS if number + 1 < len(self._parts) else 0, data[:size] + self._parts[number] + tail
