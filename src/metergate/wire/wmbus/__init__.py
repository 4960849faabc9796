"""Wireless M-Bus and OMS (EN 13757-3, -4, -7): telegrams of radio meters, both roles."""

from __future__ import annotations

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
from metergate.wire.wmbus.sticks import StickReceiver, form_of, stick_of

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
    "StickReceiver",
    "receiver",
]


def receiver(keys: Keys, options: Options) -> Receiver | StickReceiver:
    """The listening end. Keys: `key` for all meters, and keys of single meters by id ("12345678", "ELS 12345678").

    Options: `link_crc` ("A", "B", "none"; absent: find out), `accept_clear` (default true), `replay` (default false:
    message counters are not looked at), those of `ccm.CcmRules.of` for mode 10 and of `sticks.stick_of` for radio
    sticks. BadValue for a value that cannot be, or a key of a wrong length.
    """
    form, stick = form_of(options), stick_of(options)
    counters = Counters() if options.get("replay") else None
    context = Context(Keyring.given(keys), counters, bool(options.get("accept_clear", True)), CcmRules.of(options))
    decoder = Decoder(context)
    found = Receiver(decoder.decode, form) if stick is None else StickReceiver(stick, decoder.decode)
    found.memory = Memory(decoder.formats, counters)
    return found


PROTOCOLS = (
    ProtocolEntry(
        "wmbus", "Wireless M-Bus, OMS", "EN 13757-3, -4, -7; OMS volume 2", receiver, explain, guess, "other octets"
    ),
)
