"""Services as dialogues: attributes read and written, methods executed, in one piece or in blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from metergate.errors import ApplicationError, BadValue, Refused, Truncated
from metergate.wire.base import Dialogue
from metergate.wire.dlms import apdu as a
from metergate.wire.dlms.apdu import AccessResult, Attribute, Conformance, Method, Outcome, Result, Selected, Selector
from metergate.wire.dlms.client.association import LONGEST, Accept, Association
from metergate.wire.dlms.data import Data, decode_all, encode

BLOCK_HEAD = 40
"""Octets of a request around a block's contents, at most."""
_NAMES = {int(one): one.name.lower().replace("_", " ") for one in AccessResult}


def result_text(result: int) -> str:
    """A data-access- or action-result in words."""
    return _NAMES.get(result, f"result {result}")


class NotGiven(ApplicationError):
    """The meter has no such value, or does not give it; `result` is what it said."""

    def __init__(self, what: str, result: int) -> None:
        super().__init__(f"{what}: {result_text(result)}")
        self.result = result


class NotDone(Refused):
    """The meter did not carry out what was asked; `result` is what it said."""

    def __init__(self, what: str, result: int) -> None:
        super().__init__(f"{what}: {result_text(result)}")
        self.result = result


class Client(Association):
    """An association and the services in it. Nothing is sent that was not negotiated: then it is Unsupported."""

    # ---- reading ----
    def get(self, attribute: Attribute, selector: Selector | None = None) -> Dialogue[Data]:
        """The value of an attribute. NotGiven; NoAnswer, DecodeError."""
        self.agreed(Conformance.GET | (Conformance.SELECTIVE_ACCESS if selector else 0))
        request = a.GetRequest(self.invoke(), attribute, selector)
        answer = yield from self.ask(request, is_one_of(a.GetResponse, a.GetResponseBlock))
        if isinstance(answer, a.GetResponse):
            return _given(answer.result, attribute)
        raw = yield from self._rest(answer, str(attribute))
        return decode_all(raw)

    def get_list(self, items: Iterable[Selected]) -> Dialogue[tuple[Result, ...]]:
        """Several attributes at once: values, or data-access-results."""
        wanted = tuple(items)
        self.agreed(Conformance.GET | Conformance.MULTIPLE_REFERENCES)
        if any(selector for _, selector in wanted):
            self.agreed(Conformance.SELECTIVE_ACCESS)
        request = a.GetRequestList(self.invoke(), wanted)
        answer = yield from self.ask(request, is_one_of(a.GetResponseList, a.GetResponseBlock, a.GetResponse))
        if isinstance(answer, a.GetResponse):
            raise NotGiven("a list", answer.result if isinstance(answer.result, int) else 0)
        if isinstance(answer, a.GetResponseBlock):
            raw = yield from self._rest(answer, "a list")
            answer = a.decode(bytes((0xC4, 3, answer.invoke)) + raw)
        if len(answer.results) != len(wanted):
            raise BadValue(f"{len(answer.results)} values where {len(wanted)} were asked for")
        found: tuple[Result, ...] = answer.results
        return found

    def _rest(self, answer: a.GetResponseBlock, what: str) -> Dialogue[bytes]:
        """All blocks of a long answer. NotGiven; BadValue where a number is not the next one."""
        held, expected = bytearray(), 1
        while True:
            if isinstance(answer.result, int):
                raise NotGiven(what, answer.result)
            if answer.block != expected or len(held) + len(answer.result) > LONGEST:
                raise BadValue(f"block {answer.block} came where {expected} was expected")
            held += answer.result
            if answer.last:
                return bytes(held)
            request = a.GetRequestNext(answer.invoke, expected)
            expected += 1
            answer = yield from self.ask(request, is_one_of(a.GetResponseBlock))

    # ---- writing ----
    def set(self, attribute: Attribute, value: Data, selector: Selector | None = None) -> Dialogue[None]:
        """Write an attribute. NotDone; NoAnswer: then nobody knows whether it was written."""
        self.agreed(Conformance.SET)
        request = a.SetRequest(self.invoke(), attribute, selector, value)
        if len(a.encode(request)) <= self.limit or not self.conformance & Conformance.BLOCK_SET:
            answer = yield from self.ask(request, is_one_of(a.SetResponse), again=False)
            _done(answer.result, attribute)
            return
        invoke = request.invoke
        for number, last, piece in pieces(encode(value), self.limit - BLOCK_HEAD):
            part = (
                a.SetRequestFirstBlock(invoke, attribute, selector, last, number, piece)
                if number == 1
                else a.SetRequestBlock(invoke, last, number, piece)
            )
            answer = yield from self.ask(
                part, is_one_of(a.SetResponse, a.SetResponseBlock, a.SetResponseLastBlock), False
            )
            if isinstance(answer, a.SetResponseBlock) and not last:
                continue
            _done(getattr(answer, "result", int(AccessResult.OTHER_REASON)), attribute)

    # ---- executing ----
    def act(self, method: Method, parameter: Data | None = None) -> Dialogue[Data | None]:
        """Execute a method, once. NotDone; NoAnswer: then nobody knows whether it was executed."""
        self.agreed(Conformance.ACTION)
        request = a.ActionRequest(self.invoke(), method, parameter)
        if len(a.encode(request)) <= self.limit or not self.conformance & Conformance.BLOCK_ACTION:
            answer = yield from self.ask(request, is_one_of(a.ActionResponse, a.ActionResponseBlock), again=False)
        else:
            answer = yield from self._long_act(request)
        if isinstance(answer, a.ActionResponse):
            return _returned(answer.outcome, method)
        raw = yield from self.action_rest(answer)
        return decode_all(raw)

    def _long_act(self, request: a.ActionRequest) -> Dialogue[a.Apdu]:
        raw = encode(request.parameter) if request.parameter else b""
        answer: a.Apdu = None
        for number, last, piece in pieces(raw, self.limit - BLOCK_HEAD):
            part = (
                a.ActionRequestFirstBlock(request.invoke, request.method, last, number, piece)
                if number == 1
                else a.ActionRequestBlock(request.invoke, last, number, piece)
            )
            answer = yield from self.ask(
                part, is_one_of(a.ActionResponse, a.ActionResponseNext, a.ActionResponseBlock), False
            )
            if not last and not (isinstance(answer, a.ActionResponseNext) and answer.block == number):
                break
        return answer

    def action_rest(self, answer: a.Apdu) -> Dialogue[bytes]:
        """All blocks of what methods returned. BadValue."""
        held, expected = bytearray(), 1
        while True:
            if not isinstance(answer, a.ActionResponseBlock) or answer.block != expected:
                raise BadValue("a long answer ended in the middle")
            held += answer.raw
            if answer.last:
                return bytes(held)
            if len(held) > LONGEST:
                raise BadValue("a long answer has no end")
            request = a.ActionRequestNext(answer.invoke, expected)
            expected += 1
            answer = yield from self.ask(request, is_one_of(a.ActionResponseBlock, a.ActionResponse))


def is_one_of(*kinds: type) -> Accept:
    """An answer of one of these kinds."""
    return lambda found: isinstance(found, kinds)


def _given(result: Result, what: object) -> Data:
    if isinstance(result, int):
        raise NotGiven(str(what), result)
    return result


def _done(result: int, what: object) -> None:
    if result:
        raise NotDone(str(what), result)


def _returned(outcome: Outcome, method: Method) -> Data | None:
    _done(outcome.result, method)
    return outcome.returned if isinstance(outcome.returned, Data) else None


def pieces(raw: bytes, size: int) -> Iterator[tuple[int, bool, bytes]]:
    """Number, whether it is the last, octets."""
    if size < 1:
        raise Truncated("the meter takes no PDU of useful length")
    for at in range(0, max(1, len(raw)), size):
        yield at // size + 1, at + size >= len(raw), raw[at : at + size]
