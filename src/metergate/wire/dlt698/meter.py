"""The meter's end of DL/T 698.45: a table of objects over a `RegisterSource`.

What a register shows comes from a source that is asked for any instant: so freezes are its values at past instants and
nothing has to be recorded when they happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from metergate.errors import DecodeError, Unsupported
from metergate.wire.base import Problem
from metergate.wire.dlt645.core import RegisterSource
from metergate.wire.dlt698 import serve, tables
from metergate.wire.dlt698.apdu import Apdu
from metergate.wire.dlt698.frame import (
    UP,
    Address,
    Frame,
    Joiner,
    acknowledge,
    acknowledges,
    blocks,
    hunter,
)
from metergate.wire.dlt698.serve import DENIED, OTHER, Store

__all__ = ["Meter"]
Fields = Mapping[str, Any]


class Meter(Store):
    """One meter on the line; a `wire.base.Responder`. Arguments as `serve.Store`.

    `most` bounds a frame: longer answers go out part by part, each after the acknowledgement of the one before;
    `apdu_size` an APDU: longer tables go out in blocks.
    """

    def __init__(
        self,
        address: str,
        source: RegisterSource,
        installed: datetime,
        utc_offset: timedelta = timedelta(hours=8),
        tariffs: int = 4,
        password: str | None = None,
        most: int = 1024,
        apdu_size: int = 4096,
    ) -> None:
        super().__init__(address, source, installed, utc_offset, tariffs, password)
        self.most, self.apdu_size = most, apdu_size
        self._hunter, self._joiner = hunter(), Joiner()
        self._waiting: list[Frame] = []
        self._blocks: list[tuple[int, Any]] = []
        self._done: tuple[bytes, Frame] | None = None
        self._me = Address(self.address)

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        """See `wire.base.Responder`. `now` is the true time, aware; the meter's own clock may be wrong."""
        for catch in self._hunter.feed(data):
            if isinstance(catch, Problem):
                continue
            frame = Frame.of(catch[1])
            if not frame.from_meter and frame.address.names(self.address):
                self._me = Address(self.address)  # the answer to a new address still carries the old one
                yield from (each.encode() for each in self._frames(frame, now))

    def silence(self) -> None:
        """See `wire.base.Responder`."""
        for _ in self._hunter.silence():
            pass

    def _frames(self, frame: Frame, now: datetime) -> Iterator[Frame]:
        try:
            for number in acknowledges(frame):
                yield from self._waiting[number + 1 : number + 2]
                return
            if frame.split:
                yield self._up(acknowledge(frame))
            octets = self._joiner.add(frame.apdu) if frame.split else frame.apdu
        except DecodeError:
            return
        reply = self._reply(frame, octets, now) if octets is not None else None
        if reply is not None:
            self._waiting = blocks(reply, self.most)
            yield self._waiting[0]

    def _up(self, frame: Frame) -> Frame:
        return replace(frame, control=frame.control | UP, address=self._me)

    def _reply(self, frame: Frame, octets: bytes, now: datetime) -> Frame | None:
        """The answer; a repeated order is answered again and not carried out again. Nobody answers a broadcast."""
        if self._done and self._done[0] == octets and octets[:1] == b"\x07":
            return self._done[1]
        apdu = self._answer(octets, now)
        if apdu is None or frame.address.kind in (2, 3):
            return None
        reply = self._up(replace(frame, control=frame.control & ~0x20, apdu=apdu.encode()))
        self._done = octets, reply
        return reply

    def _answer(self, octets: bytes, now: datetime) -> Apdu | None:
        try:
            apdu = Apdu.decode(octets)
            perform = PERFORM.get(apdu.service)
            if perform is None:
                raise Unsupported(f"{apdu.service} is not for a meter")
            service, fields = perform(self, apdu.fields, now)
        except DecodeError:
            if octets[:1] in (b"\x01", b"\x81", b"\x08"):
                return None
            return Apdu("error-response", {"error": 1})
        return Apdu(service, {"piid": apdu.piid & 0x3F, **fields})

    # --- services ----------------------------------------------------------------------------------------------------
    def _get(self, fields: Fields, now: datetime) -> tuple[str, Fields]:
        return "get-response-normal", {"attribute": (fields["oad"], serve.attribute(self, fields["oad"], now))}

    def _get_list(self, fields: Fields, now: datetime) -> tuple[str, Fields]:
        found = tuple((oad, serve.attribute(self, oad, now)) for oad in fields["oads"])
        return "get-response-list", {"attributes": found}

    def _record(self, fields: Fields, now: datetime) -> tuple[str, Fields]:
        table = tables.select(self, fields["query"], now)
        parts = tables.parts(table, self.apdu_size)
        if len(parts) == 1:
            return "get-response-record", {"table": table}
        self._blocks = [(2, (part,)) for part in parts]
        return self._block(0)

    def _records(self, fields: Fields, now: datetime) -> tuple[str, Fields]:
        found = tuple(tables.select(self, query, now) for query in fields["queries"])
        return "get-response-record-list", {"tables": found}

    def _block(self, number: int) -> tuple[str, Fields]:
        if number >= len(self._blocks):
            return "get-response-next", {"last": 1, "block": number, "part": (0, 9)}
        last = int(number + 1 == len(self._blocks))
        return "get-response-next", {"last": last, "block": number, "part": self._blocks[number]}

    def _next(self, fields: Fields, now: datetime) -> tuple[str, Fields]:
        return self._block(fields["block"] + 1)

    def _set(self, fields: Fields, now: datetime) -> tuple[str, Fields]:
        oad, value = fields["setting"]
        return "set-response-normal", {"done": (oad, self._allowed(serve.write, oad, value, now))}

    def _set_list(self, fields: Fields, now: datetime) -> tuple[str, Fields]:
        done = tuple((oad, self._allowed(serve.write, oad, value, now)) for oad, value in fields["settings"])
        return "set-response-list", {"all_done": done}

    def _act(self, fields: Fields, now: datetime) -> tuple[str, Fields]:
        method, value = fields["setting"]
        return "action-response-normal", {"called": (method, self._allowed(serve.act, method, value, now), None)}

    def _act_list(self, fields: Fields, now: datetime) -> tuple[str, Fields]:
        done = tuple(
            (method, self._allowed(serve.act, method, value, now), None) for method, value in fields["settings"]
        )
        return "action-response-list", {"all_called": done}

    def _allowed(self, perform: Callable[..., int], what: int, value: Any, now: datetime) -> int:
        if self.password is not None and not self.trusted:
            return DENIED
        try:
            return perform(self, what, value, now)
        except (DecodeError, ValueError, TypeError, AttributeError):
            return OTHER

    def _connect(self, fields: Fields, now: datetime) -> tuple[str, Fields]:
        return "connect-response", self.associate(fields, now) | {"maker": b"MGATE".ljust(32, b"\0")}

    def _release(self, fields: Fields, now: datetime) -> tuple[str, Fields]:
        self.trusted = False
        return "release-response", {"result": 0}


PERFORM: dict[str, Callable[[Meter, Fields, datetime], tuple[str, Fields]]] = {
    "get-request-normal": Meter._get,
    "get-request-list": Meter._get_list,
    "get-request-record": Meter._record,
    "get-request-record-list": Meter._records,
    "get-request-next": Meter._next,
    "set-request-normal": Meter._set,
    "set-request-list": Meter._set_list,
    "action-request-normal": Meter._act,
    "action-request-list": Meter._act_list,
    "connect-request": Meter._connect,
    "release-request": Meter._release,
}
