"""Long requests and long answers, block by block: numbers begin with 1 and go up by one, or all is aborted (§2.3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from metergate.wire.dlms.apdu import GeneralBlockTransfer
from metergate.wire.dlms.gbt import BlocksIn, BlocksOut

MOST = 4 << 20
"""Octets of a long request at most."""


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
    """General block transfer of one request and its answer. `first`: the octets with which the request began."""

    window: int
    first: bytes = b""
    into: BlocksIn = field(default_factory=BlocksIn)
    out: BlocksOut | None = None

    def repeats(self, block: GeneralBlockTransfer, octets: bytes) -> bool:
        """Whether a block belongs to what is being answered: it acknowledges, or it is sent again."""
        return self.out is not None and (not block.raw or block.block > 1 or octets == self.first)

    def begins(self, block: GeneralBlockTransfer, octets: bytes) -> bool:
        """Whether a block is the first of another request."""
        return bool(block.block == 1 and block.raw and octets != self.first)

    def answer(self) -> Iterator[GeneralBlockTransfer]:
        """The next blocks of the answer."""
        if self.out is not None and not self.out.done:
            yield from self.out.batch(self.into.received, self.window)
