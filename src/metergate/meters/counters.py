"""Invocation counters on disk: a number that was used never comes again, whatever crashes."""

from __future__ import annotations

import os
from pathlib import Path

from metergate.errors import StorageError


class CounterFile:
    """One counter in a small file that is replaced as a whole and synced before a new number is used."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> int:
        """What was kept; 0 if there is none. StorageError if it cannot be read: it must not begin anew then."""
        try:
            return int(self.path.read_text("ascii"))
        except FileNotFoundError:
            return 0
        except (OSError, ValueError) as error:
            raise StorageError(f"{self.path}: no counter can be read there: {error}") from None

    def store(self, number: int) -> None:
        """Keep `number`; it is safe when this returns. StorageError."""
        fresh = self.path.with_name(self.path.name + ".new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("w", encoding="ascii") as file:
                file.write(str(number))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise StorageError(f"{self.path}: {error.strerror}") from error
