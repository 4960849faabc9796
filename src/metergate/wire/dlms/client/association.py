"""The reader's side of an association: opened and proved, requests protected, answers matched to them, released."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from metergate.errors import (
    ApplicationError,
    BadValue,
    DecodeError,
    NoAnswer,
    Refused,
    Replay,
    Unprotected,
    Unsupported,
)
from metergate.wire.base import Dialogue
from metergate.wire.dlms import acse
from metergate.wire.dlms import apdu as a
from metergate.wire.dlms.acse import Aare, Aarq, Mechanism, Result, Rlrq
from metergate.wire.dlms.apdu import (
    Apdu,
    Conformance,
    EventNotification,
    ExceptionResponse,
    InitiateRequest,
    InitiateResponse,
    Method,
)
from metergate.wire.dlms.authentication import Credentials, Handshake, Side, challenge
from metergate.wire.dlms.client.blocks import Exchanges
from metergate.wire.dlms.client.entrance import Entrance
from metergate.wire.dlms.data import Data, octets
from metergate.wire.dlms.security import Channel, Heard
from metergate.wire.dlms.transport import Transport

CURRENT = bytes((0, 0, 40, 0, 0, 255))
STRAY = 8
"""Answers of earlier requests that are passed over at most."""
REPLY_BY_SHORT_NAME = 0xFA58
"""The method of the association that takes our proof, by its short name (u)."""
COUNTER_ERROR = 6
PROTECTION = 30
LONGEST = 4 << 20
"""Octets of a long answer at most."""
EXCEPTION = 0xD8
_ERRORS = {
    1: "operation not possible",
    2: "service not supported",
    3: "other reason",
    4: "PDU too long",
    5: "deciphering error",
    6: "invocation counter error",
}
UNASKED = (b"\x0f", b"\xc2", b"\xca", b"\xd2")
"""How notifications begin."""
KEPT = 16
Accept = Callable[[Apdu], bool]


class Association:
    """One association over `transport`. `conformance` and `max_pdu` are what was agreed; 0 while it is not open."""

    def __init__(
        self, transport: Transport, entrance: Entrance, draw: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self.transport, self.entrance = transport, entrance
        self.conformance, self.max_pdu = 0, 0
        self.meter_title = entrance.meter_title
        self.unasked: deque[bytes] = deque(maxlen=KEPT)
        """Notifications that came between the answers, as they came: nobody vouches for those in clear."""
        self.events: deque[EventNotification] = deque(maxlen=KEPT)
        """Events among them, protected as all is in this association."""
        self._exchanges = Exchanges(transport, entrance.window, self._note)
        self._draw = draw
        self._channel: Channel | None = None
        self._invoke = 0

    def enter(self, entrance: Entrance) -> None:
        """From now on associate by another entrance."""
        self.entrance, self.conformance = entrance, 0

    @property
    def open(self) -> bool:
        """Whether services may be asked for."""
        return bool(self.conformance)

    @property
    def limit(self) -> int:
        """How long a plain request may be."""
        most = self.max_pdu or 0xFFFF
        return most - PROTECTION if self._channel else most

    # ---- opening and closing ----
    def associate(self) -> Dialogue[None]:
        """Connect, associate, prove ourselves and have the meter prove itself.

        Refused if it says no, WrongKey if it could not prove itself; NoAnswer, DecodeError.
        """
        self.conformance = 0
        if not self.transport.connected:
            yield from self.transport.connect()
        try:
            answer, mine = yield from self._aare()
            yield from self._proved(answer, mine)
        except (DecodeError, Refused):
            self.conformance = 0
            raise

    def _aare(self) -> Dialogue[tuple[Aare, bytes]]:
        """The meter's answer and our challenge. A counter that was too low is lifted, once."""
        for last in (False, True):
            mine = challenge(draw=self._draw) if self.entrance.mechanism.high else b""
            octets_in = yield from self.transport.exchange(self._aarq(mine))
            if octets_in[:1] != bytes((EXCEPTION,)):
                return self._accepted(octets_in), mine
            found = a.decode(octets_in)
            if last or not self._lifted(found):
                raise _exception(found)
        raise NoAnswer("no association")

    def _aarq(self, mine: bytes) -> bytes:
        door = self.entrance
        key = self._draw(16) if door.dedicated and door.context.ciphered else None
        told = a.encode(InitiateRequest(door.conformance, door.max_pdu, key))
        if door.context.ciphered:
            self._channel = Channel(
                door.keys,
                door.title,
                self.meter_title,
                control=door.control,
                counter=door.counter,
                heard=door.heard,
                general=False,
            )
            told = self._channel.seal(told)
            self._channel.general = door.general
            self._channel.keys = replace(door.keys, dedicated=key or b"")
        value = door.secret if door.mechanism is Mechanism.LOW else mine or None
        mechanism = None if door.mechanism is Mechanism.NONE else door.mechanism
        return Aarq(door.context, mechanism, door.title, value, told).encode()

    def _accepted(self, octets_in: bytes) -> Aare:
        """The AARE, and what it agrees to. Refused, DecodeError."""
        found = acse.decode(octets_in)
        if not isinstance(found, Aare):
            raise BadValue("the answer to an AARQ is no AARE")
        if found.result is not Result.ACCEPTED:
            raise Refused(f"the meter refuses the association: {found.diagnostic}")
        if self.meter_title and found.title and found.title != self.meter_title:
            raise BadValue(f"the meter's system title is {found.title.hex()}, not {self.meter_title.hex()}")
        self.meter_title = self.meter_title or found.title
        told = found.user_information
        if self._channel:
            self._channel.theirs = self.meter_title
            told = self._channel.open(told)
        agreed = a.decode(told)
        if not isinstance(agreed, InitiateResponse):
            raise BadValue("the AARE holds no InitiateResponse")
        self.conformance, self.max_pdu = agreed.conformance & self.entrance.conformance, agreed.max_pdu
        if self.entrance.general:
            self.agreed(Conformance.GENERAL_PROTECTION)
        return found

    def _proved(self, answer: Aare, mine: bytes) -> Dialogue[None]:
        """Third and fourth pass. The association is dropped where the meter does not prove itself."""
        door = self.entrance
        if not door.mechanism.high:
            return
        self.agreed(Conformance.READ if door.context.short_names else Conformance.ACTION)
        heard = Heard(door.heard.last)
        known = Credentials(
            door.secret, door.keys, door.control.suite, door.counter, heard, door.signing, door.verifying, door.plug
        )
        peer = Side(self.meter_title, answer.authentication or b"")
        shake = Handshake(door.mechanism, Side(door.title, mine), peer, known)
        proof = octets(shake.proof())
        theirs = yield from self._fourth_pass(proof)
        if theirs is None:
            raise Refused("the meter does not accept our proof: wrong secret or key")
        shake.check(theirs.octets)
        if door.mechanism is Mechanism.GMAC and heard.last > door.heard.last:
            door.heard.accept(heard.last)

    def _fourth_pass(self, proof: Data) -> Dialogue[Data | None]:
        """The meter's proof for ours; None where it does not take ours."""
        if self.entrance.context.short_names:
            place = a.Parameterised(REPLY_BY_SHORT_NAME, 0, proof)
            told = yield from self.ask(a.ReadRequest((place,)), lambda found: isinstance(found, a.ReadResponse))
            returned: object = told.results[0] if len(told.results) == 1 else None
        else:
            request = a.ActionRequest(self.invoke(), Method(15, CURRENT, 1), proof)
            reply = yield from self.ask(request, lambda found: isinstance(found, a.ActionResponse))
            returned = None if reply.outcome.result else reply.outcome.returned
        return returned if isinstance(returned, Data) else None

    def release(self) -> Dialogue[None]:
        """End the association and the connection; silence is no error."""
        try:
            if self.open and self.transport.connected:
                yield from self.transport.exchange(Rlrq(0).encode())
        except (NoAnswer, DecodeError):
            pass
        self.conformance = 0
        yield from self.transport.disconnect()

    # ---- requests ----
    def invoke(self) -> int:
        """The next invoke-id-and-priority: confirmed, urgent."""
        self._invoke = (self._invoke + 1) % 16
        return a.with_id(self._invoke)

    def agreed(self, needed: int) -> None:
        """Unsupported unless all these services were negotiated."""
        missing = needed & ~self.conformance
        if missing:
            raise Unsupported(f"the meter did not agree to {Conformance(missing).name or 'this service'}")

    def ask(self, request: Apdu, accept: Accept, again: bool = True) -> Dialogue[Apdu]:
        """Send a request; the answer with its invoke id that `accept` takes. What else comes is passed over.

        ApplicationError for an exception of the meter. A request that the meter did not take because of its counter is
        sent once more with the counter that it expects; not so with `again` False: an exception proves nothing.
        """
        found = yield from self._asked(a.encode(request), request, accept)
        if isinstance(found, ExceptionResponse) and self._lifted(found) and again:
            found = yield from self._asked(a.encode(request), request, accept)
        if isinstance(found, ExceptionResponse):
            raise _exception(found)
        return found

    def say(self, request: Apdu) -> Dialogue[None]:
        """Send a request that nobody answers."""
        plain = a.encode(request)
        yield from self.transport.send(self._channel.seal(plain) if self._channel else plain)

    def _asked(self, plain: bytes, request: Apdu, accept: Accept) -> Dialogue[Apdu]:
        sealed = self._channel.seal(plain) if self._channel else plain
        self.gather()
        received = yield from self._sent(sealed)
        for _ in range(STRAY):
            found = self._opened(received)
            if isinstance(found, ExceptionResponse):
                return found
            if found is not None and accept(found) and _same(found, request):
                return found
            received = yield from self._exchanges.further()
        raise NoAnswer("only answers to other requests came")

    def _opened(self, received: bytes) -> Apdu | None:
        """The answer; None for an old one. DecodeError."""
        if self._channel is None or received[:1] == bytes((EXCEPTION,)):
            return a.decode(received)
        try:
            return a.decode(self._channel.open(received))
        except Replay:
            return None
        except Unprotected:
            raise Unprotected("the meter answers in clear in a ciphered association") from None

    def _lifted(self, found: Apdu) -> bool:
        """Whether the meter expects another counter, and ours was lifted to it."""
        if not isinstance(found, ExceptionResponse) or found.error != COUNTER_ERROR or found.counter is None:
            return False
        if found.counter <= self.entrance.counter.last:
            return False
        self.entrance.lift(found.counter)
        return True

    def _sent(self, sealed: bytes) -> Dialogue[bytes]:
        """Send an APDU, in blocks if it is too long, and collect the answer's blocks."""
        most = self.max_pdu or 0xFFFF
        if len(sealed) <= most:
            return (yield from self._exchanges.plain(sealed))
        self.agreed(Conformance.GENERAL_BLOCK_TRANSFER)
        return (yield from self._exchanges.in_blocks(sealed, most))

    # ---- what nobody asked for ----
    def _note(self, received: bytes) -> bool:
        """Whether an APDU is a notification; then it is kept."""
        if received[:1] not in UNASKED:
            return False
        self.unasked.append(received)
        try:
            plain = self._channel.open(received) if self._channel else received
            found = a.decode(plain)
        except DecodeError:
            return True
        if isinstance(found, EventNotification):
            self.events.append(found)
        return True

    def gather(self) -> None:
        """Take up the notifications that came between the exchanges."""
        waiting, self.transport.unasked = self.transport.unasked, deque(maxlen=KEPT)
        for received in waiting:
            self._note(received)


def _same(found: Apdu, request: Apdu) -> bool:
    """Whether an answer is the request's by its invoke id (answers by short names have none)."""
    mine, theirs = getattr(request, "invoke", None), getattr(found, "invoke", None)
    return mine is None or theirs is None or (mine ^ theirs) & 15 == 0


def _exception(found: ExceptionResponse) -> ApplicationError:
    return ApplicationError(f"the meter did not serve the request: {_ERRORS.get(found.error, f'error {found.error}')}")
