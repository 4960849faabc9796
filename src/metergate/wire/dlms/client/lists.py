"""Several things at once: SET and ACTION with lists, in blocks where they are long, and unified access."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from metergate.errors import BadValue, Unsupported
from metergate.wire.base import Dialogue
from metergate.wire.dlms import apdu as a
from metergate.wire.dlms.apdu import Access, Attribute, Conformance, Method, Outcome, Result, Selector
from metergate.wire.dlms.client.client import BLOCK_HEAD, Client, NotDone, is_one_of, pieces
from metergate.wire.dlms.data import NULL, Data, encode
from metergate.wire.dlms.lengths import length

GET, SET, ACTION, GET_SELECTED, SET_SELECTED = 1, 2, 3, 4, 5
"""What a part of a request of unified access asks for."""
CONFIRMED, URGENT = 1 << 30, 1 << 31
PLACE = 32
"""Octets of an attribute or method in a list, at most, without a selector's parameter."""
Part = Callable[[bool, int, bytes], a.Apdu]
"""A block as an APDU: whether it is the last, its number, its octets."""


@dataclass(frozen=True, slots=True)
class Order:
    """One thing to do by unified access: read (`value` None), write or execute."""

    target: Attribute | Method
    value: Data | None = None
    selector: Selector | None = None

    @property
    def choice(self) -> int:
        """Which service it is."""
        if isinstance(self.target, Method):
            return ACTION
        plain, selected = (GET, GET_SELECTED) if self.value is None else (SET, SET_SELECTED)
        return selected if self.selector else plain


# ---- lists -----------------------------------------------------------------------------------------------------------
def set_list(client: Client, items: Sequence[tuple[Attribute, Data]]) -> Dialogue[tuple[int, ...]]:
    """Write several attributes; the data-access-result of each. NoAnswer: then nobody knows which were written."""
    client.agreed(Conformance.SET | Conformance.MULTIPLE_REFERENCES)
    places = tuple((attribute, None) for attribute, _ in items)
    request = a.SetRequestList(client.invoke(), places, tuple(value for _, value in items))
    if len(a.encode(request)) <= client.limit or not client.conformance & Conformance.BLOCK_SET:
        answer = yield from client.ask(request, is_one_of(a.SetResponseList, a.SetResponse), again=False)
    else:
        first = partial(a.SetRequestListFirstBlock, request.invoke, places)
        rest = partial(a.SetRequestBlock, request.invoke)
        answer = yield from _in_blocks(client, (first, rest), _counted(request.values), len(items))
    results = getattr(answer, "results", None)
    if results is None:
        raise NotDone("a list", int(getattr(answer, "result", a.AccessResult.OTHER_REASON)))
    return _as_many(results, len(items))


def act_list(client: Client, items: Sequence[tuple[Method, Data | None]]) -> Dialogue[tuple[Outcome, ...]]:
    """Execute several methods, once; what came of each. NoAnswer: then nobody knows which were executed."""
    client.agreed(Conformance.ACTION | Conformance.MULTIPLE_REFERENCES)
    methods = tuple(method for method, _ in items)
    values = tuple(NULL if value is None else value for _, value in items)
    request = a.ActionRequestList(client.invoke(), methods, values)
    if len(a.encode(request)) <= client.limit or not client.conformance & Conformance.BLOCK_ACTION:
        accept = is_one_of(a.ActionResponseList, a.ActionResponse, a.ActionResponseBlock)
        answer = yield from client.ask(request, accept, again=False)
    else:
        first = partial(a.ActionRequestListFirstBlock, request.invoke, methods)
        rest = partial(a.ActionRequestBlock, request.invoke)
        answer = yield from _in_blocks(client, (first, rest), _counted(values), len(items))
    if isinstance(answer, a.ActionResponseBlock):
        raw = yield from client.action_rest(answer)
        answer = a.decode(bytes((0xC7, 3, answer.invoke)) + raw)
    if not isinstance(answer, a.ActionResponseList):
        raise NotDone("a list", answer.outcome.result if isinstance(answer, a.ActionResponse) else 250)
    return _as_many(answer.outcomes, len(items))


_GOES_ON = (a.SetResponseBlock, a.ActionResponseNext)
_ENDS = (
    a.SetResponse,
    a.SetResponseLastBlock,
    a.SetResponseLastBlockList,
    a.ActionResponse,
    a.ActionResponseList,
    a.ActionResponseBlock,
)


def _in_blocks(client: Client, parts: tuple[Part, Part], raw: bytes, count: int) -> Dialogue[a.Apdu]:
    """Send the values of a list block by block; the last answer."""
    answer: a.Apdu = None
    for number, last, piece in pieces(raw, client.limit - BLOCK_HEAD - PLACE * count):
        part = parts[0 if number == 1 else 1](last, number, piece)
        answer = yield from client.ask(part, is_one_of(*_GOES_ON, *_ENDS), again=False)
        if not last and not (isinstance(answer, _GOES_ON) and answer.block == number):
            break
    return answer


def _counted(values: tuple[Data, ...]) -> bytes:
    return length(len(values)) + b"".join(map(encode, values))


def _as_many(results: tuple[a.Apdu, ...], count: int) -> tuple[a.Apdu, ...]:
    if len(results) != count:
        raise BadValue(f"{len(results)} results where {count} things were ordered")
    return results


# ---- unified access --------------------------------------------------------------------------------------------------
def access(client: Client, orders: Sequence[Order]) -> Dialogue[tuple[Result | Outcome, ...]]:
    """Gets, sets and actions in one request, in this order.

    Of a get the value or the data-access-result, of a set the result (0 for success), of an action the outcome.
    Unsupported where the service, or general protection in a ciphered context, was not agreed.
    """
    client.agreed(Conformance.ACCESS)
    if client.entrance.context.ciphered:
        client.agreed(Conformance.GENERAL_PROTECTION)
    if any(order.selector for order in orders):
        client.agreed(Conformance.SELECTIVE_ACCESS)
    wanted = tuple(Access(order.choice, order.target, order.selector) for order in orders)
    data = tuple(NULL if order.value is None else order.value for order in orders)
    request = a.AccessRequest(URGENT | CONFIRMED | client.invoke() & 15, b"", wanted, data)
    reading = all(order.choice in (GET, GET_SELECTED) for order in orders)
    answer = yield from client.ask(request, is_one_of(a.AccessResponse), again=reading)
    if len(answer.results) != len(orders) or len(answer.data) != len(orders):
        raise BadValue(f"{len(answer.results)} results where {len(orders)} things were asked for")
    return tuple(map(_came_of, orders, answer.data, answer.results))


def _came_of(order: Order, value: Data, told: tuple[int, int]) -> Result | Outcome:
    choice, result = told
    if order.choice == ACTION:
        return Outcome(result, value if value != NULL else None)
    if choice not in (order.choice, order.choice - 3):
        raise Unsupported(f"the meter answers to service {order.choice} by {choice}")
    return value if order.value is None and result == 0 else result
