"""Login, heartbeats and logout of terminals that connect to their station by themselves: what protocols have in common.

Time enters as data; nothing here waits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

MISSES = 3
"""Signs of life that may be missed; then the connection is given up."""


class SignOn(ABC):
    """The terminal's end. `heartbeat` seconds between signs of life."""

    LOGIN: ClassVar[int]
    HEARTBEAT: ClassVar[int]
    LOGOUT: ClassVar[int]

    def __init__(self, heartbeat: int) -> None:
        self.heartbeat = heartbeat
        self.online, self.unanswered = False, 0
        self._sent: datetime | None = None

    @property
    def offline(self) -> bool:
        """Three signs of life were not answered."""
        return self.unanswered >= MISSES

    def open(self, now: datetime) -> bytes:
        """The login, first thing on a new connection."""
        self.online, self.unanswered = False, 0
        return self._sign(self.LOGIN, now)

    def close(self, now: datetime) -> bytes:
        """The logout."""
        self.online = False
        return self._sign(self.LOGOUT, now)

    def due(self, now: datetime) -> Iterator[bytes]:
        """A sign of life when it is time for one: the login again until it was answered, then heartbeats."""
        if self._sent is None or now - self._sent >= timedelta(seconds=self.heartbeat):
            yield self._sign(self.HEARTBEAT if self.online else self.LOGIN, now)

    def _sign(self, kind: int, now: datetime) -> bytes:
        self._sent = now
        self.unanswered += 1
        return self._link(kind, now)

    @abstractmethod
    def _link(self, kind: int, now: datetime) -> bytes:
        """The octets of a sign of life."""


@dataclass
class Heard:
    """The station's view of one connection: which terminal logged in, and when it was heard last."""

    heartbeat: int
    terminal: str | None = None
    heard: datetime | None = None

    def online(self, now: datetime) -> bool:
        """Logged in, and heard within three heartbeats."""
        if self.terminal is None or self.heard is None:
            return False
        return now - self.heard <= MISSES * timedelta(seconds=self.heartbeat)
