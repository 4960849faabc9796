"""Blocks in SQLite: WAL, synchronous FULL, writers one after the other."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from metergate.errors import StorageError
from metergate.profiles.blocks.merge import Conflict
from metergate.profiles.blocks.stack import DAYS
from metergate.profiles.blocks.store import Row

_SCHEMA = """
CREATE TABLE IF NOT EXISTS profile_block (
    register INTEGER NOT NULL, day INTEGER NOT NULL, period INTEGER NOT NULL, present INTEGER NOT NULL,
    data BLOB NOT NULL, UNIQUE (register, day));
CREATE TABLE IF NOT EXISTS profile_conflict (
    register INTEGER NOT NULL, time INTEGER NOT NULL, value INTEGER NOT NULL, scaler INTEGER NOT NULL,
    quality INTEGER NOT NULL, PRIMARY KEY (register, time, value, scaler, quality)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS profile_cursor (
    source TEXT NOT NULL, epoch TEXT NOT NULL, after INTEGER NOT NULL, upto INTEGER NOT NULL,
    PRIMARY KEY (source, epoch, after)) WITHOUT ROWID;
"""
_BUSY_SECONDS = 60.0


class SqliteStore:
    """One connection to a file. `path` ":memory:" is for one thread only."""

    def __init__(self, path: str) -> None:
        with _named():
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "temp_store=MEMORY", "cache_size=-65536"):
                self._connection.execute(f"PRAGMA {pragma}")

    @property
    def closed(self) -> bool:
        """See `Store`. A file does not go away."""
        return False

    def create(self) -> None:
        """See `Store`."""
        with _named():
            self._connection.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Store`."""
        with _named():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def locked(self, keys: Sequence[int]) -> list[Row]:
        """See `Store`. The transaction has the whole file."""
        query = (
            "SELECT b.register, b.day, b.period, b.present, b.data FROM json_each(?1) k CROSS JOIN profile_block b"
            " ON b.register = k.value / ?2 AND b.day = k.value % ?2"
        )
        return self._rows(query, json.dumps(keys), DAYS)

    def insert(self, rows: Sequence[Row]) -> set[tuple[int, int]]:
        """See `Store`."""
        self._many("INSERT INTO profile_block VALUES (?, ?, ?, ?, ?)", rows)
        return set()

    def update(self, rows: Sequence[Row]) -> None:
        """See `Store`."""
        query = "UPDATE profile_block SET period = ?3, present = ?4, data = ?5 WHERE register = ?1 AND day = ?2"
        self._many(query, rows)

    def keep(self, conflicts: Iterable[Conflict]) -> None:
        """See `Store`."""
        self._many("INSERT OR IGNORE INTO profile_conflict VALUES (?, ?, ?, ?, ?)", conflicts)

    def conflicts(self, registers: Sequence[int], start: int, end: int) -> list[Conflict]:
        """See `Store`."""
        query = (
            "SELECT c.* FROM json_each(?) k CROSS JOIN profile_conflict c ON c.register = k.value"
            " WHERE c.time >= ? AND c.time < ? ORDER BY 1, 2, 3, 4, 5"
        )
        return self._all(query, json.dumps(registers), start, end)

    def between(self, registers: Sequence[int], first: int, last: int) -> list[Row]:
        """See `Store`."""
        query = (
            "SELECT b.register, b.day, b.period, b.present, b.data FROM json_each(?) k CROSS JOIN profile_block b"
            " ON b.register = k.value AND b.day BETWEEN ? AND ?"
        )
        return self._rows(query, json.dumps(registers), first, last)

    def latest(self, registers: Sequence[int]) -> list[Row]:
        """See `Store`."""
        query = (
            "SELECT b.register, b.day, b.period, b.present, b.data FROM json_each(?) k CROSS JOIN profile_block b"
            " ON b.register = k.value AND b.day = (SELECT max(day) FROM profile_block WHERE register = k.value)"
        )
        return self._rows(query, json.dumps(registers))

    def counts(self, registers: Sequence[int], first: int, last: int) -> list[tuple[int, int, int, int]]:
        """See `Store`."""
        query = (
            "SELECT b.register, b.day, b.period, b.present FROM json_each(?) k CROSS JOIN profile_block b"
            " ON b.register = k.value AND b.day BETWEEN ? AND ?"
        )
        return self._all(query, json.dumps(registers), first, last)

    def ranges(self, source: str, epoch: str, lock: bool) -> list[tuple[int, int]]:
        """See `Store`."""
        query = "SELECT after, upto FROM profile_cursor WHERE source = ? AND epoch = ? ORDER BY after"
        return self._all(query, source, epoch)

    def set_ranges(self, source: str, epoch: str, ranges: Sequence[tuple[int, int]]) -> None:
        """See `Store`."""
        self._all("DELETE FROM profile_cursor WHERE source = ? AND epoch = ?", source, epoch)
        self._many("INSERT INTO profile_cursor VALUES (?, ?, ?, ?)", [(source, epoch, *pair) for pair in ranges])

    def close(self) -> None:
        """See `Store`."""
        self._connection.close()

    def _rows(self, query: str, *values: object) -> list[Row]:
        return list(map(Row._make, self._all(query, *values)))

    def _all(self, query: str, *values: object) -> list[Any]:
        with _named():
            return self._connection.execute(query, values).fetchall()

    def _many(self, query: str, rows: Iterable[tuple[object, ...]]) -> None:
        with _named():
            self._connection.executemany(query, rows)


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StorageError(f"SQLite: {error}") from error
