"""Wired M-Bus (EN 13757-2 and -3), and the record layer that wireless M-Bus shares."""

from __future__ import annotations

from metergate.wire.base import Keys, Options, ProtocolEntry
from metergate.wire.mbus.explain import explain
from metergate.wire.mbus.frame import Framer
from metergate.wire.mbus.keys import Keyring
from metergate.wire.mbus.telegram import PROTOCOL, Decoder, Receiver

__all__ = ["PROTOCOLS", "Decoder", "Receiver", "explain", "guess"]


def _receiver(keys: Keys, options: Options) -> Receiver:
    """Keys: `key` for all meters, those of single meters by id. Option: `accept_clear` (default true)."""
    return Receiver(Decoder(keys=Keyring.given(keys), accept_clear=bool(options.get("accept_clear", True))))


def guess(data: bytes) -> int:
    """100 for a long frame with a right check sum, 40 for a short one, 5 for a lone E5, 0 else."""
    framer = Framer()
    sure = {0x68: 100, 0x10: 40, 0xE5: 5}
    caught = [*framer.feed(data), *framer.silence()]
    return max((sure[catch[1][0]] for catch in caught if isinstance(catch, tuple)), default=0)


PROTOCOLS = (
    ProtocolEntry(
        name=PROTOCOL,
        title="M-Bus, wired",
        document="EN 13757-2, EN 13757-3",
        receiver=_receiver,
        explain=explain,
        guess=guess,
    ),
)
