"""Radio sticks: what they send over USB, a pipe or a socket, to telegrams with RSSI and the receiver's time."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from metergate.errors import BadValue
from metergate.wire.base import Found, Problem, Telegram
from metergate.wire.wmbus.link import Format
from metergate.wire.wmbus.memory import Memory
from metergate.wire.wmbus.receiver import Decode, Receiver
from metergate.wire.wmbus.sticks.amber import Amber
from metergate.wire.wmbus.sticks.base import Heard, Stick
from metergate.wire.wmbus.sticks.im871a import Im871a
from metergate.wire.wmbus.sticks.lines import Lines

__all__ = ["STICKS", "Heard", "Stick", "StickReceiver", "stick_of"]

Options = Mapping[str, object]
STICKS: dict[str, Callable[[str, Options], Stick]] = {
    "im871a": lambda mode, options: Im871a(mode),
    "amb8465": lambda mode, options: Amber(mode, bool(options.get("stick_rssi", True))),
    "cul": lambda mode, options: Lines(mode),
    "lines": lambda mode, options: Lines(),
}
"""Sticks by name; `lines` is any program that writes telegrams as text."""


def stick_of(options: Options) -> Stick | None:
    """The stick that a receiver's options name: `stick`, `stick_mode` ("T1"), `stick_rssi` (AMB8465: true).

    None without `stick`; BadValue for an unknown stick or mode.
    """
    name, mode = options.get("stick"), options.get("stick_mode", "T1")
    if not name:
        return None
    if name not in STICKS:
        raise BadValue(f"stick {name!r} is not known: there are {', '.join(STICKS)}")
    return STICKS[str(name)](str(mode), options)


class StickReceiver:
    """A `wire.base.Receiver` behind a stick. Telegrams get `rssi` (dBm) and `stick_time` where the stick tells.

    Offset and length are those of the stick's own frame.
    """

    def __init__(self, stick: Stick, decode: Decode) -> None:
        self.stick = stick
        self.position = 0
        self.memory: Memory | None = None
        """As `Receiver.memory`."""
        self._decode = decode

    @property
    def greeting(self) -> bytes:
        """What is to be sent when the line opens."""
        return self.stick.greeting

    @property
    def noise(self) -> int:
        """Bytes so far that were nothing of the stick's."""
        return self.stick.noise

    def receive(self, data: bytes, at: datetime | None = None) -> Iterator[Found]:
        """See `wire.base.Receiver`."""
        self.position += len(data)
        for item in self.stick.feed(data):
            yield from self._found(item, at)

    def silence(self) -> Iterator[Found]:
        """See `wire.base.Receiver`."""
        for item in self.stick.silence():
            yield from self._found(item, None)

    def _found(self, item: Heard | Problem, at: datetime | None) -> Iterator[Found]:
        if isinstance(item, Problem):
            yield item
            return
        ears = Receiver(self._decode, item.form)
        for found in ears.datagram(item.octets, at):
            if isinstance(found, Problem):
                yield Problem(found.code, item.offset, found.message)
            else:
                yield _placed(found, item)


def _placed(telegram: Telegram, heard: Heard) -> Telegram:
    """The telegram with where it stood in the stick's stream, and what the stick knows of it."""
    told: dict[str, object] = {"rssi": heard.rssi, "stick_time": heard.time}
    more = {name: value for name, value in told.items() if value is not None}
    frame = ChainMap(cast(MutableMapping[str, Any], more), cast(MutableMapping[str, Any], telegram.frame))
    problems = tuple(Problem(one.code, heard.offset, one.message) for one in telegram.problems)
    return replace(
        telegram, offset=heard.offset, length=heard.length, frame=frame if more else telegram.frame, problems=problems
    )


def form_of(options: Options) -> Format | None:
    """The frame format that a receiver's option `link_crc` names. BadValue for any other."""
    name = options.get("link_crc")
    if name not in (None, "", *(form.value for form in Format)):
        raise BadValue(f"link_crc {name!r}: write A, B or none")
    return Format(name) if name else None
