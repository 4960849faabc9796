"""GET, SET and ACTION by logical name, in all their forms.

`invoke` is the invoke-id-and-priority octet as it stands on the wire; block numbers begin with 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from metergate.wire.dlms.apdu.items import Attribute, Method, Outcome, Result, Selected, Selector
from metergate.wire.dlms.data import Data


@dataclass(frozen=True, slots=True)
class GetRequest:
    """Read an attribute."""

    invoke: int
    attribute: Attribute
    selector: Selector | None = None


@dataclass(frozen=True, slots=True)
class GetRequestNext:
    """Ask for the block after `block`, the last one received."""

    invoke: int
    block: int


@dataclass(frozen=True, slots=True)
class GetRequestList:
    """Read several attributes."""

    invoke: int
    items: tuple[Selected, ...]


@dataclass(frozen=True, slots=True)
class GetResponse:
    """What was read, or why not."""

    invoke: int
    result: Result


@dataclass(frozen=True, slots=True)
class GetResponseBlock:
    """A block of the octets of what was read, or a data-access-result."""

    invoke: int
    last: bool
    block: int
    result: bytes | int


@dataclass(frozen=True, slots=True)
class GetResponseList:
    """What was read, attribute by attribute."""

    invoke: int
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class SetRequest:
    """Write an attribute. Without a value, as one library in the field sends it, nothing can be written."""

    invoke: int
    attribute: Attribute
    selector: Selector | None
    value: Data | None


@dataclass(frozen=True, slots=True)
class SetRequestFirstBlock:
    """Write an attribute, the value in blocks: the first one."""

    invoke: int
    attribute: Attribute
    selector: Selector | None
    last: bool
    block: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class SetRequestBlock:
    """A further block of what is written."""

    invoke: int
    last: bool
    block: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class SetRequestList:
    """Write several attributes."""

    invoke: int
    items: tuple[Selected, ...]
    values: tuple[Data, ...]


@dataclass(frozen=True, slots=True)
class SetRequestListFirstBlock:
    """Write several attributes, the values in blocks: the first one."""

    invoke: int
    items: tuple[Selected, ...]
    last: bool
    block: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class SetResponse:
    """The data-access-result of a SET; 0 is success."""

    invoke: int
    result: int


@dataclass(frozen=True, slots=True)
class SetResponseBlock:
    """Block `block` was received; the next one may come."""

    invoke: int
    block: int


@dataclass(frozen=True, slots=True)
class SetResponseLastBlock:
    """The last block was received; the data-access-result."""

    invoke: int
    result: int
    block: int


@dataclass(frozen=True, slots=True)
class SetResponseLastBlockList:
    """The last block was received; the data-access-results."""

    invoke: int
    results: tuple[int, ...]
    block: int


@dataclass(frozen=True, slots=True)
class SetResponseList:
    """The data-access-results, attribute by attribute."""

    invoke: int
    results: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """Execute a method."""

    invoke: int
    method: Method
    parameter: Data | None = None


@dataclass(frozen=True, slots=True)
class ActionRequestNext:
    """Ask for the block after `block` of what methods returned."""

    invoke: int
    block: int


@dataclass(frozen=True, slots=True)
class ActionRequestList:
    """Execute several methods; null-data where one takes no parameter."""

    invoke: int
    methods: tuple[Method, ...]
    parameters: tuple[Data, ...]


@dataclass(frozen=True, slots=True)
class ActionRequestFirstBlock:
    """Execute a method, its parameter in blocks: the first one."""

    invoke: int
    method: Method
    last: bool
    block: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class ActionRequestListFirstBlock:
    """Execute several methods, their parameters in blocks: the first one."""

    invoke: int
    methods: tuple[Method, ...]
    last: bool
    block: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class ActionRequestBlock:
    """A further block of the parameters."""

    invoke: int
    last: bool
    block: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class ActionResponse:
    """What came of a method."""

    invoke: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class ActionResponseBlock:
    """A block of the octets of what methods returned."""

    invoke: int
    last: bool
    block: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class ActionResponseList:
    """What came of several methods."""

    invoke: int
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class ActionResponseNext:
    """Block `block` of the parameters was received; the next one may come."""

    invoke: int
    block: int
