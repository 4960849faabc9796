"""What blocks need of a database: a connection that can fetch, put and look things up. No rule is in here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

from metergate.profiles.blocks.merge import Conflict


class Row(NamedTuple):
    """A block as stored: its register, day since 1970, period in seconds, readings in it, and its octets."""

    register: int
    day: int
    period: int
    present: int
    data: bytes


class Store(Protocol):
    """One connection; used by one thread. Every failure is a `StorageError`."""

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        ...

    def create(self) -> None:
        """Make the tables that are not there yet."""
        ...

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing; durable at the end."""
        ...

    def locked(self, keys: Sequence[int]) -> list[Row]:
        """The blocks with these keys (ascending), kept from other writers until the transaction ends."""
        ...

    def insert(self, rows: Sequence[Row]) -> set[tuple[int, int]]:
        """Store new blocks; returns (register, day) of those that another writer stored meanwhile."""
        ...

    def update(self, rows: Sequence[Row]) -> None:
        """Store new contents of locked blocks."""
        ...

    def keep(self, conflicts: Iterable[Conflict]) -> None:
        """Keep conflicting readings; what is kept already stays as it is."""
        ...

    def conflicts(self, registers: Sequence[int], start: int, end: int) -> list[Conflict]:
        """Conflicting readings with start <= time < end, in order."""
        ...

    def between(self, registers: Sequence[int], first: int, last: int) -> list[Row]:
        """Blocks of days first <= day <= last."""
        ...

    def latest(self, registers: Sequence[int]) -> list[Row]:
        """Each register's last block."""
        ...

    def counts(self, registers: Sequence[int], first: int, last: int) -> list[tuple[int, int, int, int]]:
        """(register, day, period, present) of the blocks of days first <= day <= last."""
        ...

    def ranges(self, source: str, epoch: str, lock: bool) -> list[tuple[int, int]]:
        """Committed cursor ranges (after, up to) of a spool, ascending; `lock`: until the transaction ends."""
        ...

    def set_ranges(self, source: str, epoch: str, ranges: Sequence[tuple[int, int]]) -> None:
        """Replace them."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...
