"""A topic filter and who handles its messages, one after the other, without holding up the line."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

from metergate.links.mqtt.message import Message

Handler = Callable[[Message], Awaitable[None] | None]

_log = logging.getLogger(__name__)
_INBOX = 10_000


class Subscription:
    """A topic filter and who handles its messages. `bad` counts those the handler failed on, `dropped` those
    that came faster than it could follow."""

    def __init__(self, topic_filter: str, handler: Handler, qos: int, options: Mapping[str, int]) -> None:
        self.filter = topic_filter
        self.qos = qos
        self.options = options
        self.bad = 0
        self.dropped = 0
        self._handler = handler
        self._inbox: deque[Message] = deque()
        self.established = False
        self._filled = asyncio.Event()
        self._task = asyncio.create_task(self._work(), name=f"mqtt {topic_filter}")

    def put(self, message: Message) -> None:
        """Take in a message; never waits."""
        if len(self._inbox) >= _INBOX:
            self.dropped += 1
            return
        self._inbox.append(message)
        self._filled.set()

    def cancel(self) -> asyncio.Task[None]:
        """Stop handling; the task that ends is returned."""
        self._task.cancel()
        return self._task

    async def _work(self) -> None:
        while await self._filled.wait():
            self._filled.clear()
            while self._inbox:
                await self._handle(self._inbox.popleft())

    async def _handle(self, message: Message) -> None:
        try:
            done = self._handler(message)
            if inspect.isawaitable(done):
                await done
        except Exception:
            self.bad += 1
            _log.exception("a message on %s (%d bytes) was skipped", message.topic, len(message.payload))
