"""`metergate mqtt`: look into any MQTT broker. Status: 0 fine, 2 usage, 3 cannot connect, 4 refused, 5 timeout."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from base64 import b64encode
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from metergate.cli.mqtt.render import automatic, renderer
from metergate.cli.mqtt.work import Node, Statistics, connected, exit_code, facts, listen
from metergate.errors import BadValue, MetergateError, NoAnswer
from metergate.links.mqtt import Message, MqttClient, Tls, check_filter, check_topic, matches, read_password

app = App(name="mqtt", help="MQTT toolbox: subscribe, publish, test a broker.")
Topics = Annotated[list[str], Parameter(name=["--topic", "-t"], negative="")]
Qos = Annotated[Literal[0, 1, 2], Parameter(name=["--qos", "-q"])]
PREVIEW = 60


@Parameter(name="*")
@dataclass(frozen=True)
class At:
    """Which broker, and as whom."""

    url: Annotated[str, Parameter(name=["--url", "-u"], env_var="METERGATE_MQTT_URL")] = "mqtt://127.0.0.1:1883"
    "The broker: mqtt://user@host:1883 or mqtts://user@host."
    password_file: Path | None = None
    "File with the password; without it METERGATE_MQTT_PASSWORD."
    ca: Path | None = None
    "Certificates of the authorities to trust (PEM)."
    cert: Path | None = None
    "Our own certificate (PEM)."
    key: Path | None = None
    "Its key (PEM)."
    plain: bool = False
    "Allow an unencrypted connection to another machine."
    client_id: str = ""
    "Fixed client id; by default a new one each time."
    timeout: float = 10.0
    "Seconds to wait for the broker."

    def client(self) -> MqttClient:
        """A client by these options."""
        return MqttClient(
            self.url,
            self.client_id or f"metergate-{secrets.token_hex(4)}",
            password=read_password(self.password_file),
            tls=Tls(self.ca, self.cert, self.key),
            plain=self.plain,
            timeout=self.timeout,
        )


HERE = At()
Work = Callable[[MqttClient], Awaitable[None]]


def _run(at: At, work: Work) -> None:
    """Connect and do `work`; our errors become a line and the status that belongs to them."""

    async def whole() -> None:
        client = at.client()
        async with connected(client, at.timeout):
            await work(client)

    with _status():
        try:
            asyncio.run(whole())
        except KeyboardInterrupt:
            pass


@contextmanager
def _status() -> Iterator[None]:
    """End the program with the status of one of our errors, and a line."""
    try:
        yield
    except MetergateError as error:
        print(f"metergate mqtt: {error}", file=sys.stderr)
        raise SystemExit(exit_code(error)) from None


@app.command
def conn(*, at: At = HERE) -> None:
    """Test a connection: code, protocol, server properties, TLS chain, answer time.

    Example:

        metergate mqtt conn --url mqtts://reader@broker.example --ca ca.pem --password-file secret
    """

    async def work(client: MqttClient) -> None:
        for name, value in facts(client, await client.ready(at.timeout)).items():
            print(f"{name:20} {value}")

    _run(at, work)


@Parameter(name="*")
@dataclass(frozen=True)
class Show:
    """What is shown of messages, and for how long."""

    decode: str = "auto"
    "auto, text, json, hex, base64, sparkplug, glow, glow-cloud, protobuf-raw, or the name of a meter protocol."
    retained_only: bool = False
    "Only what the broker had kept."
    count: int | None = None
    "Stop after so many messages."
    seconds: float | None = None
    "Stop after so long; status 5 if fewer than `count` came by then."
    stats: bool = False
    "Only count: messages and rates by topic, at the end."
    save: Path | None = None
    "Append every message to this file as a line of JSON."


@app.command
def sub(*, topic: Topics, qos: Qos = 0, show: Show = Show(), at: At = HERE) -> None:
    """Subscribe and show what comes, until Ctrl-C.

    Examples:

        metergate mqtt sub -t 'glow/#'

        metergate mqtt sub -t meters/raw --decode sml --count 1

    Parameters
    ----------
    topic
        Filter with + and #, or $share/GROUP/FILTER; may be given more than once.
    qos
        0, 1 or 2.
    """
    with _status():
        render = renderer(show.decode)
        for topic_filter in topic:
            check_filter(topic_filter)
    statistics = Statistics()

    def take(message: Message) -> bool:
        if show.retained_only and not message.retain:
            return False
        statistics.add(message)
        if show.save:
            _save(show.save, message)
        if not show.stats:
            print(f"{_clock()} {_head(message)} {render(message)}", flush=True)
        return statistics.messages.total() == show.count

    async def work(client: MqttClient) -> None:
        await listen(client, topic, qos, take, show.seconds)
        if show.count and statistics.messages.total() < show.count:
            raise NoAnswer(f"{statistics.messages.total()} of {show.count} messages came")

    _run(at, work)
    if show.stats:
        print("\n".join(statistics.lines()))


@Parameter(name="*")
@dataclass(frozen=True)
class Content:
    """What is published, from one of four places."""

    message: Annotated[str | None, Parameter(name=["--message", "-m"])] = None
    "The payload as text."
    file: Path | None = None
    "The payload from a file."
    stdin: bool = False
    "The payload from standard input."
    hexadecimal: Annotated[str | None, Parameter(name="--hex")] = None
    "The payload in hexadecimal digits."

    def payload(self) -> bytes:
        """The bytes; BadValue if they are given not at all, twice, or wrongly."""
        given = [self.message is not None, self.file is not None, self.stdin, self.hexadecimal is not None]
        if sum(given) != 1:
            raise BadValue("give the payload once: -m TEXT, --file FILE, --stdin or --hex DIGITS")
        try:
            if self.file is not None:
                return self.file.read_bytes()
            if self.hexadecimal is not None:
                return bytes.fromhex(self.hexadecimal)
        except (OSError, ValueError) as error:
            raise BadValue(f"the payload: {error}") from None
        return sys.stdin.buffer.read() if self.stdin else (self.message or "").encode()


@app.command
def pub(
    *,
    topic: Annotated[str, Parameter(name=["--topic", "-t"])] = "",
    content: Content = Content(),
    retain: Annotated[bool, Parameter(name=["--retain", "-r"])] = False,
    qos: Qos = 1,
    prop: Annotated[list[str] | None, Parameter(name="--prop", negative="")] = None,
    retain_clear: str | None = None,
    yes: bool = False,
    at: At = HERE,
) -> None:
    """Publish a message and wait until the broker has it.

    Examples:

        metergate mqtt pub -t home/test -m hello --retain

        metergate mqtt pub --retain-clear 'home/#'

    Parameters
    ----------
    topic
        Where to.
    retain
        Have the broker keep it.
    qos
        0, 1 or 2.
    prop
        User property key=value of MQTT 5; may be given more than once.
    retain_clear
        Delete the retained message of this topic, or, after showing them, those of a filter.
    yes
        Do not ask.
    """
    if retain_clear is not None:
        _clear(at, retain_clear, yes)
        return
    with _status():
        check_topic(topic)
        payload = content.payload()
        properties = {"user_property": [_pair(text) for text in prop]} if prop else {}

    async def work(client: MqttClient) -> None:
        try:
            async with asyncio.timeout(at.timeout):
                await client.publish(topic, payload, qos=qos, retain=retain, **properties)
        except TimeoutError:
            raise NoAnswer(f"the broker did not acknowledge within {at.timeout:g} s") from None

    _run(at, work)


@app.command
def retained(topic_filter: str = "#", /, *, wait: float = 1.0, at: At = HERE) -> None:
    """List what a broker has kept: topic, size, first bytes.

    Example:

        metergate mqtt retained 'homeassistant/#'

    Parameters
    ----------
    topic_filter
        Which topics.
    wait
        Seconds of silence after which nothing more is expected.
    """
    found = _retained(at, topic_filter, wait)
    for message in found:
        shown = automatic(message).replace("\n", " ")
        print(f"{message.topic} {len(message.payload)} {shown[:PREVIEW]}")


@app.command
def tree(
    topic_filter: str = "#",
    /,
    *,
    duration: Annotated[float, Parameter(name=["--duration", "-d"])] = 10.0,
    at: At = HERE,
) -> None:
    """Show the topics in use as a tree, with counts, rates and last values.

    Example:

        metergate mqtt tree --duration 30

    Parameters
    ----------
    topic_filter
        Which topics.
    duration
        Seconds to listen.
    """
    root = Node()

    async def work(client: MqttClient) -> None:
        await listen(client, [topic_filter], 0, root.add, duration)

    _run(at, work)
    print("\n".join(_branches(root, duration, 0)))


@app.command(name="topics-match")
def topics_match(topic_filter: str, topic: str, /) -> None:
    """Say whether a message to a topic reaches a subscriber of a filter. Status 1 if not.

    Example:

        metergate mqtt topics-match 'glow/+/SENSOR/#' glow/1234/SENSOR/gas
    """
    with _status():
        hit = matches(check_filter(topic_filter), check_topic(topic))
    print("matches" if hit else "does not match")
    if not hit:
        raise SystemExit(1)


def _retained(at: At, topic_filter: str, wait: float) -> list[Message]:
    found: list[Message] = []

    def take(message: Message) -> bool:
        if message.retain:
            found.append(message)
        return False

    async def work(client: MqttClient) -> None:
        await listen(client, [topic_filter], 0, take, None, wait)

    _run(at, work)
    return sorted(found, key=lambda message: message.topic)


def _clear(at: At, topic_filter: str, yes: bool) -> None:
    topics = [topic_filter]
    if "+" in topic_filter or "#" in topic_filter:
        topics = [message.topic for message in _retained(at, topic_filter, 1.0)]
        print("\n".join(topics))
        if not topics or not (yes or _agreed(f"delete these {len(topics)} retained messages? [y/N] ")):
            return

    async def work(client: MqttClient) -> None:
        for topic in topics:
            await client.publish(topic, b"", qos=1, retain=True)

    _run(at, work)


def _agreed(question: str) -> bool:
    """Whether somebody says yes. Nobody there means no."""
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        print("nobody answers: nothing is deleted; --yes deletes without asking", file=sys.stderr)
        return False


def _branches(node: Node, seconds: float, depth: int) -> Iterator[str]:
    for level, below in sorted(node.below.items()):
        told = ""
        if below.last:
            shown = automatic(below.last).replace("\n", " ")[:PREVIEW]
            told = f"  {below.count} ({below.count / seconds:.2f}/s) {shown}"
        yield f"{'  ' * depth}{level}{told}"
        yield from _branches(below, seconds, depth + 1)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise BadValue(f"--prop {text}: write key=value")
    return key, value


def _save(path: Path, message: Message) -> None:
    row = {
        "time": datetime.now(UTC).isoformat(),
        "topic": message.topic,
        "qos": message.qos,
        "retain": message.retain,
        "payload": b64encode(message.payload).decode(),
    }
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def _clock() -> str:
    return datetime.now().astimezone().isoformat(timespec="milliseconds")[11:23]


def _head(message: Message) -> str:
    return f"{message.topic} (q{message.qos}{' r' if message.retain else ''})"
