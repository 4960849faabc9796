"""TIC, the customer's output of French electricity meters (Linky and its forerunners): both modes, both roles."""

from __future__ import annotations

from metergate.wire.base import Keys, Options, ProtocolEntry, Receiver
from metergate.wire.tic.explain import explain, guess
from metergate.wire.tic.frame import HISTORICAL, STANDARD, Frame, Group, decode_frame
from metergate.wire.tic.push import frame
from metergate.wire.tic.receiver import TicReceiver

__all__ = [
    "HISTORICAL",
    "PROTOCOLS",
    "STANDARD",
    "Frame",
    "Group",
    "TicReceiver",
    "decode_frame",
    "explain",
    "frame",
    "guess",
]


def _receiver(keys: Keys, options: Options) -> Receiver:
    return TicReceiver(options)


PROTOCOLS = (
    ProtocolEntry(
        "tic",
        "TIC, customer's output of Linky meters",
        "Enedis-NOI-CPT_54E",
        _receiver,
        explain,
        guess,
    ),
)
