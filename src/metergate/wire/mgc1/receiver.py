"""The listening end of MGC/1: bytes in any chunking -> telegrams; a frame taken apart for people."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import datetime

from metergate.errors import DecodeError
from metergate.model import MeterIdentity, Reading
from metergate.wire.base import Keys, Options, Problem, Span, Telegram
from metergate.wire.hunt import HuntingReceiver, likeness
from metergate.wire.mgc1.frame import ANSWER, BROADCAST, UNASSIGNED, Frame, Function, Status, hunter
from metergate.wire.mgc1.records import SIZE, CollectorStatus, Ident, Record, ValveState, events, records

PARAGRAPH = "MGC/1"
RECORD_ANSWERS = (Function.READ_NOW, Function.READ_FREEZE, Function.READ_LOG)


def function_name(code: int) -> str:
    """`READ_NOW` for 03 and 83; the number where there is no such function."""
    known = code & 0x7F
    return Function(known).name if known in Function._value2member_map_ else f"{known:02x}"


def channel_meter(address: int, channel: int) -> str:
    """How a channel's meter is named as long as the archive gives no better name: `18/3`."""
    return f"{address}/{channel}"


class Receiver(HuntingReceiver):
    """No keys, no options."""

    def __init__(self, keys: Keys | None = None, options: Options | None = None) -> None:
        super().__init__(hunter())

    def telegram(self, offset: int, octets: bytes, at: datetime | None) -> Telegram:
        """See `telegram` of this module."""
        return telegram(offset, octets, at)


def telegram(offset: int, octets: bytes, at: datetime | None) -> Telegram:
    """The telegram of a whole, right frame."""
    frame = Frame.of(octets)
    problems: tuple[Problem, ...] = ()
    found: tuple[Reading, ...] = ()
    head: dict[str, object] = {
        "address": frame.address,
        "seq": frame.seq,
        "function": function_name(frame.function),
        "answer": frame.is_answer,
        "payload": frame.payload.hex(),
    }
    try:
        if frame.is_answer and frame.payload:
            head["status"] = frame.payload[0]
            if frame.payload[0] == Status.OK:
                found = _readings(frame, at)
                head |= _answer(frame)
            else:
                problems = (
                    Problem("application_error", offset, f"the collector says: {status_text(frame.payload[0])}"),
                )
        else:
            head |= _request(frame)
    except DecodeError as error:
        problems = (Problem(error.code, offset, error.reason),)
    named = frame.address not in (BROADCAST, UNASSIGNED)
    who = MeterIdentity(str(frame.address)) if named else None
    return Telegram("mgc1", offset, len(octets), True, octets, who, head, found, problems)


def status_text(code: int) -> str:
    """What the status octet of an answer says."""
    return Status(code).text if code in Status._value2member_map_ else f"status {code:02x}"


def answer_records(frame: Frame) -> list[Record]:
    """The records of an answer. DecodeError if one is cut off or its CRC is wrong."""
    body = frame.payload[1:]
    return list(records(body[:-1] if frame.function == ANSWER | Function.READ_LOG else body))


def _readings(frame: Frame, at: datetime | None) -> tuple[Reading, ...]:
    if frame.function & 0x7F not in RECORD_ANSWERS:
        return ()
    found = answer_records(frame)
    return tuple(record.reading(channel_meter(frame.address, record.channel), at) for record in found)


def _fields(value: Ident | CollectorStatus | ValveState) -> dict[str, object]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _answer(frame: Frame) -> dict[str, object]:
    """What an answer tells beside records."""
    body = frame.payload[1:]
    match frame.function & 0x7F:
        case Function.IDENT:
            return _fields(Ident.decode(body))
        case Function.STATUS:
            return {f"collector_{name}": value for name, value in _fields(CollectorStatus.decode(body)).items()}
        case Function.VALVE_STATE:
            return _fields(ValveState.decode(body))
        case Function.READ_LOG:
            return {"more": bool(body and body[-1])}
        case Function.EVENTS:
            return {"events": [event.event(str(frame.address)).code for event in events(body)]}
        case Function.PASS:
            return {"raw": body.hex()}
    return {}


REQUESTS: dict[int, tuple[str, tuple[str, ...]]] = {
    Function.READ_NOW: (">B", ("channel",)),
    Function.READ_FREEZE: (">HBB", ("day", "kind", "channel")),
    Function.READ_LOG: (">IB", ("cursor", "max")),
    Function.ACK_LOG: (">I", ("cursor",)),
    Function.SET_TIME: (">IhB", ("time", "ms", "mode")),
    Function.VALVE: (">IBBH", ("order", "channel", "action", "ttl")),
    Function.VALVE_STATE: (">B", ("channel",)),
    Function.CONFIG_GET: (">H", ("key",)),
    Function.EVENTS: (">IB", ("cursor", "max")),
}
"""Function -> struct and names of the fields of a request of fixed size."""


def request_fields(function: int, payload: bytes) -> tuple[int, ...]:
    """The numbers of a request. DecodeError if its payload has another size."""
    layout = struct.Struct(REQUESTS[function][0])
    if len(payload) != layout.size:
        raise DecodeError(f"{len(payload)} octets of payload, {layout.size} wanted")
    return layout.unpack(payload)


def _request(frame: Frame) -> dict[str, object]:
    if frame.function not in REQUESTS:
        return {}
    return dict(zip(REQUESTS[frame.function][1], request_fields(frame.function, frame.payload), strict=True))


def _catches(data: bytes) -> list[tuple[int, bytes] | Problem]:
    hunt = hunter()
    return [*hunt.feed(data), *hunt.silence()]


def guess(data: bytes) -> int:
    """See `hunt.likeness`."""
    return likeness(hunter(), data)


_Show = Callable[[int, Frame], list[Span]]


def explain(data: bytes, keys: Keys | None = None) -> list[Span]:
    """Every octet of the first frame in `data`, named; nothing where there is no frame."""
    for catch in _catches(data):
        if not isinstance(catch, Problem):
            return _spans(*catch)
    return []


def _spans(at: int, octets: bytes) -> list[Span]:
    frame = Frame.of(octets)
    name = f"{function_name(frame.function)}, {'answer' if frame.is_answer else 'request'}"
    size = len(frame.payload)
    found = [
        Span(at, len(octets), "frame", name, 0, PARAGRAPH),
        Span(at, 1, "start", "7e", 1),
        Span(at + 1, 1, "version", str(octets[1]), 1),
        Span(at + 2, 2, "address", str(frame.address), 1),
        Span(at + 4, 1, "sequence", str(frame.seq), 1),
        Span(at + 5, 1, "function", f"{frame.function:02x} {name}", 1),
        Span(at + 6, 2, "length", str(size), 1),
    ]
    show: _Show = _answer_spans if frame.is_answer else _request_spans
    return [*found, *show(at + 8, frame), Span(at + 8 + size, 2, "CRC", octets[-2:].hex(), 1)]


def _answer_spans(at: int, frame: Frame) -> list[Span]:
    if not frame.payload:
        return []
    found = [Span(at, 1, "status", status_text(frame.payload[0]), 1)]
    if frame.function & 0x7F not in RECORD_ANSWERS or frame.payload[0]:
        return [*found, Span(at + 1, len(frame.payload) - 1, "payload", frame.payload[1:].hex(), 1)]
    try:
        listed = answer_records(frame)
    except DecodeError as error:
        return [*found, Span(at + 1, len(frame.payload) - 1, "payload", error.reason, 1)]
    for number, record in enumerate(listed):
        reading = record.reading(channel_meter(frame.address, record.channel))
        unit = reading.unit.value if reading.unit else ""
        text = f"#{record.cursor} channel {record.channel} {reading.obis or reading.register.address}: "
        text += f"{reading.reason or str(reading.value)} {unit}".strip()
        found.append(Span(at + 1 + number * SIZE, SIZE, "record", text, 1))
    return found


def _request_spans(at: int, frame: Frame) -> list[Span]:
    found: list[Span] = []
    try:
        told = _request(frame)
    except DecodeError as error:
        return [Span(at, len(frame.payload), "payload", error.reason, 1)]
    if not told:
        return [Span(at, len(frame.payload), "payload", frame.payload.hex(), 1)] if frame.payload else []
    layout, names = REQUESTS[frame.function]
    begin = at
    for letter, name in zip(layout[1:], names, strict=True):
        size = struct.calcsize(">" + letter)
        found.append(Span(begin, size, name, str(told[name]), 1))
        begin += size
    return found
