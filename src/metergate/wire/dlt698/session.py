"""Login, heartbeat and logout between a terminal and its station (LINK services of DL/T 698.45).

Over TCP it is the terminal that connects and logs in. Time enters as data; nothing here waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from metergate.errors import DecodeError
from metergate.wire.base import Problem
from metergate.wire.dlt698.apdu import Apdu
from metergate.wire.dlt698.dialogue import answer_to
from metergate.wire.dlt698.frame import LINK, UP, Address, Frame, hunter
from metergate.wire.dlt698.meter import Meter

LOGIN, HEARTBEAT, LOGOUT = range(3)
MISSES = 3
"""Unanswered heartbeats after which the line is given up."""


class Terminal:
    """The terminal's end: a meter that logs in, sends heartbeats and reports, and answers its station.

    `heartbeat` seconds between signs of life; `offline` once three were not answered: then connect and `open` again.
    """

    def __init__(self, meter: Meter, heartbeat: int = 180, client: int = 0) -> None:
        self.meter, self.heartbeat, self.client = meter, heartbeat, client
        self.online = False
        self.unanswered = 0
        self._hunter = hunter()
        self._sent: datetime | None = None
        self._number = 0

    @property
    def offline(self) -> bool:
        """Three signs of life were not answered."""
        return self.unanswered >= MISSES

    def open(self, now: datetime) -> bytes:
        """The login, first thing on a new connection."""
        self.online, self.unanswered = False, 0
        return self._link(LOGIN, now)

    def close(self, now: datetime) -> bytes:
        """The logout."""
        self.online = False
        return self._link(LOGOUT, now)

    def due(self, now: datetime) -> Iterator[bytes]:
        """A sign of life when it is time for one: the login again until it was answered, then heartbeats."""
        if self._sent is None or now - self._sent >= timedelta(seconds=self.heartbeat):
            yield self._link(HEARTBEAT if self.online else LOGIN, now)

    def _link(self, kind: int, now: datetime) -> bytes:
        self._sent = now
        self.unanswered += 1
        self._number = self._number + 1 & 0x3F
        fields = {"piid": self._number, "pdu": kind, "heartbeat_s": self.heartbeat, "sent": self.meter.local(now)}
        octets = Apdu("link-request", fields).encode()
        return Frame(Address(self.meter.address), octets, UP | LINK, self.client).encode()

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        """See `wire.base.Responder`: what the station sends; answers to it."""
        for catch in self._hunter.feed(data):
            if not isinstance(catch, Problem):
                self._hear(Frame.of(catch[1]))
        yield from self.meter.receive(data, now)

    def _hear(self, frame: Frame) -> None:
        if frame.from_meter or not frame.address.names(self.meter.address) or frame.apdu[:1] != b"\x81":
            return
        try:
            answer = Apdu.decode(frame.apdu)
        except DecodeError:
            return
        if answer.piid & 0x3F == self._number and answer.fields["result"] & 7 == 0:
            self.online, self.unanswered = True, 0

    def silence(self) -> None:
        """See `wire.base.Responder`."""
        for _ in self._hunter.silence():
            pass
        self.meter.silence()


@dataclass
class Presence:
    """The station's view of one connection: who logged in, and when it was heard last."""

    terminal: str | None = None
    heartbeat: int = 180
    heard: datetime | None = None

    def hear(self, frame: Frame, now: datetime) -> Frame | None:
        """Take note of a frame from the terminal; the answer if it is a login, a heartbeat, a logout or a report."""
        if not frame.from_meter:
            return None
        self.heard = now
        if frame.split:
            return None
        try:
            apdu = Apdu.decode(frame.apdu)
        except DecodeError:
            return None
        if apdu.service == "link-request":
            self.terminal = None if apdu.fields["pdu"] == LOGOUT else frame.address.text
            self.heartbeat = apdu.fields["heartbeat_s"] or self.heartbeat
        answer = answer_to(apdu)
        return Frame(frame.address, answer.encode(), frame.control & ~UP, frame.client) if answer else None

    def online(self, now: datetime) -> bool:
        """Logged in, and heard within three heartbeats."""
        if self.terminal is None or self.heard is None:
            return False
        return now - self.heard <= MISSES * timedelta(seconds=self.heartbeat)
