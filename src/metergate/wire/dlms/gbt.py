"""General block transfer: an APDU in numbered blocks, several ahead of an acknowledgement, lost ones sent again.

Both ends use both halves. A side streams as many blocks as the other's window takes, the last of them without the
streaming bit: then the other says up to which block all arrived, and what follows that is sent (again).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from metergate.errors import BadValue
from metergate.wire.dlms.apdu.general import GeneralBlockTransfer

CONTROL = 9
"""Octets around a block, at most."""
LAST, STREAMING, WIDEST = 0x80, 0x40, 0x3F
USUAL_WINDOW = 8
"""Blocks that an end of ours takes ahead of its acknowledgement."""
MOST = 4 << 20
"""Octets of an APDU in blocks at most."""


@dataclass(slots=True)
class BlocksOut:
    """An APDU on its way out in blocks of `size` octets. `window`: what the other end takes at once."""

    raw: bytes
    size: int
    window: int = 1
    acknowledged: int = 0

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return max(1, -(-len(self.raw) // self.size))

    @property
    def done(self) -> bool:
        """Whether all of them arrived."""
        return self.acknowledged >= self.count

    def acknowledge(self, block: GeneralBlockTransfer) -> None:
        """What the other end says it has, and its window. BadValue for blocks that were never sent."""
        if block.acknowledged > min(self.acknowledged + self.window, self.count):
            raise BadValue(f"block {block.acknowledged} is acknowledged, which was not sent")
        self.acknowledged = max(self.acknowledged, block.acknowledged)
        self.window = max(1, block.window)

    def batch(self, received: int, window: int) -> Iterator[GeneralBlockTransfer]:
        """The blocks after the acknowledged one, as many as the other end takes; what we received, and our window."""
        end = min(self.acknowledged + self.window, self.count)
        for number in range(self.acknowledged + 1, end + 1):
            flags = (LAST if number == self.count else 0) | (STREAMING if number < end else 0)
            piece = self.raw[(number - 1) * self.size : number * self.size]
            yield GeneralBlockTransfer(flags | window, number, received, piece)


@dataclass(slots=True)
class BlocksIn:
    """An APDU on its way in. Blocks that are not the next one are passed over: they come again."""

    received: int = 0
    whole: bool = False
    held: bytearray = field(default_factory=bytearray)

    def take(self, block: GeneralBlockTransfer) -> None:
        """A block. BadValue when all of it becomes too long."""
        if self.whole or block.block != self.received + 1:
            return
        if len(self.held) + len(block.raw) > MOST:
            raise BadValue(f"an APDU in blocks is longer than {MOST} octets")
        self.received = block.block
        self.held += block.raw
        self.whole = block.last


def acknowledgement(number: int, received: int, window: int) -> GeneralBlockTransfer:
    """Nothing to say but what was received; `number` is our own next block's."""
    return GeneralBlockTransfer(LAST | window, number, received, b"")
