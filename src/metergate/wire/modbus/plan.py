"""Which registers are read together: few requests, no value torn between two, nothing that the meter refuses.

Registers whose gap is small are joined into one request of at most 125 (MODBUS Application Protocol V1.1b3 §6.3).
Where a meter answers "illegal data address", the request is split, and the planner remembers for the next time.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

MOST = 125
GAP = 8


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Registers that belong together: never read in two requests."""

    function: int
    address: int
    words: int

    @property
    def end(self) -> int:
        """The address behind it."""
        return self.address + self.words


@dataclass(frozen=True, slots=True)
class Block:
    """One request, and the spans for which it is made."""

    spans: tuple[Span, ...]

    @property
    def function(self) -> int:
        """3 or 4."""
        return self.spans[0].function

    @property
    def address(self) -> int:
        """The first register."""
        return self.spans[0].address

    @property
    def count(self) -> int:
        """Number of registers."""
        return max(span.end for span in self.spans) - self.address


class Planner:
    """Plans and learns. One for each meter: what one refuses another may have."""

    def __init__(self, gap: int = GAP, most: int = MOST) -> None:
        self.absent: set[Span] = set()
        """What the meter does not have."""
        self._gap, self._most = gap, most
        self._apart: set[tuple[int, int]] = set()

    def blocks(self, spans: Iterable[Span]) -> list[Block]:
        """The requests for these spans, without those that are known to be absent."""
        blocks: list[list[Span]] = []
        end = 0
        for span in sorted(set(spans) - self.absent):
            if blocks and self._joins(blocks[-1], end, span):
                blocks[-1].append(span)
            else:
                blocks.append([span])
                end = 0
            end = max(end, span.end)
        return [Block(tuple(block)) for block in blocks]

    def _joins(self, block: list[Span], end: int, span: Span) -> bool:
        first = block[0]
        if span.address < end:  # it overlaps: a value is never cut
            return first.function == span.function and max(end, span.end) - first.address <= self._most
        return (
            first.function == span.function
            and span.address - end <= self._gap
            and span.end - first.address <= self._most
            and (span.function, span.address) not in self._apart
        )

    def refused(self, block: Block) -> None:
        """The meter has not all of these registers: from now on it is asked in two parts, or not at all."""
        border = _border(block.spans)
        if border is None:
            self.absent.update(block.spans)
        else:
            self._apart.add((border.function, border.address))


def _border(spans: tuple[Span, ...]) -> Span | None:
    """The span before which a block is best cut: at its widest gap, else in the middle. None if all hang together."""
    best: tuple[int, int] | None = None
    found, end = None, spans[0].end
    for at, span in enumerate(spans[1:], 1):
        worth = (span.address - end, -abs(2 * at - len(spans)))
        if span.address >= end and (best is None or worth > best):
            best, found = worth, span
        end = max(end, span.end)
    return found
