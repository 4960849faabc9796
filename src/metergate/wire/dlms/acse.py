"""Opening and closing associations: AARQ, AARE, RLRQ and RLRE in BER (Green Book §9.5; specification chapter 2.2).

`decode(octets)` gives one of the four; each has `encode()`. Elements without a name of their own are kept in `others`
and come out again at their place, so that what is canonical is encoded as it came.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from metergate.bits import Cursor
from metergate.errors import BadValue, Truncated, Unsupported

AARQ, AARE, RLRQ, RLRE = 0x60, 0x61, 0x62, 0x63
_OBJECT = bytes.fromhex("60857405 08")
_REQUIREMENTS = bytes.fromhex("0780")
_OCTETS, _OID, _INTEGER = 0x04, 0x06, 0x02
_USER_INFORMATION = 0xBE

Element = tuple[int, bytes]
"""A BER tag and its content."""


class Context(IntEnum):
    """Application context names, 2.16.756.5.8.1.x."""

    LN = 1
    SN = 2
    LN_CIPHERED = 3
    SN_CIPHERED = 4

    @property
    def ciphered(self) -> bool:
        """Whether APDUs may be ciphered; a plain one is then refused."""
        return self >= Context.LN_CIPHERED

    @property
    def short_names(self) -> bool:
        """Whether attributes are named by short names."""
        return self in (Context.SN, Context.SN_CIPHERED)


class Mechanism(IntEnum):
    """Authentication mechanism names, 2.16.756.5.8.2.x."""

    NONE = 0
    LOW = 1
    HIGH = 2
    MD5 = 3
    SHA1 = 4
    GMAC = 5
    SHA256 = 6
    ECDSA = 7

    @property
    def high(self) -> bool:
        """Whether both sides prove themselves after the association is open (pass 3 and 4)."""
        return self >= Mechanism.HIGH


class Result(IntEnum):
    """What the server made of an AARQ."""

    ACCEPTED = 0
    REJECTED_PERMANENT = 1
    REJECTED_TRANSIENT = 2


class Source(IntEnum):
    """Who says why."""

    USER = 1
    PROVIDER = 2


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """Why; `code` means what `source` means by it."""

    source: Source = Source.USER
    code: int = 0

    def __str__(self) -> str:
        return _DIAGNOSTICS.get((self.source, self.code), f"diagnostic {self.code} of the {self.source.name.lower()}")


_DIAGNOSTICS = {
    (Source.USER, 0): "no reason",
    (Source.USER, 1): "no reason given",
    (Source.USER, 2): "application context name not supported",
    (Source.USER, 11): "authentication mechanism name not recognised",
    (Source.USER, 13): "authentication failure",
    (Source.USER, 14): "authentication required",
    (Source.PROVIDER, 0): "no reason",
    (Source.PROVIDER, 1): "no reason given",
    (Source.PROVIDER, 2): "no common ACSE version",
}
AUTHENTICATION_FAILURE = Diagnostic(Source.USER, 13)
AUTHENTICATION_REQUIRED = Diagnostic(Source.USER, 14)
CONTEXT_NOT_SUPPORTED = Diagnostic(Source.USER, 2)
MECHANISM_NOT_RECOGNISED = Diagnostic(Source.USER, 11)
NO_REASON = Diagnostic(Source.USER, 1)


@dataclass(frozen=True, slots=True)
class Aarq:
    """The client asks for an association.

    `title` is its system title, `authentication` the password or its challenge (CtoS), `certificate` its public key's
    certificate, `user_information` an InitiateRequest, plain or ciphered. What is absent is None or empty.
    """

    context: Context = Context.LN
    mechanism: Mechanism | None = None
    title: bytes = b""
    authentication: bytes | None = None
    user_information: bytes = b""
    certificate: bytes = b""
    others: tuple[Element, ...] = ()

    def encode(self) -> bytes:
        """BER, elements by their tag numbers."""
        return _sealed(
            AARQ,
            (0xA1, _tlv(_OID, _OBJECT + bytes((1, self.context)))),
            (0xA6, _tlv(_OCTETS, self.title) if self.title else None),
            (0xA7, _tlv(_OCTETS, self.certificate) if self.certificate else None),
            (0x8A, None if self.mechanism is None else _REQUIREMENTS),
            (0x8B, None if self.mechanism is None else _OBJECT + bytes((2, self.mechanism))),
            (0xAC, None if self.authentication is None else _tlv(0x80, self.authentication)),
            (_USER_INFORMATION, _tlv(_OCTETS, self.user_information) if self.user_information else None),
            *self.others,
        )

    @classmethod
    def of(cls, elements: list[Element]) -> Aarq:
        """The request with these elements."""
        found = _Elements(elements)
        return cls(
            found.context,
            found.mechanism(0x8A, 0x8B),
            found.octets(0xA6),
            found.value(0xAC),
            found.octets(_USER_INFORMATION),
            found.octets(0xA7),
            found.others,
        )


@dataclass(frozen=True, slots=True)
class Aare:
    """The server's answer. `title` is its system title, `authentication` its challenge (StoC); else as `Aarq`."""

    context: Context = Context.LN
    result: Result = Result.ACCEPTED
    diagnostic: Diagnostic = Diagnostic()
    mechanism: Mechanism | None = None
    title: bytes = b""
    authentication: bytes | None = None
    user_information: bytes = b""
    certificate: bytes = b""
    others: tuple[Element, ...] = ()

    def encode(self) -> bytes:
        """BER, elements by their tag numbers."""
        why = _tlv(0xA0 | self.diagnostic.source, _tlv(_INTEGER, bytes((self.diagnostic.code,))))
        return _sealed(
            AARE,
            (0xA1, _tlv(_OID, _OBJECT + bytes((1, self.context)))),
            (0xA2, _tlv(_INTEGER, bytes((self.result,)))),
            (0xA3, why),
            (0xA4, _tlv(_OCTETS, self.title) if self.title else None),
            (0xA5, _tlv(_OCTETS, self.certificate) if self.certificate else None),
            (0x88, None if self.mechanism is None else _REQUIREMENTS),
            (0x89, None if self.mechanism is None else _OBJECT + bytes((2, self.mechanism))),
            (0xAA, None if self.authentication is None else _tlv(0x80, self.authentication)),
            (_USER_INFORMATION, _tlv(_OCTETS, self.user_information) if self.user_information else None),
            *self.others,
        )

    @classmethod
    def of(cls, elements: list[Element]) -> Aare:
        """The answer with these elements."""
        found = _Elements(elements)
        return cls(
            found.context,
            _result(found.number(0xA2)),
            _diagnostic(found.take(0xA3)),
            found.mechanism(0x88, 0x89),
            found.octets(0xA4),
            found.value(0xAA),
            found.octets(_USER_INFORMATION),
            found.octets(0xA5),
            found.others,
        )


@dataclass(frozen=True, slots=True)
class _Release:
    """`reason`: 0 normal, 1 urgent (request) or not finished (answer), 30 user defined; None where it is not told."""

    reason: int | None = 0
    user_information: bytes = b""
    others: tuple[Element, ...] = ()

    def encode(self) -> bytes:
        """BER, elements by their tag numbers."""
        return _sealed(
            RLRQ if isinstance(self, Rlrq) else RLRE,
            (0x80, None if self.reason is None else bytes((self.reason,))),
            (_USER_INFORMATION, _tlv(_OCTETS, self.user_information) if self.user_information else None),
            *self.others,
        )


@dataclass(frozen=True, slots=True)
class Rlrq(_Release):
    """The client ends the association. See `_Release`."""


@dataclass(frozen=True, slots=True)
class Rlre(_Release):
    """The server has ended it. See `_Release`."""


Acse = Aarq | Aare | Rlrq | Rlre


def decode(octets: bytes) -> Acse:
    """One of the four. Truncated, BadValue, or Unsupported for another tag or an unknown context or mechanism."""
    cursor = Cursor(octets)
    tag, content = _element(cursor)
    if cursor.left:
        raise BadValue(f"{cursor.left} bytes after the end", cursor.at)
    if tag not in (AARQ, AARE, RLRQ, RLRE):
        raise Unsupported(f"tag {tag:02X} is none of AARQ, AARE, RLRQ, RLRE")
    elements = list(_elements(content))
    if tag == AARQ:
        return Aarq.of(elements)
    if tag == AARE:
        return Aare.of(elements)
    found = _Elements(elements)
    reason = found.take(0x80)
    if reason is not None and len(reason) != 1:
        raise BadValue(f"the reason has {len(reason)} bytes, not one")
    kind = Rlrq if tag == RLRQ else Rlre
    return kind(None if reason is None else reason[0], found.octets(_USER_INFORMATION), found.others)


# --- BER -------------------------------------------------------------------------------------------------------------
def _tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes(-(-size.bit_length() // 8), "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _sealed(tag: int, *elements: tuple[int, bytes | None]) -> bytes:
    present = [(inner, content) for inner, content in elements if content is not None]
    present.sort(key=lambda element: element[0] & 0x1F)
    return _tlv(tag, b"".join(_tlv(inner, content) for inner, content in present))


def _element(cursor: Cursor) -> Element:
    tag, size = cursor.byte(), cursor.byte()
    if size & 0x80:
        count = size & 0x7F
        if not 1 <= count <= 4:
            raise BadValue(f"a length of {count} bytes", cursor.offset)
        size = cursor.uint(count, "big")
    return tag, cursor.take(size)


def _elements(content: bytes) -> Iterator[Element]:
    cursor = Cursor(content)
    while cursor.left:
        yield _element(cursor)


def _inner(content: bytes, wanted: int, what: int) -> bytes:
    """The content of the one element inside of another."""
    found = list(_elements(content))
    if len(found) != 1 or found[0][0] != wanted:
        raise BadValue(f"element {what:02X} does not hold one element {wanted:02X}")
    return found[0][1]


class _Elements:
    """The elements of one APDU by tag; whatever is not taken stays in `others`."""

    def __init__(self, elements: list[Element]) -> None:
        self._by_tag = dict(elements)
        if len(self._by_tag) != len(elements):
            raise BadValue("an element comes twice")

    @property
    def others(self) -> tuple[Element, ...]:
        return tuple(sorted(self._by_tag.items()))

    def take(self, tag: int) -> bytes | None:
        return self._by_tag.pop(tag, None)

    def octets(self, tag: int) -> bytes:
        content = self.take(tag)
        return b"" if content is None else _inner(content, _OCTETS, tag)

    def value(self, tag: int) -> bytes | None:
        """An authentication value; forms other than a character string are left in `others`."""
        content = self._by_tag.get(tag)
        if content is None or content[:1] != b"\x80":
            return None
        del self._by_tag[tag]
        return _inner(content, 0x80, tag)

    def number(self, tag: int) -> int:
        content = self.take(tag)
        if content is None:
            raise Truncated(f"element {tag:02X} is missing")
        return _number(_inner(content, _INTEGER, tag))

    @property
    def context(self) -> Context:
        content = self.take(0xA1)
        if content is None:
            raise Truncated("element A1, the application context, is missing")
        return Context(_name(_inner(content, _OID, 0xA1), 1, range(1, 5)))

    def mechanism(self, requirements: int, tag: int) -> Mechanism | None:
        """The mechanism; the element that only says that there is one goes with it."""
        content = self.take(tag)
        if content is None:
            return None
        self.take(requirements)
        return Mechanism(_name(content, 2, range(8)))


def _number(content: bytes) -> int:
    if len(content) != 1:
        raise BadValue(f"a number of {len(content)} bytes, not of one")
    return content[0]


def _result(value: int) -> Result:
    try:
        return Result(value)
    except ValueError:
        raise BadValue(f"{value} is no association result") from None


def _name(octets: bytes, arc: int, known: range) -> int:
    """The last number of the object name 2.16.756.5.8.`arc`.x."""
    if octets[:-1] != _OBJECT + bytes((arc,)) or octets[-1] not in known:
        raise Unsupported(f"unknown object name {octets.hex()}")
    return octets[-1]


def _diagnostic(content: bytes | None) -> Diagnostic:
    if content is None:
        raise Truncated("element A3 is missing")
    elements = list(_elements(content))
    if len(elements) != 1 or elements[0][0] not in (0xA1, 0xA2):
        raise BadValue("element A3 holds no diagnostic of ACSE's user or provider")
    tag, inner = elements[0]
    return Diagnostic(Source(tag & 0x1F), _number(_inner(inner, _INTEGER, tag)))
