"""Reading and writing by short name: every attribute has a 16-bit variable name."""

from __future__ import annotations

from dataclasses import dataclass

from metergate.wire.dlms.data import Data


@dataclass(frozen=True, slots=True)
class Variable:
    """An attribute by its short name."""

    name: int


@dataclass(frozen=True, slots=True)
class Parameterised:
    """An attribute by its short name, and which part of it."""

    name: int
    selector: int
    parameter: Data


@dataclass(frozen=True, slots=True)
class BlockNumber:
    """The block that is asked for, or was received."""

    block: int


@dataclass(frozen=True, slots=True)
class BlockRead:
    """A block of a long request."""

    last: bool
    block: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class BlockWrite:
    """A block of a long write; the octets stand in the list of data."""

    last: bool
    block: int


VariableAccess = Variable | Parameterised | BlockNumber | BlockRead | BlockWrite
ReadResult = Data | int | BlockRead | BlockNumber
"""Data, a data-access-error, a block of a long answer, or which block was received."""
WriteResult = int | BlockNumber
"""0 for success, a data-access-error, or which block was received."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Read variables."""

    variables: tuple[VariableAccess, ...]


@dataclass(frozen=True, slots=True)
class ReadResponse:
    """What was read."""

    results: tuple[ReadResult, ...]


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """Write variables."""

    variables: tuple[VariableAccess, ...]
    values: tuple[Data, ...]


@dataclass(frozen=True, slots=True)
class WriteResponse:
    """What came of the writes."""

    results: tuple[WriteResult, ...]


@dataclass(frozen=True, slots=True)
class UnconfirmedWriteRequest:
    """Write variables; nothing is answered."""

    variables: tuple[VariableAccess, ...]
    values: tuple[Data, ...]


@dataclass(frozen=True, slots=True)
class InformationReport:
    """Values that the server tells unasked. `time`: text of a GeneralizedTime, or None."""

    time: str | None
    variables: tuple[VariableAccess, ...]
    values: tuple[Data, ...]
