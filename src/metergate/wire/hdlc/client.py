"""The client's (primary) end of an HDLC connection, as dialogues (IEC 62056-46; specification chapters 0.3 and 2.1).

Every APDU arrives once and in order, or an error is raised: what is lost is asked for again by polling, what comes
twice is passed over. That holds as long as no frame is older than seven that were sent after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from metergate.errors import BadChecksum, BadValue, DecodeError, MetergateError, NoAnswer, Refused
from metergate.wire.base import MORE, Ask, Dialogue, More, Problem
from metergate.wire.hdlc.address import Address
from metergate.wire.hdlc.frame import POLL, REQUEST, RESPONSE, Frame, Kind, kind_of
from metergate.wire.hdlc.framer import Framer
from metergate.wire.hdlc.parameters import DEFAULT, Parameters
from metergate.wire.hdlc.window import Receiving, Sending

_KEPT = 16
"""Most unasked APDUs that are kept."""
_BABBLE = 1 << 16
"""Bytes in one turn after which nobody is listened to any more: seven frames are a quarter of it."""
_DRAINED = 16
"""Most pieces of an older connection that are waited out."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How the line behaves.

    `timeout`: seconds until an answer begins; `tries`: how often nothing may come of asking before the connection is
    given up; `poll`, `polls`: seconds between and number of polls of a meter that has its answer not ready yet;
    `parameters`: what is proposed; `propose`: whether SNRM names them even if they are the defaults.
    """

    timeout: float = 2.0
    tries: int = 3
    poll: float = 0.2
    polls: int = 50
    parameters: Parameters = DEFAULT
    propose: bool = False


@dataclass(slots=True)
class _Turn:
    """What the meter sent when it had the turn."""

    final: Frame | None = None
    progress: bool = False
    garbled: bool = False


class Link:
    """A connection to one logical device of one meter. `opening` is held before it, for meters that want a sign-on.

    `parameters` are the negotiated ones, `unasked` the APDUs that came in UI frames.
    """

    def __init__(
        self,
        client: int | Address = 16,
        server: int | Address = 1,
        settings: Settings | None = None,
        opening: Callable[[], Dialogue[object]] | None = None,
    ) -> None:
        self.client = Address(client) if isinstance(client, int) else client
        self.server = Address(server) if isinstance(server, int) else server
        self.settings = settings or Settings()
        self.opening = opening
        self.connected = False
        self.parameters = self.settings.parameters
        self.unasked: deque[bytes] = deque(maxlen=_KEPT)
        self._dirty = False
        self._inbox: deque[bytes] = deque()
        self._sending, self._receiving = Sending(), Receiving()

    # --- the three methods -------------------------------------------------------------------------------------------
    def connect(self) -> Dialogue[None]:
        """SNRM until UA. NoAnswer, BadChecksum (what came was garbled), Refused, BadValue (parameters)."""
        self.connected = False
        if self._dirty:
            yield from self._drain()
        if self.opening is not None:
            yield from self.opening()
        proposed = self.settings.parameters
        information = proposed.octets if self.settings.propose or proposed != DEFAULT else b""
        answer = yield from self._unnumbered(Kind.SNRM, information)
        if answer.kind is Kind.DM:
            raise Refused(f"meter {self.server} refuses the connection")
        theirs = Parameters.of(answer.information)
        self.parameters = proposed.answered(theirs)
        self._sending = Sending(self.parameters.transmit, self.parameters.transmit_window)
        self._receiving = Receiving()
        self._inbox.clear()
        self.connected, self._dirty = True, False

    def exchange(self, *apdus: bytes) -> Dialogue[bytes]:
        """Send APDUs, wait for one. NoAnswer, BadChecksum: then the connection is given up. See `Transport`."""
        self._require()
        for apdu in apdus:
            self._sending.put(REQUEST + apdu)
        return (yield from self._converse())

    def receive(self) -> Dialogue[bytes]:
        """Wait for one more APDU. As `exchange`."""
        self._require()
        return (yield from self._converse())

    def send(self, apdu: bytes) -> Dialogue[None]:
        """Send an APDU in a UI frame, which nobody acknowledges. BadValue if it does not fit one."""
        if len(apdu) + len(REQUEST) > self.parameters.transmit:
            raise BadValue(f"{len(apdu)} bytes do not fit a frame of {self.parameters.transmit}")
        yield Ask(self._frame(Kind.UI, REQUEST + apdu).octets, 0)

    def disconnect(self) -> Dialogue[None]:
        """DISC until UA or DM; a meter that keeps silent is left alone."""
        yield from self._leave(self.settings.tries)

    # --- turns -------------------------------------------------------------------------------------------------------
    def _converse(self) -> Dialogue[bytes]:
        """Take turns until ours is acknowledged and a message of theirs is whole."""
        missed, polls, asking = 0, 0, False
        while not (self._inbox and self._sending.idle):
            try:
                turn = yield from self._turn(self._poll() if asking else self._batch())
            except MetergateError:
                self.connected, self._dirty = False, True
                raise
            missed = 0 if turn.progress else missed + 1
            asking = turn.final is None
            if turn.final is not None and self._waits(turn.final):
                polls, missed, asking = polls + 1, 0, True
                yield from self._pause()
            if missed > self.settings.tries or polls > self.settings.polls:
                yield from self._give_up(turn.garbled)
        return self._inbox.popleft()

    def _waits(self, frame: Frame) -> bool:
        """Whether the meter has all, but is not ready to take or to tell more."""
        return frame.kind is Kind.RNR or (frame.kind is Kind.RR and self._sending.idle and not self._inbox)

    def _batch(self) -> list[Frame]:
        segments = self._sending.batch()
        if not segments:
            return self._poll()
        frames = []
        for number, information, more in segments:
            last = number == segments[-1][0]
            control = self._receiving.expected << 5 | last * POLL | number << 1
            frames.append(Frame(self.server, self.client, control, information, more))
        return frames

    def _poll(self) -> list[Frame]:
        control = self._receiving.expected << 5 | POLL | Kind.RR
        return [Frame(self.server, self.client, control)]

    def _turn(self, frames: list[Frame]) -> Dialogue[_Turn]:
        """Send, and hear what comes until the turn is ours again or nothing more comes."""
        turn, framer = _Turn(), Framer()
        step: Ask | More = Ask(b"".join(frame.octets for frame in frames), self.settings.timeout)
        heard = 0
        while turn.final is None and heard < _BABBLE:
            chunk = yield step
            heard += len(chunk)
            for frame in self._frames(framer, chunk, turn):
                self._take(frame, turn)
            if not chunk:
                break
            step = MORE
        return turn

    def _frames(self, framer: Framer, chunk: bytes, turn: _Turn) -> Iterator[Frame]:
        """Frames for us; broken ones and those of others are passed over."""
        for catch in framer.feed(chunk) if chunk else framer.silence():
            if isinstance(catch, Problem):
                turn.garbled = True
                continue
            frame = Frame.of(catch[1])
            if frame.destination == self.client and frame.source == self.server and _known(frame):
                yield frame

    def _take(self, frame: Frame, turn: _Turn) -> None:
        if frame.kind in (Kind.DM, Kind.FRMR, Kind.DISC):
            raise NoAnswer(f"meter {self.server} has ended the connection ({frame.kind.name})")
        if frame.kind is Kind.UI:
            self.unasked.append(frame.information.removeprefix(RESPONSE))
        if frame.kind not in (Kind.I, Kind.RR, Kind.RNR):
            return
        acknowledged = self._sending.acknowledge(frame.receive)
        if acknowledged is None:
            return  # of an earlier turn
        turn.progress = turn.progress or acknowledged > 0
        if frame.kind is Kind.I:
            self._segment(frame, turn)
        if frame.final:
            turn.final = frame

    def _segment(self, frame: Frame, turn: _Turn) -> None:
        before = self._receiving.expected
        message = self._receiving.take(frame.send, frame.information, frame.segmented)
        turn.progress = turn.progress or self._receiving.expected != before
        if message is not None:
            if not message.startswith(RESPONSE):
                raise BadValue(f"a message begins with {message[:3].hex()}, not with {RESPONSE.hex()}")
            self._inbox.append(message[len(RESPONSE) :])

    def _pause(self) -> Dialogue[None]:
        yield Ask(b"", self.settings.poll)

    # --- the connection itself ---------------------------------------------------------------------------------------
    def _unnumbered(self, kind: Kind, information: bytes = b"", tries: int = 0) -> Dialogue[Frame]:
        """Send until UA or DM comes. NoAnswer, BadChecksum."""
        turn = _Turn()
        for _ in range(tries or self.settings.tries):
            turn, framer = _Turn(garbled=turn.garbled), Framer()
            step: Ask | More = Ask(self._frame(kind, information, POLL).octets, self.settings.timeout)
            heard = 0
            while heard < _BABBLE:
                chunk = yield step
                heard += len(chunk)
                for frame in self._frames(framer, chunk, turn):
                    if frame.kind in (Kind.UA, Kind.DM):
                        return frame
                if not chunk:
                    break
                step = MORE
        self._dirty = True
        raise self._silent(turn.garbled)

    def _frame(self, kind: Kind, information: bytes = b"", poll: int = 0) -> Frame:
        return Frame(self.server, self.client, kind | poll, information)

    def _leave(self, tries: int) -> Dialogue[None]:
        self.connected = False
        try:
            yield from self._unnumbered(Kind.DISC, tries=tries)
        except (NoAnswer, BadChecksum):
            self._dirty = True

    def _give_up(self, garbled: bool) -> Dialogue[None]:
        """One DISC, so that the meter knows too if it hears us."""
        yield from self._leave(1)
        self._dirty = True
        raise self._silent(garbled)

    def _drain(self) -> Dialogue[None]:
        """Wait out what may still come of an older connection."""
        for _ in range(_DRAINED):
            if not (yield Ask(b"", self.settings.timeout)):
                return

    def _silent(self, garbled: bool) -> NoAnswer | BadChecksum:
        if garbled:
            return BadChecksum(f"what came from meter {self.server} was garbled")
        return NoAnswer(f"meter {self.server} does not answer")

    def _require(self) -> None:
        if not self.connected:
            raise NoAnswer(f"there is no connection to meter {self.server}: connect first")


def _known(frame: Frame) -> bool:
    try:
        return kind_of(frame.control) is not None
    except DecodeError:
        return False
