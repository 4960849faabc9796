"""The listening end of a line on which meters push: HDLC frames, wired M-Bus frames, wrappers, or bare APDUs.

What carries the notifications is found by the first octets after a silence, unless the setting `layer` says it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from metergate.errors import ConfigError, DecodeError, Unprotected, WrongKey
from metergate.model import MeterIdentity, Quality
from metergate.wire.base import Found, Keys, Options, Problem, Telegram
from metergate.wire.dlms import apdu
from metergate.wire.dlms.data import Tag
from metergate.wire.dlms.opening import UNCHECKED, Opener, is_sealed, sealed
from metergate.wire.dlms.push.assembly import Message
from metergate.wire.dlms.push.carriers import Carrier, carrier_of
from metergate.wire.dlms.push.header import Header
from metergate.wire.dlms.push.layout import LayoutBook
from metergate.wire.dlms.push.learning import Whose, learn
from metergate.wire.dlms.push.lists import Listing, listing
from metergate.wire.dlms.push.notice import Notice, body_alone, notice
from metergate.wire.dlms.push.readings import Clockwork, Row, clock_of, identity, readings, rows, shown

NAME = "dlms-push"
_BODIES = (Tag.ARRAY, Tag.STRUCTURE)
"""The body of a notification without anything around begins so; no APDU that is pushed does."""


class PushReceiver:
    """Implements `wire.base.Receiver`.

    Options: `layer` "hdlc", "mbus", "wrapper", "apdu" or "body" (absent: found out); `utc_offset` minutes east of UTC
    where the meter's times tell no deviation; `deviation` "inverted" for makers that write it against the standard;
    `meter` names the meter where lists do not; `system_title` (hex) the sender where frames do not; `learn` false: no
    layouts. Keys: see `opening.Opener`; where there are any, notifications in clear are refused.
    """

    def __init__(self, keys: Keys | None = None, options: Options | None = None) -> None:
        given = options or {}
        self._opener = Opener(keys or {}, _title(given.get("system_title", "")))
        self._clockwork = Clockwork(_offset(given.get("utc_offset")), given.get("deviation") == "inverted")
        self._learns = bool(given.get("learn", True))
        self._known = str(given["meter"]) if given.get("meter") else None
        self._at: datetime | None = None
        self.layouts = LayoutBook()
        self._carrier: Carrier = carrier_of(str(given.get("layer") or ""))

    @property
    def position(self) -> int:
        """How many bytes were received so far."""
        return self._carrier.position

    @position.setter
    def position(self, value: int) -> None:
        self._carrier.position = value

    def receive(self, data: bytes, at: datetime | None = None) -> Iterator[Found]:
        """Take in bytes that arrived at `at`; yield what they complete. Must be consumed."""
        self._at = at
        for item in self._carrier.feed(data):
            yield item if isinstance(item, Problem) else self._telegram(item)

    def silence(self) -> Iterator[Found]:
        """The line went quiet: give up what is unfinished."""
        for item in self._carrier.silence():
            yield item if isinstance(item, Problem) else self._telegram(item)

    def values(self, octets: bytes) -> tuple[int, ...] | None:
        """The wire's integers in an APDU that came without carrier, by a layout learnt of the same sender.

        They are those of `Layout.registers`, in that order. None where nothing like it was received before, or where
        anything is doubtful: then it is for `receive` to say what it is.
        """
        ciphered = octets[:1] == b"\xdb"
        if ciphered != self._opener.wants_ciphered:
            return None
        plain = self._opener.quick(octets) if ciphered else octets
        if plain is None:
            return None
        for layout in self.layouts.of_length(len(plain)):
            if layout.title == (octets[2:10] if ciphered else b""):
                found = layout.values(plain)
                if found is not None:
                    return found
        return None

    def _telegram(self, message: Message) -> Telegram:
        fields: dict[str, object] = {}
        try:
            if self._carrier.body or message.apdu[0] in _BODIES:
                return self._read(message, body_alone(message.apdu), b"", message.apdu, fields, ())
            if not is_sealed(message.apdu):
                return self._clear(message)
            found = sealed(message.apdu)
            fields = {"apdu": apdu.kind(message.apdu), **found.fields}
            plain, checked = self._opener.open(found)
            if checked:
                self._opener.remember(message.apdu, found)
        except DecodeError as error:
            return _failed(message, fields, error, not fields)
        notes = () if checked else UNCHECKED
        try:
            return self._notification(message, plain, found.title, fields, notes)
        except DecodeError as error:
            wrong = error if checked else WrongKey("what was decrypted is no notification: the key is wrong")
            return _failed(message, fields, wrong, False)

    def _clear(self, message: Message) -> Telegram:
        if self._opener.wants_ciphered:
            raise Unprotected("keys are configured, but the notification came in clear")
        return self._notification(message, message.apdu, b"", {}, ())

    def _notification(
        self, message: Message, plain: bytes, title: bytes, fields: dict[str, object], notes: tuple[str, ...]
    ) -> Telegram:
        layout = self.layouts.find(plain, title, self._known)
        if layout is None:
            return self._read(message, notice(plain), title, plain, fields, notes)
        self._known = layout.whose
        found, clock, header = layout.read(plain)
        return self._told(message, layout.meter, found, clock, header.also(fields), notes)

    def _read(
        self,
        message: Message,
        found: Notice,
        title: bytes,
        plain: bytes,
        fields: dict[str, object],
        notes: tuple[str, ...],
    ) -> Telegram:
        """The general way; what it read is learnt."""
        said = listing(found.body)
        whose = self._whose(said, title)
        meter = whose.meter
        told = rows(said, meter)
        clock = clock_of(said, found.time)
        header: dict[str, object] = {"apdu": found.kind, "form": said.form, "list": said.name}
        if found.invoke is not None:
            header |= {"invoke": found.invoke, "time": shown(found.time) if len(found.time) == 12 else None}
        if self._learns and self.layouts.worth_learning():
            layout = learn(plain, found, told, clock, whose, header)
            if layout is not None:
                self.layouts.add(layout)
        held = [row for _, row in told]
        return self._told(message, meter, held, clock or b"", Header(header, found.octets).also(fields), notes)

    def _whose(self, said: Listing, title: bytes) -> Whose:
        meter = identity(said, title)
        told = meter is not None
        meter = meter or identity(said, known=self._known)
        self._known = meter.id if meter else None
        return Whose(meter, title, told)

    def _told(
        self,
        message: Message,
        meter: MeterIdentity | None,
        found: list[Row],
        clock: bytes,
        header: Header,
        notes: tuple[str, ...],
    ) -> Telegram:
        when = self._clockwork.time(clock, self._at)
        told = readings(found, when, self._at, Quality.GOOD, notes)
        return Telegram(NAME, message.offset, message.end - message.offset, True, message.data, meter, header, told)


def _failed(message: Message, fields: dict[str, object], error: DecodeError, broken: bool) -> Telegram:
    """A telegram without readings; `broken`: not even its outside is right."""
    sound = not broken or error.code in ("unprotected", "unsupported")
    problem = Problem(error.code, message.offset, error.reason)
    length = message.end - message.offset
    return Telegram(NAME, message.offset, length, sound, message.data, None, fields, (), (problem,))


def _title(given: object) -> bytes:
    try:
        return bytes.fromhex(str(given or ""))
    except ValueError:
        raise ConfigError(f"system_title={given!r} is not hexadecimal") from None


def _offset(given: object) -> int | None:
    if given is None:
        return None
    try:
        minutes = int(str(given))
    except ValueError:
        minutes = 9999
    if abs(minutes) > 24 * 60:
        raise ConfigError(f"utc_offset={given!r} is no number of minutes from -1440 to 1440")
    return minutes
