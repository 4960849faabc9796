"""The gateway's state as JSON, told to whoever connects to a local socket that only its owner may open."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from metergate.errors import LinkError

Json = dict[str, Any]
LIMIT = 16 << 20


class StatusServer:
    """Tells `answer()` to everybody who connects, and hangs up."""

    def __init__(self, path: Path, answer: Callable[[], Json]) -> None:
        self._path, self._answer = path, answer
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. A socket left by a dead gateway is replaced; LinkError if the path cannot be used."""
        with suppress(FileNotFoundError):
            if stat.S_ISSOCK(self._path.stat().st_mode):
                self._path.unlink()
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            before = os.umask(0o177)
            try:
                self._server = await asyncio.start_unix_server(self._serve, self._path)
            finally:
                os.umask(before)
        except OSError as error:
            raise LinkError(f"{self._path}: the status cannot be offered here: {error.strerror or error}") from error

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            writer.write(json.dumps(self._answer(), default=str).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def close(self) -> None:
        """Stop and take the socket away."""
        if self._server:
            self._server.close()
            self._path.unlink(missing_ok=True)


async def ask_status(path: Path, within: float = 5.0) -> Json:
    """The status of the gateway whose socket this is. LinkError if none runs there."""
    try:
        async with asyncio.timeout(within):
            reader, writer = await asyncio.open_unix_connection(path, limit=LIMIT)
            data = await reader.readline()
            writer.close()
    except (OSError, TimeoutError, ValueError) as error:
        why = getattr(error, "strerror", None) or error or "it is silent"
        raise LinkError(f"{path}: no gateway answers there ({why}); is it running?") from error
    try:
        return json.loads(data)  # type: ignore[no-any-return]
    except ValueError:
        raise LinkError(f"{path}: no gateway answers there") from None
