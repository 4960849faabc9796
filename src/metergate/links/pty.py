"""Pseudo terminals: our end is the line, the other end looks like a serial port to any program."""

from __future__ import annotations

import asyncio
import os
import termios
import tty
from pathlib import Path

from metergate.errors import LinkError
from metergate.links.address import Address
from metergate.links.descriptor import DescriptorLink

SETTINGS = ("patience",)
PATIENCE = 1.0
BAUDS = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name[:1] == "B" and name[1:].isdecimal()}
"""Speeds by their codes in the terminal's settings."""


class PtyLink(DescriptorLink):
    """The controlling end of a pseudo terminal; `path` is the device that others open, as often as they like.

    As on a real line nobody is waited for: what has not been read for `patience` seconds is thrown away and
    `lost` counts how often.
    """

    def __init__(self, name: str, link: Path | None = None, patience: float = PATIENCE) -> None:
        ours, self._theirs = os.openpty()  # their end stays open here too: it can be closed and opened at will
        tty.setraw(self._theirs)
        os.set_blocking(ours, False)
        self.path = os.ttyname(self._theirs)
        self._patience = patience
        self._symlink = link
        if link is not None:
            self._show(link, ours)
        super().__init__(name, ours)

    def _show(self, link: Path, ours: int) -> None:
        try:
            if link.is_symlink():
                link.unlink()
            link.symlink_to(self.path)
        except OSError as error:
            os.close(ours)
            os.close(self._theirs)
            raise LinkError(f"{link}: no link to {self.path} can be put there: {error.strerror}") from error

    @property
    def baud(self) -> int | None:
        """The speed at which the program at the other end believes to work."""
        return BAUDS.get(termios.tcgetattr(self._theirs)[5])

    async def _wait_for_room(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await super()._wait_for_room()
        except TimeoutError:
            termios.tcflush(self._theirs, termios.TCIFLUSH)
            self.lost += 1

    def _release(self, fd: int) -> None:
        link = self._symlink
        if link is not None and link.is_symlink() and os.readlink(link) == self.path:
            link.unlink()
        os.close(self._theirs)
        os.close(fd)


async def open_pty(address: Address) -> PtyLink:
    """`pty:///path/of/symlink` (or `pty://`, the device being in `path`)."""
    wanted = Path(address.path) if address.path.strip("/") else None
    return PtyLink(address.name, wanted, address.number("patience", PATIENCE))
