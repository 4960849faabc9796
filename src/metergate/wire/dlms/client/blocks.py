"""General block transfer as the client speaks it: long requests and long answers over any `Transport`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from metergate.errors import BadValue, NoAnswer
from metergate.wire.base import Dialogue
from metergate.wire.dlms import apdu as a
from metergate.wire.dlms.gbt import CONTROL, BlocksIn, BlocksOut, acknowledgement
from metergate.wire.dlms.transport import Transport

GENERAL_BLOCK = 0xE0
TRIES = 3
"""How often in a row nothing new may come before a transfer is given up."""
STRAY = 32
"""Notifications in front of an answer that are taken up at most."""


@dataclass(slots=True)
class Exchanges:
    """Whole APDUs there and back. `window`: blocks that we take at once; `note` keeps what was not asked for."""

    transport: Transport
    window: int
    note: Callable[[bytes], bool]

    def plain(self, octets: bytes) -> Dialogue[bytes]:
        """Send an APDU in one piece, and collect the answer."""
        received = yield from self._turn(octets)
        if received is None:
            raise NoAnswer("no answer")
        return (yield from self._whole(received))

    def further(self) -> Dialogue[bytes]:
        """One more APDU, whole, without sending one."""
        received = yield from self._turn()
        if received is None:
            raise NoAnswer("no answer")
        return (yield from self._whole(received))

    def in_blocks(self, octets: bytes, most: int) -> Dialogue[bytes]:
        """Send an APDU in blocks of at most `most` octets each, and collect the answer."""
        out, misses = BlocksOut(octets, most - CONTROL), 0
        while True:
            before = out.acknowledged
            received = yield from self._turn(*map(a.encode, out.batch(0, self.window)))
            if received is not None:
                block = a.decode(received)
                if not isinstance(block, a.GeneralBlockTransfer):
                    return received
                out.acknowledge(block)
                if out.done and block.raw:
                    return (yield from self._collected(received, out.count))
            misses = 0 if out.acknowledged > before else misses + 1
            if misses > TRIES or out.done:
                raise BadValue(f"block {out.acknowledged + 1} was not acknowledged")

    def _whole(self, received: bytes) -> Dialogue[bytes]:
        if received[:1] != bytes((GENERAL_BLOCK,)):
            return received
        return (yield from self._collected(received, 1))

    def _collected(self, first: bytes, sent: int) -> Dialogue[bytes]:
        """All blocks of an answer; what is missing is asked for again."""
        into, asked, misses = BlocksIn(), -1, 0
        received: bytes | None = first
        while True:
            block = None if received is None else a.decode(received)
            if block is not None and not isinstance(block, a.GeneralBlockTransfer):
                raise BadValue("a long answer ended in the middle")
            if block is not None:
                into.take(block)
            if into.whole:
                return bytes(into.held)
            if block is not None and block.streaming:
                received = yield from self._turn()
                continue
            misses = 0 if into.received > asked else misses + 1
            if misses > TRIES:
                raise BadValue(f"block {into.received + 1} does not come")
            asked, sent = into.received, sent + 1
            received = yield from self._turn(a.encode(acknowledgement(sent & 0xFFFF, asked, self.window)))

    def _turn(self, *apdus: bytes) -> Dialogue[bytes | None]:
        """The next APDU that was asked for; None where it was lost and the way is not."""
        try:
            received = yield from self.transport.exchange(*apdus) if apdus else self.transport.receive()
            for _ in range(STRAY):
                if not self.note(received):
                    return received
                received = yield from self.transport.receive()
        except NoAnswer:
            if not self.transport.connected:
                raise
        return None
