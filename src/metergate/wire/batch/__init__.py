"""The record lane's messages: batches of readings from a gateway to the station, and their acknowledgement."""

from metergate.wire.batch.columns import NO_COLUMNS, Columns
from metergate.wire.batch.forms import from_ms, register_from_dict, register_to_dict, to_ms
from metergate.wire.batch.message import (
    MAX_MESSAGE,
    MAX_READINGS,
    Ack,
    Batch,
    Body,
    decode,
    decode_ack,
    encode,
    encode_ack,
    pack_body,
    pack_registers,
    unpack_body,
    unpack_registers,
)

__all__ = [
    "MAX_MESSAGE",
    "MAX_READINGS",
    "NO_COLUMNS",
    "Ack",
    "Batch",
    "Body",
    "Columns",
    "decode",
    "decode_ack",
    "encode",
    "encode_ack",
    "from_ms",
    "pack_body",
    "pack_registers",
    "register_from_dict",
    "register_to_dict",
    "to_ms",
    "unpack_body",
    "unpack_registers",
]
