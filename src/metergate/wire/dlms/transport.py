"""What carries COSEM APDUs: the same few methods over HDLC, over the TCP and UDP wrapper, and over whatever comes.

`wire.hdlc.client.Link` and `wire.dlms.wrapper.client.Link` are `Transport`s; `wire.hdlc.server.Station` and
`wire.dlms.wrapper.server.Station` hand what they receive to an `OnApdu`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Protocol

from metergate.wire.base import Dialogue

OnApdu = Callable[[int, int, bytes, datetime], bytes | None]
"""`on_apdu(client, server, apdu, now)`: the answer, or None for none. Addresses are the client's SAP and the logical
device (HDLC), or the two wrapper ports."""

OnMore = Callable[[int, int], Iterable[bytes]]
"""`more(client, server)`: APDUs that follow what was answered, or that nobody asked for; each is given once."""

OnClose = Callable[[int, int], None]
"""`on_close(client, server)`: the connection is gone (disconnected, opened anew, or idle too long)."""


class Transport(Protocol):
    """The client's way to one logical device."""

    connected: bool
    unasked: deque[bytes]
    """What came between the exchanges."""

    def connect(self) -> Dialogue[None]:
        """Open the way. NoAnswer, or Refused if the meter says no."""
        ...

    def exchange(self, *apdus: bytes) -> Dialogue[bytes]:
        """Send APDUs, one in nearly all cases, and wait for one; each arrives once or an error is raised.

        NoAnswer; then `connected` is False where the way is lost.
        """
        ...

    def receive(self) -> Dialogue[bytes]:
        """Wait for one more APDU without sending one (streamed blocks)."""
        ...

    def send(self, apdu: bytes) -> Dialogue[None]:
        """Send an APDU that nobody answers."""
        ...

    def disconnect(self) -> Dialogue[None]:
        """Close the way. Silence is no error."""
        ...
