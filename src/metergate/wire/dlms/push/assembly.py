"""From the frames of a line to whole APDUs: segments joined, blocks of general block transfer put in order.

Pushes are not acknowledged, so nothing is asked again: what is lost is lost, and told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from metergate.errors import BadValue, DecodeError
from metergate.wire.base import Problem
from metergate.wire.dlms import apdu
from metergate.wire.dlms.apdu import GeneralBlockTransfer

SENDERS = 8
"""Senders on one line whose unfinished messages are kept; the oldest goes first."""
LIMIT = 64 * 1024
"""Most bytes of one message."""
HORIZON = LIMIT
"""A message that is not whole so many bytes after its beginning is given up."""
LLC = (bytes.fromhex("e6e700"), bytes.fromhex("e6e600"))
_BLOCK = 0xE0


class Message(NamedTuple):
    """A whole APDU: where its first frame begins, up to where its last one ends, all that lies between, and itself."""

    offset: int
    end: int
    data: bytes
    apdu: bytes


@dataclass(slots=True)
class _Unfinished:
    offset: int
    parts: list[bytes] = field(default_factory=list)
    end: int = 0
    size: int = 0

    def add(self, end: int, part: bytes) -> None:
        self.parts.append(part)
        self.end = end
        self.size += len(part)

    def message(self) -> Message:
        return Message(self.offset, self.end, b"", b"".join(self.parts))


class Assembly:
    """What is unfinished on one line, by sender."""

    def __init__(self) -> None:
        self._segments: dict[bytes, _Unfinished] = {}
        self._blocks: dict[bytes, _Unfinished] = {}

    def add(
        self, place: tuple[int, int], sender: bytes, part: bytes, more: bool, number: int | None = None
    ) -> Iterator[Message | Problem]:
        """Take a frame that carries `part` of a message, of which `more` follows; yield what is complete.

        `place`: where the frame begins and ends; `number`: which segment it is, from 0, where the frame tells. The
        messages are still without `data`.
        """
        offset, end = place
        yield from self._expire(offset - HORIZON)
        begun = self._segments.pop(sender, None)
        if begun is not None and number == 0:
            yield self._lost(begun, "another message begins before this one ends")
            begun = None
        if number is not None and number != (len(begun.parts) if begun else 0):
            yield Problem("truncated", offset, f"segment {number} without the one before")
            return
        run = begun or _Unfinished(offset)
        run.add(end, part)
        if run.size > LIMIT:
            yield Problem("bad_value", run.offset, f"a message is longer than {LIMIT} bytes")
        elif more:
            _keep(self._segments, sender, run)
        else:
            yield from self._whole(sender, run.message())

    def interrupted(self) -> Iterator[Problem]:
        """A frame was spoilt: of a message in segments nobody can tell any more whether one is missing."""
        yield from [self._lost(run, "a segment is spoilt") for run in self._segments.values()]
        self._segments.clear()

    def _expire(self, before: int) -> Iterator[Problem]:
        for unfinished in (self._segments, self._blocks):
            for sender in [sender for sender, run in unfinished.items() if run.offset < before]:
                yield self._lost(unfinished.pop(sender), "the rest of the message never came")

    def silence(self) -> Iterator[Problem]:
        """The line went quiet: what is unfinished is given up."""
        unfinished = [*self._segments.values(), *self._blocks.values()]
        yield from [self._lost(run, "the rest of the message never came") for run in unfinished]
        self._segments.clear()
        self._blocks.clear()

    def _lost(self, run: _Unfinished, why: str) -> Problem:
        return Problem("truncated", run.offset, f"{why}: {run.size} bytes in {len(run.parts)} parts are dropped")

    def _whole(self, sender: bytes, message: Message) -> Iterator[Message | Problem]:
        octets = message.apdu[3:] if message.apdu[:3] in LLC else message.apdu
        whole = message._replace(apdu=octets)
        if not octets:
            yield Problem("bad_value", message.offset, "an LLC header without an APDU")
            return
        if octets[:1] != b"\xe0":
            yield whole
            return
        try:
            transfer = apdu.decode(octets)
        except DecodeError as error:
            yield Problem(error.code, message.offset, error.reason)
            return
        yield from self._block(sender, whole, transfer)

    def _block(self, sender: bytes, message: Message, block: GeneralBlockTransfer) -> Iterator[Message | Problem]:
        begun = self._blocks.get(sender)
        if begun and len(begun.parts) == block.block and begun.parts[-1] == block.raw:
            return  # sent twice
        if begun and block.block != len(begun.parts) + 1:
            yield self._lost(self._blocks.pop(sender), f"block {block.block} came before block {len(begun.parts) + 1}")
            begun = None
        if begun is None and block.block != 1:
            yield Problem("truncated", message.offset, f"block {block.block} without those before it")
            return
        run = begun or _Unfinished(message.offset)
        run.add(message.end, block.raw)
        if run.size > LIMIT:
            self._blocks.pop(sender, None)
            yield Problem("bad_value", run.offset, f"a message is longer than {LIMIT} bytes")
        elif block.last:
            self._blocks.pop(sender, None)
            yield run.message()
        else:
            _keep(self._blocks, sender, run)


def _keep(unfinished: dict[bytes, _Unfinished], sender: bytes, run: _Unfinished) -> None:
    unfinished[sender] = run
    if len(unfinished) > SENDERS:
        del unfinished[next(iter(unfinished))]


def bare(octets: bytes) -> bytes:
    """An APDU without the LLC header before it. BadValue if nothing is left."""
    found = octets[3:] if octets[:3] in LLC else octets
    if not found:
        raise BadValue("no APDU")
    return found
