"""The listening end of a P1 port: bytes in, telegrams and problems out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from metergate.errors import BadChecksum, ConfigError, DecodeError, KeyMissing, Unprotected, Unsupported, WrongKey
from metergate.model import MeterIdentity, Quality
from metergate.wire.base import Found, Keys, Options, Problem, Telegram
from metergate.wire.p1.frame import check, split
from metergate.wire.p1.framer import Framer
from metergate.wire.p1.layout import LayoutBook, learn
from metergate.wire.p1.moments import CENTRAL_EUROPE
from metergate.wire.p1.readings import content, readings, texts, unchecked
from metergate.wire.p1.sealed import GENERAL_GLO, Keyring, Sealed, decode_sealed

POLICIES = ("strict", "lenient")


class P1Receiver:
    """Implements `wire.base.Receiver`.

    Keys: see `sealed.Keyring`. Options: `crc` "strict" (a telegram with a wrong check sum, or without one that its
    version or line should have, is a problem and nothing else) or "lenient" (it is told, not `valid`, values SUSPECT);
    `winter`: minutes that the meter's winter time is east of Greenwich (60; Ireland 0, Finland 120); `learn` false: no
    layouts.
    """

    def __init__(self, keys: Keys | None = None, options: Options | None = None) -> None:
        given = options or {}
        policy = given.get("crc", POLICIES[0])
        if policy not in POLICIES:
            raise ConfigError(f"crc={policy!r} is neither of {', '.join(POLICIES)}")
        winter = given.get("winter", CENTRAL_EUROPE)
        if not isinstance(winter, int) or not -720 <= winter <= 840:
            raise ConfigError(f"winter={winter!r} is no number of minutes from -720 to 840")
        self._lenient, self._winter = policy == "lenient", winter
        self._learns = bool(given.get("learn", True))
        self._keys = Keyring(keys or {})
        self._opened = set[bytes]()  # titles whose key is known to be right
        self._checked = False  # this line's telegrams carry check sums
        self.layouts = LayoutBook()
        self.framer = Framer(strict=not self._lenient)

    @property
    def position(self) -> int:
        """How many bytes were received so far."""
        return self.framer.position

    @position.setter
    def position(self, value: int) -> None:
        self.framer.position = value

    @property
    def noise(self) -> int:
        """Bytes of noise so far."""
        return self.framer.noise

    def receive(self, data: bytes, at: datetime | None = None) -> Iterator[Found]:
        """See `wire.base.Receiver`."""
        if self.framer.idle and not self._keys:
            known = self._known(data, self.position, at)
            if known is not None:
                self.position += len(data)
                yield known
                return
        for catch in self.framer.feed(data):
            yield catch if isinstance(catch, Problem) else self._telegram(*catch, at)

    def silence(self) -> Iterator[Found]:
        """See `wire.base.Receiver`."""
        for catch in self.framer.silence():
            yield catch if isinstance(catch, Problem) else self._telegram(*catch, None)

    def _telegram(self, offset: int, octets: bytes, at: datetime | None) -> Found:
        try:
            if octets[0] == GENERAL_GLO:
                return self._sealed(offset, octets, at)
            if self._keys:
                raise Unprotected("a key is configured, but the telegram came in clear", offset)
            return self._clear(offset, octets, at)
        except DecodeError as error:
            return Problem(error.code, offset, error.reason)

    def _sealed(self, offset: int, octets: bytes, at: datetime | None) -> Found:
        sealed = decode_sealed(octets)
        try:
            plain = self._keys.open(sealed)
        except WrongKey as error:
            if sealed.title in self._opened:
                raise BadChecksum("the tag does not agree, though the key was right before: line noise") from None
            return _unread(offset, octets, sealed, error)
        except (KeyMissing, Unsupported) as error:
            return _unread(offset, octets, sealed, error)
        self._opened = {sealed.title}
        wrong = check(plain) if b"!" in plain and b"\n" in plain else BadChecksum("there is no telegram inside")
        if wrong is not None and not (self._lenient and plain[:1] == b"/"):
            raise wrong
        return self._clear(offset, plain, at, sealed, octets)

    def _clear(
        self, offset: int, plain: bytes, at: datetime | None, sealed: Sealed | None = None, octets: bytes | None = None
    ) -> Telegram:
        known = self._known(plain, offset, at, sealed, octets)
        if known is not None:
            return known
        frame = split(plain)
        found = content(frame, self._winter)
        wrong = check(plain) or self._uncovered(found.meter, frame.checked, unchecked(found.meter, frame))
        if wrong is not None and not self._lenient:
            raise wrong
        self._checked |= frame.checked and wrong is None
        quality = Quality.GOOD if wrong is None else Quality.SUSPECT
        told = readings(texts(found.rows), found.time.text if found.time else None, self._winter, at, quality)
        if wrong is None and self._learns and self.layouts.worth_learning():
            layout = learn(plain, found)
            if layout is not None:
                self.layouts.add(layout)
        problems = (Problem(wrong.code, offset, wrong.reason),) if wrong else ()
        header, whole = _header(found.header, sealed), octets or plain
        return Telegram("p1", offset, len(whole), wrong is None, whole, found.meter, header, told, problems)

    def _uncovered(self, meter: MeterIdentity, checked: bool, demanded: bool) -> DecodeError | None:
        """A telegram without a check sum, where one belongs."""
        if demanded or (self._checked and not checked):
            return BadChecksum(f"the check sum is missing; version {meter.version or 'unknown'} on this line has one")
        return None

    def _known(
        self,
        plain: bytes,
        offset: int,
        at: datetime | None,
        sealed: Sealed | None = None,
        octets: bytes | None = None,
    ) -> Telegram | None:
        """The telegram in a frame of a learnt layout."""
        found = self.layouts.find(plain)
        if found is None:
            return None
        layout, rows, time = found
        try:
            told = readings(rows, time, self._winter, at)
        except (ValueError, ArithmeticError):
            return None
        whole = octets or plain
        header = _header(layout.header, sealed)
        return Telegram("p1", offset, len(whole), True, whole, layout.meter, header, told)


def _header(header: dict[str, object], sealed: Sealed | None) -> dict[str, object]:
    return header if sealed is None else header | _envelope(sealed)


def _envelope(sealed: Sealed) -> dict[str, object]:
    return {
        "system_title": sealed.title.hex(),
        "security_control": sealed.security,
        "invocation_counter": sealed.counter,
    }


def _unread(offset: int, octets: bytes, sealed: Sealed, error: DecodeError) -> Telegram:
    """An encrypted telegram that stays closed: its framing is right all the same."""
    problem = Problem(error.code, offset, error.reason)
    return Telegram("p1", offset, len(octets), True, octets, None, _envelope(sealed), (), (problem,))
