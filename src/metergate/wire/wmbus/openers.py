"""How the telegrams of one meter are opened, made out once: nothing is parsed that the meter repeats.

An opener gives the payload in clear and the status, or None where the telegram is not of the shape that was learnt or
a key, CRC or MAC does not agree: then the general way says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from operator import itemgetter

from metergate.bits import crc_en13757
from metergate.crypto.aes import Aes, cbc_decrypt, ccm_open, cmac, same
from metergate.errors import DecodeError, WrongKey
from metergate.wire.mbus.security import CHECK
from metergate.wire.wmbus.ccm import NONCE, CcmRules
from metergate.wire.wmbus.compact import Formats
from metergate.wire.wmbus.keys import Cipher
from metergate.wire.wmbus.layers import Afl, Ell, Tpl
from metergate.wire.wmbus.link import FIRST, Address
from metergate.wire.wmbus.security import AUTHENTICATE, ENCRYPT

Opened = tuple[bytes, "int | None"]
Open = Callable[[bytes], "Opened | None"]
Pick = Callable[[bytes], bytes]
FULL, COMPACTED, LONG, SHORT = 0x78, 0x79, 0x72, 0x7A
_HEADER = {SHORT: 1, LONG: 9}
"""Where the access number stands behind the CI."""
_FILL = b"\x07" * 7
_ZERO = bytes(16)
_CTR = 1


@dataclass(frozen=True, slots=True)
class Opener:
    """`open` gives payload and status, `transport` the bytes from the transport layer's CI on, headers in clear.

    `counter` takes the message counter out, which must grow.
    """

    open: Open
    transport: Pick
    counter: Pick | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """Where the layers of a telegram stand. `access` is the place of the access number."""

    tpl: int
    access: int
    word: bytes
    """Configuration word and its extension."""

    @classmethod
    def of(cls, ell: Ell | None, afl: bytes, tpl: Tpl) -> Shape:
        """From the layers; `afl` as on the wire."""
        place = FIRST + (len(ell.octets) if ell else 0) + len(afl)
        return cls(place, place + _HEADER[tpl.ci], tpl.configuration.to_bytes(2, "little") + tpl.extension)

    @property
    def body(self) -> int:
        """Where the payload begins."""
        return self.access + 2 + len(self.word)

    @property
    def configuration(self) -> slice:
        """Where the word stands."""
        return slice(self.access + 2, self.body)

    @property
    def sealed(self) -> slice:
        """Where the encrypted blocks stand."""
        return slice(self.body, self.body + (self.word[0] & 0xF0))


def opener(
    ell: Ell | None, afl: Afl | None, tpl: Tpl, meter: Address, key: Cipher | None, ccm: CcmRules
) -> Opener | None:
    """The opener for further telegrams of `meter` with layers like these; None where there is no short way."""
    if tpl.ci not in _HEADER or (ell and ell.session is not None):
        return None
    octets = afl.octets if afl else b""
    shape = Shape.of(ell, octets, tpl)
    found, counter = _authenticated(shape, afl, octets, tpl, meter, key, ccm) if afl else (None, None)
    if afl is None and tpl.mode in (0, 5):
        found = clear(shape) if key is None else mode5(shape, meter, key) if isinstance(key, Aes) else None
    return Opener(found, itemgetter(slice(shape.tpl, None)), counter) if found else None


def _authenticated(
    shape: Shape, afl: Afl, octets: bytes, tpl: Tpl, meter: Address, key: Cipher | None, ccm: CcmRules
) -> tuple[Open | None, Pick | None]:
    if not isinstance(key, Aes) or afl.counter is None or afl.mcl is None:
        return None, None
    behind = len(afl.mac or b"") + (0 if afl.length is None else 2)
    counted = Counted(shape.tpl - len(octets), shape.tpl - behind - 4, octets, meter)
    if tpl.mode == 7 and afl.mac:
        return mode7(shape, counted, afl, key), counted.counter
    if tpl.mode == 10 and not afl.mac:
        return mode10(shape, counted, meter, key, ccm), counted.counter
    return None, None


@dataclass(frozen=True, slots=True)
class Counted:
    """An authentication layer that stands `at`, its message counter at `place`."""

    at: int
    place: int
    octets: bytes
    meter: Address

    @property
    def counter(self) -> Pick:
        """Takes the message counter out of a telegram."""
        return itemgetter(slice(self.place, self.place + 4))

    @property
    def fixed(self) -> tuple[Pick, bytes]:
        """What stands before the counter, and what it is."""
        return itemgetter(slice(self.at, self.place)), self.octets[: self.place - self.at]

    @property
    def tail(self) -> bytes:
        """What follows the counter in a key derivation."""
        return self.meter.number + _FILL


def clear(shape: Shape) -> Open:
    """Nothing is encrypted."""
    where, word, body, state = shape.configuration, shape.word, shape.body, shape.access + 1

    def open_(telegram: bytes) -> Opened | None:
        return (telegram[body:], telegram[state]) if telegram[where] == word else None

    return open_


def mode5(shape: Shape, meter: Address, key: Aes) -> Open:
    """AES-CBC, its vector from address and access number."""
    where, word, sealed, end = shape.configuration, shape.word, shape.sealed, shape.sealed.stop
    start, access, decrypt = meter.octets, slice(shape.access, shape.access + 1), key.cbc_decrypt
    state = shape.access + 1

    def open_(telegram: bytes) -> Opened | None:
        if telegram[where] != word or len(telegram) < end:
            return None
        plain = decrypt(start + telegram[access] * 8, telegram[sealed])
        return (plain + telegram[end:], telegram[state]) if plain[:2] == CHECK else None

    return open_


def mode7(shape: Shape, counted: Counted, afl: Afl, master: Aes) -> Open:
    """A MAC over all, then AES-CBC, both with keys of the message."""
    where, word, sealed, end = shape.configuration, shape.word, shape.sealed, shape.sealed.stop
    (fixed, head), counter, tail, derive = counted.fixed, counted.counter, counted.tail, master.cmac
    size, mcl = len(afl.mac or b""), bytes((afl.mcl or 0,))
    mac, rest = slice(counted.place + 4, counted.place + 4 + size), slice(counted.place + 4 + size, None)
    encrypt, authenticate, state = bytes((ENCRYPT,)), bytes((AUTHENTICATE,)), shape.access + 1

    def open_(telegram: bytes) -> Opened | None:
        if fixed(telegram) != head or telegram[where] != word or len(telegram) < end:
            return None
        count = counter(telegram)
        made = cmac(derive(authenticate + count + tail), mcl + count + telegram[rest])
        if not same(made[:size], telegram[mac]):
            return None
        plain = cbc_decrypt(derive(encrypt + count + tail), _ZERO, telegram[sealed])
        return (plain + telegram[end:], telegram[state]) if plain[:2] == CHECK else None

    return open_


def mode10(shape: Shape, counted: Counted, meter: Address, master: Aes, rules: CcmRules) -> Open:
    """AES-CCM by the rules that hold here."""
    where, word, body = shape.configuration, shape.word, slice(shape.body, None)
    (fixed, head), counter, tail = counted.fixed, counted.counter, counted.tail
    covered, state = slice(shape.tpl, shape.body if rules.header else shape.tpl), shape.access + 1
    access, parts, encrypt = slice(shape.access, shape.access + 1), rules.nonce, bytes((ENCRYPT,))

    def open_(telegram: bytes) -> Opened | None:
        if fixed(telegram) != head or telegram[where] != word:
            return None
        count = counter(telegram)
        given = {"address": meter.octets, "counter": count, "access": telegram[access]}
        nonce = b"".join([given[part] for part in parts])[:NONCE].ljust(NONCE, b"\0")
        try:
            if rules.derived:
                derived = master.cmac(encrypt + count + tail)
                plain = ccm_open(derived, nonce, telegram[body], telegram[covered], rules.tag)
            else:
                plain = master.ccm_open(nonce, telegram[body], telegram[covered], rules.tag)
        except WrongKey:
            return None
        return plain, telegram[state]

    return open_


def counter_mode(ell: Ell, sender: Address, key: Aes, formats: Formats) -> Opener:
    """AES-CTR of the extended link layer; behind it full frames with a short header or none, and compact ones."""
    end = FIRST + len(ell.octets)
    crc, session, control = end - 2, slice(end - 6, end - 2), slice(FIRST + 1, FIRST + 2)
    who, zero = sender.octets, bytes(3)

    def transport(telegram: bytes) -> bytes:
        return key.ctr(who + telegram[control] + telegram[session] + zero, telegram[crc:])[2:]

    def open_(telegram: bytes) -> Opened | None:
        if len(telegram) <= end or telegram[end - 3] >> 5 != _CTR:
            return None
        plain = key.ctr(who + telegram[control] + telegram[session] + zero, telegram[crc:])
        body = plain[2:]
        if crc_en13757(body) != plain[0] | plain[1] << 8:
            return None
        if body[0] == FULL:
            return body[1:], None
        if body[0] == SHORT and body[3:5] == b"\0\0":
            return body[5:], body[2]
        return _rebuilt(body[1:], formats) if body[0] == COMPACTED else None

    return Opener(open_, transport)


def _rebuilt(payload: bytes, formats: Formats) -> Opened | None:
    try:
        return formats.rebuild(payload.removeprefix(CHECK), 0), None
    except DecodeError:
        return None
