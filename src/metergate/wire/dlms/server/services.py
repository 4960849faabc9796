"""The services by logical names: GET, SET, ACTION and ACCESS, in one piece, as lists and in blocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from metergate.bits import Cursor
from metergate.errors import DecodeError
from metergate.wire.dlms import apdu as a
from metergate.wire.dlms.apdu import AccessResult, Apdu, Attribute, Conformance, Method, Outcome, Selected, Selector
from metergate.wire.dlms.data import NULL, Data, decode_all, encode, read
from metergate.wire.dlms.lengths import count_of
from metergate.wire.dlms.server.blocks import Incoming, Outgoing
from metergate.wire.dlms.server.objects import View

BLOCK_HEAD = 14
"""Octets of an answer around a block's contents, at most."""
GET, SET, ACTION, ACCESS = 1, 2, 3, 4
"""What a request of unified access asks for: 4 and 5 are a get and a set with a selector."""


class NotAgreed(Exception):
    """A service that was not negotiated."""


@dataclass(slots=True)
class Services:
    """The services of one association: what it sees, what was negotiated, how long an answer may be."""

    view: View
    conformance: int
    limit: int
    prove: Callable[[Data | None], Outcome]
    outgoing: Outgoing | None = None
    incoming: Incoming | None = None

    def answer(self, request: Apdu, now: datetime) -> Apdu | None:
        """The answer, which may be longer than `limit` where blocks of its service were not agreed. NotAgreed."""
        entry = _HANDLERS.get(type(request))
        if entry is None:
            raise NotAgreed
        needed, handle = entry
        if needed & ~self.conformance:
            raise NotAgreed
        return handle(self, request, now)

    def _agreed(self, selector: Selector | None) -> None:
        if selector is not None and not self.conformance & Conformance.SELECTIVE_ACCESS:
            raise NotAgreed

    # ---- GET ----
    def get(self, request: a.GetRequest, now: datetime) -> Apdu:
        """One attribute."""
        self._agreed(request.selector)
        self.outgoing = None
        result = self.view.get(request.attribute, request.selector, now)
        answer = a.GetResponse(request.invoke, result)
        if not isinstance(result, Data) or len(a.encode(answer)) <= self.limit:
            return answer
        return self._first_get(answer, encode(result))

    def get_list(self, request: a.GetRequestList, now: datetime) -> Apdu:
        """Several attributes."""
        self.outgoing = None
        for _, selector in request.items:
            self._agreed(selector)
        results = tuple(self.view.get(attribute, selector, now) for attribute, selector in request.items)
        answer = a.GetResponseList(request.invoke, results)
        octets = a.encode(answer)
        return answer if len(octets) <= self.limit else self._first_get(answer, octets[3:])

    def _first_get(self, answer: Apdu, raw: bytes) -> Apdu:
        """The first block of a long answer; the answer as it is where blocks of GET were not agreed."""
        if not self.conformance & Conformance.BLOCK_GET:
            return answer
        self.outgoing = Outgoing(raw, self._block, answer.invoke)
        return self._get_block(self.outgoing)

    @property
    def _block(self) -> int:
        return max(1, self.limit - BLOCK_HEAD)

    def get_next(self, request: a.GetRequestNext, now: datetime) -> Apdu:
        """The block after the one that the client names; the same one again if it did not arrive."""
        out = self.outgoing
        if out is None:
            return a.GetResponseBlock(request.invoke, True, request.block, int(AccessResult.NO_LONG_GET_IN_PROGRESS))
        if request.block == out.block and not out.last:
            out.block += 1
        elif request.block != out.block - 1:
            self.outgoing = None
            wrong = int(AccessResult.DATA_BLOCK_NUMBER_INVALID)
            return a.GetResponseBlock(request.invoke, True, request.block, wrong)
        return self._get_block(out)

    def _get_block(self, out: Outgoing) -> Apdu:
        return a.GetResponseBlock(out.invoke, out.last, out.block, out.piece)

    # ---- SET ----
    def set(self, request: a.SetRequest, now: datetime) -> Apdu:
        """One attribute."""
        if request.value is None:
            return a.SetResponse(request.invoke, int(AccessResult.TYPE_UNMATCHED))
        result = self.view.set(request.attribute, request.selector, request.value, now)
        return a.SetResponse(request.invoke, result)

    def set_list(self, request: a.SetRequestList, now: datetime) -> Apdu:
        """Several attributes."""
        return a.SetResponseList(request.invoke, self._set_all(request.items, request.values, now))

    def _set_all(self, items: tuple[Selected, ...], values: tuple[Data, ...], now: datetime) -> tuple[int, ...]:
        if len(items) != len(values):
            return (int(AccessResult.OTHER_REASON),) * len(items)
        pairs = zip(items, values, strict=True)
        return tuple(self.view.set(attribute, selector, value, now) for (attribute, selector), value in pairs)

    def set_first(self, request: a.SetRequestFirstBlock, now: datetime) -> Apdu:
        """One attribute, the value in blocks."""

        def finish(raw: bytes) -> int:
            return self.view.set(request.attribute, request.selector, decode_all(raw), now)

        self.incoming = Incoming(finish, request.invoke)
        return self._set_block(request.last, request.block, request.raw)

    def set_list_first(self, request: a.SetRequestListFirstBlock, now: datetime) -> Apdu:
        """Several attributes, the values in blocks."""

        def finish(raw: bytes) -> tuple[int, ...]:
            return self._set_all(request.items, _several(raw), now)

        self.incoming = Incoming(finish, request.invoke, several=True)
        return self._set_block(request.last, request.block, request.raw)

    def set_next(self, request: a.SetRequestBlock, now: datetime) -> Apdu:
        """A further block."""
        if self.incoming is None or self.incoming.invoke & 15 != request.invoke & 15:
            return a.SetResponse(request.invoke, int(AccessResult.NO_LONG_SET_IN_PROGRESS))
        return self._set_block(request.last, request.block, request.raw)

    def _set_block(self, last: bool, block: int, raw: bytes) -> Apdu:
        coming = self.incoming
        if coming is None or not coming.take(block, raw):
            invoke = coming.invoke if coming else 0
            self.incoming = None
            return a.SetResponse(invoke, int(AccessResult.DATA_BLOCK_NUMBER_INVALID))
        if not last:
            return a.SetResponseBlock(coming.invoke, block)
        self.incoming = None
        result = _finished(coming)
        if coming.several and isinstance(result, tuple):
            return a.SetResponseLastBlockList(coming.invoke, result, block)
        code = result if isinstance(result, int) else int(AccessResult.OTHER_REASON)
        return a.SetResponseLastBlock(coming.invoke, code, block)

    # ---- ACTION ----
    def action(self, request: a.ActionRequest, now: datetime) -> Apdu:
        """One method."""
        self.outgoing = None
        outcome = self._act(request.method, request.parameter, now)
        return self._acted(request.invoke, outcome)

    def _acted(self, invoke: int, outcome: Outcome) -> Apdu:
        answer = a.ActionResponse(invoke, outcome)
        if not isinstance(outcome.returned, Data) or len(a.encode(answer)) <= self.limit:
            return answer
        return self._first_action(answer, encode(outcome.returned))

    def _first_action(self, answer: Apdu, raw: bytes) -> Apdu:
        if not self.conformance & Conformance.BLOCK_ACTION:
            return answer
        self.outgoing = Outgoing(raw, self._block, answer.invoke)
        return self._action_block(self.outgoing)

    def _action_block(self, out: Outgoing) -> Apdu:
        return a.ActionResponseBlock(out.invoke, out.last, out.block, out.piece)

    def _act(self, method: Method, parameter: Data | None, now: datetime) -> Outcome:
        if method.index == 1 and method.instance == self.view.association.name.octets:
            return self.prove(parameter)
        return self.view.act(method, parameter, now)

    def action_list(self, request: a.ActionRequestList, now: datetime) -> Apdu:
        """Several methods."""
        self.outgoing = None
        return self._all_acted(request.invoke, self._act_all(request.methods, request.parameters, now))

    def _act_all(self, methods: tuple[Method, ...], parameters: tuple[Data, ...], now: datetime) -> tuple[Outcome, ...]:
        if len(methods) != len(parameters):
            return (Outcome(int(AccessResult.OTHER_REASON)),) * len(methods)
        return tuple(self._act(*pair, now) for pair in zip(methods, parameters, strict=True))

    def _all_acted(self, invoke: int, outcomes: tuple[Outcome, ...]) -> Apdu:
        answer = a.ActionResponseList(invoke, outcomes)
        octets = a.encode(answer)
        return answer if len(octets) <= self.limit else self._first_action(answer, octets[3:])

    def action_next(self, request: a.ActionRequestNext, now: datetime) -> Apdu:
        """The block after the one that the client names."""
        out = self.outgoing
        if out is None or request.block not in (out.block, out.block - 1) or (request.block == out.block and out.last):
            self.outgoing = None
            code = AccessResult.DATA_BLOCK_UNAVAILABLE if out else AccessResult.NO_LONG_GET_IN_PROGRESS
            return a.ActionResponse(request.invoke, Outcome(int(code)))
        out.block = request.block + 1
        return self._action_block(out)

    def action_first(self, request: a.ActionRequestFirstBlock, now: datetime) -> Apdu:
        """One method, its parameter in blocks."""

        def finish(raw: bytes) -> Apdu:
            return self._acted(request.invoke, self._act(request.method, decode_all(raw), now))

        self.incoming = Incoming(finish, request.invoke)
        return self._action_taken(request.last, request.block, request.raw)

    def action_list_first(self, request: a.ActionRequestListFirstBlock, now: datetime) -> Apdu:
        """Several methods, their parameters in blocks."""

        def finish(raw: bytes) -> Apdu:
            return self._all_acted(request.invoke, self._act_all(request.methods, _several(raw), now))

        self.incoming = Incoming(finish, request.invoke)
        return self._action_taken(request.last, request.block, request.raw)

    def action_block(self, request: a.ActionRequestBlock, now: datetime) -> Apdu:
        """A further block of parameters."""
        if self.incoming is None or self.incoming.invoke & 15 != request.invoke & 15:
            return a.ActionResponse(request.invoke, Outcome(int(AccessResult.NO_LONG_GET_IN_PROGRESS)))
        return self._action_taken(request.last, request.block, request.raw)

    def _action_taken(self, last: bool, block: int, raw: bytes) -> Apdu:
        coming = self.incoming
        if coming is None or not coming.take(block, raw):
            invoke = coming.invoke if coming else 0
            self.incoming = None
            return a.ActionResponse(invoke, Outcome(int(AccessResult.LONG_GET_ABORTED)))
        if not last:
            return a.ActionResponseNext(coming.invoke, block)
        self.incoming = None
        answer = _finished(coming)
        failed = a.ActionResponse(coming.invoke, Outcome(int(AccessResult.TYPE_UNMATCHED)))
        return failed if answer is None else answer

    # ---- ACCESS ----
    def access(self, request: a.AccessRequest, now: datetime) -> Apdu:
        """Gets, sets and actions in one request."""
        if len(request.requests) != len(request.data):
            raise NotAgreed
        done = [self._access(one, value, now) for one, value in zip(request.requests, request.data, strict=True)]
        values, results = tuple(value for value, _ in done), tuple(result for _, result in done)
        return a.AccessResponse(request.invoke, request.time, None, values, results)

    def _access(self, one: a.Access, value: Data, now: datetime) -> tuple[Data, tuple[int, int]]:
        target = one.target
        if one.choice in (GET, 4) and isinstance(target, Attribute):
            found = self.view.get(target, one.selector, now)
            return (found, (GET, 0)) if isinstance(found, Data) else (NULL, (GET, found))
        if one.choice in (SET, 5) and isinstance(target, Attribute):
            return NULL, (SET, self.view.set(target, one.selector, value, now))
        if isinstance(target, Method):
            outcome = self._act(target, value, now)
            returned = outcome.returned if isinstance(outcome.returned, Data) else NULL
            return returned, (ACTION, outcome.result)
        return NULL, (one.choice, int(AccessResult.OTHER_REASON))


def _several(raw: bytes) -> tuple[Data, ...]:
    """A list of values, their count in front."""
    cursor = Cursor(raw)
    return tuple([read(cursor) for _ in range(count_of(cursor))])


def _finished(coming: Incoming) -> object:
    """What came of a long request; None if its octets are no data."""
    try:
        return coming.finish(bytes(coming.held))
    except DecodeError:
        return None


Handler = Callable[[Services, Apdu, datetime], Apdu]
_C = Conformance
_LIST = _C.MULTIPLE_REFERENCES
_HANDLERS: dict[type, tuple[int, Handler]] = {
    a.GetRequest: (_C.GET, Services.get),
    a.GetRequestNext: (_C.GET | _C.BLOCK_GET, Services.get_next),
    a.GetRequestList: (_C.GET | _LIST, Services.get_list),
    a.SetRequest: (_C.SET, Services.set),
    a.SetRequestFirstBlock: (_C.SET | _C.BLOCK_SET, Services.set_first),
    a.SetRequestBlock: (_C.SET | _C.BLOCK_SET, Services.set_next),
    a.SetRequestList: (_C.SET | _LIST, Services.set_list),
    a.SetRequestListFirstBlock: (_C.SET | _C.BLOCK_SET | _LIST, Services.set_list_first),
    a.ActionRequest: (_C.ACTION, Services.action),
    a.ActionRequestNext: (_C.ACTION | _C.BLOCK_ACTION, Services.action_next),
    a.ActionRequestList: (_C.ACTION | _LIST, Services.action_list),
    a.ActionRequestFirstBlock: (_C.ACTION | _C.BLOCK_ACTION, Services.action_first),
    a.ActionRequestListFirstBlock: (_C.ACTION | _C.BLOCK_ACTION | _LIST, Services.action_list_first),
    a.ActionRequestBlock: (_C.ACTION | _C.BLOCK_ACTION, Services.action_block),
    a.AccessRequest: (_C.ACCESS, Services.access),
}
"""What has to be negotiated for a request, and what answers it."""
