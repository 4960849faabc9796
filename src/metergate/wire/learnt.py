"""Learnt layouts of one line: telegrams of equal length are tried against those seen before, the newest first."""

from __future__ import annotations

from collections import defaultdict
from typing import Generic, Protocol, TypeVar

PER_LENGTH, TRIES, HITS_PER_TRY = 16, 64, 8


class Sized(Protocol):
    """A layout."""

    @property
    def length(self) -> int:
        """Octets of the telegrams that have it."""
        ...


L = TypeVar("L", bound=Sized)


class Book(Generic[L]):
    """The layouts learnt on one line.

    At most `per_length` layouts of one length, and as many lengths, are kept; the oldest goes first. After `tries`
    layouts learnt, another one is learnt only for so many telegrams that were read by one.
    """

    def __init__(self, per_length: int = PER_LENGTH, tries: int = TRIES, hits_per_try: int = HITS_PER_TRY) -> None:
        self.hits = 0
        """Telegrams that a layout read."""
        self.learnt = 0
        self._by_length: dict[int, list[L]] = defaultdict(list)
        self._per_length, self._tries, self._hits_per_try = per_length, tries, hits_per_try

    def known(self) -> list[L]:
        """All layouts, the newest of each length first."""
        return [layout for layouts in self._by_length.values() for layout in layouts]

    def worth_learning(self) -> bool:
        """Whether learning pays: not where telegrams never come twice in the same layout."""
        return self.learnt < self._tries + self.hits // self._hits_per_try

    def add(self, layout: L) -> None:
        """Know one more; the newest is tried first."""
        self.learnt += 1
        known = self._by_length[layout.length]
        known.insert(0, layout)
        del known[self._per_length :]
        if len(self._by_length) > self._per_length:
            del self._by_length[next(iter(self._by_length))]
