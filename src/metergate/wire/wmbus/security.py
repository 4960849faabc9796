"""Security: AES-CTR of the extended link layer, transport modes 0, 5, 7 and 10, mode 2 of old meters, key derivation.

A telegram that was stored decrypted keeps its headers: without a key its payload begins with 2F2F, or has its right
CRC.
"""

from __future__ import annotations

from dataclasses import dataclass

from metergate.bits import crc_en13757
from metergate.crypto.aes import Aes, same
from metergate.crypto.des import Des
from metergate.errors import BadChecksum, KeyMissing, Truncated, Unprotected, Unsupported, WrongKey
from metergate.wire.mbus.security import CHECK
from metergate.wire.wmbus.ccm import MODE, CcmRules, counter_of, open_ccm, seal_ccm
from metergate.wire.wmbus.keys import Cipher
from metergate.wire.wmbus.layers import COMMANDS, MAC_BYTES, Afl, Ell, Tpl
from metergate.wire.wmbus.link import Address

ENCRYPT, AUTHENTICATE, DOWN = 0x00, 0x01, 0x10
"""First octet of the key derivation, meter to reader; `DOWN` is added the other way."""


def purpose(wanted: int, ci: int) -> int:
    """The octet for a message with this transport CI: commands go down to the meter."""
    return wanted | DOWN if ci in COMMANDS else wanted


@dataclass(frozen=True, slots=True)
class Opened:
    """A payload in clear, and whether a key has vouched for it."""

    payload: bytes
    protected: bool = False


def derive(master: Aes, purpose: int, counter: int, meter: Address) -> Aes:
    """The key of one message: CMAC over purpose, message counter, meter id and fillers 07."""
    return Aes(master.cmac(bytes((purpose,)) + counter.to_bytes(4, "little") + meter.number + b"\x07" * 7))


def ell_vector(ell: Ell, sender: Address) -> bytes:
    """First counter block of the extended link layer: M, A, CC, session number, frame and block number 0."""
    session = (ell.session or 0).to_bytes(4, "little")
    return sender.octets + bytes((ell.control,)) + session + b"\x00\x00\x00"


def mode5_vector(meter: Address, access: int) -> bytes:
    """Initialisation vector of mode 5: the meter's address and eight times the access number."""
    return meter.octets + bytes((access,)) * 8


def open_ell(ell: Ell, sender: Address, body: bytes, key: Cipher | None, accept_clear: bool, at: int) -> Opened:
    """What follows the extended link layer, in clear. `at`: where `body` stands, for errors.

    KeyMissing, WrongKey; BadChecksum for a wrong CRC of a clear payload; Unprotected; Unsupported encryption.
    """
    if ell.session is None:
        return Opened(body)
    sealed = ell.crc.to_bytes(2, "little") + body
    clear = _vouched(sealed)
    if ell.encryption == 0:
        if clear is None:
            raise BadChecksum("the payload CRC of the extended link layer is wrong", at - 2)
        return Opened(clear)
    if ell.encryption != 1:
        raise Unsupported(f"encryption {ell.encryption} of the extended link layer is not known", at)
    if isinstance(key, Aes):
        plain = _vouched(key.ctr(ell_vector(ell, sender), sealed))
        if plain is not None:
            return Opened(plain, protected=True)
    return _stored(clear, key, accept_clear, at)


def _vouched(payload: bytes) -> bytes | None:
    """What the CRC in front of a payload vouches for, without the two status bytes that some sticks leave behind it."""
    crc = int.from_bytes(payload[:2], "little")
    return next((body for body in (payload[2:], payload[2:-2]) if crc_en13757(body) == crc), None)


def open_tpl(
    tpl: Tpl,
    sender: Address,
    afl: Afl | None,
    body: bytes,
    key: Cipher | None,
    clear: bool,
    at: int,
    ccm: CcmRules | None = None,
) -> Opened:
    """The payload behind a transport header. `body` stands at `at`; `clear`: unprotected telegrams are welcome.

    Errors as `open_ell`; Truncated where less is there than the header says is encrypted.
    """
    if tpl.mode == MODE:
        return _mode10(tpl, tpl.address or sender, afl, body, key, clear, at, ccm or CcmRules())
    way = _MODES.get(tpl.mode)
    if way is None or not tpl.encrypted:
        if tpl.mode in _REFUSED:
            raise Unsupported(_REFUSED[tpl.mode], at)
        return Opened(body)
    size = tpl.encrypted
    if len(body) < size:
        raise Truncated(f"{size} encrypted bytes announced, {len(body)} are there", at + len(body))
    meter = tpl.address or sender
    plain = way(tpl, meter, afl, body, key) if key else None
    if plain is not None and plain.startswith(CHECK):
        return Opened(plain + body[size:], protected=True)
    return _stored(body if body.startswith(CHECK) else None, key, clear, at)


def _stored(clear: bytes | None, key: Cipher | None, accept_clear: bool, at: int) -> Opened:
    """What was not decrypted: either it is in `clear` already, or the key is missing or wrong."""
    if clear is not None and (accept_clear or key is None):
        return Opened(clear)
    if clear is not None:
        raise Unprotected("sent in clear, though the meter has a key", at)
    if key is None:
        raise KeyMissing("encrypted, and there is no key for the meter", at)
    raise WrongKey("the key does not decrypt the telegram: its check bytes, CRC or MAC do not agree", at)


def _mode5(tpl: Tpl, meter: Address, afl: Afl | None, body: bytes, key: Cipher) -> bytes | None:
    if not isinstance(key, Aes):
        return None
    return key.cbc_decrypt(mode5_vector(meter, tpl.access or 0), body[: tpl.encrypted])


def _mode7(tpl: Tpl, meter: Address, afl: Afl | None, body: bytes, key: Cipher) -> bytes | None:
    """None where the MAC is absent or wrong: nothing else protects against a changed telegram."""
    if not isinstance(key, Aes) or afl is None or afl.counter is None or afl.mac is None:
        return None
    if not same(message_mac(key, afl, meter, tpl.octets + body), afl.mac):
        return None
    return derive(key, purpose(ENCRYPT, tpl.ci), afl.counter, meter).cbc_decrypt(bytes(16), body[: tpl.encrypted])


def _mode10(
    tpl: Tpl, meter: Address, afl: Afl | None, body: bytes, key: Cipher | None, clear: bool, at: int, ccm: CcmRules
) -> Opened:
    if body.startswith(CHECK) or not isinstance(key, Aes):
        return _stored(body if body.startswith(CHECK) else None, key, clear, at)
    counter = counter_of(ccm, afl, at)
    used = derive(key, purpose(ENCRYPT, tpl.ci), counter, meter) if ccm.derived else key
    return Opened(open_ccm(ccm, used, tpl, meter, counter, body, at), protected=True)


def _mode2(tpl: Tpl, meter: Address, afl: Afl | None, body: bytes, key: Cipher) -> bytes | None:
    return key.cbc_decrypt(bytes(8), body[: tpl.encrypted]) if isinstance(key, Des) else None


_MODES = {5: _mode5, 7: _mode7, 2: _mode2}
_REFUSED = {
    13: "security mode 13 (TLS) is not decoded: it needs a connection with the meter",
}


def message_mac(master: Aes, afl: Afl, meter: Address, transport: bytes) -> bytes:
    """The MAC that the authentication layer ought to carry; `transport` is all from the transport layer's CI on.

    Its length follows from the MCL; WrongKey-proof for unknown ones: they give a full MAC, which no short one equals.
    """
    key = derive(master, purpose(AUTHENTICATE, transport[0]), afl.counter or 0, meter)
    return key.cmac(afl.authenticated + transport)[: MAC_BYTES.get((afl.mcl or 0) & 15, 16)]


def seal_ell(ell: Ell, sender: Address, body: bytes, key: Aes) -> bytes:
    """Extended link layer and payload, encrypted; the session number must ask for AES-CTR."""
    crc = crc_en13757(body).to_bytes(2, "little")
    return ell.clear + key.ctr(ell_vector(ell, sender), crc + body)


def padded(payload: bytes) -> bytes:
    """A payload ready for a block cipher: 2F2F before, as many 2F as it takes behind."""
    whole = CHECK + payload
    return whole + b"\x2f" * (-len(whole) % 16)


def seal_mode5(tpl: Tpl, sender: Address, payload: bytes, key: Aes) -> bytes:
    """The encrypted payload (whole blocks, from `padded`) of a mode 5 telegram."""
    return key.cbc_encrypt(mode5_vector(tpl.address or sender, tpl.access or 0), payload)


def seal_mode7(tpl: Tpl, sender: Address, counter: int, payload: bytes, master: Aes) -> bytes:
    """The encrypted payload of a mode 7 telegram with message counter `counter`."""
    return derive(master, purpose(ENCRYPT, tpl.ci), counter, tpl.address or sender).cbc_encrypt(bytes(16), payload)


def seal_mode10(tpl: Tpl, sender: Address, counter: int, payload: bytes, master: Aes, ccm: CcmRules) -> bytes:
    """Ciphertext and tag of a mode 10 telegram with message counter `counter`."""
    meter = tpl.address or sender
    key = derive(master, purpose(ENCRYPT, tpl.ci), counter, meter) if ccm.derived else master
    return seal_ccm(ccm, key, tpl, meter, counter, payload)
