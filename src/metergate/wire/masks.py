"""Secrets in what passes on a line: where passwords travel in clear, so that traces can be kept without them.

A mask is a pure function of bytes; `MASKS` has those of the protocols that carry secrets in clear. What is sealed
(DLMS ciphering, keys wrapped by keys, wireless M-Bus) needs none: there only the keys are secret, and do not travel.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

Range = tuple[int, int]
Mask = Callable[[bytes], Iterator[Range]]
"""The ranges of secret octets (begin, end); one may end behind what is there: then the rest is still to come."""
HIDDEN = 0x2A
"""What stands for a secret octet: `*`."""
KEPT = 512
"""Octets of each direction that are kept, to know a secret that comes in parts."""
SEVEN_BITS = bytes(octet & 0x7F for octet in range(256))

_FRAME_645 = re.compile(rb"(?s)(?=\x68.{6}\x68(.)(.))")
_SECRETS_645 = {
    0x14: (4, 8),
    0x18: (4, 12),
    0x19: (0, 4),
    0x1A: (0, 4),
    0x1B: (0, 4),
    0x1C: (0, 4),
    0x04: (2, 6),
    0x0F: (0, 8),
    0x10: (0, 4),
}
"""Octets of the data that are passwords with their level, by control code (DL/T 645-2007 §7, -1997 §6)."""
_PASSWORDS_645 = bytes((octet + 0x33) & 0xFF for octet in (0x0C, 0x00, 0x04))
"""The last three octets of the identifiers of passwords, 04000C01 to 04000C0A, as sent."""


def dlt645(data: bytes) -> Iterator[Range]:
    """Passwords in orders and writes; the values of password items in writes and replies."""
    for found in _FRAME_645.finditer(data):
        begin, control, size = found.start() + 10, found[1][0], found[2][0]
        first, last = _SECRETS_645.get(control, (0, 0))
        if control & 0x1F in (0x11, 0x14) and data[begin + 1 : begin + 4] == _PASSWORDS_645:
            first, last = 4, size
        yield begin + min(first, size), begin + min(last, size)


_FRAME_376 = re.compile(rb"(?s)(?=\x68(..)\1\x68(.).{5}(.)(.))")
_WITH_PASSWORD_376 = frozenset((0x01, 0x04, 0x05, 0x06, 0x0F, 0x10))


def gdw376(data: bytes) -> Iterator[Range]:
    """PW of requests (Q/GDW 376.1 §4.3.4), and what DL/T 645 carries inside."""
    for found in _FRAME_376.finditer(data):
        length, control, function, sequence = (int.from_bytes(part, "little") for part in found.groups())
        if not control & 0x80 and function in _WITH_PASSWORD_376:
            end = found.start() + 6 + (length >> 2) - (6 if sequence & 0x80 else 0)
            yield max(end - 16, found.start() + 14), end
    yield from dlt645(data)


_FRAME_698 = re.compile(rb"(?s)(?=\x68...(.))")
_CONNECT, _MECHANISM, _BY_PASSWORD = 0x02, 39, 1
_PASSWORD_698 = re.compile(rb"(?s)\x44\x01\x02\x00[\x09\x0a](.)")


def dlt698(data: bytes) -> Iterator[Range]:
    """The password of a connect request, and one that is written (object 4401)."""
    for found in _FRAME_698.finditer(data):
        apdu = found.start() + 9 + (found[1][0] & 15)
        head = data[apdu : apdu + _MECHANISM + 2]
        if head[:1] == bytes((_CONNECT,)) and head[_MECHANISM : _MECHANISM + 1] == bytes((_BY_PASSWORD,)):
            begin = apdu + _MECHANISM + 2
            yield begin, begin + int.from_bytes(head[-1:])
    yield from _counted(_PASSWORD_698, data)


_COMMAND_P = re.compile(rb"\x01P[0-9]\x02?\(?([^)\x03]*)")


def iec62056(data: bytes) -> Iterator[Range]:
    """The operand of the password command P1 or P2 (IEC 62056-21 §6.5.2), and DLMS after mode E."""
    for found in _COMMAND_P.finditer(data.translate(SEVEN_BITS)):
        yield found.span(1)
    yield from dlms(data)


_MECHANISM_VALUE = re.compile(rb"(?s)\xac.\x80(.)")
_SECRET_ATTRIBUTE = re.compile(rb"(?s)\x00\x0f.{6}(?:\x07\x00|\x02\x01)\x09(.)")


def dlms(data: bytes) -> Iterator[Range]:
    """The password in an AARQ, and a new one for an association (class 15, attribute 7 and method 2)."""
    yield from _counted(_MECHANISM_VALUE, data)
    yield from _counted(_SECRET_ATTRIBUTE, data)


def _counted(pattern: re.Pattern[bytes], data: bytes) -> Iterator[Range]:
    """What follows a count that a pattern ends with."""
    for found in pattern.finditer(data):
        yield found.end(), found.end() + found[1][0]


_REQUEST_SML = re.compile(rb"\x72\x63([\x01-\x07])\x00[\x70-\x7f]")
_BEFORE_SML = {1: 5, 2: 2, 3: 2, 4: 2, 5: 2, 6: 2, 7: 3}
"""Elements before the password of a request, by its tag (SML 1.04 §5): open, profiles, parameters, list."""


def sml(data: bytes) -> Iterator[Range]:
    """The password of a request."""
    for found in _REQUEST_SML.finditer(data):
        at = found.end()
        for _ in range(_BEFORE_SML[found[1][0]]):
            at = _behind(data, at)
        end = _behind(data, at)
        yield min(at + 1, end), end


def _behind(data: bytes, at: int) -> int:
    """Where a simple element ends: a type and a length of one octet or two."""
    size = int.from_bytes(data[at : at + 1]) & 15
    if data[at : at + 1] >= b"\x80":
        size = size << 4 | int.from_bytes(data[at + 1 : at + 2]) & 15
    return at + max(size, 1)


MASKS: Mapping[str, Mask] = {
    "dlt645": dlt645,
    "dlt645-1997": dlt645,
    "gdw376": gdw376,
    "dlt698": dlt698,
    "iec62056-21": iec62056,
    "dlms-hdlc": dlms,
    "dlms-wrapper": dlms,
    "dlms-apdu": dlms,
    "sml": sml,
}
"""Protocol -> where its secrets stand."""


def masked(protocol: str, data: bytes) -> bytes:
    """The same octets with `*` for the secret ones; those of protocols without secrets in clear as they are."""
    mask = MASKS.get(protocol)
    if mask is None:
        return data
    made = bytearray(data)
    for begin, end in mask(data):
        made[begin:end] = bytes((HIDDEN,)) * len(made[begin:end])
    return bytes(made)


class Masker:
    """Masks what passes on a line in parts of any size: it keeps the last octets of each direction."""

    def __init__(self, protocol: str) -> None:
        self._protocol = protocol
        self._kept: dict[str, bytes] = {}

    def __call__(self, way: str, data: bytes) -> bytes:
        """What may be shown of `data`, that went this way."""
        before = self._kept.get(way, b"")
        whole = before + data
        self._kept[way] = whole[-KEPT:]
        return masked(self._protocol, whole)[len(before) :]
