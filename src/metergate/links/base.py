"""What every link is: bytes across a wire, with no idea of what they mean."""

from __future__ import annotations

from typing import Protocol


class Link(Protocol):
    """One open line. One owner at a time reads and writes it."""

    name: str
    """The address it was opened by, without secrets: for logs and status."""

    async def read(self) -> bytes:
        """Wait for at least one byte and return what is there; b"" once the other side closed.

        LinkError if it broke.
        """
        ...

    async def write(self, data: bytes) -> None:
        """Send all of `data`. LinkError if the line broke."""
        ...

    async def close(self) -> None:
        """Let go of the line; reading then ends."""
        ...

    @property
    def byte_time(self) -> float:
        """Seconds one byte takes on the wire (0 where that does not matter), for timeouts."""
        ...
