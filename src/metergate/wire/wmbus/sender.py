"""The meter's end: records to telegrams, with the counters that a real meter keeps.

Security modes 0, 5, 7 and 10 of the transport layer, AES-CTR of the extended link layer, full and compact frames, and
messages in fragments where one telegram is too short.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from metergate.bits import crc_en13757
from metergate.crypto.aes import BLOCK, Aes
from metergate.errors import BadValue
from metergate.wire.mbus.records import RawRecord, encode_records
from metergate.wire.wmbus.ccm import MODE, CcmRules
from metergate.wire.wmbus.compact import pack
from metergate.wire.wmbus.fragments import split
from metergate.wire.wmbus.layers import BARE, LONG, SHORT, Afl, Ell, Tpl
from metergate.wire.wmbus.link import Address, Format, Link, seal
from metergate.wire.wmbus.security import message_mac, padded, seal_ell, seal_mode5, seal_mode7, seal_mode10

FULL = {BARE: 0x78, SHORT: 0x7A, LONG: 0x72}
"""CI of a full frame by the form of its header."""
SHORTENED = {BARE: 0x79, SHORT: 0x7B, LONG: 0x73}
"""CI of a compact one."""
SND_NR, SND_IR = 0x44, 0x46
LONGEST = {Format.A: 256, Format.B: 252, Format.NONE: 256}
"""Most bytes of a telegram, L included, CRCs not."""
_ENCRYPTED = 1 << 29
_CMAC_8 = 0x25
"""MCL: a message counter is there, the MAC is a CMAC of 8 bytes."""
_COUNTED = 0x20
"""MCL: a message counter is there, no MAC."""
_KDF_A = b"\x10"
"""The configuration extension of modes 7 and 10: the key is derived."""
_MOST_BLOCKS = 15


@dataclass(slots=True)
class Sender:
    """One radio meter. Every call of `frames` is one reading sent, and counts on.

    `header`: "none", "short" or "long"; `ell`: CI of the extended link layer or None; `adapter`: the radio adapter
    that the link layer names, where the meter has no radio of its own (then the header must be long); `every`: one
    in so many telegrams is a full frame, the others are compact; `longest`: bytes of a telegram past which modes 7
    and 10 send fragments; `flags`: bits set in every configuration word. BadValue for settings that do not fit
    together.
    """

    address: Address
    key: bytes | None = field(default=None, repr=False)
    mode: int = 0
    form: Format = Format.A
    header: str = SHORT
    ell: int | None = None
    adapter: Address | None = None
    receiver: bytes = bytes(8)
    every: int = 1
    longest: int = 256
    access: int = 0
    counter: int = 0
    session: int = 0
    sent: int = 0
    ccm: CcmRules = field(default_factory=CcmRules)
    flags: int = 0
    _cipher: Aes | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        needs_key = self.mode != 0
        if self.mode not in (0, 5, 7, 10):
            raise BadValue(f"security mode {self.mode} cannot be sent: there are 0, 5, 7 and 10")
        if needs_key and (self.key is None or self.header == BARE):
            raise BadValue(f"security mode {self.mode} needs a key, and a header")
        if self.adapter is not None and self.header != LONG:
            raise BadValue("behind a radio adapter the meter needs the long header to be known")
        if self.key is not None and len(self.key) != BLOCK:
            raise BadValue(f"a key has {BLOCK} bytes")
        self._cipher = Aes(self.key) if self.key else None

    @property
    def radio(self) -> Address:
        """Who the link layer names."""
        return self.adapter or self.address

    def saved(self) -> dict[str, int]:
        """The counters, to go on with: `Sender(..., **saved)`."""
        return {"access": self.access, "counter": self.counter, "session": self.session, "sent": self.sent}

    def frames(self, records: Iterable[RawRecord], status: int = 0, control: int = SND_NR) -> list[bytes]:
        """What goes on the air for one set of records: one frame, or several with fragments of the message."""
        records = tuple(records)
        compact = self.sent % self.every != 0
        self.sent += 1
        payload = _compacted(records) if compact else encode_records(records)
        ci = (SHORTENED if compact else FULL)[self.header]
        return self.send(ci, payload, status, control)

    def send(self, ci: int, payload: bytes, status: int = 0, control: int = SND_NR) -> list[bytes]:
        """The frames of any payload behind transport CI `ci`, secured as the meter is set."""
        self.access = (self.access + 1) & 0xFF
        afl, message = self._transport(ci, payload, status)
        room = self._room(afl)
        if len(message) <= room:
            return [self._frame(control, (afl.octets if afl else b"") + message)]
        if afl is None:
            raise BadValue(f"{len(message)} bytes do not fit a telegram: only modes 7 and 10 send fragments")
        parts = split(replace(afl, length=len(message)), message, room - 2)
        return [self._frame(control, head.octets + piece) for head, piece in parts]

    def _transport(self, ci: int, payload: bytes, status: int) -> tuple[Afl | None, bytes]:
        tpl = Tpl(ci)
        if self.header != BARE:
            tpl = Tpl(ci, self.address if self.header == LONG else None, self.access, status, self.flags)
        if self.mode == 0 or self._cipher is None:
            return None, tpl.octets + payload
        if self.mode == MODE:
            return self._tagged(
                replace(tpl, configuration=self.flags | MODE << 8, extension=_KDF_A), payload, self._cipher
            )
        plain = padded(payload)
        blocks = len(plain) // BLOCK
        if blocks > _MOST_BLOCKS:
            raise BadValue(f"{len(plain)} bytes to encrypt, at most {_MOST_BLOCKS * BLOCK} are allowed")
        tpl = replace(
            tpl, configuration=self.flags | self.mode << 8 | blocks << 4, extension=_KDF_A if self.mode == 7 else b""
        )
        if self.mode == 5:
            return None, tpl.octets + seal_mode5(tpl, self.radio, plain, self._cipher)
        return self._authenticated(tpl, plain, self._cipher)

    def _authenticated(self, tpl: Tpl, plain: bytes, key: Aes) -> tuple[Afl, bytes]:
        self.counter += 1
        message = tpl.octets + seal_mode7(tpl, self.radio, self.counter, plain, key)
        afl = Afl(mcl=_CMAC_8, counter=self.counter)
        if len(message) > self._room(replace(afl, mac=bytes(8))):
            afl = replace(afl, length=len(message))
        return replace(afl, mac=message_mac(key, afl, self.address, message)), message

    def _tagged(self, tpl: Tpl, payload: bytes, key: Aes) -> tuple[Afl, bytes]:
        self.counter += 1
        message = tpl.octets + seal_mode10(tpl, self.radio, self.counter, payload, key, self.ccm)
        return Afl(mcl=_COUNTED, counter=self.counter), message

    def _room(self, afl: Afl | None) -> int:
        """Bytes of a message that fit one telegram."""
        return min(LONGEST[self.form], self.longest) - 10 - len(self._ell(b"")) - (len(afl.octets) if afl else 0)

    def _frame(self, control: int, body: bytes) -> bytes:
        return seal(Link(control, self.radio).octets + self._ell(body), self.form)

    def _ell(self, body: bytes) -> bytes:
        """Extended link layer and what follows it."""
        if self.ell is None:
            return body
        ell = Ell(self.ell, 0x20, self.access, self.receiver if self.ell in (0x8E, 0x8F) else b"")
        if self.ell in (0x8C, 0x8E):
            return ell.octets + body
        seals = self._cipher is not None and self.mode == 0
        if body:
            self.session = (self.session + 1) % _ENCRYPTED
        ell = replace(ell, session=self.session | (_ENCRYPTED if seals else 0), crc=crc_en13757(body))
        if seals and self._cipher:
            return seal_ell(ell, self.radio, body, self._cipher)
        return ell.octets + body


def _compacted(records: Sequence[RawRecord]) -> bytes:
    lvar = ((record, b"" if record.lvar is None else bytes((record.lvar,))) for record in records)
    return pack((record.dif + record.vif, length + record.data) for record, length in lvar)
