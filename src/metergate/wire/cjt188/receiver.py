"""The listening end of CJ/T 188: bytes in any chunking -> telegrams with readings; a frame taken apart for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from metergate.errors import DecodeError
from metergate.model import MeterIdentity, Quality, Reading, Register, TimeQuality
from metergate.wire.base import Keys, Options, Problem, Span, Telegram
from metergate.wire.cjt188.frame import COUNTERS, FUNCTIONS, READ, SET_ADDRESS, WRITE, WRITE_VARIANT, Frame, hunter
from metergate.wire.cjt188.values import KINDS, STATUS, StatusMap, amounts, layout, moment, obis, size_of
from metergate.wire.hunt import HuntingReceiver, likeness

PARAGRAPH = "CJ/T 188-2004"


class Receiver(HuntingReceiver):
    """Options: `status_map` (a `StatusMap`), `utc_offset` (minutes of the meters' clocks)."""

    def __init__(self, keys: Keys | None = None, options: Options | None = None) -> None:
        super().__init__(hunter())
        settings = options or {}
        chosen, offset = settings.get("status_map"), settings.get("utc_offset")
        self._map = chosen if isinstance(chosen, StatusMap) else STATUS
        self._utc_offset = offset if isinstance(offset, int) else None

    def telegram(self, offset: int, octets: bytes, at: datetime | None) -> Telegram:
        """The telegram of a whole, right frame."""
        frame = Frame.of(octets)
        head = header(frame)
        found: tuple[Reading, ...] = ()
        problems: tuple[Problem, ...] = ()
        try:
            if frame.failed:
                problems = (Problem("application_error", offset, f"the meter reports error {frame.payload.hex()}"),)
            elif frame.from_meter and frame.function == READ and frame.di == COUNTERS:
                told = status_of(frame)
                head |= told | self._map.describe(status_word(told))
                found = readings(frame, told, at, self._utc_offset)
            elif frame.from_meter and frame.function in (WRITE, WRITE_VARIANT) and len(frame.payload) >= 2:
                head["status"] = frame.payload[:2].hex()
        except DecodeError as error:
            problems = (Problem(error.code, offset, error.reason),)
        return Telegram("cjt188", offset, len(octets), True, octets, identity(frame), head, found, problems)


def identity(frame: Frame) -> MeterIdentity | None:
    """Who the frame names; None for a wildcard."""
    kind = KINDS.get(frame.meter_type)
    return None if "aa" in frame.address else MeterIdentity(frame.address, medium=kind.medium if kind else None)


def header(frame: Frame) -> dict[str, object]:
    """The fields of the decode contract."""
    found: dict[str, object] = {
        "meter_type": f"{frame.meter_type:02x}",
        "address": frame.address,
        "control": f"{frame.control:02x}",
        "data": frame.data.hex(),
    }
    if frame.di is not None:
        found |= {"di": f"{frame.di:04x}", "di_on_wire": frame.data[:2].hex()}
    if frame.ser is not None:
        found["ser"] = frame.ser
    if frame.function == SET_ADDRESS and not frame.from_meter and len(frame.payload) == 7:
        found["new_address"] = frame.payload[::-1].hex()
    if frame.failed:
        found["error"] = frame.payload.hex()
    return found


def status_of(frame: Frame) -> dict[str, object]:
    """`status` (hex as sent) and `time` of a reply to 901F. Truncated if its length fits no layout."""
    parts, timed = layout(frame.meter_type, len(frame.payload))
    found: dict[str, object] = {"status": frame.payload[-2:].hex()}
    if timed:
        found["time"] = moment(frame.payload[size_of(parts) : size_of(parts) + 7])
    return found


def status_word(told: dict[str, object]) -> int:
    """`S0 | S1 << 8` of a header that has `status`."""
    return int.from_bytes(bytes.fromhex(str(told["status"])), "little")


def readings(
    frame: Frame, told: dict[str, object], received: datetime | None, utc_offset: int | None
) -> tuple[Reading, ...]:
    """The registers of a reply to 901F; the meter's time belongs to the present ones, not to the settlement's."""
    parts, _ = layout(frame.meter_type, len(frame.payload))
    word, time = status_word(told), told.get("time")
    instant = None
    if isinstance(time, str) and utc_offset is not None:
        zone = timezone(timedelta(minutes=utc_offset))
        instant = datetime.fromisoformat(time).replace(tzinfo=zone).astimezone(UTC)
    found: list[Reading] = []
    for number, (part, value, raw, unit, reason) in enumerate(amounts(parts, frame.payload)):
        code = obis(frame.meter_type, part.c, part.d, part.storage) if part.c else None
        decimals = -int(value.as_tuple().exponent) if value is not None else 0
        register = Register(
            frame.address, code, part.quantity, unit, -decimals, part.storage, address=f"{COUNTERS:04x}.{number}"
        )
        mine = None if part.storage else instant
        surety = TimeQuality.UNCHECKED if mine else TimeQuality.NONE
        if value is None:
            quality = Quality.ABSENT if reason == "null" else Quality.BAD
            found.append(Reading(register, None, None, mine, received, word, quality, surety, reason))
        else:
            found.append(Reading(register, value, raw, mine, received, word, Quality.GOOD, surety))
    return tuple(found)


def _catches(data: bytes) -> list[tuple[int, bytes] | Problem]:
    hunt = hunter()
    return [*hunt.feed(data), *hunt.silence()]


def guess(data: bytes) -> int:
    """See `hunt.likeness`."""
    return likeness(hunter(), data)


def explain(data: bytes, keys: Keys | None = None) -> list[Span]:
    """Every octet of the first frame in `data`, named; nothing where there is no frame."""
    for catch in _catches(data):
        if not isinstance(catch, Problem):
            return _spans(*catch)
    return []


def _spans(at: int, octets: bytes) -> list[Span]:
    frame = Frame.of(octets)
    kind = KINDS.get(frame.meter_type)
    medium = kind.medium.value if kind else "unknown"
    name = f"{FUNCTIONS.get(frame.function, 'unknown')}, {'reply' if frame.from_meter else 'request'}"
    size = len(frame.data)
    found = [
        Span(at, len(octets), "frame", name, 0, PARAGRAPH),
        Span(at, 1, "start", "68", 1),
        Span(at + 1, 1, "meter type", f"{frame.meter_type:02x} {medium}", 1, PARAGRAPH),
        Span(at + 2, 7, "address", frame.address, 1, PARAGRAPH),
        Span(at + 9, 1, "control", f"{frame.control:02x} {name}", 1, PARAGRAPH),
        Span(at + 10, 1, "length", str(size), 1, PARAGRAPH),
    ]
    if frame.di is not None:
        found += [
            Span(at + 11, 2, "identifier", f"{frame.di:04x}", 1),
            Span(at + 13, 1, "sequence", str(frame.ser), 1),
        ]
    found += _payload(at + 14, frame)
    return [
        *found,
        Span(at + 11 + size, 1, "check", f"{octets[-2]:02x}", 1),
        Span(at + 12 + size, 1, "end", "16", 1),
    ]


def _payload(at: int, frame: Frame) -> list[Span]:
    payload = frame.payload
    if not (frame.from_meter and frame.function == READ and frame.di == COUNTERS) or frame.failed:
        return [Span(at, len(payload), "data", payload.hex(), 1)] if payload and frame.di is not None else []
    try:
        parts, timed = layout(frame.meter_type, len(payload))
    except DecodeError as error:
        return [Span(at, len(payload), "data", error.reason, 1)]
    found, begin = [], at
    for part, value, _, unit, reason in amounts(parts, payload):
        size = part.size + part.coded
        label = f"{part.quantity}, settlement day" if part.storage else part.quantity
        found.append(Span(begin, size, label, reason or f"{value} {unit.value if unit else ''}".strip(), 1))
        begin += size
    if timed:
        found.append(Span(begin, 7, "time", str(moment(payload[-9:-2])), 1))
    word = int.from_bytes(payload[-2:], "little")
    told = ", ".join(f"{name} {value}" for name, value in STATUS.describe(word).items())
    return [*found, Span(at + len(payload) - 2, 2, "status", told, 1)]
