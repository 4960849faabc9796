"""Wireless M-Bus and OMS (EN 13757-3, -4, -7): telegrams of radio meters, both roles."""

from __future__ import annotations

from metergate.errors import BadValue
from metergate.wire.base import Keys, Options, ProtocolEntry
from metergate.wire.wmbus.compact import Formats
from metergate.wire.wmbus.decode import Decoder
from metergate.wire.wmbus.explain import explain, guess
from metergate.wire.wmbus.keys import Counters, Keyring
from metergate.wire.wmbus.link import Address, Format
from metergate.wire.wmbus.peel import Context
from metergate.wire.wmbus.receiver import Receiver
from metergate.wire.wmbus.sender import Sender

__all__ = [
    "PROTOCOLS",
    "Address",
    "Context",
    "Counters",
    "Decoder",
    "Format",
    "Formats",
    "Keyring",
    "Receiver",
    "Sender",
    "receiver",
]


def receiver(keys: Keys, options: Options) -> Receiver:
    """The listening end. Keys: `key` for all meters, and keys of single meters by id ("12345678", "ELS 12345678").

    Options: `link_crc` ("A", "B", "none"; absent: find out), `accept_clear` (default true), `replay` (default false:
    message counters are not looked at). BadValue for any other link_crc, or a key of a wrong length.
    """
    name = options.get("link_crc")
    if name not in (None, "", *(form.value for form in Format)):
        raise BadValue(f"link_crc {name!r}: write A, B or none")
    context = Context(
        Keyring.given(keys),
        Counters() if options.get("replay") else None,
        bool(options.get("accept_clear", True)),
    )
    return Receiver(Decoder(context).decode, Format(name) if name else None)


PROTOCOLS = (
    ProtocolEntry("wmbus", "Wireless M-Bus, OMS", "EN 13757-3, -4, -7; OMS volume 2", receiver, explain, guess),
)
