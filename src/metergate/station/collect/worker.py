"""The ingest worker: reads the record lane, stores, acknowledges; and listens to who is there. Several may run."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

from django.db import Error as DatabaseError
from django.db import close_old_connections, connections
from django.utils import timezone

from metergate.errors import DecodeError, LinkError, StorageError
from metergate.links.broker import record_source
from metergate.links.mqtt import BrokerAddress, Message, MqttClient, read_password
from metergate.station.collect import ingest, services, watch
from metergate.station.collect.models import Presence
from metergate.station.conf import StationConfig
from metergate.wire.batch import decode, encode_ack

log = logging.getLogger(__name__)
T = TypeVar("T")
SHARED = "$share/ingest/metergate/{group}/record/+"
AVAILABLE = "metergate/+/availability"
AT_ONCE = 32
WATCH = 30.0
PAUSE = 5.0


class Worker:
    """One worker on one event loop; the database is used from one thread of its own."""

    def __init__(self, config: StationConfig, client: MqttClient) -> None:
        self.config = config
        self.client = client
        self.stored = 0
        self.refused = 0
        self._database = ThreadPoolExecutor(1, "database")

    async def run(self) -> None:
        """Until cancelled."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.client)
            await self.client.subscribe(AVAILABLE, self.available)
            watchman = asyncio.create_task(self._watch(), name="watchdog")
            stack.callback(watchman.cancel)
            if self.config.records:
                await self._stream()
            else:
                await self.client.subscribe(SHARED.format(group=self.config.group), self.taken, qos=1)
                await asyncio.Event().wait()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH)
            try:
                silent = await self._in_database(lambda: watch.look(timezone.now()))
            except StorageError as error:
                log.error("nobody is watched: %s", error)
                continue
            for code in silent:
                log.warning("%s does not answer any more", code)

    async def _stream(self) -> None:
        while True:
            try:
                await self._drain()
            except LinkError as error:
                _obey()
                log.warning("%s; trying again", error)
                await asyncio.sleep(PAUSE)

    async def _drain(self) -> None:
        user = BrokerAddress.parse(self.config.broker).user or ""
        password = password_of(self.config) or ""
        async with record_source(self.config.records, user, password) as source:
            while True:
                batches = await source.fetch(AT_ONCE)
                _obey()
                for batch in batches:
                    try:
                        await self.store(batch.group, batch.gateway, batch.payload)
                    except DecodeError as error:
                        await self._poison(batch.gateway, error)
                        await batch.poison()
                    except StorageError as error:
                        log.error("a batch of %s could not be stored: %s", batch.gateway, error)
                        await batch.again()
                    else:
                        await batch.done()

    async def taken(self, message: Message) -> None:
        """A batch from a shared subscription. What fails here is sent again by the gateway."""
        _, group, _, gateway = message.topic.split("/")
        try:
            await self.store(group, gateway, message.payload)
        except DecodeError as error:
            await self._poison(gateway, error)
        except StorageError as error:
            log.error("a batch of %s could not be stored: %s", gateway, error)

    async def store(self, group: str, gateway: str, payload: bytes) -> None:
        """Decode, store, acknowledge. DecodeError, StorageError."""
        batch = decode(payload)
        ack = await self._in_database(partial(ingest.store, gateway, batch, timezone.now()))
        self.stored += 1
        await self.client.publish(f"metergate/{group}/ack/{gateway}", encode_ack(ack), qos=1)

    async def _poison(self, gateway: str, error: DecodeError) -> None:
        self.refused += 1
        log.error("a batch of %s is refused for good: %s at octet %d: %s", gateway, error.code, error.offset, error)

    async def available(self, message: Message) -> None:
        """A gateway's birth or its will."""
        gateway = message.topic.split("/")[1]
        act = services.heard if message.payload == b"online" else services.died
        await self._in_database(partial(act, Presence.Kind.GATEWAY, gateway, timezone.now()))

    async def close(self) -> None:
        """Let go of the database."""
        await self._in_database(connections.close_all)
        self._database.shutdown()

    async def _in_database(self, work: Callable[[], T]) -> T:
        def whole() -> T:
            close_old_connections()
            try:
                return work()
            except DatabaseError as error:
                raise StorageError(f"the database: {' '.join(str(error).split())}") from error

        return await asyncio.get_running_loop().run_in_executor(self._database, whole)


def _obey() -> None:
    """End where the end was asked for: a client that waits with a limit may swallow the request on its way."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def client_of(config: StationConfig, name: str) -> MqttClient:
    """The station's connection to its broker. ConfigError where none is set."""
    return MqttClient(
        config.broker,
        name,
        password=password_of(config),
        version=4 if config.records else None,
    )


def password_of(config: StationConfig) -> str | None:
    """The station's password at its broker, from the file that is set or the environment."""
    return read_password(Path(config.broker_password_file).expanduser() if config.broker_password_file else None)


def main(config: StationConfig, name: str = "station-ingest") -> None:
    """Run one worker until interrupted."""
    try:
        asyncio.run(_main(config, name))
    except KeyboardInterrupt:
        log.info("stopped")


async def _main(config: StationConfig, name: str) -> None:
    worker = Worker(config, client_of(config, name))
    try:
        await worker.run()
    finally:
        await worker.close()
