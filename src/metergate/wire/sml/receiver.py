"""The listening end of an SML line: bytes in, telegrams and problems out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from metergate.errors import ConfigError, DecodeError
from metergate.model import Quality
from metergate.wire.base import Found, Options, Problem, Telegram
from metergate.wire.sml.codec import Message, decode_messages
from metergate.wire.sml.identity import identity
from metergate.wire.sml.layout import LayoutBook
from metergate.wire.sml.learning import learn
from metergate.wire.sml.messages import BODIES
from metergate.wire.sml.readings import QUIRKS, Row, header, moment, readings, rows
from metergate.wire.sml.transport import CRC_KINDS, LIMIT, X25, Accepted, CrcKind, Framer, crc_of, unwrap

_NAMES = {tag: f"{tag:04x}" for tag in BODIES}
POLICIES = ("strict", "lenient")


class SmlReceiver:
    """Implements `wire.base.Receiver`.

    Options: `crc` "strict" (a telegram with a wrong transport CRC gives one problem and nothing else) or "lenient" (its
    messages whose own CRC is right are told, the telegram not `valid`, quality SUSPECT); `kermit` false: X.25 only;
    `quirks`: names of `readings.QUIRKS`, a list or with commas; `limit`: bytes a telegram; `learn` false: no layouts.
    """

    def __init__(self, options: Options | None = None) -> None:
        given = options or {}
        policy = given.get("crc", POLICIES[0])
        if policy not in POLICIES:
            raise ConfigError(f"crc={policy!r} is neither of {', '.join(POLICIES)}")
        self._lenient = policy == "lenient"
        self._kinds = CRC_KINDS if given.get("kermit", True) else (X25,)
        self._quirks = quirks_of(given.get("quirks", ()))
        self._learns = bool(given.get("learn", True))
        self._at: datetime | None = None
        self.layouts = LayoutBook()
        self.framer = Framer(self._accept, _limit_of(given.get("limit", LIMIT)))

    @property
    def position(self) -> int:
        """How many bytes were received so far."""
        return self.framer.position

    @position.setter
    def position(self, value: int) -> None:
        self.framer.position = value

    def receive(self, data: bytes, at: datetime | None = None) -> Iterator[Found]:
        """Take in bytes that arrived at `at`; yield what they complete. Must be consumed."""
        self._at = at
        return self.framer.feed(data)

    def silence(self) -> Iterator[Found]:
        """The line went quiet: give up what is unfinished."""
        return self.framer.silence()

    def _accept(self, frame: bytes, offset: int) -> Accepted:
        known = self.layouts.telegram(frame, offset, self._at, self._quirks)
        if known is not None:
            return Accepted(known, True)
        kind = crc_of(frame, self._kinds)
        if kind is None:
            return Accepted(self._corrupt(frame, offset), False)
        found = list(decode_messages(unwrap(frame), kind, offset + 8))
        telegram = self._telegram(frame, offset, kind, found, Quality.GOOD)
        if self._learns and not telegram.problems and self.layouts.worth_learning():
            layout = learn(frame, kind, [message for message in found if isinstance(message, Message)], telegram)
            if layout is not None:
                self.layouts.add(layout)
        return Accepted(telegram, True)

    def _corrupt(self, frame: bytes, offset: int) -> Found:
        wrong = Problem("bad_checksum", offset, f"the transport check sum {frame[-2:].hex()} is wrong")
        if not self._lenient:
            return wrong
        for kind in self._kinds:
            found = list(decode_messages(unwrap(frame), kind, offset + 8))
            if any(isinstance(message, Message) for message in found):
                return self._telegram(frame, offset, kind, found, Quality.SUSPECT, wrong)
        return wrong

    def _telegram(
        self,
        frame: bytes,
        offset: int,
        kind: CrcKind,
        found: list[Message | DecodeError],
        quality: Quality,
        wrong: Problem | None = None,
    ) -> Telegram:
        messages = [message for message in found if isinstance(message, Message)]
        bodies = [message.body for message in messages]
        fields, server, time = header(bodies)
        told: dict[str, object] = {
            "crc_kind": kind.name,
            "messages": tuple([_NAMES[message.tag] for message in messages]),
        }
        values: list[Row] = [row for body in bodies for row in rows(body)]
        problems = [Problem.of(error) for error in found if isinstance(error, DecodeError)]
        return Telegram(
            "sml",
            offset,
            len(frame),
            wrong is None,
            frame,
            identity(server) if server else None,
            told | fields | moment(time),
            readings(values, self._at, self._quirks, quality),
            tuple([wrong, *problems] if wrong else problems),
        )


def quirks_of(given: object) -> frozenset[str]:
    """The quirks of an option, checked. ConfigError if there is no such quirk."""
    names = (
        given.split(",")
        if isinstance(given, str)
        else given
        if isinstance(given, list | tuple | set | frozenset)
        else ()
    )
    found = frozenset(str(name).strip() for name in names if str(name).strip())
    if unknown := found - set(QUIRKS):
        raise ConfigError(f"unknown quirk {min(unknown)!r}; there is: {', '.join(QUIRKS)}")
    return found


def _limit_of(given: object) -> int:
    if not isinstance(given, int) or not 64 <= given <= 16 * LIMIT:
        raise ConfigError(f"limit={given!r} is no number of bytes from 64 to {16 * LIMIT}")
    return given
