"""The headers between link layer and records: extended link layer, authentication and fragmentation layer, transport.

Each has `parse` (from a `Cursor` that stands behind its CI) and `octets` (CI included); parse(octets) == itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from metergate.bits import Cursor
from metergate.errors import BadValue, Unsupported
from metergate.wire.wmbus.link import Address

ELL = range(0x8C, 0x90)
AFL = 0x90
MAKER = range(0xA0, 0xB8)
"""CI of payloads in a maker's own format."""
LONG, SHORT, BARE = "long", "short", "none"
TPL = {
    0x72: LONG,
    0x7A: SHORT,
    0x78: BARE,
    0x73: LONG,
    0x7B: SHORT,
    0x79: BARE,
    0x70: BARE,
    0x6E: SHORT,
    0x6F: LONG,
    0x71: BARE,
    0x74: SHORT,
    0x75: LONG,
    0x51: BARE,
    0x5A: SHORT,
    0x5B: LONG,
    0x80: LONG,
    0x8A: SHORT,
    0x8B: LONG,
    **dict.fromkeys(MAKER, BARE),
}
"""Which header follows a CI field of the transport layer."""
COMPACT = {0x73, 0x7B, 0x79}
ERRORS = {0x70, 0x6E, 0x6F}
ALARMS = {0x71, 0x74, 0x75}
COMMANDS = {0x51, 0x5A, 0x5B}
EXTENDED = {7, 10}
"""Security modes with an octet behind the configuration word."""
LINK_MANAGEMENT = {0x80, 0x8A, 0x8B}


@dataclass(frozen=True, slots=True)
class Ell:
    """Extended link layer: CI 8C..8F. `receiver` (8 bytes) in 8E and 8F, `session` and `crc` in 8D and 8F."""

    ci: int
    control: int
    access: int
    receiver: bytes = b""
    session: int | None = None
    crc: int = 0

    @classmethod
    def parse(cls, ci: int, cursor: Cursor) -> Ell:
        """From behind the CI."""
        control, access = cursor.byte(), cursor.byte()
        receiver = cursor.take(8) if ci in (0x8E, 0x8F) else b""
        session = cursor.uint(4) if ci in (0x8D, 0x8F) else None
        return cls(ci, control, access, receiver, session, 0 if session is None else cursor.uint(2))

    @property
    def clear(self) -> bytes:
        """What is never encrypted: all but the payload's CRC."""
        session = b"" if self.session is None else self.session.to_bytes(4, "little")
        return bytes((self.ci, self.control, self.access)) + self.receiver + session

    @property
    def octets(self) -> bytes:
        """As on the wire."""
        return self.clear + (b"" if self.session is None else self.crc.to_bytes(2, "little"))

    @property
    def encryption(self) -> int:
        """0 none, 1 AES-CTR; from the session number's bits 31-29."""
        return (self.session or 0) >> 29


_MORE, _MCL, _LENGTH, _COUNTER, _MAC, _KEY = 0x4000, 0x2000, 0x1000, 0x0800, 0x0400, 0x0200
MAC_BYTES = {4: 4, 5: 8, 6: 12, 7: 16}
"""Length of the MAC by the authentication type in MCL's bits 3-0."""


@dataclass(frozen=True, slots=True)
class Afl:
    """Authentication and fragmentation layer, CI 90. What a fragment does not carry is None."""

    fragment: int = 0
    more: bool = False
    mcl: int | None = None
    key_info: int | None = None
    counter: int | None = None
    mac: bytes | None = None
    length: int | None = None

    @classmethod
    def parse(cls, cursor: Cursor) -> Afl:
        """From behind the CI; BadValue if its length disagrees with the fields that it says it has."""
        size = cursor.byte()
        body = Cursor(cursor.take(size), base=cursor.offset - size)
        control = body.uint(2)
        mcl = body.byte() if control & _MCL else None
        key_info = body.uint(2) if control & _KEY else None
        counter = body.uint(4) if control & _COUNTER else None
        mac = body.take(body.left - (2 if control & _LENGTH else 0)) if control & _MAC else None
        length = body.uint(2) if control & _LENGTH else None
        if body.left:
            raise BadValue(f"the AFL's length leaves {body.left} bytes without a meaning", body.offset)
        return cls(control & 0xFF, bool(control & _MORE), mcl, key_info, counter, mac, length)

    @property
    def octets(self) -> bytes:
        """As on the wire, CI included."""
        body = self.flags.to_bytes(2, "little") + self._message(self.mac or b"", key=True)
        return bytes((AFL, len(body))) + body

    @property
    def flags(self) -> int:
        """The fragmentation control field."""
        given = (
            (self.mcl, _MCL),
            (self.key_info, _KEY),
            (self.counter, _COUNTER),
            (self.mac, _MAC),
            (self.length, _LENGTH),
        )
        return (_MORE if self.more else 0) | self.fragment | sum(bit for value, bit in given if value is not None)

    @property
    def authenticated(self) -> bytes:
        """What the MAC covers besides the transport layer: MCL, counter, length."""
        return self._message(b"", key=False)

    def _message(self, mac: bytes, key: bool) -> bytes:
        parts = ((self.mcl, 1), (self.key_info if key else None, 2), (self.counter, 4))
        head = b"".join(value.to_bytes(size, "little") for value, size in parts if value is not None)
        return head + mac + (b"" if self.length is None else self.length.to_bytes(2, "little"))

    def joined(self, other: Afl) -> Afl:
        """This one completed by what a later fragment carries; no fragment any more."""
        mcl, key_info, counter, mac, length = (
            getattr(other, name) if getattr(self, name) is None else getattr(self, name)
            for name in ("mcl", "key_info", "counter", "mac", "length")
        )
        return replace(
            self, fragment=0, more=False, mcl=mcl, key_info=key_info, counter=counter, mac=mac, length=length
        )


@dataclass(frozen=True, slots=True)
class Tpl:
    """Transport layer header. `address` only in the long form; access, status, configuration not in the bare one.

    `extension`: the octet that security modes 7 and 10 put behind the configuration word.
    """

    ci: int
    address: Address | None = None
    access: int | None = None
    status: int | None = None
    configuration: int = 0
    extension: bytes = b""

    @classmethod
    def parse(cls, ci: int, cursor: Cursor) -> Tpl:
        """From behind the CI; Unsupported for a CI that is no transport layer's."""
        form = TPL.get(ci)
        if form is None:
            raise Unsupported(f"CI {ci:02X}H is of no layer that is decoded", cursor.offset - 1)
        if form is BARE:
            return cls(ci)
        address = Address.long(cursor.take(8)) if form is LONG else None
        access, status, word = cursor.byte(), cursor.byte(), cursor.uint(2)
        extension = cursor.take(1) if _mode(word) in EXTENDED else b""
        return cls(ci, address, access, status, word, extension)

    @property
    def octets(self) -> bytes:
        """As on the wire, CI included."""
        head = bytes((self.ci,)) + (self.address.long_octets if self.address else b"")
        if self.access is None:
            return head
        rest = bytes((self.access, self.status or 0)) + self.configuration.to_bytes(2, "little")
        return head + rest + self.extension

    @property
    def mode(self) -> int:
        """Security mode: bits 8-12 of the configuration word."""
        return _mode(self.configuration)

    @property
    def encrypted(self) -> int:
        """How many bytes are encrypted: bits 4-7 of the configuration word, in blocks of 16."""
        return (self.configuration >> 4 & 15) * 16


def _mode(word: int) -> int:
    return word >> 8 & 31
