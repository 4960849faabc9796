"""Wireless M-Bus and OMS (EN 13757-3, -4, -7): telegrams of radio meters, both roles."""

from __future__ import annotations

from metergate.errors import BadValue
from metergate.wire.base import Keys, Options, ProtocolEntry
from metergate.wire.wmbus.ccm import CcmRules
from metergate.wire.wmbus.compact import Formats
from metergate.wire.wmbus.decode import Decoder
from metergate.wire.wmbus.explain import explain, guess
from metergate.wire.wmbus.keys import Counters, Keyring
from metergate.wire.wmbus.link import Address, Format
from metergate.wire.wmbus.memory import Memory
from metergate.wire.wmbus.peel import Context
from metergate.wire.wmbus.receiver import Receiver
from metergate.wire.wmbus.sender import Sender

__all__ = [
    "PROTOCOLS",
    "Address",
    "CcmRules",
    "Context",
    "Counters",
    "Decoder",
    "Format",
    "Formats",
    "Keyring",
    "Memory",
    "Receiver",
    "Sender",
    "receiver",
]


def receiver(keys: Keys, options: Options) -> Receiver:
    """The listening end. Keys: `key` for all meters, and keys of single meters by id ("12345678", "ELS 12345678").

    Options: `link_crc` ("A", "B", "none"; absent: find out), `accept_clear` (default true), `replay` (default false:
    message counters are not looked at), those of `ccm.CcmRules.of` for mode 10. BadValue for a value that cannot be, or
    a key of a wrong length.
    """
    name = options.get("link_crc")
    if name not in (None, "", *(form.value for form in Format)):
        raise BadValue(f"link_crc {name!r}: write A, B or none")
    counters = Counters() if options.get("replay") else None
    context = Context(Keyring.given(keys), counters, bool(options.get("accept_clear", True)), CcmRules.of(options))
    decoder = Decoder(context)
    found = Receiver(decoder.decode, Format(name) if name else None)
    found.memory = Memory(decoder.formats, counters)
    return found


PROTOCOLS = (
    ProtocolEntry("wmbus", "Wireless M-Bus, OMS", "EN 13757-3, -4, -7; OMS volume 2", receiver, explain, guess),
)
