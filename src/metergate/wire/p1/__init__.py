"""P1, the consumer port of Dutch smart meters and its relatives in other countries: pushed telegrams, both roles.

`P1Receiver` reads a port: DSMR 2.2 to 5, Belgium, Luxembourg and Austria (encrypted), Sweden, Hungary, Ireland and
EasyMeter. `frame` has the text form, `layout` the fast way for telegrams that repeat themselves, `push` the meter's
side.
"""

from __future__ import annotations

from metergate.wire.base import Keys, Options, ProtocolEntry, Receiver
from metergate.wire.p1.explain import explain, guess
from metergate.wire.p1.frame import Frame, Line, decode_frame
from metergate.wire.p1.layout import Layout, LayoutBook, learn
from metergate.wire.p1.push import STYLES, Device, Style, telegram
from metergate.wire.p1.receiver import P1Receiver
from metergate.wire.p1.sealed import seal_telegram

__all__ = [
    "PROTOCOLS",
    "STYLES",
    "Device",
    "Frame",
    "Layout",
    "LayoutBook",
    "Line",
    "P1Receiver",
    "Style",
    "decode_frame",
    "explain",
    "guess",
    "learn",
    "seal_telegram",
    "telegram",
]


def _receiver(keys: Keys, options: Options) -> Receiver:
    return P1Receiver(keys, options)


PROTOCOLS = (
    ProtocolEntry(
        "p1",
        "P1, consumer port of smart meters (DSMR and relatives)",
        "DSMR P1 companion standard 5.0.2",
        _receiver,
        explain,
        guess,
    ),
)
