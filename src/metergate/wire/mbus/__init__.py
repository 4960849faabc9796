"""Wired M-Bus (EN 13757-2 and -3), and the record layer that wireless M-Bus shares."""

from __future__ import annotations

from metergate.wire.base import Keys, Options, Problem, ProtocolEntry
from metergate.wire.mbus.explain import explain
from metergate.wire.mbus.frame import Framer, parse
from metergate.wire.mbus.keys import Keyring
from metergate.wire.mbus.telegram import PROTOCOL, Decoder, Receiver

__all__ = ["PROTOCOLS", "Decoder", "Receiver", "explain", "guess"]


FOREIGN = range(0x20)
"""CI fields of frames that carry another protocol (DLMS)."""


def _receiver(keys: Keys, options: Options) -> Receiver:
    """Keys: `key` for all meters, those of single meters by id. Option: `accept_clear` (default true)."""
    return Receiver(Decoder(keys=Keyring.given(keys), accept_clear=bool(options.get("accept_clear", True))))


def guess(data: bytes) -> int:
    """100: nothing but frames with right check sums, a long one among them; 90: a long one among others, or one of
    transport layers that are not M-Bus; 40: short frames alone; 30: a long one whose check is wrong; 5: a lone E5."""
    framer = Framer()
    caught = [*framer.feed(data.lstrip(b"\0")), *framer.silence()]
    frames = [parse(catch[1]) for catch in caught if isinstance(catch, tuple)]
    alone = len(frames) == len(caught)
    if foreign := [frame.ci in FOREIGN for frame in frames if frame.ci is not None]:
        return 100 if alone and not any(foreign) else 90
    if any(isinstance(catch, Problem) and (catch.code, catch.offset) == ("bad_checksum", 0) for catch in caught):
        return 30
    short = any(frame.kind == "short" for frame in frames)
    return 0 if not alone else 40 if short else 5 if frames else 0


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
