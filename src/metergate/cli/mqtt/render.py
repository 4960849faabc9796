"""Payloads as text for people: JSON, hex, Sparkplug, Glow, telegrams, or whatever they seem to be."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

from metergate.errors import BadValue, DecodeError
from metergate.links.mqtt import Message
from metergate.model import Reading
from metergate.wire import protocols
from metergate.wire.base import Telegram, received
from metergate.wire.sparkplug import decode as decode_sparkplug
from metergate.wire.sparkplug import parse_state
from metergate.wire.sparkplug.protobuf import fields
from metergate.wire.zigbee import decode as decode_zigbee


def renderer(how: str) -> Callable[[Message], str]:
    """The function that shows messages `how`; BadValue if there is no such way."""
    if how in RENDERERS:
        return RENDERERS[how]
    if how in protocols():
        return lambda message: telegrams(how, message.payload)
    raise BadValue(f"--decode {how}: one of {', '.join((*RENDERERS, *protocols()))}")


def automatic(message: Message) -> str:
    """As what it most probably is: by its topic, else JSON or text, else hex."""
    if message.topic.startswith("spBv1.0/"):
        try:
            return sparkplug(message)
        except DecodeError:
            return as_hex(message)
    return text(message)


def text(message: Message) -> str:
    """UTF-8 that can be printed, else hex."""
    try:
        found = message.payload.decode()
    except UnicodeDecodeError:
        return as_hex(message)
    printable = all(sign.isprintable() or sign in "\n\t\r" for sign in found)
    return found if printable else as_hex(message)


def as_json(message: Message) -> str:
    """JSON, indented."""
    try:
        return json.dumps(json.loads(message.payload), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return f"no JSON: {text(message)}"


def as_hex(message: Message) -> str:
    """Hexadecimal digits."""
    return message.payload.hex(" ")


def sparkplug(message: Message) -> str:
    """A Sparkplug payload: sequence, and a line a metric."""
    if message.topic.startswith("spBv1.0/STATE/"):
        online, since = parse_state(message.payload)
        return f"{'online' if online else 'offline'} since {since}"
    payload = decode_sparkplug(message.payload)
    lines = [f"seq {payload.seq} timestamp {payload.timestamp}"]
    for metric in payload.metrics:
        name = metric.name or f"alias {metric.alias}"
        kept = " historical" if metric.historical else ""
        lines.append(f"  {name} = {metric.value!r}{kept}")
    return "\n".join(lines)


def raw_protobuf(message: Message) -> str:
    """Any protocol buffer: field numbers and values."""
    found = (
        f"  {number}: {value.hex(' ') if isinstance(value, bytes) else value}"
        for number, _, value, _ in fields(message.payload)
    )
    return "\n".join(("", *found))


def glow(message: Message) -> str:
    """The main values of a Glow display's message."""
    tree = json.loads(message.payload)
    for kind in ("electricitymeter", "gasmeter"):
        if kind in tree:
            used = tree[kind]["energy"]["import"]
            power = tree[kind].get("power", {})
            return (
                f"{kind} {tree[kind].get('timestamp')} {used.get('cumulative')} {used.get('units')}, "
                f"today {used.get('day')}, power {power.get('value')} {power.get('units', '')}"
            )
    return text(message)


def glow_cloud(message: Message) -> str:
    """The values of an older Glow display's message to the cloud: Zigbee attributes, a line a reading."""
    found = decode_zigbee(message.payload)
    time = found[0].meter_time if found else None
    return "\n".join((time.isoformat() if time else "", *(f"  {_reading(reading)}" for reading in found)))


def telegrams(protocol: str, payload: bytes) -> str:
    """Telegrams of a meter protocol: their readings, a line each."""
    receiver = protocols()[protocol].receiver({}, {})
    lines = [""]
    for found in received(receiver, payload):
        if isinstance(found, Telegram):
            lines += [f"  {_reading(reading)}" for reading in found.readings]
        else:
            lines.append(f"  {found.code}: {found.message}")
    return "\n".join(lines)


def _reading(reading: Reading) -> str:
    value = reading.value.hex(" ") if isinstance(reading.value, bytes) else reading.value
    return f"{reading.register.key} {value} {reading.unit.value if reading.unit else ''}"


def _safe(show: Callable[[Message], str]) -> Callable[[Message], str]:
    """What cannot be shown is said, not raised."""

    def shown(message: Message) -> str:
        try:
            return show(message)
        except (DecodeError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            return f"({type(error).__name__}: {error}) {as_hex(message)}"

    return shown


RENDERERS: dict[str, Callable[[Message], str]] = {
    "auto": automatic,
    "text": text,
    "json": as_json,
    "hex": as_hex,
    "base64": lambda message: base64.b64encode(message.payload).decode(),
    "sparkplug": _safe(sparkplug),
    "glow": _safe(glow),
    "glow-cloud": _safe(glow_cloud),
    "protobuf-raw": _safe(raw_protobuf),
}
