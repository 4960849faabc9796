"""The messages of SML as dataclasses, and their fields' types as tables. `BODIES` finds one by its number.

Every field may be absent (None). Captures confirm Open, Close and GetList responses; the others follow the standard's
lists of fields and no capture has confirmed them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from metergate.errors import BadValue
from metergate.wire.sml.tlv import Integer, Node
from metergate.wire.sml.values import (
    FLAG,
    I8,
    INTEGER,
    OCTETS,
    TIME,
    U8,
    U32,
    VALUE,
    Kind,
    Time,
    Value,
    record,
    sequence,
)

Octets = bytes | None
Path = tuple[bytes, ...] | None


class ListEntry(NamedTuple):
    """One value of a list: `name` is the OBIS code's six octets, `unit` a DLMS code, `scaler` a power of ten.

    A tuple and no dataclass, because a telegram has dozens.
    """

    name: Octets = None
    status: Integer | None = None
    time: Time | None = None
    unit: int | None = None
    scaler: int | None = None
    value: Value = None
    signature: Octets = None


@dataclass(frozen=True, slots=True)
class ProfileValue:
    """One value of a profile list, or (GetProfilePack) what stands at the head of a column, then without value."""

    name: Octets = None
    unit: int | None = None
    scaler: int | None = None
    value: Value = None
    signature: Octets = None


@dataclass(frozen=True, slots=True)
class PackHeader:
    """A column of a profile pack."""

    name: Octets = None
    unit: int | None = None
    scaler: int | None = None


@dataclass(frozen=True, slots=True)
class PackValue:
    """A cell of a profile pack."""

    value: Value = None
    signature: Octets = None


@dataclass(frozen=True, slots=True)
class PackPeriod:
    """A row of a profile pack: as many values as there are columns."""

    time: Time | None = None
    status: Integer | None = None
    values: tuple[PackValue, ...] | None = None
    signature: Octets = None


@dataclass(frozen=True, slots=True)
class ParameterValue:
    """The content of a tree's node. `choice` 1 value, 2 periodEntry, 4 time; 3 tupelEntry is kept as elements."""

    choice: int
    content: Any = None


@dataclass(frozen=True, slots=True)
class Tree:
    """A parameter and those below it."""

    name: Octets = None
    value: ParameterValue | None = None
    children: tuple[Tree, ...] | None = None


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """0100"""

    codepage: Octets = None
    client: Octets = None
    file: Octets = None
    server: Octets = None
    username: Octets = None
    password: Octets = field(default=None, repr=False)
    version: int | None = None


@dataclass(frozen=True, slots=True)
class OpenResponse:
    """0101; `time` is the meter's reference time."""

    codepage: Octets = None
    client: Octets = None
    file: Octets = None
    server: Octets = None
    time: Time | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class CloseRequest:
    """0200"""

    signature: Octets = None


@dataclass(frozen=True, slots=True)
class CloseResponse:
    """0201"""

    signature: Octets = None


@dataclass(frozen=True, slots=True)
class ProfileRequest:
    """The fields of both profile requests; begin inclusive, end exclusive."""

    server: Octets = None
    username: Octets = None
    password: Octets = field(default=None, repr=False)
    raw: bool | None = None
    begin: Time | None = None
    end: Time | None = None
    path: Path = None
    objects: tuple[bytes, ...] | None = None
    details: Tree | None = None


@dataclass(frozen=True, slots=True)
class GetProfilePackRequest(ProfileRequest):
    """0300"""


@dataclass(frozen=True, slots=True)
class GetProfileListRequest(ProfileRequest):
    """0400"""


@dataclass(frozen=True, slots=True)
class GetProfilePackResponse:
    """0301: a table, one column a header. `period` is the registration period in seconds."""

    server: Octets = None
    time: Time | None = None
    period: int | None = None
    path: Path = None
    headers: tuple[PackHeader, ...] | None = None
    periods: tuple[PackPeriod, ...] | None = None
    raw: Octets = None
    signature: Octets = None


@dataclass(frozen=True, slots=True)
class GetProfileListResponse:
    """0401: all values of one moment, `value_time`."""

    server: Octets = None
    time: Time | None = None
    period: int | None = None
    path: Path = None
    value_time: Time | None = None
    status: Integer | None = None
    values: tuple[ProfileValue, ...] | None = None
    raw: Octets = None
    signature: Octets = None


@dataclass(frozen=True, slots=True)
class GetProcParameterRequest:
    """0500"""

    server: Octets = None
    username: Octets = None
    password: Octets = field(default=None, repr=False)
    path: Path = None
    attribute: Octets = None


@dataclass(frozen=True, slots=True)
class GetProcParameterResponse:
    """0501"""

    server: Octets = None
    path: Path = None
    tree: Tree | None = None


@dataclass(frozen=True, slots=True)
class SetProcParameterRequest:
    """0600; answered by an attention."""

    server: Octets = None
    username: Octets = None
    password: Octets = field(default=None, repr=False)
    path: Path = None
    tree: Tree | None = None


@dataclass(frozen=True, slots=True)
class GetListRequest:
    """0700"""

    client: Octets = None
    server: Octets = None
    username: Octets = None
    password: Octets = field(default=None, repr=False)
    name: Octets = None


@dataclass(frozen=True, slots=True)
class GetListResponse:
    """0701; `time` is the meter's when it made the list."""

    client: Octets = None
    server: Octets = None
    name: Octets = None
    time: Time | None = None
    values: tuple[ListEntry, ...] | None = None
    signature: Octets = None
    gateway_time: Time | None = None


@dataclass(frozen=True, slots=True)
class Attention:
    """FF01: what became of an order, or why a request is refused. `number`: see `ATTENTIONS`."""

    server: Octets = None
    number: Octets = None
    text: Octets = None
    details: Tree | None = None


Body = (
    OpenRequest
    | OpenResponse
    | CloseRequest
    | CloseResponse
    | GetProfilePackRequest
    | GetProfilePackResponse
    | GetProfileListRequest
    | GetProfileListResponse
    | GetProcParameterRequest
    | GetProcParameterResponse
    | SetProcParameterRequest
    | GetListRequest
    | GetListResponse
    | Attention
)
ATTENTION_PREFIX = bytes.fromhex("8181c7c7")
ATTENTIONS = {
    0xFD00: "done",
    0xFE00: "general error",
    0xFE02: "bad credentials",
    0xFE03: "unknown server id",
    0xFE05: "attribute cannot be written",
    0xFE06: "attribute cannot be read",
    0xFE09: "value out of range",
    0xFE0B: "bad check sum",
    0xFE11: "the profile is empty",
    0xFE13: "nothing in that range",
    0xFE15: "busy",
}
"""The last two octets of an attention number (unverified)."""


def _load_parameter(node: Node) -> ParameterValue | None:
    if node is None:
        return None
    if not isinstance(node, list) or len(node) != 2 or not isinstance(node[0], Integer):
        raise BadValue("a parameter's value wanted")
    choice, content = node[0].value, node[1]
    return ParameterValue(choice, _PARAMETER[choice].load(content) if choice in _PARAMETER else content)


def _dump_parameter(value: ParameterValue | None) -> Node:
    if value is None:
        return None
    content = _PARAMETER[value.choice].dump(value.content) if value.choice in _PARAMETER else value.content
    return [Integer(value.choice, 1), content]


def _load_tree(node: Node) -> Any:
    return _TREE_RECORD.load(node)


def _dump_tree(tree: Tree | None) -> Node:
    return _TREE_RECORD.dump(tree)


_ENTRY = record(ListEntry, (OCTETS, INTEGER, TIME, U8, I8, VALUE, OCTETS))
_PROFILE_VALUE = record(ProfileValue, (OCTETS, U8, I8, VALUE, OCTETS))
_PARAMETER = {1: VALUE, 2: _PROFILE_VALUE, 4: TIME}
_PATH = sequence(OCTETS)
_TREE = Kind(_load_tree, _dump_tree)
_TREE_RECORD: Kind = record(Tree, (OCTETS, Kind(_load_parameter, _dump_parameter), sequence(_TREE)))
_HEADERS = sequence(record(PackHeader, (OCTETS, U8, I8)))
_CELLS = sequence(record(PackValue, (VALUE, OCTETS)))
_PERIODS = sequence(record(PackPeriod, (TIME, INTEGER, _CELLS, OCTETS)))
_LOGIN = (OCTETS, OCTETS, OCTETS)
_PROFILE = (*_LOGIN, FLAG, TIME, TIME, _PATH, _PATH, _TREE)

BODIES: dict[int, tuple[type[Body], Kind]] = {
    tag: (body, record(body, kinds))
    for tag, body, kinds in (
        (0x0100, OpenRequest, (OCTETS, OCTETS, OCTETS, OCTETS, OCTETS, OCTETS, U8)),
        (0x0101, OpenResponse, (OCTETS, OCTETS, OCTETS, OCTETS, TIME, U8)),
        (0x0200, CloseRequest, (OCTETS,)),
        (0x0201, CloseResponse, (OCTETS,)),
        (0x0300, GetProfilePackRequest, _PROFILE),
        (0x0301, GetProfilePackResponse, (OCTETS, TIME, U32, _PATH, _HEADERS, _PERIODS, OCTETS, OCTETS)),
        (0x0400, GetProfileListRequest, _PROFILE),
        (
            0x0401,
            GetProfileListResponse,
            (OCTETS, TIME, U32, _PATH, TIME, INTEGER, sequence(_PROFILE_VALUE), OCTETS, OCTETS),
        ),
        (0x0500, GetProcParameterRequest, (*_LOGIN, _PATH, OCTETS)),
        (0x0501, GetProcParameterResponse, (OCTETS, _PATH, _TREE)),
        (0x0600, SetProcParameterRequest, (*_LOGIN, _PATH, _TREE)),
        (0x0700, GetListRequest, (OCTETS, *_LOGIN, OCTETS)),
        (0x0701, GetListResponse, (OCTETS, OCTETS, OCTETS, TIME, sequence(_ENTRY), OCTETS, TIME)),
        (0xFF01, Attention, (OCTETS, OCTETS, OCTETS, _TREE)),
    )
}
TAGS: dict[type[Body], int] = {body: tag for tag, (body, _) in BODIES.items()}
