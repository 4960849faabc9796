"""How many readings a second the spool and the blocks take, and how many octets a reading costs.

`python -m bench.profiles` prints a table. The peer of blocks is what one would write without them: a row a reading with
the key (register, time), in the same database, through the quickest way into it.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from bench.rows import Row, rate, row
from metergate.model import Obis, Register, Unit
from metergate.profiles.blocks import Blocks, Measured, open_blocks
from metergate.profiles.spool import Spool
from metergate.wire.batch import Batch, Columns, decode, encode

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from postgres import fresh_database, postgres, programs

DAY = 86_400_000
FIRST = 20_000
"""The first day, since 1970."""
REGISTERS, DAYS = 20_000, 5
PEER_ROWS = 300_000
_SERVER = "-c listen_addresses='' -c shared_buffers=256MB -c max_wal_size=4GB -c autovacuum_naptime=1s"
"""The bench squeezes a day into seconds, so the vacuum that comes every minute comes every second."""
LIVE, LIVE_DAYS = 3_000, 3


def run() -> list[Row]:
    """Rows of the spool, the record lane, and the blocks in both databases."""
    with tempfile.TemporaryDirectory(prefix="bench-profiles-", dir=Path.home()) as name:
        rows = [*_spool(Path(name)), *_sqlite(Path(name))]
    if programs() is None:
        return rows
    with postgres(_SERVER) as url:
        return rows + list(_postgres(url))


def _rate(count: int, work: Callable[[], object]) -> float:
    begin = perf_counter()
    work()
    return count / (perf_counter() - begin)


def _profile(day: int, registers: int = REGISTERS) -> Measured:
    """A quarter-hour day of energy registers in Wh, as sorted as a bulk load is."""
    random = np.random.default_rng(day)
    value = 10_000_000 + day * 500_000 + np.cumsum(random.gamma(1.5, 60, (registers, 96)).astype(np.int64), 1)
    time = (FIRST + day) * DAY + np.arange(96) * 900_000
    return Measured.of(np.arange(registers)[:, None], time[None, :], value)


# spool


def _spool(folder: Path) -> Iterator[Row]:
    meters = [Register(f"1ESY{number:010}", Obis.parse("1-0:1.8.0"), unit=Unit.WH) for number in range(500)]
    random = np.random.default_rng(1)
    batches = [
        Columns.of(
            np.repeat(np.arange(500), 2),
            1_700_000_000_000 + turn * 1_800_000 + np.tile([0, 900_000], 500),
            random.integers(0, 1 << 30, 500).repeat(2) + np.tile([0, 150], 500),
        )
        for turn in range(200)
    ]
    with Spool(folder / "spool", max_bytes=1 << 30) as spool:
        for meter in meters:
            spool.registers.number(meter)
        for group, name in ((1, "spool: 1,000 at a time, fdatasync each time"), (10, "spool: fdatasync every 10,000")):
            rates = [_rate(200_000, partial(_append, spool, batches, group)) for _ in range(3)]
            yield row(name, median(rates), "readings/s", least=1e6)
        yield row("spool: size", spool.size / 1_200_000, "B/reading", most=20)
        yield row("spool: read", _rate(1_200_000, partial(_read, spool)), "readings/s", least=1e6)
        batch = spool.read(0)
        assert batch is not None
        yield from _lane(batch)


def _lane(batch: Batch) -> Iterator[Row]:
    message, count = encode(batch), len(batch.columns)
    yield row("record lane: size, 500 registers described", len(message) / count, "B/reading", most=20)
    yield row("record lane: encode", rate(lambda: len(encode(batch)) and count), "readings/s", least=1e5)
    yield row("record lane: decode", rate(lambda: len(decode(message).columns)), "readings/s", least=1e5)


def _append(spool: Spool, batches: list[Columns], group: int) -> None:
    for number, batch in enumerate(batches, 1):
        spool.append_columns(batch)
        if number % group == 0:
            spool.sync()


def _read(spool: Spool) -> None:
    cursor = 0
    while batch := spool.read(cursor):
        cursor = batch.end


# blocks


def _blocks(name: str, blocks: Blocks, peer: float, least: float) -> Iterator[Row]:
    days = [_profile(day) for day in range(DAYS)]
    size = len(days[0])
    beside = f"a row a reading in {name}", peer
    rates = [_rate(size, partial(_write, blocks, measured)) for measured in days]
    yield row(f"{name}: load blocks", median(rates), "readings/s", peer=beside, least=least)
    rates = [_rate(size, partial(_write, blocks, measured)) for measured in days]
    yield row(f"{name}: load the same again", median(rates), "readings/s")
    start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=FIRST)
    matrix = partial(blocks.read, np.arange(REGISTERS), start, start + timedelta(days=DAYS), 900)
    yield row(f"{name}: read as a matrix", _rate(size * DAYS, matrix), "readings/s")


def _live(name: str, blocks: Blocks, peer: float, size: Callable[[], float], peer_size: float) -> Iterator[Row]:
    """Days as they arrive: each quarter of an hour one reading of every register, in a transaction."""
    beside = f"a row a reading in {name}", peer
    rates: list[float] = []
    for day in range(LIVE_DAYS):
        measured = _profile(day, LIVE)
        measured = measured.take(np.argsort(measured.time, kind="stable"))
        rounds = (measured.take(slice(at, at + LIVE)) for at in range(0, len(measured), LIVE))
        rates += [_rate(LIVE, partial(_write, blocks, each)) for each in rounds]
    found = median(rates)
    yield row(f"{name}: live, one reading a block", found, "readings/s", peer=beside)
    blocks.close()
    yield row(
        f"{name}: size, live",
        size() / (LIVE * LIVE_DAYS * 96),
        "B/reading",
        peer=("a row a reading", peer_size),
        most=6,
    )


def _write(blocks: Blocks, measured: Measured) -> None:
    with blocks.transaction() as transaction:
        transaction.write(measured)
        transaction.advance("bench", "00", 0, int(measured.time[0]))


def _sqlite(folder: Path) -> Iterator[Row]:
    peer, peer_size = _sqlite_rows(folder / "rows.db")
    file = folder / "blocks.db"
    blocks = open_blocks(f"sqlite:///{file}")
    yield from _blocks("SQLite", blocks, peer, 3e6)
    blocks.close()
    size = file.stat().st_size / (REGISTERS * DAYS * 96)
    yield row("SQLite: size, loaded", size, "B/reading", peer=("a row a reading", peer_size), most=6)
    live = folder / "live.db"
    yield from _live("SQLite", open_blocks(f"sqlite:///{live}"), peer, lambda: live.stat().st_size, peer_size)


def _rows(count: int) -> list[tuple[int, int, int, int]]:
    """Readings as rows, in the order in which they arrive: all registers, then the next quarter of an hour."""
    measured = _profile(0, count // 96)
    measured = measured.take(np.argsort(measured.time, kind="stable"))
    columns = measured.register, measured.time, measured.value, measured.quality
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _sqlite_rows(file: Path) -> tuple[float, float]:
    rows = _rows(PEER_ROWS)
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE reading"
            " (register INT, time INT, value INT, quality INT, PRIMARY KEY (register, time)) WITHOUT ROWID"
        )

        def load() -> None:
            for at in range(0, len(rows), 10_000):
                with connection:
                    query = "INSERT INTO reading VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"
                    connection.executemany(query, rows[at : at + 10_000])

        found = _rate(len(rows), load)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return found, file.stat().st_size / len(rows)


def _postgres(url: str) -> Iterator[Row]:
    peer, peer_size = _postgres_rows(url)
    blocks = open_blocks(url)
    yield from _blocks("PostgreSQL", blocks, peer, 5e6)
    blocks.close()
    size = _size(url, "profile_block") / (REGISTERS * DAYS * 96)
    yield row("PostgreSQL: size, loaded", size, "B/reading", peer=("a row a reading", peer_size), most=6)
    other = fresh_database(url)
    yield from _live("PostgreSQL", open_blocks(other), peer, lambda: _size(other, "profile_block"), peer_size)


def _postgres_rows(url: str) -> tuple[float, float]:
    import psycopg

    rows = _rows(PEER_ROWS)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE reading (register bigint, time bigint, value bigint, quality smallint,"
            " PRIMARY KEY (register, time))"
        )
        connection.execute("CREATE TEMP TABLE arrived (LIKE reading)")

        def load() -> None:
            for at in range(0, len(rows), 10_000):
                with connection.transaction(), connection.cursor() as cursor:
                    cursor.execute("TRUNCATE arrived")
                    with cursor.copy("COPY arrived FROM STDIN (FORMAT BINARY)") as copy:
                        copy.set_types(["int8", "int8", "int8", "int2"])
                        for row in rows[at : at + 10_000]:
                            copy.write_row(row)
                    cursor.execute("INSERT INTO reading SELECT * FROM arrived ON CONFLICT DO NOTHING")

        found = _rate(len(rows), load)
    return found, _size(url, "reading") / len(rows)


def _size(url: str, table: str) -> float:
    import psycopg

    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT pg_total_relation_size(%s::regclass)", (table,)).fetchone()
    assert found is not None
    return float(found[0])


if __name__ == "__main__":
    for line in run():
        print(line)
