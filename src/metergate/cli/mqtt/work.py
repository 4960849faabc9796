"""What the toolbox does, apart from parsing and printing."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from metergate.errors import MetergateError, NoAnswer
from metergate.links.mqtt import Message, MqttClient
from metergate.links.mqtt.session import Session


@asynccontextmanager
async def connected(client: MqttClient, within: float) -> AsyncIterator[Session]:
    """The client, connected; the first failure is raised (LinkError, Refused, NoAnswer) and nothing tried again."""
    async with client:
        session = asyncio.create_task(client.ready())
        failure = asyncio.create_task(client.failed())
        try:
            done, _ = await asyncio.wait((session, failure), timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            session.cancel()
            failure.cancel()
            await asyncio.gather(session, failure, return_exceptions=True)
        if session in done:
            yield session.result()
        elif failure in done:
            raise failure.result()
        else:
            raise NoAnswer(f"{client.address}: no connection within {within:g} s")


def facts(client: MqttClient, session: Session) -> dict[str, str]:
    """What is known of a connection, for people."""
    told = {
        "broker": str(client.address),
        "connected": "CONNACK code 0",
        "protocol": "5" if session.version == 5 else "3.1.1",
        "session present": "yes" if session.session_present else "no",
        "answer time": f"{client.answered * 1000:.1f} ms (connection, TLS, CONNACK)",
    }
    told |= {f"server {key}": str(value) for key, value in session.properties.items()}
    line = session.transport.get_extra_info("ssl_object")
    if isinstance(line, ssl.SSLObject | ssl.SSLSocket):
        told |= _tls(line)
    return told


def _tls(line: ssl.SSLObject | ssl.SSLSocket) -> dict[str, str]:
    certificate = line.getpeercert() or {}
    cipher = line.cipher()
    return {
        "TLS": f"{line.version()} {cipher[0] if cipher else ''}",
        "certificate of": _name(certificate.get("subject", ())),
        "issued by": _name(certificate.get("issuer", ())),
        "valid until": str(certificate.get("notAfter", "")),
    }


def _name(parts: object) -> str:
    found = parts if isinstance(parts, tuple) else ()
    return ", ".join(f"{key}={value}" for part in found for key, value in part)


async def listen(
    client: MqttClient,
    filters: Iterable[str],
    qos: int,
    take: Callable[[Message], bool],
    seconds: float | None,
    idle: float | None = None,
) -> None:
    """Hand every message to `take` until it says True, `seconds` are over, or nothing came for `idle` seconds."""
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    for topic_filter in filters:
        await client.subscribe(topic_filter, inbox.put, qos=qos)
    try:
        async with asyncio.timeout(seconds):
            while True:
                if take(await asyncio.wait_for(inbox.get(), idle)):
                    return
    except TimeoutError:
        return


@dataclass(slots=True)
class Node:
    """A level of a topic tree."""

    count: int = 0
    last: Message | None = None
    below: dict[str, Node] = field(default_factory=dict)

    def add(self, message: Message) -> bool:
        """Count a message under its topic."""
        node = self
        for level in message.topic.split("/"):
            node = node.below.setdefault(level, Node())
        node.count += 1
        node.last = message
        return False


@dataclass(slots=True)
class Statistics:
    """Messages and bytes by topic since `began`."""

    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    messages: Counter[str] = field(default_factory=Counter)
    bytes: int = 0

    def add(self, message: Message) -> None:
        """Count a message."""
        self.messages[message.topic] += 1
        self.bytes += len(message.payload)

    def lines(self) -> Iterable[str]:
        """A line a topic, the busiest first, and a sum."""
        seconds = max((datetime.now(UTC) - self.began).total_seconds(), 0.001)
        for topic, count in self.messages.most_common():
            yield f"{count:8} {count / seconds:10.2f}/s {topic}"
        total = self.messages.total()
        yield f"{total:8} {total / seconds:10.2f}/s {self.bytes} bytes in {seconds:.1f} s"


def exit_code(error: MetergateError) -> int:
    """What the toolbox ends with: 2 usage, 3 cannot connect, 4 refused, 5 timeout."""
    return {"link": 3, "refused": 4, "no_answer": 5}.get(error.code, 2)
