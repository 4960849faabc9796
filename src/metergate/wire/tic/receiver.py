"""The listening end of a TIC: bytes in, telegrams and problems out."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

from metergate.errors import BadValue, ConfigError, DecodeError, Truncated
from metergate.model import Medium, MeterIdentity, Quality, Reading, TimeQuality
from metergate.model.reading import Value, quick_reading
from metergate.wire.base import Options, Problem, Telegram
from metergate.wire.hunt import Hunter, HuntingReceiver
from metergate.wire.tic.frame import EOT, ETX, LIMIT, STX, Group, Place, mode_of, places
from metergate.wire.tic.labels import CLOCK, METERS, NUMBER, STATUS, moment, slot, status_bits

_END = re.compile(rb"[\x02-\x04]")
_NUMBER = re.compile(r"-?\d{1,15}", re.ASCII)
_OTHERS = {EOT: "the meter interrupted the frame (EOT)", STX: "a new frame begins before the end of this one"}
POLICIES = ("lenient", "strict")
Time = tuple[datetime | None, TimeQuality]


def measure(buffer: bytes | bytearray, at: int) -> int:
    """Length of the frame at `at`, up to its ETX, to an EOT, or to the STX of another one; 0: not yet known."""
    found = _END.search(buffer, at + 1, at + LIMIT)
    if found is None:
        return 0 if len(buffer) - at < LIMIT else -1
    return found.start() - at + (buffer[found.start()] != STX)


def verify(frame: bytes, offset: int) -> DecodeError | None:
    """What is wrong with the frame as a whole; its groups have check sums of their own."""
    last = frame[-1]
    if last != ETX or len(frame) < 3:
        return Truncated(_OTHERS.get(last if len(frame) > 1 else STX, _OTHERS[STX]), offset)
    return None


class TicReceiver(HuntingReceiver):
    """Implements `wire.base.Receiver`; finds out the mode of each frame by itself.

    A group whose check sum is wrong is dropped, and the frame is then not `valid` and all its values SUSPECT. With the
    option `groups` "strict" (else "lenient") such a frame gives no values at all.
    """

    def __init__(self, options: Options | None = None) -> None:
        super().__init__(Hunter(STX, measure, verify))
        policy = (options or {}).get("groups", POLICIES[0])
        if policy not in POLICIES:
            raise ConfigError(f"groups={policy!r} is neither of {', '.join(POLICIES)}")
        self._strict = policy == "strict"

    def telegram(self, offset: int, octets: bytes, at: datetime | None) -> Telegram:
        """The telegram of a whole frame."""
        found = [_meant(place) for place in places(octets)]
        groups = [place.found for place in found if isinstance(place.found, Group)]
        wrong = [(place.at, place.found) for place in found if isinstance(place.found, DecodeError)]
        problems = tuple(Problem(error.code, offset + start, error.reason) for start, error in wrong)
        if not groups and not problems:
            problems = (Problem("bad_value", offset, "a frame without groups"),)
        meter = next((MeterIdentity(group.value, medium=Medium.ELECTRICITY) for group in groups if _names(group)), None)
        header = _header(mode_of(octets), groups)
        quality = Quality.SUSPECT if problems else Quality.GOOD
        refused = self._strict and bool(problems)
        told = () if refused else readings(groups, meter.id if meter else "", at, quality)
        return Telegram("tic", offset, len(octets), not problems, octets, meter, header, told, problems)


def _names(group: Group) -> bool:
    return group.label in METERS and bool(group.value.strip())


def _meant(place: Place) -> Place:
    """A group whose value cannot be what its label says is a wrong group."""
    group = place.found
    if not isinstance(group, Group) or slot("", group.label).kind is not NUMBER:
        return place
    text = group.value.strip(" ")
    if not text or _NUMBER.fullmatch(text):
        return place
    return Place(place.at, place.length, BadValue(f"{group.label}: {group.value!r} is no number", place.at))


def _header(mode: str, groups: list[Group]) -> dict[str, object]:
    header: dict[str, object] = {"mode": mode}
    bits = next((status_bits(group.value) for group in groups if group.label == "STGE"), None)
    return header | {"status": bits} if bits else header


def readings(groups: list[Group], meter: str, at: datetime | None, quality: Quality) -> tuple[Reading, ...]:
    """The readings of a frame's groups, heard at `at`. A time stamp of its own goes before the frame's DATE."""
    date = next((moment(group.stamp) for group in groups if group.label == "DATE" and group.stamp), None)
    sent: Time = date or (None, TimeQuality.NONE)
    return tuple(_reading(group, meter, sent, at, quality) for group in groups)


def _reading(group: Group, meter: str, sent: Time, at: datetime | None, quality: Quality) -> Reading:
    place = slot(meter, group.label)
    when = moment(group.stamp) if group.stamp is not None else sent
    text, raw, status = group.value.strip(" "), None, None
    notes: tuple[str, ...] = ()
    value: Value = group.value
    reason = None
    if place.kind is CLOCK:
        value, reason = (when[0].isoformat(), None) if when[0] else (None, f"invalid date {group.stamp}")
    elif place.kind is NUMBER:
        value, raw, reason = (Decimal(text), int(text), None) if text else (None, None, "null")
    elif place.kind is STATUS and (bits := status_bits(group.value)):
        status = int(group.value, 16)
        notes = tuple(f"{name}: {told}" for name, told in bits.items())
    return quick_reading(place.register, value, raw, when[0], at, status, quality, when[1], reason, notes)
