"""The two halves of a numbered connection: segments going out until acknowledged, and coming in in order."""

from __future__ import annotations

from collections import deque

from metergate.errors import BadValue

_MODULUS = 8
LONGEST_MESSAGE = 65535 + 3
"""Most bytes of an assembled message: an APDU and its LLC header."""

Segment = tuple[int, bytes, bool]
"""N(S), information, and whether more of the message follows."""


class Sending:
    """Go back N: what is not acknowledged is sent again. `size` bytes a segment, `window` segments at a time."""

    def __init__(self, size: int = 128, window: int = 1) -> None:
        self.size, self.window = size, window
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._first = 0
        self._sent = 0

    def put(self, message: bytes) -> None:
        """Queue a message."""
        places = range(0, max(len(message), 1), self.size)
        self._waiting += [(message[at : at + self.size], at + self.size < len(message)) for at in places]

    @property
    def idle(self) -> bool:
        """Whether all that was queued is acknowledged."""
        return not self._waiting

    def acknowledge(self, number: int) -> int | None:
        """The other side expects `number` next: how many segments that acknowledges; None if it cannot be."""
        count = (number - self._first) % _MODULUS
        if count > self._sent:
            return None
        for _ in range(count):
            self._waiting.popleft()
        self._first = number
        self._sent -= count
        return count

    def batch(self) -> list[Segment]:
        """What is to be sent now: all that is not acknowledged, as far as the window reaches."""
        self._sent = min(self.window, len(self._waiting))
        numbered = zip(range(self._sent), self._waiting, strict=False)
        return [((self._first + n) % _MODULUS, chunk, more) for n, (chunk, more) in numbered]


class Receiving:
    """Takes segments in order and joins them; those that come again or out of turn are passed over."""

    def __init__(self) -> None:
        self.expected = 0
        """N(R): the number of the next segment."""
        self._parts = bytearray()

    def take(self, number: int, information: bytes, more: bool) -> bytes | None:
        """A message that is now whole. BadValue when it grows too long."""
        if number != self.expected:
            return None
        self.expected = (number + 1) % _MODULUS
        if len(self._parts) + len(information) > LONGEST_MESSAGE:
            raise BadValue(f"a message of more than {LONGEST_MESSAGE} bytes")
        self._parts += information
        if more:
            return None
        message = bytes(self._parts)
        self._parts.clear()
        return message
