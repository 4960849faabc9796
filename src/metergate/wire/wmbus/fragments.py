"""Messages that came in several telegrams: put together whatever the order, given up after a while."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from metergate.errors import BadValue, Truncated
from metergate.wire.wmbus.layers import Afl

TIMEOUT = timedelta(seconds=60)
"""After this long an unfinished message is given up."""
MOST_MESSAGES = 256
"""Unfinished messages kept at once; the oldest goes."""
MOST_BYTES = 16_384
"""A message longer than this is refused."""


@dataclass(slots=True)
class _Message:
    since: datetime | None
    parts: dict[int, tuple[Afl, bytes]] = field(default_factory=dict)

    @property
    def last(self) -> int | None:
        """The number of the last fragment, once it is here."""
        return next((number for number, (afl, _) in self.parts.items() if not afl.more), None)


class Reassembler:
    """Fragments by sender. Fragment numbers count from 1; the one without "more follow" is the last."""

    def __init__(self) -> None:
        self._open: dict[bytes, _Message] = {}

    def add(self, sender: bytes, afl: Afl, body: bytes, at: datetime | None = None) -> tuple[Afl, bytes] | None:
        """Take a fragment in: the whole message and its joined header once nothing is missing, else None.

        A fragment that differs from one of the same number begins a new message. BadValue if a message grows too
        long, Truncated if it is not as long as it said.
        """
        message = self._message(sender, afl, body, at)
        message.parts[afl.fragment] = (afl, body)
        if sum(len(part) for _, part in message.parts.values()) > MOST_BYTES:
            del self._open[sender]
            raise BadValue(f"a message in fragments grew past {MOST_BYTES} bytes")
        last = message.last
        if last is None or set(message.parts) != set(range(1, last + 1)):
            return None
        del self._open[sender]
        return _joined([message.parts[number] for number in range(1, last + 1)])

    def _message(self, sender: bytes, afl: Afl, body: bytes, at: datetime | None) -> _Message:
        found = self._open.get(sender)
        late = found is not None and at is not None and found.since is not None and at - found.since > TIMEOUT
        if found is None or late or found.parts.get(afl.fragment, (afl, body)) != (afl, body):
            self._open.pop(sender, None)
            while len(self._open) >= MOST_MESSAGES:
                del self._open[next(iter(self._open))]
            found = self._open[sender] = _Message(at)
        return found

    def __len__(self) -> int:
        return len(self._open)


def _joined(parts: list[tuple[Afl, bytes]]) -> tuple[Afl, bytes]:
    head = parts[0][0]
    for afl, _ in parts[1:]:
        head = head.joined(afl)
    body = b"".join(part for _, part in parts)
    if head.length is not None and head.length != len(body):
        raise Truncated(f"a message of {head.length} bytes was announced, its fragments hold {len(body)}")
    return (head.joined(head), body)


def split(afl: Afl, message: bytes, room: int) -> list[tuple[Afl, bytes]]:
    """The fragments of a message, at most `room` bytes each; the MAC goes with the last, all else with the first."""
    pieces = [message[at : at + room] for at in range(0, len(message), room)]
    found = []
    for number, piece in enumerate(pieces, 1):
        first, final = number == 1, number == len(pieces)
        found.append(
            (
                Afl(
                    fragment=number,
                    more=not final,
                    mcl=afl.mcl if first else None,
                    key_info=afl.key_info if first else None,
                    counter=afl.counter if first else None,
                    mac=afl.mac if final else None,
                    length=len(message) if first else None,
                ),
                piece,
            )
        )
    return found
