"""What every link is: bytes across a wire, with no idea of what they mean."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


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


@runtime_checkable
class Adjustable(Link, Protocol):
    """A link whose speed can be changed while it is open, as IEC 62056-21 does after the sign-on."""

    async def retune(self, baud: int, format: str | None = None) -> None:
        """Go on with `baud` and `format` ("8N1"; None: as it is), once what was written is out. LinkError if not."""
        ...
