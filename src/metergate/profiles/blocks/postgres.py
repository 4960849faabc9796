"""Blocks in PostgreSQL: many writers, each block under its row's lock."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import psycopg
from numpy.typing import ArrayLike
from psycopg.adapt import Dumper

from metergate.errors import StorageError
from metergate.profiles.blocks.merge import Conflict
from metergate.profiles.blocks.stack import DAYS
from metergate.profiles.blocks.store import Row

# A block grows all day long; room left in its page keeps the new version beside the old one, which needs no vacuum.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS profile_block (
    register bigint NOT NULL, day integer NOT NULL, period integer NOT NULL, present integer NOT NULL,
    data bytea NOT NULL, PRIMARY KEY (register, day)) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE profile_block ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE TABLE IF NOT EXISTS profile_conflict (
    register bigint NOT NULL, time bigint NOT NULL, value bigint NOT NULL, scaler integer NOT NULL,
    quality integer NOT NULL, PRIMARY KEY (register, time, value, scaler, quality));
CREATE TABLE IF NOT EXISTS profile_cursor (
    source text NOT NULL, epoch text NOT NULL, after bigint NOT NULL, upto bigint NOT NULL,
    PRIMARY KEY (source, epoch, after));
"""
_ARRAY = struct.Struct(">5i")
_BULK = 64
"""Blocks from which on a COPY is worth its savepoint."""
_COPY_HEAD = np.dtype(">i2, >i4, >i8, >i4, >i4, >i4, >i4, >i4, >i4, >i4")
"""A row of a binary COPY: how many columns, then each behind its size; what follows are the octets of the last one."""
_COPY_BEGIN = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_SCHEMA_LOCK = 0x6D657465


class PostgresStore:
    """One connection by URL. Its plans always go by index: every query names its registers."""

    def __init__(self, url: str) -> None:
        with _named():
            self._connection = psycopg.connect(url, autocommit=True)
            self._connection.adapters.register_dumper(_Array, _ArrayDumper)
            for setting in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
                self._connection.execute(f"SET {setting} = off")

    @property
    def closed(self) -> bool:
        """See `Store`."""
        return self._connection.closed or self._connection.broken

    def create(self) -> None:
        """See `Store`."""
        with self.transaction():
            self._run("SELECT pg_advisory_xact_lock(%s)", _SCHEMA_LOCK)
            for statement in _SCHEMA.split(";")[:-1]:
                self._run(statement)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """See `Store`."""
        with _named(), self._connection.transaction():
            yield

    def locked(self, keys: Sequence[int]) -> list[Row]:
        """See `Store`. Locks are taken in the order of keys, so that writers do not wait for each other in a ring."""
        query = (
            "SELECT b.register, b.day, b.period, b.present, b.data"
            " FROM unnest(%s::bigint[], %s::integer[]) k (register, day)"
            " JOIN profile_block b USING (register, day) ORDER BY b.register, b.day FOR UPDATE OF b"
        )
        register, day = np.divmod(np.asarray(keys, np.int64), DAYS)
        return self._rows(query, _bigints(register), _integers(day))

    def insert(self, rows: Sequence[Row]) -> set[tuple[int, int]]:
        """See `Store`."""
        if not rows or (len(rows) >= _BULK and self._copied(rows)):
            return set()
        query = (
            "INSERT INTO profile_block SELECT * FROM"
            " unnest(%s::bigint[], %s::integer[], %s::integer[], %s::integer[], %s::bytea[])"
            " ON CONFLICT (register, day) DO NOTHING RETURNING register, day"
        )
        done = self._all(query, *_columns(rows))
        return {row[:2] for row in rows}.difference(done) if len(done) < len(rows) else set()

    def _copied(self, rows: Sequence[Row]) -> bool:
        """The quickest way in; False, and nothing is changed, if another writer was first with one of the blocks."""
        try:
            with (
                self._connection.transaction(),
                self._connection.cursor() as cursor,
                cursor.copy("COPY profile_block FROM STDIN (FORMAT BINARY)") as copy,
            ):
                copy.write(_copy(rows))
        except psycopg.errors.UniqueViolation:
            return False
        return True

    def update(self, rows: Sequence[Row]) -> None:
        """See `Store`."""
        if rows:
            query = (
                "UPDATE profile_block b SET period = g.period, present = g.present, data = g.data"
                " FROM unnest(%s::bigint[], %s::integer[], %s::integer[], %s::integer[], %s::bytea[]) g"
                " (register, day, period, present, data)"
                " WHERE b.register = g.register AND b.day = g.day"
            )
            self._run(query, *_columns(rows))

    def keep(self, conflicts: Iterable[Conflict]) -> None:
        """See `Store`."""
        columns = [list(column) for column in zip(*conflicts, strict=True)]
        if columns:
            query = (
                "INSERT INTO profile_conflict SELECT * FROM"
                " unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::integer[], %s::integer[]) ON CONFLICT DO NOTHING"
            )
            self._run(query, *columns)

    def conflicts(self, registers: Sequence[int], start: int, end: int) -> list[Conflict]:
        """See `Store`."""
        query = (
            "SELECT * FROM profile_conflict WHERE register = ANY(%s::bigint[]) AND time >= %s AND time < %s"
            " ORDER BY register, time, value, scaler, quality"
        )
        return self._all(query, _bigints(registers), start, end)

    def between(self, registers: Sequence[int], first: int, last: int) -> list[Row]:
        """See `Store`."""
        query = (
            "SELECT b.register, b.day, b.period, b.present, b.data FROM profile_block b"
            " WHERE register = ANY(%s::bigint[]) AND day BETWEEN %s AND %s"
        )
        return self._rows(query, _bigints(registers), first, last)

    def latest(self, registers: Sequence[int]) -> list[Row]:
        """See `Store`."""
        query = (
            "SELECT b.register, b.day, b.period, b.present, b.data FROM unnest(%s::bigint[]) k (register)"
            " CROSS JOIN LATERAL (SELECT * FROM profile_block"
            " WHERE register = k.register ORDER BY day DESC LIMIT 1) b"
        )
        return self._rows(query, _bigints(registers))

    def counts(self, registers: Sequence[int], first: int, last: int) -> list[tuple[int, int, int, int]]:
        """See `Store`."""
        query = (
            "SELECT register, day, period, present FROM profile_block"
            " WHERE register = ANY(%s::bigint[]) AND day BETWEEN %s AND %s"
        )
        return self._all(query, _bigints(registers), first, last)

    def ranges(self, source: str, epoch: str, lock: bool) -> list[tuple[int, int]]:
        """See `Store`."""
        if lock:
            self._run("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", f"{source}/{epoch}")
        query = "SELECT after, upto FROM profile_cursor WHERE source = %s AND epoch = %s ORDER BY after"
        return self._all(query, source, epoch)

    def set_ranges(self, source: str, epoch: str, ranges: Sequence[tuple[int, int]]) -> None:
        """See `Store`."""
        self._run("DELETE FROM profile_cursor WHERE source = %s AND epoch = %s", source, epoch)
        for pair in ranges:
            self._run("INSERT INTO profile_cursor VALUES (%s, %s, %s, %s)", source, epoch, *pair)

    def close(self) -> None:
        """See `Store`."""
        self._connection.close()

    def _rows(self, query: str, *values: object) -> list[Row]:
        return list(map(Row._make, self._all(query, *values)))

    def _all(self, query: str, *values: object) -> list[Any]:
        return self._run(query, *values).fetchall()

    def _run(self, query: str, *values: object) -> psycopg.Cursor[Any]:
        with _named():
            return self._connection.cursor(binary=True).execute(query.encode(), values or None)


class _Array(NamedTuple):
    """A one-dimensional array as PostgreSQL sends and takes it."""

    data: bytes

    @classmethod
    def of_ints(cls, kind: int, size: int, values: ArrayLike) -> _Array:
        """Of bigint (kind 20, size 8) or integer (kind 23, size 4)."""
        numbers = np.asarray(values, np.int64)
        items = np.empty(len(numbers), [("size", ">i4"), ("value", f">i{size}")])
        items["size"], items["value"] = size, numbers
        return cls(_ARRAY.pack(1, 0, kind, len(numbers), 1) + items.tobytes())

    @classmethod
    def of_octets(cls, values: Sequence[bytes]) -> _Array:
        """Of bytea."""
        sizes = np.array([len(value) for value in values], ">i4").tobytes()
        heads = [sizes[at : at + 4] for at in range(0, len(sizes), 4)]
        parts = chain.from_iterable(zip(heads, values, strict=True))
        return cls(_ARRAY.pack(1, 0, 17, len(values), 1) + b"".join(parts))


class _ArrayDumper(Dumper):
    format = psycopg.pq.Format.BINARY

    def dump(self, obj: _Array) -> bytes:
        return obj.data


def _bigints(values: ArrayLike) -> _Array:
    return _Array.of_ints(20, 8, values)


def _integers(values: ArrayLike) -> _Array:
    return _Array.of_ints(23, 4, values)


def _columns(rows: Sequence[Row]) -> list[_Array]:
    register, day, period, present, data = zip(*rows, strict=True)
    return [_bigints(register), _integers(day), _integers(period), _integers(present), _Array.of_octets(data)]


def _copy(rows: Sequence[Row]) -> bytes:
    """Rows in the binary form of COPY."""
    register, day, period, present, data = zip(*rows, strict=True)
    heads = np.empty(len(rows), _COPY_HEAD)
    parts = 5, 8, register, 4, day, 4, period, 4, present, list(map(len, data))
    for name, part in zip(_COPY_HEAD.names or (), parts, strict=True):
        heads[name] = part
    begins, size = heads.tobytes(), _COPY_HEAD.itemsize
    cut = [begins[at : at + size] for at in range(0, len(begins), size)]
    return b"".join([_COPY_BEGIN, *chain.from_iterable(zip(cut, data, strict=True)), b"\xff\xff"])


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise StorageError(f"PostgreSQL: {str(error).strip()}") from error
