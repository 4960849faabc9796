"""A collector's memory: records of 24 octets with their own CRC, appended and on disk before they are spoken of.

Segments of 4,096 records; a torn tail is discarded at the start, never repaired. When the memory is full, what is
acknowledged goes first; if nothing is, the oldest goes and its cursors are told.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from metergate.bits import crc_modbus

SIZE = 24
SEGMENT = 4096
Overrun = Callable[[int, int], None]


def sound(record: bytes) -> bool:
    """Is it a whole record with the right CRC?"""
    return len(record) == SIZE and crc_modbus(record[:-2]) == int.from_bytes(record[-2:], "little")


class Store:
    """An append-only log in `folder`. Cursors count from 1; the cursor of a record is its place since the beginning.

    `most`: records kept at most, in whole segments. `overrun(first, last)` is called with the cursors that were lost.
    """

    def __init__(self, folder: Path, most: int = 90 * 96 * 24, overrun: Overrun | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.most = folder, most
        self._overrun = overrun
        self._segments = sorted(int(path.stem) for path in folder.glob("*.log"))
        self._ack = folder / "acknowledged"
        self.acknowledged = self._read_ack()
        self._discard_torn()

    @property
    def oldest(self) -> int:
        """Cursor of the oldest record that is kept; one past `newest` when there is none."""
        return self._segments[0] if self._segments else self.newest + 1

    @property
    def newest(self) -> int:
        """Cursor of the newest record; 0 when there was never one."""
        if not self._segments:
            return self.acknowledged
        last = self._segments[-1]
        return last + self._path(last).stat().st_size // SIZE - 1

    def append(self, records: Sequence[Callable[[int], bytes]]) -> None:
        """Append records, each made from its cursor; when this returns they are on disk."""
        cursor = self.newest + 1
        for make in records:
            if not self._segments or cursor - self._segments[-1] >= SEGMENT:
                self._segments.append(cursor)
            with self._path(self._segments[-1]).open("ab") as file:
                file.write(make(cursor))
                if make is records[-1] or cursor + 1 - self._segments[-1] >= SEGMENT:
                    file.flush()
                    os.fdatasync(file.fileno())
            cursor += 1
        self._make_room()

    def read(self, cursor: int, most: int) -> list[bytes]:
        """Up to `most` records from `cursor` (or the oldest after it) on."""
        cursor = max(cursor, self.oldest)
        found: list[bytes] = []
        while len(found) < most and cursor <= self.newest:
            first = max(start for start in self._segments if start <= cursor)
            with self._path(first).open("rb") as file:
                file.seek((cursor - first) * SIZE)
                data = file.read((most - len(found)) * SIZE)
            part = [data[at : at + SIZE] for at in range(0, len(data) - SIZE + 1, SIZE)]
            if not part:
                break
            found += part
            cursor += len(part)
        return found

    def acknowledge(self, cursor: int) -> None:
        """Records up to `cursor` may go. An older or impossible cursor changes nothing."""
        if not self.acknowledged < cursor <= self.newest:
            return
        new = self._ack.with_suffix(".new")
        with new.open("w") as file:
            file.write(str(cursor))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._ack)
        self.acknowledged = cursor

    @property
    def full(self) -> bool:
        """More than 80 % of the memory holds what nobody acknowledged."""
        return self.newest - max(self.acknowledged, self.oldest - 1) > 0.8 * self.most

    def _make_room(self) -> None:
        while len(self._segments) > 1 and self.newest + 1 - self._segments[0] > self.most:
            first, following = self._segments[0], self._segments[1]
            if following - 1 > self.acknowledged and self._overrun:
                self._overrun(max(first, self.acknowledged + 1), following - 1)
            self._path(first).unlink()
            del self._segments[0]

    def _discard_torn(self) -> None:
        """Cut the last segment behind its last sound record."""
        for first in self._segments[-1:]:
            data = self._path(first).read_bytes()
            good = 0
            while sound(data[good : good + SIZE]):
                good += SIZE
            if good < len(data):
                os.truncate(self._path(first), good)

    def _read_ack(self) -> int:
        try:
            return int(self._ack.read_text())
        except (OSError, ValueError):
            return 0

    def _path(self, first: int) -> Path:
        return self.folder / f"{first:010d}.log"
