"""What receivers learn, kept in the gateway's state folder: message counters and layouts survive a restart."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import structlog

from metergate.errors import DecodeError, StorageError

log = structlog.get_logger(__name__)
PAUSE = 10.0
"""Seconds between two looks at whether there is something new."""


class Learnt(Protocol):
    """What a receiver gives as its `memory`."""

    @property
    def changes(self) -> int:
        """Grows with what is new."""
        ...

    def saved(self) -> dict[str, object]:
        """Plain JSON."""
        ...

    def restore(self, saved: Mapping[str, object]) -> None:
        """Take it back. DecodeError if it is of another form."""
        ...


class Memories:
    """What every line's receiver learnt, in one small file that is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path, self.folder = path, path.parent
        try:
            found = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            found = {}
        self._done: dict[str, int] = {}
        lines = found.items() if isinstance(found, dict) else ()
        self._lines: dict[str, dict[str, object]] = {name: kept for name, kept in lines if isinstance(kept, dict)}

    def restore(self, line: str, learnt: Learnt) -> None:
        """Give a receiver back what it knew. What cannot be read is forgotten, and logged."""
        try:
            learnt.restore(self._lines.get(line, {}))
        except DecodeError as error:
            log.warning("memory of a line lost", line=line, reason=str(error))
        self._done[line] = learnt.changes

    def put(self, line: str, learnt: Learnt) -> None:
        """Keep what a receiver knows; durable when it returns. StorageError."""
        self._lines[line] = learnt.saved()
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("w", encoding="utf-8") as file:
                json.dump(self._lines, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}") from error

    async def keep(self, line: str, learnt: Learnt, pause: float = PAUSE) -> None:
        """Until cancelled: put what is new, now and then. What is new at the end is for `put_new`."""
        while True:
            await asyncio.sleep(pause)
            self.put_new(line, learnt)

    def put_new(self, line: str, learnt: Learnt) -> None:
        """Put what a receiver knows, if that is more than when it was last put or given back."""
        changes = learnt.changes
        if changes == self._done.get(line):
            return
        try:
            self.put(line, learnt)
            self._done[line] = changes
        except StorageError as error:
            log.warning("memory of a line not kept", line=line, reason=str(error))
