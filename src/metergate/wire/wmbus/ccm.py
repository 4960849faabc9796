"""Security mode 10: AES-128-CCM (EN 13757-7). What no capture has settled is a rule that can be set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from metergate.crypto.aes import Aes
from metergate.errors import BadValue, Truncated, Unsupported, WrongKey
from metergate.wire.wmbus.layers import Afl, Tpl
from metergate.wire.wmbus.link import Address

MODE = 10
NONCE = 13
TAGS = (8, 12, 16)
PARTS = ("address", "counter", "access")
"""What a nonce may be made of: the meter's address (8 octets), the message counter (4, low one first), the access
number (1); zeros fill it up."""


@dataclass(frozen=True, slots=True)
class CcmRules:
    """`tag`: octets of the tag behind the ciphertext; `nonce`: its parts in order; `derived`: the key is derived from
    the message counter as in mode 7; `header`: the tag covers the transport header, from its CI on."""

    tag: int = 8
    nonce: tuple[str, ...] = ("address", "counter")
    derived: bool = True
    header: bool = True

    def __post_init__(self) -> None:
        if self.tag not in TAGS:
            raise BadValue(f"a tag of {self.tag} octets: there are {', '.join(map(str, TAGS))}")
        if unknown := set(self.nonce) - set(PARTS):
            raise BadValue(f"a nonce has no {', '.join(sorted(unknown))}: there are {', '.join(PARTS)}")

    @classmethod
    def of(cls, options: Mapping[str, object]) -> CcmRules:
        """From a receiver's options `ccm_tag`, `ccm_nonce` ("address counter"), `ccm_derived`, `ccm_header`."""
        tag, nonce = options.get("ccm_tag", 8), options.get("ccm_nonce", "address counter")
        if not isinstance(tag, int) or not isinstance(nonce, str):
            raise BadValue("ccm_tag is a number, ccm_nonce words")
        derived, header = (bool(options.get(name, True)) for name in ("ccm_derived", "ccm_header"))
        return cls(tag, tuple(nonce.split()), derived, header)

    def vector(self, tpl: Tpl, meter: Address, counter: int) -> bytes:
        """The nonce of a message."""
        values = {
            "address": meter.octets,
            "counter": counter.to_bytes(4, "little"),
            "access": bytes(((tpl.access or 0),)),
        }
        return b"".join(values[part] for part in self.nonce)[:NONCE].ljust(NONCE, b"\0")

    def associated(self, tpl: Tpl) -> bytes:
        """What the tag covers besides the payload."""
        return tpl.octets if self.header else b""

    @property
    def counted(self) -> bool:
        """Whether there has to be a message counter."""
        return self.derived or "counter" in self.nonce


def open_ccm(rules: CcmRules, key: Aes, tpl: Tpl, meter: Address, counter: int, body: bytes, at: int) -> bytes:
    """The payload in clear. WrongKey where the tag does not agree, Truncated where there is none."""
    if len(body) < rules.tag:
        raise Truncated(f"a tag of {rules.tag} octets wanted, {len(body)} are left", at + len(body))
    try:
        return key.ccm_open(rules.vector(tpl, meter, counter), body, rules.associated(tpl), rules.tag)
    except WrongKey as error:
        raise WrongKey(error.reason, at) from None


def seal_ccm(rules: CcmRules, key: Aes, tpl: Tpl, meter: Address, counter: int, payload: bytes) -> bytes:
    """The inverse: ciphertext and tag."""
    return key.ccm_seal(rules.vector(tpl, meter, counter), payload, rules.associated(tpl), rules.tag)


def counter_of(rules: CcmRules, afl: Afl | None, at: int) -> int:
    """The message counter. Unsupported where the rules want one and the telegram has none."""
    if afl is None or afl.counter is None:
        if rules.counted:
            raise Unsupported("security mode 10 without a message counter", at)
        return 0
    return afl.counter
