"""Long requests and long answers, block by block: numbers begin with 1 and go up by one, or all is aborted (§2.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from metergate.wire.dlms.apdu import GeneralBlockTransfer

MOST = 4 << 20
"""Octets of a long request at most."""
WINDOW, LAST = 1, 0x80
"""Block control: one block at a time, and whether it is the last."""


@dataclass(slots=True)
class Outgoing:
    """An answer that goes out in blocks of `size` octets."""

    raw: bytes
    size: int
    invoke: int = 0
    block: int = 1

    @property
    def piece(self) -> bytes:
        """The octets of the present block."""
        return self.raw[(self.block - 1) * self.size : self.block * self.size]

    @property
    def last(self) -> bool:
        """Whether the present block is the last."""
        return self.block * self.size >= len(self.raw)


@dataclass(slots=True)
class Incoming:
    """A request that comes in blocks; `finish` is given all its octets. `list_form`: it names several things."""

    finish: Callable[[bytes], object]
    invoke: int
    several: bool = False
    block: int = 0
    held: bytearray = field(default_factory=bytearray)

    def take(self, block: int, raw: bytes) -> bool:
        """The next block; False if its number or the size of all of it is wrong."""
        if block != self.block + 1 or len(self.held) + len(raw) > MOST:
            return False
        self.block = block
        self.held += raw
        return True


@dataclass(slots=True)
class General:
    """General block transfer, one block at a time: what came in so far, and what goes out."""

    held: bytearray = field(default_factory=bytearray)
    received: int = 0
    out: Outgoing | None = None

    def take(self, block: GeneralBlockTransfer) -> bool:
        """A block of the client's; False if it is not the next one. One that came before is passed over."""
        if block.block != self.received + 1 or len(self.held) + len(block.raw) > MOST:
            return False
        self.received = block.block
        self.held += block.raw
        return True

    def acknowledge(self) -> GeneralBlockTransfer:
        """Nothing to say but what was received."""
        return GeneralBlockTransfer(WINDOW, 0, self.received, b"")

    def start(self, apdu: bytes, size: int) -> GeneralBlockTransfer:
        """The first block of an answer."""
        self.out = Outgoing(apdu, size)
        return self.present(self.out)

    def following(self, acknowledged: int) -> GeneralBlockTransfer | None:
        """The block after the acknowledged one, or the present one again; None if nothing goes out."""
        if self.out is None or acknowledged not in (self.out.block, self.out.block - 1):
            return None
        if acknowledged == self.out.block:
            if self.out.last:
                self.out = None
                return None
            self.out.block += 1
        return self.present(self.out)

    def present(self, out: Outgoing) -> GeneralBlockTransfer:
        """The present block as an APDU."""
        return GeneralBlockTransfer(WINDOW | LAST * out.last, out.block, self.received, out.piece)
