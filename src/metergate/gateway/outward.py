"""The gateway's side of the broker: record lane to the station, live values to publishers, orders from the station."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import structlog

from metergate.gateway.broker import client_of
from metergate.gateway.commands import Commander
from metergate.gateway.hub import Hub
from metergate.gateway.lines import LineTask
from metergate.gateway.observe import Observatory
from metergate.gateway.publishers import PublisherSink, make_publishers
from metergate.gateway.record import Recorder, Sender
from metergate.gateway.settings import Settings
from metergate.links.mqtt import Message, State, Will

if TYPE_CHECKING:
    from metergate.gateway.live import Live

log = structlog.get_logger(__name__)
Part = tuple[str, Callable[[], Awaitable[None]]]


class Outward:
    """All that a gateway has to do with its broker."""

    def __init__(
        self,
        settings: Settings,
        hub: Hub,
        recorder: Recorder | None,
        commander: Commander,
        lines: Callable[[], Iterable[LineTask]],
    ) -> None:
        assert settings.mqtt is not None
        self._settings = settings
        self.availability = f"metergate/{settings.id}/availability"
        self.client = client_of(
            settings.mqtt, f"metergate-{settings.id}", Will(self.availability, b"offline", retain=True)
        )
        self.client.watch(self._turned)
        self.client.greet(self._greet)
        self.since = time.monotonic()
        self.sender: Sender | None = None
        if recorder and settings.station:
            station = settings.station
            self._record = f"metergate/{station.group}/record/{settings.id}"
            self._ack = f"metergate/{station.group}/ack/{settings.id}"
            self.sender = Sender(
                recorder, self._send, limit=station.batch, delay=float(station.delay), resend=float(station.resend)
            )
        self.observatory = Observatory(settings.id, self.client, lines) if settings.station else None
        self.publishers = make_publishers(settings, self.client)
        self.live: Live | None = None
        if settings.station and settings.station.sparkplug:
            from metergate.gateway.live import Live

            self.live = Live(settings, settings.mqtt, settings.station, commander)
            self.publishers.append(self.live.publisher)
        hub.sinks.append(PublisherSink(self.publishers))

    def start(self) -> Iterator[Part]:
        """Begin to connect; what then has to run is returned."""
        self.client.start()
        if self.sender:
            yield "acknowledgements", self._listen
            yield "record lane", self.sender.run
        if self.live:
            yield "live lane", self.live.run
        if self.observatory:
            yield "line reports", self.observatory.run
        for publisher in self.publishers:
            yield f"publisher {publisher.name}", publisher.run

    async def _send(self, message: bytes) -> None:
        await self.client.publish(self._record, message, qos=1)

    async def _listen(self) -> None:
        assert self.sender is not None
        sender = self.sender

        def handle(message: Message) -> None:
            sender.acknowledged(message.payload)

        await self.client.subscribe(self._ack, handle, qos=1)
        await asyncio.Event().wait()

    def _turned(self, state: State, reason: str) -> None:
        self.since = time.monotonic()
        log.info("mqtt", state=state.value, reason=reason)

    async def _greet(self) -> None:
        await self.client.publish(self.availability, b"online", retain=True)

    async def close(self) -> None:
        """Say goodbye."""
        if self.client.state is State.ONLINE:
            self.client.send(self.availability, b"offline", retain=True)
        await self.client.close()
        if self.live:
            await self.live.close()

    def status(self) -> dict[str, Any]:
        """For the status."""
        told: dict[str, Any] = {
            "url": str(self.client.address),
            "state": self.client.state.value,
            "error": str(self.client.error or ""),
            "connects": self.client.connects,
            "dropped": self.client.dropped,
            "seconds": round(time.monotonic() - self.since, 1),
        }
        if self.sender:
            names = ("batches", "resent", "acknowledgements", "bad_acknowledgements")
            told |= {name: getattr(self.sender, name) for name in names}
        if self.live:
            told["live"] = self.live.client.state.value
        return told
