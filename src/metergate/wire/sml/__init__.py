"""SML, the Smart Message Language of German electricity meters: pushed telegrams, requests and answers, both roles.

`SmlReceiver` reads a line. `codec` has the messages, `layout` the fast way for telegrams that repeat themselves,
`reader` the dialogues of the asking side, `meter` the meter's side.
"""

from __future__ import annotations

from metergate.wire.base import Keys, Options, ProtocolEntry, Receiver, Span
from metergate.wire.sml.codec import Message, decode_messages, encode_message, encode_telegram
from metergate.wire.sml.explain import explain, guess
from metergate.wire.sml.identity import identity, server_id
from metergate.wire.sml.layout import Layout, LayoutBook
from metergate.wire.sml.learning import learn
from metergate.wire.sml.readings import QUIRKS
from metergate.wire.sml.receiver import SmlReceiver

__all__ = [
    "PROTOCOLS",
    "QUIRKS",
    "Layout",
    "LayoutBook",
    "Message",
    "SmlReceiver",
    "decode_messages",
    "encode_message",
    "encode_telegram",
    "explain",
    "guess",
    "identity",
    "learn",
    "server_id",
]


def _receiver(keys: Keys, options: Options) -> Receiver:
    return SmlReceiver(options)


def _explain(data: bytes, keys: Keys) -> list[Span]:
    return explain(data)


PROTOCOLS = (
    ProtocolEntry(
        "sml",
        "SML, Smart Message Language",
        "BSI TR-03109-1, IEC 62056-5-3-8",
        _receiver,
        _explain,
        guess,
        "type, length",
    ),
)
