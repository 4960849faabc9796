"""Segment files: made, written, walked through, cut, removed. Every error is a `StorageError` that says which file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from metergate.errors import StorageError
from metergate.profiles.spool.segment import Damage, Head, Kind, Record, head_record, scan

SUFFIX = ".spool"
_CHUNK = 128 << 10


@dataclass(slots=True)
class Segment:
    """One file of a spool. `first`: no cursor in it is smaller; `size`: octets of it that are durable."""

    path: Path
    first: int
    size: int
    begun: int

    @classmethod
    def make(cls, folder: Path, head: Head, last: int) -> Segment:
        """A new segment for the cursors after `last`, durable with its head."""
        path = folder / f"{last + 1:016x}{SUFFIX}"
        segment = cls(path, last + 1, 0, head.begun)
        with _named(path):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            segment.write(head_record(head, last))
        except StorageError:
            path.unlink()
            raise
        sync_folder(folder)
        return segment

    @classmethod
    def found(cls, path: Path) -> Segment:
        """A segment that is already there."""
        with _named(path):
            state = path.stat()
            begun = int(state.st_mtime * 1000)
            with suppress(StopIteration):
                record = next(walk(path, 0, state.st_size))
                begun = record.head().begun if isinstance(record, Record) and record.kind == Kind.HEAD else begun
        return cls(path, int(path.stem, 16), state.st_size, begun)

    def write(self, data: bytes) -> None:
        """Append `data`; returns when it is on the disk. After a failure the file is as before."""
        with _named(self.path), _opened(self.path, os.O_WRONLY) as file:
            try:
                written = 0
                while written < len(data):
                    written += os.pwrite(file, memoryview(data)[written:], self.size + written)
                os.fdatasync(file)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(file, self.size)
                raise
        self.size += len(data)

    def cut(self, size: int) -> None:
        """Forget everything from `size` on."""
        with _named(self.path), _opened(self.path, os.O_WRONLY) as file:
            os.ftruncate(file, size)
            os.fsync(file)
        self.size = size

    def walk(self, offset: int = 0) -> Iterator[Record | Damage]:
        """All durable records from `offset`, and what is damaged between them."""
        return walk(self.path, offset, self.size)

    def remove(self) -> None:
        """Delete the file."""
        with _named(self.path):
            self.path.unlink(missing_ok=True)


def walk(path: Path, offset: int, end: int) -> Iterator[Record | Damage]:
    """Records of a file between two offsets, read piece by piece."""
    with _named(path), _opened(path, os.O_RDONLY) as file:
        size = _CHUNK
        while offset < end:
            data = os.pread(file, min(size, end - offset), offset)
            if not data:
                yield Damage(offset, end)
                return
            start, stop = offset, offset + len(data)
            for found in scan(data, start):
                if isinstance(found, Damage) and found.end == stop < end:
                    break
                yield found
                offset = found.end
            size = _CHUNK if offset > start else size * 2


def sync_folder(folder: Path) -> None:
    """Make the folder's entries durable."""
    with _named(folder), _opened(folder, os.O_RDONLY) as file:
        os.fsync(file)


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    file = os.open(path, flags)
    try:
        yield file
    finally:
        os.close(file)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from error
