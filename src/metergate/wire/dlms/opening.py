"""Ciphered APDUs opened by whoever listens: the keys of one line, by sender.

Unlike an association (`security.Channel`) nothing was agreed on with the sender: what is accepted is decided by the
keys that are configured. Without an authentication key encryption alone is accepted, and a tag that is there cannot be
checked; with one, everything must be authenticated.
"""

from __future__ import annotations

from typing import NamedTuple

from metergate.bits import Cursor
from metergate.crypto.gcm import Gcm
from metergate.errors import BadValue, KeyMissing, Replay, Truncated, Unprotected, WrongKey
from metergate.wire.base import Keys
from metergate.wire.dlms import apdu
from metergate.wire.dlms.apdu import GeneralCiphering
from metergate.wire.dlms.lengths import length_of
from metergate.wire.dlms.security import PLAIN_OF, TITLE, Heard, KeySet, SecurityControl
from metergate.wire.dlms.security.control import KEY_SIZES, TAG
from metergate.wire.dlms.security.general import open_general

GENERAL = {0xDB: "encryption", 0xDC: "dedicated"}
_HEADS = {0x82: 14, 0x81: 13}
"""Octets before the counter of a general-glo-ciphered APDU, by the octet where its length begins; else 12."""
_LEAST = 14 + 4 + TAG
_GENERAL_CIPHERING = 0xDD
UNCHECKED = ("not authenticated",)
"""Note of readings whose telegram was encrypted, but proved to be nobody's."""
SENDERS = 1024
"""Senders whose keys and counters are kept."""
_NAMED = ("encryption", "authentication", "dedicated", "broadcast")
_NO_KEYS = ("client_system_title",)


class Sealed(NamedTuple):
    """A ciphered APDU taken apart. `title` is the sender's, empty where the frame does not carry it."""

    tag: int
    title: bytes
    control: int
    counter: bytes
    payload: bytes
    general: GeneralCiphering | None = None
    """The whole of it where it says itself which key it takes."""

    @property
    def fields(self) -> dict[str, object]:
        """Header fields by the names of the decode contract."""
        return {
            "suite": self.control & 15,
            "security_control": self.control,
            "system_title": self.title or None,
            "invocation_counter": int.from_bytes(self.counter, "big"),
        }


def sealed(octets: bytes) -> Sealed:
    """Take a general-, general-glo-, general-ded-, glo- or ded-ciphered APDU apart. Truncated or BadValue."""
    if not octets:
        raise Truncated("no octets")
    if octets[0] == _GENERAL_CIPHERING:
        return _general(apdu.decode(octets))
    cursor = Cursor(octets, 1)
    title = cursor.take(length_of(cursor)) if octets[0] in GENERAL else b""
    size = length_of(cursor)
    if size < 5:
        raise BadValue(f"{size} bytes hold no security header", cursor.offset)
    control, counter = cursor.byte(), cursor.take(4)
    payload = cursor.take(size - 5)
    if cursor.left:
        raise BadValue(f"{cursor.left} octets after the APDU", cursor.offset)
    return Sealed(octets[0], title, control, counter, payload)


def _general(found: GeneralCiphering) -> Sealed:
    content = found.content
    if len(content) < 5:
        raise BadValue(f"{len(content)} bytes hold no security header")
    return Sealed(_GENERAL_CIPHERING, found.originator, content[0], content[1:5], content[5:], found)


def is_sealed(octets: bytes) -> bool:
    """Whether `sealed` takes it."""
    return octets[:1] != b"" and (octets[0] in GENERAL or octets[0] in PLAIN_OF or octets[0] == _GENERAL_CIPHERING)


def _number(counter: bytes) -> int:
    return int.from_bytes(counter, "big")


class _Sender:
    """The keys of one sender under one suite, and its last counter."""

    __slots__ = ("gcm", "headers", "last", "title")

    def __init__(self, title: bytes, encryption: bytes, authentication: bytes) -> None:
        self.title = title
        self.gcm = Gcm(encryption)
        self.headers = {control: bytes((control,)) + authentication for control in range(256)} if authentication else {}
        self.last = b""
        """The counter accepted last, as its four octets."""

    def open(self, found: Sealed, control: SecurityControl) -> bytes:
        nonce = self.title + found.counter
        if not control.authenticated:
            return self.gcm.decrypt(nonce, found.payload) if control.encrypted else found.payload
        if len(found.payload) < TAG:
            raise Truncated(f"{len(found.payload)} bytes hold no authentication tag of {TAG}")
        if not self.headers:
            body = found.payload[:-TAG]
            return self.gcm.decrypt(nonce, body) if control.encrypted else body
        if found.counter <= self.last:
            raise Replay(f"invocation counter {_number(found.counter)} is not greater than {_number(self.last)}")
        header = self.headers[found.control]
        if control.encrypted:
            plain = self.gcm.open(nonce, found.payload, header, TAG)
        else:
            plain = found.payload[:-TAG]
            self.gcm.open(nonce, found.payload[-TAG:], header + plain, TAG)
        self.last = found.counter
        return plain


_CONTROLS = {
    octet: SecurityControl(octet & 15, bool(octet & 0x10), bool(octet & 0x20), bool(octet & 0x40))
    for octet in range(0x80)
    if octet & 15 < len(KEY_SIZES)
}


class Opener:
    """The keys of one line. Names of keys: `encryption`, `authentication`, `dedicated`, `broadcast`, or a meter's.

    A meter's key goes by its id or system title (hex), `key` is that of a line with one meter; a key twice as long as
    the suite's is encryption and authentication key one after the other. `title`: the sender where frames do not tell
    it. Not `strict`: what carries no tag is opened although an authentication key is known. `master` unwraps keys that
    come along.
    """

    def __init__(self, keys: Keys, title: bytes = b"", strict: bool = True) -> None:
        self._keys = keys
        self._strict = strict
        self._title = title
        self._senders: dict[tuple[bytes, str, int], _Sender] = {}
        self._heard: dict[bytes, Heard] = {}
        self._usual: dict[bytes, tuple[_Sender, int, bytes]] = {}

    @property
    def wants_ciphered(self) -> bool:
        """Whether keys are configured: then what comes in clear proves nothing."""
        return any(name not in _NO_KEYS for name in self._keys)

    def open(self, found: Sealed) -> tuple[bytes, bool]:
        """The APDU inside, and whether its tag was checked.

        KeyMissing, WrongKey, Unprotected, Replay, Unsupported for other suites and compression, BadValue, Truncated.
        """
        control = _CONTROLS.get(found.control) or SecurityControl.of(found.control)
        if found.general is not None:
            return self._open_general(found.general), control.authenticated
        sender = self._sender(found, control)
        if self._strict and sender.headers and not control.authenticated:
            raise Unprotected("an authentication key is configured, but the APDU carries no tag")
        plain = sender.open(found, control)
        expected = PLAIN_OF.get(found.tag)
        if expected is not None and plain[:1] != bytes((expected,)):
            raise WrongKey("what was decrypted is not the kind of APDU that its tag promises")
        return plain, control.authenticated and bool(sender.headers)

    def _open_general(self, found: GeneralCiphering) -> bytes:
        keys = KeySet(**{name: key for name, key in self._keys.items() if name in (*_NAMED, "master")})
        heard = self._heard.setdefault(found.originator, Heard()) if self._strict else None
        if len(self._heard) > SENDERS:
            del self._heard[next(iter(self._heard))]
        return open_general(found, keys, heard=heard)

    def quick(self, octets: bytes) -> bytes | None:
        """The APDU inside of one like those of before: same sender, length and protection, its tag right.

        None on any doubt: then `open` says what it is.
        """
        size = _HEADS.get(octets[10], 12) if len(octets) > _LEAST else 0
        known = self._usual.get(octets[:size])
        if known is None:
            return None
        sender, length, header = known
        counter = octets[size : size + 4]
        if len(octets) != length or counter <= sender.last:
            return None
        plain = sender.gcm.opened(sender.title + counter, octets[size + 4 : -TAG], header, octets[-TAG:])
        if plain is not None:
            sender.last = counter
        return plain

    def remember(self, octets: bytes, found: Sealed) -> None:
        """Let `quick` read what looks like these octets, which `open` has found authentic."""
        if found.tag != 0xDB or len(found.title) != TITLE or len(octets) <= _LEAST or found.control & 0x70 != 0x30:
            return
        sender = self._senders.get((found.title, "encryption", found.control & 15))
        if sender is not None and sender.headers:
            size = _HEADS.get(octets[10], 12)
            self._usual[octets[:size]] = sender, len(octets), sender.headers[found.control]
            if len(self._usual) > SENDERS:
                del self._usual[next(iter(self._usual))]

    def _sender(self, found: Sealed, control: SecurityControl) -> _Sender:
        title = found.title or self._title
        name = "dedicated" if found.tag == 0xDC or 0xD0 <= found.tag <= 0xD7 else "encryption"
        name = "broadcast" if control.broadcast and name == "encryption" else name
        known = self._senders.get((title, name, control.suite))
        if known is None:
            encryption, authentication = self._pair(title, name, KEY_SIZES[control.suite])
            if len(title) != TITLE:
                raise BadValue(f"the sender's system title has {len(title)} bytes, not {TITLE}")
            known = self._senders[title, name, control.suite] = _Sender(title, encryption, authentication)
            if len(self._senders) > SENDERS:
                del self._senders[next(iter(self._senders))]
        return known

    def _pair(self, title: bytes, name: str, size: int) -> tuple[bytes, bytes]:
        keys = self._keys
        shown = title.hex()
        key = keys.get(name) or keys.get(shown) or keys.get(shown.upper()) or keys.get("key")
        named = [value for other, value in keys.items() if other not in (*_NO_KEYS, *_NAMED)]
        if not key and name == "encryption" and len(named) == 1:
            key = named[0]  # the line's only meter, by whatever name
        if not key:
            raise KeyMissing(f"the {name} key of {shown or 'the sender'} is not configured")
        if len(key) not in (size, 2 * size):
            raise BadValue(f"the {name} key has {len(key)} bytes, this suite wants {size}")
        return key[:size], key[size:] or keys.get("authentication", b"")
