"""How far a source was read, remembered over restarts."""

from __future__ import annotations

import json
import os
from pathlib import Path

from metergate.errors import StorageError


class Cursors:
    """A number by name, in one small file that is replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            found = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            found = {}
        self._values = {str(name): int(value) for name, value in found.items()} if isinstance(found, dict) else {}

    def get(self, name: str) -> int:
        """The number last put, 0 if there is none."""
        return self._values.get(name, 0)

    def put(self, name: str, value: int) -> None:
        """Remember; durable when it returns. StorageError."""
        self._values[name] = value
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("w", encoding="utf-8") as file:
                json.dump(self._values, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as error:
            raise StorageError(f"{self._path}: {error.strerror}") from error
