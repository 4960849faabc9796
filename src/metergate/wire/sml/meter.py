"""The meter's side: answers to whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from metergate.errors import BadValue
from metergate.wire.base import Found, Problem
from metergate.wire.sml.codec import Message, decode_messages, encode_telegram
from metergate.wire.sml.messages import (
    ATTENTION_PREFIX,
    Attention,
    Body,
    CloseRequest,
    CloseResponse,
    GetListRequest,
    GetListResponse,
    GetProcParameterRequest,
    GetProcParameterResponse,
    GetProfileListResponse,
    GetProfilePackRequest,
    GetProfilePackResponse,
    ListEntry,
    OpenRequest,
    OpenResponse,
    PackHeader,
    PackPeriod,
    PackValue,
    ParameterValue,
    Path,
    ProfileRequest,
    ProfileValue,
    SetProcParameterRequest,
    Tree,
)
from metergate.wire.sml.push import Style, sec_index, timestamp
from metergate.wire.sml.tlv import Integer
from metergate.wire.sml.transport import Accepted, Framer, crc_of, unwrap
from metergate.wire.sml.values import Time, Value

VALUE_ATTRIBUTE, SCALER_UNIT_ATTRIBUTE, STATUS_ATTRIBUTE = b"\x00\x02", b"\x00\x03", b"\x00\x04"
"""Names of the nodes below a register in a parameter tree; the form of the tree is ours (unverified)."""


@dataclass(frozen=True, slots=True)
class Period:
    """What a profile holds for one moment."""

    time: Time
    values: tuple[ProfileValue, ...]
    status: Integer | None = None


def parameter_tree(entry: ListEntry) -> Tree:
    """A register as a parameter tree: value, scaler and unit, status (absent = ok)."""
    scaler = Integer(entry.scaler or 0, 1, True)
    unit = Integer(entry.unit if entry.unit is not None else 255, 1)
    status = ParameterValue(1, entry.status) if entry.status is not None else None
    return Tree(
        entry.name,
        None,
        (
            Tree(VALUE_ATTRIBUTE, ParameterValue(1, entry.value) if entry.value is not None else None),
            Tree(SCALER_UNIT_ATTRIBUTE, None, (_leaf(b"\x01", scaler), _leaf(b"\x02", unit))),
            Tree(STATUS_ATTRIBUTE, status),
        ),
    )


def _leaf(name: bytes, value: Value) -> Tree:
    return Tree(name, ParameterValue(1, value))


def parameter_entry(tree: Tree) -> ListEntry:
    """The inverse of `parameter_tree`. BadValue if it is no register."""
    nodes = {child.name: child for child in tree.children or ()}
    pair = [leaf.value.content for leaf in _children(nodes.get(SCALER_UNIT_ATTRIBUTE)) if leaf.value]
    if VALUE_ATTRIBUTE not in nodes or len(pair) != 2 or not all(isinstance(part, Integer) for part in pair):
        raise BadValue(f"the parameter tree {(tree.name or b'').hex()} is no register")
    value, status = nodes[VALUE_ATTRIBUTE].value, nodes.get(STATUS_ATTRIBUTE, Tree()).value
    unit = pair[1].value
    return ListEntry(
        tree.name,
        status.content if status else None,
        None,
        None if unit == 255 else unit,
        pair[0].value,
        value.content if value else None,
    )


def _children(tree: Tree | None) -> tuple[Tree, ...]:
    return (tree.children or ()) if tree else ()


def _no_periods(begin: datetime, end: datetime) -> Sequence[Period]:
    return ()


def _read_only(path: Path, tree: Tree | None) -> int:
    return 0xFE05


@dataclass(frozen=True, slots=True)
class MeterData:
    """What a meter has to tell: its values at a moment, its profile from begin up to (not with) end, and what can be
    written (the answer is a number of `ATTENTIONS`). `password` None: everybody may read."""

    server: bytes
    entries: Callable[[datetime], Sequence[ListEntry]]
    periods: Callable[[datetime, datetime], Sequence[Period]] = _no_periods
    write: Callable[[Path, Tree | None], int] = _read_only
    period: int = 900
    username: bytes | None = None
    password: bytes | None = field(default=None, repr=False)
    style: Style = field(default_factory=Style)


_REQUESTS = (OpenRequest, ProfileRequest, GetProcParameterRequest, SetProcParameterRequest, GetListRequest)


class SmlResponder:
    """Implements `wire.base.Responder`: answers every request file with one file."""

    def __init__(self, data: MeterData) -> None:
        self._data = data
        self._now = datetime.min.replace(tzinfo=UTC)
        self._answers: list[bytes] = []
        self._framer = Framer(self._accept)

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        """Take in bytes of any chunking; yield every answer. Must be consumed."""
        self._now = now
        for _ in self._framer.feed(data):
            pass
        while self._answers:
            yield self._answers.pop(0)

    def silence(self) -> None:
        """The line went quiet: drop an unfinished request."""
        for _ in self._framer.silence():
            pass

    def _accept(self, frame: bytes, offset: int) -> Accepted:
        done: Found = Problem("noise", offset, "a request file")
        kind = crc_of(frame)
        if kind is None:
            return Accepted(done, False)
        answers = [
            replace(message, body=body, choice_size=self._data.style.choice_size)
            for message in decode_messages(unwrap(frame), kind)
            if isinstance(message, Message)
            for body in self._answer(message.body)
        ]
        if answers:
            self._answers.append(encode_telegram(answers, self._data.style.crc))
        return Accepted(done, True)

    def _answer(self, request: Body) -> list[Body]:
        data = self._data
        if isinstance(request, CloseRequest):
            return [CloseResponse()]
        if not isinstance(request, _REQUESTS):
            return []
        if request.server not in (None, data.server):
            return [self._attention(0xFE03)]
        if (request.username, request.password) != (data.username, data.password) and data.password is not None:
            return [self._attention(0xFE02)]
        if isinstance(request, OpenRequest):
            return [
                OpenResponse(None, request.client, request.file, data.server, sec_index(int(self._now.timestamp())))
            ]
        if isinstance(request, GetListRequest):
            values = tuple(data.entries(self._now))
            time = timestamp(self._now)
            return [GetListResponse(request.client, data.server, request.name, time, values)]
        if isinstance(request, GetProcParameterRequest):
            return [self._parameter(request)]
        if isinstance(request, SetProcParameterRequest):
            return [self._attention(data.write(request.path, request.tree))]
        return self._profile(request) if isinstance(request, ProfileRequest) else []

    def _attention(self, number: int) -> Attention:
        return Attention(self._data.server, ATTENTION_PREFIX + number.to_bytes(2, "big"))

    def _parameter(self, request: GetProcParameterRequest) -> Body:
        for entry in self._data.entries(self._now):
            if request.path and request.path[0] == entry.name:
                return GetProcParameterResponse(self._data.server, request.path, parameter_tree(entry))
        return self._attention(0xFE06)

    def _profile(self, request: ProfileRequest) -> list[Body]:
        begin = (request.begin.instant if request.begin else None) or datetime.fromtimestamp(0, UTC)
        end = (request.end.instant if request.end else None) or self._now
        periods = [_only(period, request.objects) for period in self._data.periods(begin, end)]
        if not periods:
            return [self._attention(0xFE13)]
        now = timestamp(self._now)
        if isinstance(request, GetProfilePackRequest):
            return [_pack(self._data, request.path, now, periods)]
        return [
            GetProfileListResponse(
                self._data.server, now, self._data.period, request.path, period.time, period.status, period.values
            )
            for period in periods
        ]


def _only(period: Period, objects: tuple[bytes, ...] | None) -> Period:
    wanted = tuple(value for value in period.values if not objects or value.name in objects)
    return replace(period, values=wanted)


def _pack(data: MeterData, path: Path, now: Time, periods: Sequence[Period]) -> GetProfilePackResponse:
    heads = tuple(PackHeader(value.name, value.unit, value.scaler) for value in periods[0].values)
    table = tuple(
        PackPeriod(period.time, period.status, tuple(PackValue(value.value) for value in period.values))
        for period in periods
    )
    return GetProfilePackResponse(data.server, now, data.period, path, heads, table)
