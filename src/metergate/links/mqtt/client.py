"""An MQTT client that stays: it connects, comes back after every break, and subscribes again by itself."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from enum import Enum
from functools import partial
from types import TracebackType

from metergate.errors import ConfigError, LinkError, MetergateError, NoAnswer
from metergate.links.mqtt.address import BrokerAddress, Tls
from metergate.links.mqtt.message import Head, Message, Will
from metergate.links.mqtt.session import Lost, Session, WrongVersion
from metergate.links.mqtt.subscription import Handler, Subscription
from metergate.links.mqtt.topics import check_filter, check_topic, matches

_log = logging.getLogger(__name__)
_BRIDGE = 60.0


class State(Enum):
    """Where the client stands with its broker."""

    OFFLINE = "offline"
    ONLINE = "online"
    CLOSED = "closed"


class Outlet:
    """A topic made ready for live data at QoS 0."""

    __slots__ = ("_client", "_head")

    def __init__(self, client: MqttClient, topic: str, retain: bool) -> None:
        self._client = client
        self._head = Head(check_topic(topic), retain)

    def send(self, payload: bytes) -> bool:
        """Hand over a message; it leaves within `linger`. False when it was dropped: offline or congested."""
        return self._client._write(self._head, payload)


class MqttClient:
    """One client id at one broker.

        async with MqttClient("mqtt://gw1@127.0.0.1:1883", "gw1", password=secret) as client:
            await client.subscribe("metergate/g/ack/gw1", handler, qos=1)
            await client.publish("metergate/g/record/gw1", batch)      # returns once the broker has it
            live = client.outlet("metergate/gw1/meter/7/state")
            live.send(payload)                                          # returns at once

    Protocol 5, with 3.1.1 where the broker knows no better. `clean` False keeps the session for `expiry` seconds.
    `will` may be a function that makes the will of each connection. `backoff`: first and longest pause between
    attempts, drawn from 0 to the pause (full jitter). `linger`: how long live data may wait to leave in one piece.
    `plain` allows an unencrypted connection to another machine.
    """

    def __init__(
        self,
        url: str | BrokerAddress,
        client_id: str,
        *,
        password: str | None = None,
        tls: Tls | None = None,
        plain: bool = False,
        will: Will | Callable[[], Will] | None = None,
        clean: bool = True,
        expiry: int = 7 * 86_400,
        keepalive: int = 30,
        timeout: float = 10.0,
        in_flight: int = 100,
        backoff: tuple[float, float] = (1.0, 60.0),
        linger: float = 0.02,
        version: int | None = None,
        max_packet: int = 1 << 20,
    ) -> None:
        self.address = BrokerAddress.parse(url) if isinstance(url, str) else url
        if not (self.address.tls or self.address.local or plain):
            raise ConfigError(f"{self.address} is another machine: use mqtts://, or allow it unencrypted (plain)")
        self.client_id = client_id
        self.state = State.OFFLINE
        self.error: MetergateError | None = None
        self._turned = False
        self.connects = self.dropped = 0
        self.answered = 0.0
        self._password = password
        self._context = (tls or Tls()).context() if self.address.tls else None
        self._will = will
        self._make_session = partial(
            Session,
            client_id,
            self._deliver,
            clean=clean,
            expiry=0 if clean else expiry,
            max_packet=max_packet,
            in_flight=in_flight,
        )
        self._keepalive, self._timeout = keepalive, timeout
        self._backoff = backoff
        self._linger = linger
        self._version, self._either = version or 5, version is None
        self._session: Session | None = None
        self._news = asyncio.Condition()
        self._subscriptions: dict[str, Subscription] = {}
        self._watchers: list[Callable[[State, str], None]] = []
        self._greeters: list[Callable[[], Awaitable[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> MqttClient:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def start(self) -> None:
        """Begin to connect, in the background and for good."""
        if self._task is None:
            self._task = asyncio.create_task(self._stay(), name=f"mqtt client {self.client_id}")

    async def close(self) -> None:
        """Say goodbye and stop; what still waits for its acknowledgement is given up with LinkError."""
        tasks = [subscription.cancel() for subscription in self._subscriptions.values()]
        if self._task:
            self._task.cancel()
            tasks.append(self._task)
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._turn(State.CLOSED, None, "closed")

    async def ready(self, within: float | None = None) -> Session:
        """Wait until connected. After `within` seconds the last failure is raised (LinkError, Refused, NoAnswer)."""
        try:
            async with asyncio.timeout(within):
                return await self._connected()
        except TimeoutError:
            raise self.error or NoAnswer(f"{self.address}: no connection within {within:g} s") from None

    async def failed(self) -> MetergateError:
        """Wait for the first attempt that failed, and say why: for tools that do not want to stay."""
        async with self._news:
            await self._news.wait_for(lambda: self.error is not None)
        assert self.error is not None
        return self.error

    @property
    def session(self) -> Session | None:
        """The connection, while there is one."""
        return None if self._session is None or self._session.ended.is_set() else self._session

    def watch(self, callback: Callable[[State, str], None]) -> None:
        """Have `callback(state, reason)` called at every change of state. It must not wait."""
        self._watchers.append(callback)

    def greet(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Have `callback()` awaited after every connect, once all subscriptions are in place."""
        self._greeters.append(callback)

    # Sending

    def outlet(self, topic: str, retain: bool = False) -> Outlet:
        """`topic` made ready for live data: computed once, sent often. BadValue if it is no topic."""
        return Outlet(self, topic, retain)

    def send(self, topic: str, payload: bytes, retain: bool = False) -> bool:
        """As `outlet(topic).send(payload)`, for topics that are seldom used."""
        return self._write(Head(check_topic(topic), retain), payload)

    def _write(self, head: Head, payload: bytes) -> bool:
        session = self._session
        if session is not None and session.write(head.packet(payload, session.version), self._linger):
            return True
        self.dropped += 1
        return False

    async def publish(
        self, topic: str, payload: bytes, qos: int = 1, retain: bool = False, **properties: object
    ) -> None:
        """Publish and wait until the broker has it (QoS 1, 2), over as many connections as that takes.

        At most `in_flight` messages are under way, the others wait their turn. Refused if the broker says no,
        LinkError if the client was closed meanwhile. With QoS 2 a break between may still double the message.
        """
        message = Message(check_topic(topic), payload, qos, retain)
        while True:
            session = await self._connected()
            try:
                return await session.post(message, properties)
            except Lost:
                continue

    # Receiving

    async def subscribe(self, topic_filter: str, handler: Handler, qos: int = 0, **options: int) -> Subscription:
        """Have `handler(message)` called, or awaited, one message after the other; wait for the broker's consent.

        Holds over reconnects. Refused if the broker says no; BadValue if it is no filter. `options` of MQTT 5:
        no_local, retain_as_published, retain_handling_options.
        """
        subscription = Subscription(check_filter(topic_filter), handler, qos, options)
        old = self._subscriptions.get(topic_filter)
        self._subscriptions[topic_filter] = subscription
        if old:
            old.cancel()
        try:
            await self._persist(lambda session: session.subscribe_to(topic_filter, qos, options))
        except BaseException:
            self._subscriptions.pop(topic_filter, None)
            subscription.cancel()
            raise
        subscription.established = True
        return subscription

    async def unsubscribe(self, topic_filter: str) -> None:
        """End a subscription."""
        if found := self._subscriptions.pop(topic_filter, None):
            found.cancel()
            await self._persist(lambda session: session.unsubscribe_from(topic_filter))

    async def _persist(self, order: Callable[[Session], Awaitable[object]]) -> None:
        while True:
            session = await self._connected()
            try:
                await order(session)
            except Lost:
                continue
            return

    def _deliver(self, message: Message) -> None:
        for subscription in self._subscriptions.values():
            if matches(subscription.filter, message.topic):
                subscription.put(message)

    # Staying connected

    async def _connected(self) -> Session:
        if (session := self.session) is None:
            async with self._news:
                await self._news.wait_for(lambda: self.session is not None or self.state is State.CLOSED)
            session = self.session
        if session is None:
            raise LinkError(f"{self.address}: the client is closed")
        return session

    async def _turn(self, state: State, session: Session | None, reason: str) -> None:
        changed = state is not self.state or not self._turned
        self.state, self._session, self._turned = state, session, True
        if changed:
            if not self._watchers:
                _log.info("MQTT %s: %s", state.value, reason)
            for watcher in self._watchers:
                watcher(state, reason)
        async with self._news:
            self._news.notify_all()

    async def _stay(self) -> None:
        failures = 0
        while True:
            session = await self._attempt()
            if session:
                lasted = await self._serve(session)
                failures = 0 if lasted > _BRIDGE else failures
            first, longest = self._backoff
            await asyncio.sleep(random.uniform(0, min(longest, first * 2 ** min(failures, 16))))  # noqa: S311
            failures += 1

    async def _attempt(self) -> Session | None:
        try:
            return await self._open()
        except WrongVersion as error:
            self.error = error
            if self._either:
                self._version = 9 - self._version
                return await self._second()
        except MetergateError as error:
            self.error = error
        await self._turn(State.OFFLINE, None, str(self.error))
        return None

    async def _second(self) -> Session | None:
        """The other protocol version, at once."""
        try:
            return await self._open()
        except MetergateError as error:
            self.error = error
        await self._turn(State.OFFLINE, None, str(self.error))
        return None

    async def _open(self) -> Session:
        will = self._will() if callable(self._will) else self._will
        session = self._make_session(will=will)
        if self.address.user:
            session.set_auth_credentials(self.address.user, self._password)
        began = time.monotonic()
        await session.open(
            self.address, self._context, version=self._version, keepalive=self._keepalive, within=self._timeout
        )
        self.answered = time.monotonic() - began
        return session

    async def _serve(self, session: Session) -> float:
        """Use a connection until it ends; how many seconds it lasted."""
        began = time.monotonic()
        self.connects += 1
        self.error = None
        greeting: asyncio.Task[None] | None = None
        try:
            if not session.session_present:
                await self._resubscribe(session)
            await self._turn(State.ONLINE, session, str(self.address))
            greeting = asyncio.create_task(self._greet())
            await session.ended.wait()
        finally:
            if greeting:
                greeting.cancel()
            await session.shut()
        self.error = LinkError(f"{self.address}: {session.reason}")
        await self._turn(State.OFFLINE, None, session.reason)
        return time.monotonic() - began

    async def _resubscribe(self, session: Session) -> None:
        for wanted in [known for known in self._subscriptions.values() if known.established]:
            try:
                await session.subscribe_to(wanted.filter, wanted.qos, wanted.options)
            except MetergateError as error:
                _log.warning("%s: %s", self.address, error)

    async def _greet(self) -> None:
        for greeter in self._greeters:
            try:
                await greeter()
            except Exception:
                _log.exception("%s: a task after connecting failed", self.address)
