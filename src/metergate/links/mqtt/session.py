"""One MQTT connection on gmqtt: from CONNECT to the end of the line. It never comes back by itself.

gmqtt's own reconnecting is not used: it asks for the old session even where a clean one was wanted, keeps the
will of the first connection, and does not fall back from protocol 5 on every broker's way of refusing it.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import struct
from collections.abc import Callable, Mapping
from typing import Any

import gmqtt

from metergate.errors import LinkError, NoAnswer, Refused
from metergate.links.mqtt.address import BrokerAddress
from metergate.links.mqtt.message import Message, Will
from metergate.links.reasons import reason

REASONS = {
    1: "the broker does not speak this protocol version",
    2: "the client id was rejected",
    3: "the broker is not available",
    4: "wrong user name or password",
    5: "not authorised",
    0x80: "refused",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "the broker cannot process it",
    0x84: "the broker does not speak this protocol version",
    0x85: "the client id was rejected",
    0x86: "wrong user name or password",
    0x87: "not authorised",
    0x88: "the broker is not available",
    0x89: "the broker is busy",
    0x8A: "banned",
    0x8B: "the broker is shutting down",
    0x8C: "wrong authentication method",
    0x8D: "keep alive timed out",
    0x8E: "another client took over the session with the same client id",
    0x8F: "topic filter refused",
    0x90: "topic name refused",
    0x93: "receive maximum exceeded",
    0x95: "packet too large",
    0x97: "quota exceeded",
    0x99: "payload format refused",
    0x9A: "the broker keeps no retained messages",
    0x9B: "quality of service not supported",
    0x9C: "use another server",
    0x9D: "the server moved",
    0x9E: "no shared subscriptions",
    0x9F: "connecting too often",
    0xA1: "no subscription identifiers",
    0xA2: "no wildcard subscriptions",
}
"""What a reason code of CONNACK, PUBACK, SUBACK or DISCONNECT says (MQTT 3.1.1 §3.2.2.3, MQTT 5.0 §2.4)."""

_WRONG_VERSION = (1, 0x84)
_PUBACK, _PUBREC = 0x40, 0x50
_CONGESTED = 1 << 20
_FAREWELL = 2.0

_log = logging.getLogger(__name__)
_gmqtt_log = logging.getLogger("gmqtt")


class Lost(LinkError):
    """The connection ended before the answer came."""


class WrongVersion(LinkError):
    """The broker does not speak the protocol version that was tried."""


class Session(gmqtt.Client):  # type: ignore[misc]  # gmqtt has no types
    """One connection. `ended` is set once it is over, `reason` then says why."""

    def __init__(
        self,
        client_id: str,
        on_message: Callable[[Message], None],
        *,
        clean: bool = True,
        expiry: int = 0,
        will: Will | None = None,
        max_packet: int = 1 << 20,
        in_flight: int = 100,
    ) -> None:
        _gmqtt_log.setLevel(logging.CRITICAL)
        properties: dict[str, Any] = {"maximum_packet_size": max_packet}
        if expiry:
            properties["session_expiry_interval"] = expiry
        testament = gmqtt.Message(will.topic, will.payload, will.qos, will.retain) if will else None
        super().__init__(
            client_id.encode(), clean_session=clean, will_message=testament, logger=_gmqtt_log, **properties
        )
        self.ended = asyncio.Event()
        self.reason = "the connection was closed"
        self.session_present = False
        self.properties: Mapping[str, object] = {}
        self._deliver = on_message
        self._in_flight = in_flight
        self._slots = asyncio.Semaphore(in_flight)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._outbox: list[bytes] = []
        self._hook()

    def _hook(self) -> None:
        self.on_message = Session._received
        self.on_connect = Session._accepted
        self.on_subscribe = Session._subscribed
        self.on_unsubscribe = Session._unsubscribed
        self.on_disconnect = Session._disconnected
        handler = self._package_handler
        self._plain = {_PUBACK: handler._handle_puback_packet, _PUBREC: handler._handle_pubrec_packet}
        handler._handle_puback_packet = self._acknowledged
        handler._handle_pubrec_packet = self._acknowledged

    async def open(
        self, address: BrokerAddress, context: ssl.SSLContext | None, *, version: int, keepalive: int, within: float
    ) -> None:
        """Connect. LinkError, WrongVersion, Refused or NoAnswer if that fails; then nothing is left open."""
        connecting = asyncio.ensure_future(
            self.connect(address.host, address.port, context or False, keepalive, version, raise_exc=False)
        )
        ending = asyncio.ensure_future(self.ended.wait())
        try:
            await asyncio.wait((connecting, ending), timeout=within, return_when=asyncio.FIRST_COMPLETED)
            self._judge(connecting, address, version, within)
        except BaseException:
            if not self._connection:  # gmqtt cannot be stopped between the line and its first packet
                await asyncio.wait((connecting,), timeout=_FAREWELL)
            await self.abort()
            raise
        finally:
            for task in (connecting, ending):
                task.cancel()
            await asyncio.gather(connecting, ending, return_exceptions=True)

    def _judge(self, connecting: asyncio.Future[None], address: BrokerAddress, version: int, within: float) -> None:
        error = self._package_handler._error
        code = error._code if error else 0
        if code in _WRONG_VERSION or self._connection_state.protocol_version != version:
            raise WrongVersion(f"{address}: {REASONS[1]}")
        if code:
            raise Refused(f"{address}: {REASONS.get(code, 'refused')} (CONNACK code {code})")
        if connecting.done() and (failed := connecting.exception()):
            raise LinkError(f"{address}: {reason(failed)}") from failed
        if self.ended.is_set():
            raise WrongVersion(f"{address}: the broker closed the connection instead of answering")
        if not connecting.done():
            raise NoAnswer(f"{address}: no answer within {within:g} s")

    async def abort(self) -> None:
        """Drop the line without a word, as a crash would: the broker then publishes the will."""
        self._end("the connection was dropped")
        if self._connection:
            self.transport.abort()
            await self._connection.close()

    async def shut(self) -> None:
        """Say goodbye (the will is not published) and close; a line that takes nothing any more is dropped."""
        if self.ended.is_set():
            return await self.abort()
        self.flush()
        self._end("the connection was closed")
        try:
            async with asyncio.timeout(_FAREWELL):
                await self.disconnect()
        except (OSError, TimeoutError):
            await self.abort()

    @property
    def version(self) -> int:
        """The protocol version spoken: 5, or 4 for 3.1.1."""
        return int(self._connection_state.protocol_version)

    @property
    def transport(self) -> asyncio.Transport:
        """The line itself, for what TLS knows of the peer."""
        found: asyncio.Transport = self._connection._transport
        return found

    async def reconnect(self, delay: bool = False) -> None:
        """What gmqtt calls when the line broke: here the session simply ends."""
        self._end(self.reason)

    def _end(self, reason: str) -> None:
        if self.ended.is_set():
            return
        self.reason = reason
        self.ended.set()
        answers, self._answers = self._answers, {}
        for answer in answers.values():
            if not answer.done():
                answer.set_exception(Lost(reason))
        self._outbox.clear()

    # Sending

    def write(self, packet: bytes, linger: float) -> bool:
        """Queue a whole packet; those of `linger` seconds leave in one piece. False when the line is congested."""
        if self.ended.is_set() or self.transport.get_write_buffer_size() > _CONGESTED:
            return False
        if not self._outbox:
            loop = asyncio.get_running_loop()
            _ = loop.call_later(linger, self.flush) if linger else loop.call_soon(self.flush)
        self._outbox.append(packet)
        return True

    def flush(self) -> None:
        """Send what `write` queued."""
        if self._outbox and not self.ended.is_set():
            self._connection.send_package(b"".join(self._outbox))
        self._outbox.clear()

    async def post(self, message: Message, properties: Mapping[str, object]) -> None:
        """Publish; with QoS 1 or 2 wait until the broker has it. Refused if it says no, Lost if the line broke."""
        made = gmqtt.Message(message.topic, message.payload, message.qos, message.retain, **properties)
        if message.qos == 0:
            self._alive()
            self.flush()
            self._connection.publish(made)
            return
        async with self._slots:
            self._alive()
            self.flush()
            mid, _ = self._connection.publish(made)
            await self._answer(mid)

    async def subscribe_to(self, topic_filter: str, qos: int, options: Mapping[str, int]) -> int:
        """SUBSCRIBE and return the QoS granted. Refused if the broker says no, Lost if the line broke."""
        self._alive()
        wanted = gmqtt.Subscription(topic_filter.encode(), qos, **options)
        code = int((await self._answer(self._connection.subscribe([wanted])))[0])
        if code >= 0x80:
            raise Refused(f"subscription to {topic_filter}: {REASONS.get(code, 'refused')} (code {code})")
        return code

    async def unsubscribe_from(self, topic_filter: str) -> None:
        """UNSUBSCRIBE and wait for the answer."""
        self._alive()
        await self._answer(self._connection.unsubscribe([topic_filter.encode()]))

    def _alive(self) -> None:
        if self.ended.is_set():
            raise Lost(self.reason)

    async def _answer(self, mid: int) -> Any:
        waiting: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers[mid] = waiting
        try:
            return await waiting
        finally:
            self._answers.pop(mid, None)

    # What gmqtt reports

    def _settle(self, mid: int, answer: object) -> None:
        waiting = self._answers.get(mid)
        if waiting is None or waiting.done():
            return
        if isinstance(answer, Exception):
            waiting.set_exception(answer)
        else:
            waiting.set_result(answer)

    def _acknowledged(self, command: int, packet: bytes) -> None:
        """PUBACK or PUBREC. gmqtt does not look at the reason of a PUBACK: a refused message would pass for sent."""
        code = packet[2] if len(packet) > 2 else 0
        if code >= 0x80:
            (mid,) = struct.unpack("!H", packet[:2])
            self._settle(mid, Refused(f"publishing: {REASONS.get(code, 'refused')} (code {code})"))
        self._plain[command & 0xF0](command, packet)

    def _remove_message_from_queue(self, mid: int) -> None:
        self._settle(mid, None)

    def _store_message_in_queue(self, mid: int, raw_package: bytes) -> None:
        """Nothing is kept here: what was not acknowledged, its publisher sends again on the next connection."""

    def _subscribed(self, mid: int, granted: tuple[int, ...], properties: object) -> None:
        self._settle(mid, granted)

    def _unsubscribed(self, mid: int, reasons: object) -> None:
        self._settle(mid, reasons)

    def _accepted(self, session_present: int, code: int, properties: Mapping[str, object]) -> None:
        self.session_present = bool(session_present)
        self.properties = properties
        allowed = int(self._package_handler.id_generator._max) - 2
        self._slots = asyncio.Semaphore(max(1, min(self._in_flight, allowed)))

    def _received(self, topic: str, payload: bytes, qos: int, properties: Mapping[str, object]) -> int:
        if isinstance(topic, str):
            self._deliver(Message(topic, bytes(payload), qos, bool(properties["retain"]), properties))
        return 0

    def _disconnected(self, packet: object, *_: object) -> None:
        code = packet[0] if isinstance(packet, bytes) and packet else 0
        self._end(REASONS.get(code, "the broker closed the connection"))
