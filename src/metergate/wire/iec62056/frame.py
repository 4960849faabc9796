"""The messages of IEC 62056-21 as typed values: sign-on, option, command, data message, single signs.

Characters have seven bits (7E1 on the line); text is kept as ISO 8859-1. The block check character (BCC) is the XOR of
the octets after STX or SOH up to and including ETX or EOT.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from metergate.errors import BadChecksum, BadValue, DecodeError, Truncated

SOH, STX, ETX, EOT, ACK, NAK = b"\x01", b"\x02", b"\x03", b"\x04", b"\x06", b"\x15"
CRLF = b"\r\n"
BAUDS = {"0": 300, "1": 600, "2": 1200, "3": 2400, "4": 4800, "5": 9600, "6": 19200}
"""Baud identification of mode C (and of mode D, where it is "3" or what the maker put there)."""
BAUDS_B = {"A": 600, "B": 1200, "C": 2400, "D": 4800, "E": 9600, "F": 19200}
"""Baud identification of mode B."""
HDLC = "2"
"""What stands behind the backslash in the identification of a meter that can go over to HDLC (mode E)."""
BREAK_NAME = "B0"
MASK = bytes(octet & 0x7F for octet in range(256))
_EVEN = bytes(octet for octet in range(256) if octet.bit_count() % 2 == 0)


def bcc(octets: bytes) -> int:
    """The XOR of all octets."""
    number, size = int.from_bytes(octets), len(octets)
    while size > 1:
        size = (size + 1) // 2
        number = number >> 8 * size ^ number & (1 << 8 * size) - 1
    return number


def all_even(octets: bytes) -> bool:
    """Whether every octet has even parity: then a line of 7E1 is being read as 8N1."""
    return not octets.translate(None, _EVEN)


def seal(start: bytes, rest: bytes) -> bytes:
    """A start character, what follows it, and the BCC."""
    return start + rest + bytes((bcc(rest),))


def _octets(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise BadValue(f"{text!r}: character {error.start + 1} cannot be sent") from None


@dataclass(frozen=True, slots=True)
class Request:
    """The reader's call; `address` empty calls whoever is there (optical head)."""

    address: str = ""

    def encode(self) -> bytes:
        """`/?address!` and a line end. BadValue for more than 32 characters."""
        if len(self.address) > 32 or set(self.address) & set("/!?\r\n"):
            raise BadValue(f"{self.address!r} is no device address")
        return b"/?" + _octets(self.address) + b"!" + CRLF


@dataclass(frozen=True, slots=True)
class Identification:
    """The meter's answer: three letters of its maker, its baud identification, and the rest as sent."""

    manufacturer: str
    baud_id: str
    text: str = ""

    @property
    def mode(self) -> str:
        """A (stays at 300), B (goes on by itself) or C (awaits an option; the pushing mode D sends the same)."""
        return "C" if self.baud_id in BAUDS else "B" if self.baud_id in BAUDS_B else "A"

    @property
    def baud(self) -> int | None:
        """The speed that the meter offers; None in mode A."""
        return BAUDS.get(self.baud_id) or BAUDS_B.get(self.baud_id)

    @property
    def fast(self) -> bool:
        """The third letter in lower case: the meter reacts within 20 ms instead of 200."""
        return self.manufacturer[2:].islower()

    @property
    def capabilities(self) -> str:
        """What stands behind backslashes in front of the text: "2" means HDLC."""
        return "".join(re.findall(r"\\(.)", self.text))

    def encode(self) -> bytes:
        """`/XXXZtext` and a line end. BadValue if it cannot be sent."""
        octets = b"/" + _octets(self.manufacturer + self.baud_id + self.text) + CRLF
        if not IDENTIFICATION.fullmatch(octets):
            raise BadValue(f"{octets!r} is no identification")
        return octets


@dataclass(frozen=True, slots=True)
class Option:
    """The reader's choice in mode C: `protocol` "0" normal, "2" HDLC; speed; `mode` "0" readout, "1" programming."""

    protocol: str = "0"
    baud_id: str = "0"
    mode: str = "0"

    def encode(self) -> bytes:
        """ACK, three characters, line end."""
        octets = ACK + _octets(self.protocol + self.baud_id + self.mode) + CRLF
        if not OPTION.fullmatch(octets):
            raise BadValue(f"{octets!r} is no option")
        return octets


@dataclass(frozen=True, slots=True)
class Sign:
    """ACK or NAK alone: understood, or say that again."""

    octet: bytes

    def encode(self) -> bytes:
        """The octet."""
        return self.octet


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the programming mode: `name` P0 P1 P2 R1..R6 W1..W6 E2 B0, `text` its data sets (None: has none).

    `more`: the rest follows in further messages (EOT instead of ETX).
    """

    name: str
    text: str | None = None
    more: bool = False

    def encode(self) -> bytes:
        """SOH, name, STX, data, ETX, BCC."""
        body = b"" if self.text is None else STX + _octets(self.text)
        if not re.fullmatch("[A-Z][0-9]", self.name) or re.search(rb"[\x01-\x04]", body[1:]):
            raise BadValue(f"{self.name} {self.text!r} is no command")
        return seal(SOH, _octets(self.name) + body + (EOT if self.more else ETX))


@dataclass(frozen=True, slots=True)
class Block:
    """A data message. `more`: a partial block, the next follows after an ACK."""

    text: str
    more: bool = False

    @property
    def readout(self) -> bool:
        """A data readout, which ends with an exclamation mark."""
        return self.text.endswith("!\r\n")

    def encode(self) -> bytes:
        """STX, data, ETX, BCC."""
        body = _octets(self.text)
        if re.search(rb"[\x01-\x04]", body):
            raise BadValue("control characters in a data message")
        return seal(STX, body + (EOT if self.more else ETX))


Frame = Request | Identification | Option | Sign | Command | Block
BREAK = Command(BREAK_NAME)
"""The end of a session."""
REQUEST = re.compile(rb"/\?([^\x00-\x1f!/?]{0,32})!\r\n")
IDENTIFICATION = re.compile(rb"/([A-Za-z]{3})([ -~])([^\x00-\x1f!/]{0,48})\r\n")
OPTION = re.compile(rb"\x06([0-9])([0-9A-I ])([0-9A-Z])\r\n")
COMMAND = re.compile(rb"\x01([A-Z][0-9])(?:\x02([^\x01-\x04]*))?([\x03\x04])(.)", re.DOTALL)
BLOCK = re.compile(rb"\x02([^\x01-\x04]*)([\x03\x04])(.)", re.DOTALL)


def seven_bits(octets: bytes) -> bytes:
    """The characters of octets that may carry parity bits. BadChecksum where a parity bit is wrong.

    Octets with the high bit set are parity bits only if every octet has even parity; they are let through as text only
    under a right BCC (`decode`).
    """
    if octets.isascii():
        return octets
    if all_even(octets):
        return octets.translate(MASK)
    raise BadChecksum("a parity bit is wrong")


def decode(octets: bytes) -> Frame:
    """One whole message. BadChecksum, Truncated, BadValue."""
    if not octets:
        raise Truncated("an empty message")
    if not octets.isascii() and all_even(octets):
        octets = octets.translate(MASK)
    start = octets[:1]
    if start in (SOH, STX):
        return _sealed(octets, start)
    octets = seven_bits(octets)
    if octets in (ACK, NAK):
        return Sign(octets)
    for pattern, make in ((REQUEST, Request), (IDENTIFICATION, Identification), (OPTION, Option)):
        if found := pattern.fullmatch(octets):
            return make(*(part.decode("latin-1") for part in found.groups()))
    raise BadValue(f"{octets[:40]!r} is no message")


def _sealed(octets: bytes, start: bytes) -> Command | Block:
    found = (COMMAND if start == SOH else BLOCK).fullmatch(octets)
    if found is None:
        ended = ETX in octets or EOT in octets
        raise BadValue("no such command") if ended else Truncated("no end of text")
    if wrong := check(octets):
        raise wrong
    more = found[found.lastindex - 1 if found.lastindex else 0] == EOT
    if start == STX:
        return Block(found[1].decode("latin-1"), more)
    return Command(found[1].decode("latin-1"), None if found[2] is None else found[2].decode("latin-1"), more)


def check(octets: bytes, offset: int = 0) -> DecodeError | None:
    """What is wrong with the BCC of a command or data message that is whole, or None."""
    made = bcc(octets[1:-1])
    if made == octets[-1]:
        return None
    return BadChecksum(f"block check character {octets[-1]:02x}, {made:02x} computed", offset)
