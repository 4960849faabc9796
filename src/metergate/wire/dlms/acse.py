"""Opening and closing associations: AARQ, AARE, RLRQ and RLRE in BER (Green Book §9.5; specification chapter 2.2).

`decode(octets)` gives one of the four; each has `encode()`. Elements without a name of their own are kept in `others`
and come out again at their place, so that what is canonical is encoded as it came.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from metergate.bits import Cursor
from metergate.errors import BadValue, Unsupported
from metergate.wire.dlms.ber import (
    INTEGER,
    OCTETS,
    OID,
    Element,
    Elements,
    element,
    elements,
    inner,
    joined,
    number,
    tlv,
)

AARQ, AARE, RLRQ, RLRE = 0x60, 0x61, 0x62, 0x63
_OBJECT = bytes.fromhex("60857405 08")
_REQUIREMENTS = bytes.fromhex("0780")
_USER_INFORMATION = 0xBE


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
        return joined(
            AARQ,
            (0xA1, tlv(OID, _OBJECT + bytes((1, self.context)))),
            (0xA6, tlv(OCTETS, self.title) if self.title else None),
            (0xA7, tlv(OCTETS, self.certificate) if self.certificate else None),
            (0x8A, None if self.mechanism is None else _REQUIREMENTS),
            (0x8B, None if self.mechanism is None else _OBJECT + bytes((2, self.mechanism))),
            (0xAC, None if self.authentication is None else tlv(0x80, self.authentication)),
            (_USER_INFORMATION, tlv(OCTETS, self.user_information) if self.user_information else None),
            *self.others,
        )

    @classmethod
    def of(cls, content: bytes) -> Aarq:
        """The request with this content."""
        found = Elements(content)
        return cls(
            _context(found),
            _mechanism(found, 0x8A, 0x8B),
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
        why = tlv(0xA0 | self.diagnostic.source, tlv(INTEGER, bytes((self.diagnostic.code,))))
        return joined(
            AARE,
            (0xA1, tlv(OID, _OBJECT + bytes((1, self.context)))),
            (0xA2, tlv(INTEGER, bytes((self.result,)))),
            (0xA3, why),
            (0xA4, tlv(OCTETS, self.title) if self.title else None),
            (0xA5, tlv(OCTETS, self.certificate) if self.certificate else None),
            (0x88, None if self.mechanism is None else _REQUIREMENTS),
            (0x89, None if self.mechanism is None else _OBJECT + bytes((2, self.mechanism))),
            (0xAA, None if self.authentication is None else tlv(0x80, self.authentication)),
            (_USER_INFORMATION, tlv(OCTETS, self.user_information) if self.user_information else None),
            *self.others,
        )

    @classmethod
    def of(cls, content: bytes) -> Aare:
        """The answer with this content."""
        found = Elements(content)
        return cls(
            _context(found),
            _result(found),
            _diagnostic(found),
            _mechanism(found, 0x88, 0x89),
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
        return joined(
            RLRQ if isinstance(self, Rlrq) else RLRE,
            (0x80, None if self.reason is None else bytes((self.reason,))),
            (_USER_INFORMATION, tlv(OCTETS, self.user_information) if self.user_information else None),
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
    tag, content = element(cursor)
    if cursor.left:
        raise BadValue(f"{cursor.left} bytes after the end", cursor.at)
    if tag not in (AARQ, AARE, RLRQ, RLRE):
        raise Unsupported(f"tag {tag:02X} is none of AARQ, AARE, RLRQ, RLRE")
    if tag == AARQ:
        return Aarq.of(content)
    if tag == AARE:
        return Aare.of(content)
    found = Elements(content)
    reason = found.take(0x80)
    if reason is not None and len(reason) != 1:
        raise BadValue(f"the reason has {len(reason)} bytes, not one")
    kind = Rlrq if tag == RLRQ else Rlre
    return kind(None if reason is None else reason[0], found.octets(_USER_INFORMATION), found.others)


def _context(found: Elements) -> Context:
    return Context(_name(inner(found.needed(0xA1), OID, 0xA1), 1, range(1, 5)))


def _mechanism(found: Elements, requirements: int, tag: int) -> Mechanism | None:
    """The mechanism; the element that only says that there is one goes with it."""
    content = found.take(tag)
    if content is None:
        return None
    found.take(requirements)
    return Mechanism(_name(content, 2, range(8)))


def _name(octets: bytes, arc: int, known: range) -> int:
    """The last number of the object name 2.16.756.5.8.`arc`.x."""
    if octets[:-1] != _OBJECT + bytes((arc,)) or octets[-1] not in known:
        raise Unsupported(f"unknown object name {octets.hex()}")
    return octets[-1]


def _result(found: Elements) -> Result:
    value = number(inner(found.needed(0xA2), INTEGER, 0xA2))
    if value not in tuple(Result):
        raise BadValue(f"{value} is no association result")
    return Result(value)


def _diagnostic(found: Elements) -> Diagnostic:
    inside = list(elements(found.needed(0xA3)))
    if len(inside) != 1 or inside[0][0] not in (0xA1, 0xA2):
        raise BadValue("element A3 holds no diagnostic of ACSE's user or provider")
    tag, content = inside[0]
    return Diagnostic(Source(tag & 0x1F), number(inner(content, INTEGER, tag)))
