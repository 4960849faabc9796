"""Sparkplug B payloads: metrics with their properties, bytes <-> values (Sparkplug 3.0 §6.4)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

from metergate.errors import BadValue
from metergate.wire.sparkplug import protobuf as pb

MAX_PAYLOAD = 1 << 20
MAX_METRICS = 10_000
MAX_PROPERTIES = 100
Scalar = int | float | bool | str | bytes | None
_NOTHING: Mapping[str, Property]


class DataType(IntEnum):
    """Types of values."""

    UNKNOWN = 0
    INT8, INT16, INT32, INT64 = 1, 2, 3, 4
    UINT8, UINT16, UINT32, UINT64 = 5, 6, 7, 8
    FLOAT, DOUBLE, BOOLEAN, STRING = 9, 10, 11, 12
    DATETIME, TEXT, UUID, DATASET, BYTES = 13, 14, 15, 16, 17


@dataclass(frozen=True, slots=True)
class Property:
    """A value beside a metric's own, as its quality."""

    type: int
    value: Scalar


_NOTHING = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Metric:
    """One value. Births name it and give it an alias, data carry the alias alone.

    `type` a DataType or an unknown number; `timestamp` ms since 1970; `value` None is null. Of kinds that are not
    decoded (data sets, templates) `value` holds the bytes.
    """

    name: str | None = None
    alias: int | None = None
    timestamp: int | None = None
    type: int = DataType.UNKNOWN
    value: Scalar = None
    historical: bool = False
    transient: bool = False
    properties: Mapping[str, Property] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class Payload:
    """One message. `timestamp` ms since 1970, `seq` 0..255 or None."""

    timestamp: int | None = None
    seq: int | None = None
    metrics: tuple[Metric, ...] = ()
    uuid: str | None = None
    body: bytes | None = None


_WIDTHS = {1: 8, 2: 16, 3: 32, 4: 64}
_INT, _LONG, _FLOAT, _DOUBLE, _BOOL, _STRING, _BYTES, _DATASET, _TEMPLATE = range(10, 19)
_METRIC_FIELD = {
    **dict.fromkeys((1, 2, 3, 5, 6, 7), _INT),
    **dict.fromkeys((4, 8, 13), _LONG),
    9: _FLOAT,
    10: _DOUBLE,
    11: _BOOL,
    12: _STRING,
    14: _STRING,
    15: _STRING,
    16: _DATASET,
    17: _BYTES,
}
"""Which field of Metric holds a value of a type. Fields of a property value are 7 lower."""
_TO_PROPERTY = 7


def encode(payload: Payload) -> bytes:
    """The bytes of a payload. BadValue if a value does not fit its type."""
    made = bytearray()
    if payload.timestamp is not None:
        made += pb.number(1, payload.timestamp)
    for metric in payload.metrics:
        made += pb.octets(2, encode_metric(metric))
    if payload.seq is not None:
        made += pb.number(3, payload.seq)
    if payload.uuid is not None:
        made += pb.octets(4, payload.uuid.encode())
    if payload.body is not None:
        made += pb.octets(5, payload.body)
    return bytes(made)


def encode_metric(metric: Metric) -> bytes:
    """The bytes of one metric."""
    made = bytearray()
    if metric.name is not None:
        made += pb.octets(1, metric.name.encode())
    for number, value in ((2, metric.alias), (3, metric.timestamp), (4, metric.type or None)):
        if value is not None:
            made += pb.number(number, value)
    made += pb.number(5, 1) if metric.historical else b""
    made += pb.number(6, 1) if metric.transient else b""
    made += pb.number(7, 1) if metric.value is None else b""
    if metric.properties:
        made += pb.octets(9, _encode_properties(metric.properties))
    if metric.value is not None:
        made += _encode_value(metric.type, metric.value, 0)
    return bytes(made)


def _encode_properties(properties: Mapping[str, Property]) -> bytes:
    keys = b"".join(pb.octets(1, key.encode()) for key in properties)
    return keys + b"".join(pb.octets(2, _encode_property(value)) for value in properties.values())


def _encode_property(wanted: Property) -> bytes:
    head = pb.number(1, wanted.type)
    if wanted.value is None:
        return head + pb.number(2, 1)
    return head + _encode_value(wanted.type, wanted.value, _TO_PROPERTY)


def _encode_value(kind: int, value: Scalar, lower: int) -> bytes:
    field = _METRIC_FIELD.get(kind)
    encoder = _ENCODERS.get(field or 0)
    if field is None or encoder is None:
        raise BadValue(f"values of type {kind} are not encoded")
    try:
        return encoder(field - lower, kind, value)
    except (TypeError, ValueError, AttributeError, struct.error, OverflowError):
        raise BadValue(f"{value!r} is no value of type {DataType(kind).name}") from None


def _encode_int(field: int, kind: int, value: Scalar) -> bytes:
    width = _WIDTHS.get(kind) or _WIDTHS.get(kind - 4) or 64
    low, high = (-(1 << width - 1), 1 << width - 1) if kind in _WIDTHS else (0, 1 << width)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value < high:
        raise ValueError
    return pb.number(field, value & (0xFFFF_FFFF_FFFF_FFFF if width == 64 else 0xFFFF_FFFF))


def _encode_bool(field: int, kind: int, value: Scalar) -> bytes:
    if not isinstance(value, bool):
        raise TypeError
    return pb.number(field, int(value))


_ENCODERS: Mapping[int, Callable[[int, int, Scalar], bytes]] = {
    _INT: _encode_int,
    _LONG: _encode_int,
    _FLOAT: lambda field, kind, value: pb.float32(field, value),  # type: ignore[arg-type]
    _DOUBLE: lambda field, kind, value: pb.float64(field, value),  # type: ignore[arg-type]
    _BOOL: _encode_bool,
    _STRING: lambda field, kind, value: pb.octets(field, value.encode()),  # type: ignore[union-attr]
    _BYTES: lambda field, kind, value: pb.octets(field, bytes(value)),  # type: ignore[arg-type]
}


def decode(data: bytes) -> Payload:
    """A payload from its bytes. BadValue or Truncated with the place where it is none, or too large.

    Unknown fields are passed over.
    """
    if len(data) > MAX_PAYLOAD:
        raise BadValue(f"{len(data)} bytes, more than {MAX_PAYLOAD}")
    found: dict[int, pb.Value] = {}
    metrics: list[Metric] = []
    for number, kind, value, at in pb.fields(data):
        if number == 2:
            if len(metrics) == MAX_METRICS:
                raise BadValue(f"more than {MAX_METRICS} metrics", at)
            metrics.append(_metric(_octets(value, at), at))
        elif kind in (pb.VARINT, pb.BYTES):
            found[number] = value
    return Payload(
        _number(found.get(1)), _number(found.get(3)), tuple(metrics), _text(found.get(4)), _maybe_octets(found.get(5))
    )


def _metric(data: bytes, base: int) -> Metric:
    found: dict[int, pb.Value] = {}
    properties: Mapping[str, Property] = _NOTHING
    for number, _, value, at in pb.fields(data, base):
        if number == 9:
            properties = _properties(_octets(value, at), at)
        else:
            found[number] = value
    kind = _number(found.get(4)) or 0
    name = found.get(1)
    return Metric(
        None if name is None else _string(name, base),
        _number(found.get(2)),
        _number(found.get(3)),
        kind,
        None if found.get(7) else _value(kind, found, 0, base),
        bool(found.get(5)),
        bool(found.get(6)),
        properties,
    )


def _properties(data: bytes, base: int) -> Mapping[str, Property]:
    keys: list[str] = []
    values: list[Property] = []
    for number, _, value, at in pb.fields(data, base):
        if number == 1:
            keys.append(_string(value, at))
        elif number == 2:
            inner = {key: content for key, _, content, _ in pb.fields(_octets(value, at), at)}
            kind = _number(inner.get(1)) or 0
            values.append(Property(kind, None if inner.get(2) else _value(kind, inner, _TO_PROPERTY, at)))
        if len(keys) > MAX_PROPERTIES or len(values) > MAX_PROPERTIES:
            raise BadValue(f"more than {MAX_PROPERTIES} properties", at)
    if len(keys) != len(values):
        raise BadValue(f"{len(keys)} property keys and {len(values)} values", base)
    return dict(zip(keys, values, strict=True))


def _value(kind: int, found: Mapping[int, pb.Value], lower: int, at: int) -> Scalar:
    """The value in whichever field it came: some programs put UInt32 into the long one."""
    for place, decoder in _DECODERS.items():
        content = found.get(place - lower)
        if content is not None:
            return decoder(kind, content, at)
    return None


def _decode_int(kind: int, content: pb.Value, at: int) -> Scalar:
    if isinstance(content, bytes):
        raise BadValue("bytes where a number belongs", at)
    width = _WIDTHS.get(kind)
    if width is None:
        return bool(content) if kind == DataType.BOOLEAN else content
    content &= (1 << width) - 1
    return content - (1 << width) if content >> width - 1 else content


def _decode_float(form: str) -> Callable[[int, pb.Value, int], Scalar]:
    size = struct.calcsize(form)

    def decoder(kind: int, content: pb.Value, at: int) -> Scalar:
        if isinstance(content, int) or len(content) != size:
            raise BadValue("no floating-point number", at)
        value: float = struct.unpack(form, content)[0]
        return value

    return decoder


def _decode_bool(kind: int, content: pb.Value, at: int) -> Scalar:
    if isinstance(content, bytes):
        raise BadValue("bytes where a truth value belongs", at)
    return bool(content)


_DECODERS: Mapping[int, Callable[[int, pb.Value, int], Scalar]] = {
    _INT: _decode_int,
    _LONG: _decode_int,
    _FLOAT: _decode_float("<f"),
    _DOUBLE: _decode_float("<d"),
    _BOOL: _decode_bool,
    _STRING: lambda kind, content, at: _string(content, at),
    _BYTES: lambda kind, content, at: _octets(content, at),
    _DATASET: lambda kind, content, at: _octets(content, at),
    _TEMPLATE: lambda kind, content, at: _octets(content, at),
}


def _octets(value: pb.Value, at: int) -> bytes:
    if isinstance(value, int):
        raise BadValue("a number where bytes belong", at)
    return value


def _string(value: pb.Value, at: int) -> str:
    try:
        return _octets(value, at).decode()
    except UnicodeDecodeError:
        raise BadValue("a text that is not UTF-8", at) from None


def _number(value: pb.Value | None) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: pb.Value | None) -> str | None:
    return value.decode(errors="replace") if isinstance(value, bytes) else None


def _maybe_octets(value: pb.Value | None) -> bytes | None:
    return value if isinstance(value, bytes) else None
