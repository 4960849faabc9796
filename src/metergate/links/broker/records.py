"""The record lane behind the embedded broker: a stream that keeps every batch, and its durable consumer.

MQTT topic `metergate/<group>/record/<gateway>` is NATS subject `metergate.<group>.record.<gateway>`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from metergate.errors import ConfigError, LinkError

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js.client import JetStreamContext

STREAM = "METERGATE_RECORDS"
SUBJECT = "metergate.*.record.*"


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """One message of the record lane. `number` is its place in the stream, `tries` how often it was delivered.

    What is said of it raises LinkError if the server went away: then it is delivered again.
    """

    group: str
    gateway: str
    payload: bytes
    number: int
    tries: int
    _message: Msg

    async def done(self) -> None:
        """Never deliver it again: its readings are committed."""
        with _lost():
            await self._message.ack()

    async def again(self, delay: float = 5.0) -> None:
        """Deliver it once more after `delay` seconds."""
        with _lost():
            await self._message.nak(delay=delay)

    async def poison(self) -> None:
        """Never deliver it again although it could not be used."""
        with _lost():
            await self._message.term()


class RecordSource:
    """A durable consumer: workers of the same `durable` name share the batches; each is delivered until `done`."""

    def __init__(self, pull: JetStreamContext.PullSubscription) -> None:
        self._pull = pull

    async def fetch(self, count: int = 100, within: float = 5.0) -> list[RecordBatch]:
        """Up to `count` batches, oldest first; [] when none came within `within` seconds.

        LinkError if the server went away: open a new source then, the batches wait there.
        """
        from nats.errors import TimeoutError

        with _lost():
            try:
                return [_batch(message) for message in await self._pull.fetch(count, timeout=within)]
            except TimeoutError:
                return []


@asynccontextmanager
async def record_source(
    url: str, user: str, password: str, durable: str = "station", *, days: int = 30, replicas: int = 1
) -> AsyncIterator[RecordSource]:
    """Open the record lane at a NATS server; its stream (kept for `days`) and consumer are made on first use.

    LinkError if the server cannot be reached.
    """
    connection = await _connect(url, user, password)
    try:
        with _lost():
            jetstream = connection.jetstream()
            await _ensure_stream(jetstream, days, replicas)
            pull = await jetstream.pull_subscribe(SUBJECT, durable, stream=STREAM)
        yield RecordSource(pull)
    finally:
        await connection.close()


async def ensure_stream(url: str, user: str, password: str, *, days: int = 30, replicas: int = 1) -> None:
    """Make the stream of the record lane, so that nothing is missed before the first consumer comes."""
    connection = await _connect(url, user, password)
    try:
        with _lost():
            await _ensure_stream(connection.jetstream(), days, replicas)
    finally:
        await connection.close()


@contextmanager
def _lost() -> Iterator[None]:
    """What the NATS client raises, as LinkError."""
    from nats.errors import Error

    try:
        yield
    except (Error, OSError) as error:
        raise LinkError(f"the record stream: {error or type(error).__name__}") from error


async def _connect(url: str, user: str, password: str) -> Client:
    try:
        import nats
        import nats.errors
    except ImportError:
        raise ConfigError("the record stream needs the package nats-py: install metergate[station]") from None
    try:
        return await nats.connect(url, user=user, password=password, connect_timeout=5, allow_reconnect=False)
    except (OSError, nats.errors.Error) as error:
        raise LinkError(f"{url}: {error or type(error).__name__}") from error


async def _ensure_stream(jetstream: JetStreamContext, days: int, replicas: int) -> None:
    from nats.js.api import DiscardPolicy, StreamConfig
    from nats.js.errors import BadRequestError

    wanted = StreamConfig(
        name=STREAM,
        subjects=[SUBJECT],
        max_age=days * 86_400,
        discard=DiscardPolicy.OLD,
        num_replicas=replicas,
    )
    try:
        await jetstream.add_stream(wanted)
    except BadRequestError:
        await jetstream.update_stream(wanted)


def _batch(message: Msg) -> RecordBatch:
    _, group, _, gateway = message.subject.split(".")
    about = message.metadata
    return RecordBatch(group, gateway, message.data, about.sequence.stream, about.num_delivered or 1, message)
