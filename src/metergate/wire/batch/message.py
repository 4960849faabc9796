"""The record lane: readings from a gateway's spool to the station as compact batches, and the acknowledgement back.

A message (little-endian) is

    4 s  b"MGB1"     | 4 u  CRC-32 of all that follows
    16 s spool epoch | 8 u  start | 8 u end | 8 u acknowledged | 4 u length of the inflated body | body (deflate)

and its body is four sections, each with a 4-octet length in front: registers (JSON), columns, texts (JSON), events
(JSON). Columns are sorted by register and each is stored as differences, zigzag, in the narrowest width that holds
them, one byte plane after the other. The acknowledgement is b"MGA1", CRC-32, epoch, cursor.

The same sections, without the frame, are the records of the spool on disk.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
import numpy as np

from metergate.bits import Cursor
from metergate.errors import BadChecksum, BadValue, Truncated, Unsupported
from metergate.model import Event, Reading, Register
from metergate.wire.batch.columns import Columns, Ints
from metergate.wire.batch.forms import EventForm, RegisterForm, TextForm

T = TypeVar("T")

MAX_MESSAGE = 1 << 20
"""A message of the record lane is never longer; a broker's limit should be at least this."""
MAX_BODY = 4 << 20
"""What a message may inflate to."""
MAX_READINGS = 1 << 16
"""Readings in one message or spool record at most."""

_FRAME = struct.Struct("<4sI")
_HEAD = struct.Struct("<16sQQQI")
_ACK = struct.Struct("<16sQ")
_COLUMN = struct.Struct("<Bq")
_BATCH_MAGIC, _ACK_MAGIC = b"MGB1", b"MGA1"
_UNSIGNED: dict[int, np.dtype[Any]] = {width: np.dtype(f"<u{width}") for width in (1, 2, 4, 8)}


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """A piece of a spool: all records with start < cursor <= end that it still holds.

    `acknowledged` is what the spool knew to be with the station when it made the batch, so that stations whose workers
    commit batches out of order can tell a gap from a beginning. `registers` describes what `columns.register` numbers.
    """

    epoch: str
    start: int
    end: int
    registers: Mapping[int, Register]
    columns: Columns
    texts: tuple[Reading, ...] = ()
    events: tuple[Event, ...] = ()
    acknowledged: int = 0


@dataclass(frozen=True, slots=True)
class Ack:
    """The station has committed every record of spool `epoch` up to and including `cursor`."""

    epoch: str
    cursor: int


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """What one record of a spool holds: columns, texts and events over the spool's register numbers."""

    columns: Columns
    texts: tuple[TextForm, ...] = ()
    events: tuple[Event, ...] = ()


def encode(batch: Batch, level: int = 6) -> bytes:
    """The message for a batch. ValueError if it is larger than a message may be."""
    if len(batch.columns) > MAX_READINGS:
        raise ValueError(f"{len(batch.columns)} readings in a batch, {MAX_READINGS} at most")
    numbers = {register: number for number, register in batch.registers.items()} if batch.texts else {}
    texts = tuple(TextForm.of(text, numbers[text.register]) for text in batch.texts)
    body = _section(pack_registers(batch.registers)) + pack_body(Body(batch.columns, texts, batch.events))
    head = _HEAD.pack(bytes.fromhex(batch.epoch), batch.start, batch.end, batch.acknowledged, len(body))
    message = _framed(_BATCH_MAGIC, head + zlib.compress(body, level))
    if len(message) > MAX_MESSAGE or len(body) > MAX_BODY:
        raise ValueError(f"a batch of {len(message)} octets ({len(body)} inflated) is too large for a message")
    return message


def decode(message: bytes) -> Batch:
    """The batch in a message. BadChecksum, Truncated, Unsupported (another version) or BadValue."""
    reader = _unframed(_BATCH_MAGIC, message)
    epoch, start, end, acknowledged, size = _HEAD.unpack(reader.take(_HEAD.size))
    if not acknowledged <= start <= end < 1 << 63:
        raise BadValue(f"cursors out of order: acknowledged {acknowledged}, start {start}, end {end}")
    body = Cursor(_inflate(reader.rest(), size))
    registers = unpack_registers(_take_section(body))
    content = unpack_body(body.rest())
    used = set(np.unique(content.columns.register).tolist()) | {text.r for text in content.texts}
    if unknown := used - registers.keys():
        raise BadValue(f"register number {min(unknown)} is used but not described")
    texts = tuple(text.reading(registers) for text in content.texts)
    return Batch(epoch.hex(), start, end, registers, content.columns, texts, content.events, acknowledged)


def encode_ack(ack: Ack) -> bytes:
    """The message of an acknowledgement: 32 octets."""
    return _framed(_ACK_MAGIC, _ACK.pack(bytes.fromhex(ack.epoch), ack.cursor))


def decode_ack(message: bytes) -> Ack:
    """The acknowledgement in a message. BadChecksum, Truncated, Unsupported or BadValue."""
    reader = _unframed(_ACK_MAGIC, message)
    epoch, cursor = _ACK.unpack(reader.take(_ACK.size))
    if reader.left:
        raise BadValue(f"{reader.left} octets after the acknowledgement", reader.offset)
    return Ack(epoch.hex(), cursor)


def pack_body(body: Body) -> bytes:
    """Columns, texts and events as three sections."""
    texts = msgspec.json.encode(body.texts) if body.texts else b""
    events = msgspec.json.encode([EventForm.of(event) for event in body.events]) if body.events else b""
    return _section(pack_columns(body.columns)) + _section(texts) + _section(events)


def unpack_body(data: bytes) -> Body:
    """The inverse of `pack_body`. Truncated or BadValue."""
    reader = Cursor(data)
    columns = unpack_columns(_take_section(reader))
    texts = _json(_take_section(reader), list[TextForm])
    events = _json(_take_section(reader), list[EventForm])
    if reader.left:
        raise BadValue(f"{reader.left} octets after the last section", reader.offset)
    return Body(columns, tuple(texts), tuple(form.event() for form in events))


def pack_registers(registers: Mapping[int, Register]) -> bytes:
    """Register descriptions by number, as JSON."""
    return msgspec.json.encode({number: RegisterForm.of(register) for number, register in registers.items()})


def unpack_registers(data: bytes) -> dict[int, Register]:
    """The inverse of `pack_registers`. BadValue."""
    return {number: form.register() for number, form in _json(data, dict[int, RegisterForm]).items()}


def pack_columns(columns: Columns) -> bytes:
    """Count, then each column as width, first value and packed differences."""
    count = len(columns)
    if (np.diff(columns.register) < 0).any():
        columns = columns.take(np.argsort(columns.register, kind="stable"))
    return count.to_bytes(4, "little") + b"".join(_pack(column.astype(np.int64)) for column in columns.all())


def unpack_columns(data: bytes) -> Columns:
    """The inverse of `pack_columns`; readings come sorted by register, each register's in their order."""
    reader = Cursor(data)
    count = reader.uint(4)
    if count > MAX_READINGS:
        raise BadValue(f"{count} readings in a batch, {MAX_READINGS} at most")
    columns = Columns.checked([_unpack(reader, count) for _ in Columns.NAMES])
    if reader.left:
        raise BadValue(f"{reader.left} octets after the columns", reader.offset)
    return columns


def _pack(column: Ints) -> bytes:
    if not len(column):
        return _COLUMN.pack(0, 0)
    step = np.diff(column)
    zigzag = ((step << 1) ^ (step >> 63)).view(np.uint64)
    largest = int(zigzag.max()) if len(zigzag) else 0
    if not largest:
        return _COLUMN.pack(0, column[0])
    width = next(width for width in _UNSIGNED if largest < 1 << 8 * width)
    planes = zigzag.astype(_UNSIGNED[width]).view(np.uint8).reshape(-1, width).T
    return _COLUMN.pack(width, column[0]) + planes.tobytes()


def _unpack(reader: Cursor, count: int) -> Ints:
    width, first = _COLUMN.unpack(reader.take(_COLUMN.size))
    column = np.full(count, first, np.int64)
    if width == 0:
        return column
    if width not in _UNSIGNED or count < 2:
        raise BadValue(f"a column of {count} values is {width} octets wide", reader.offset)
    planes = np.frombuffer(reader.take((count - 1) * width), np.uint8).reshape(width, -1)
    zigzag = np.ascontiguousarray(planes.T).view(_UNSIGNED[width]).ravel().astype(np.uint64)
    column[1:] += np.cumsum((zigzag >> np.uint64(1)).view(np.int64) ^ -(zigzag & np.uint64(1)).view(np.int64))
    return column


def _section(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data


def _take_section(reader: Cursor) -> bytes:
    return reader.take(reader.uint(4))


def _json(data: bytes, form: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=form) if data else form()
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadValue(f"a section is no {form}: {error}") from error


def _framed(magic: bytes, content: bytes) -> bytes:
    return _FRAME.pack(magic, zlib.crc32(content)) + content


def _unframed(magic: bytes, message: bytes) -> Cursor:
    if len(message) > MAX_MESSAGE:
        raise BadValue(f"a message of {len(message)} octets, {MAX_MESSAGE} at most")
    reader = Cursor(message)
    found, check = _FRAME.unpack(reader.take(_FRAME.size))
    if found != magic:
        raise Unsupported(f"the message begins with {found!r}, not {magic!r}")
    if zlib.crc32(message[_FRAME.size :]) != check:
        raise BadChecksum("the message's CRC-32 is wrong")
    return reader


def _inflate(data: bytes, size: int) -> bytes:
    if size > MAX_BODY:
        raise BadValue(f"a body of {size} octets, {MAX_BODY} at most")
    engine = zlib.decompressobj()
    try:
        body = engine.decompress(data, size + 1)
    except zlib.error as error:
        raise BadValue(f"the body cannot be inflated: {error}") from error
    if len(body) < size:
        raise Truncated(f"the body inflates to {len(body)} octets, not {size}")
    if len(body) > size or engine.unused_data or not engine.eof:
        raise BadValue(f"the body goes on after its {size} octets")
    return body
