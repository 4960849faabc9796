"""Login, heartbeat and logout between a terminal and its station (LINK services of DL/T 698.45).

Over TCP it is the terminal that connects and logs in. Time enters as data; nothing here waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from metergate.errors import DecodeError
from metergate.wire.base import Problem
from metergate.wire.dlt698.apdu import Apdu
from metergate.wire.dlt698.dialogue import answer_to
from metergate.wire.dlt698.frame import LINK, UP, Address, Frame, hunter
from metergate.wire.dlt698.meter import Meter
from metergate.wire.signon import Heard, SignOn

LOGIN, HEARTBEAT, LOGOUT = range(3)


class Terminal(SignOn):
    """The terminal's end: a meter that logs in, sends heartbeats and reports, and answers its station.

    `heartbeat` seconds between signs of life; `offline` once three were not answered: then connect and `open` again.
    """

    LOGIN, HEARTBEAT, LOGOUT = LOGIN, HEARTBEAT, LOGOUT

    def __init__(self, meter: Meter, heartbeat: int = 180, client: int = 0) -> None:
        super().__init__(heartbeat)
        self.meter, self.client = meter, client
        self._hunter = hunter()
        self._number = 0

    def _link(self, kind: int, now: datetime) -> bytes:
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
class Presence(Heard):
    """See `Heard`; the login tells the heartbeat."""

    heartbeat: int = 180

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
