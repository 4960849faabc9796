"""The server: who associates how, one session for each client, and the transports in front of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from functools import reduce

from metergate.crypto import aes
from metergate.errors import DecodeError, Replay
from metergate.wire.dlms import acse
from metergate.wire.dlms import apdu as a
from metergate.wire.dlms.acse import Aare, Aarq, Diagnostic, Mechanism, Result, Rlre
from metergate.wire.dlms.apdu import EventNotification, ExceptionResponse, InitiateRequest, InitiateResponse, Outcome
from metergate.wire.dlms.authentication import challenge
from metergate.wire.dlms.cosem.association import CURRENT, AssociationLN
from metergate.wire.dlms.cosem.classes import SECURITY
from metergate.wire.dlms.cosem.device import Device
from metergate.wire.dlms.cosem.security import SecuritySetup
from metergate.wire.dlms.data import Data
from metergate.wire.dlms.security import TITLE, Channel
from metergate.wire.dlms.server.admission import BY_SHORT_NAME, Admission, Identity
from metergate.wire.dlms.server.objects import SETUP, View
from metergate.wire.dlms.server.proof import Proof
from metergate.wire.dlms.server.services import Services
from metergate.wire.dlms.server.session import COUNTER, NOT_ALLOWED, REFUSED, Agreed, Session
from metergate.wire.dlms.wrapper import server as wrapper
from metergate.wire.hdlc import server as hdlc

BY_NAME_VAA, BY_SHORT_NAME_VAA = 0x0007, 0xFA00
VERSION = 6
LEAST_PDU = 64
"""A client that cannot take this much is refused."""
AARQ, RLRQ = 0x60, 0x62
ASSOCIATIONS = 16
"""Associations at a time."""


class _Rejected(Exception):
    """An AARQ is turned down."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(str(diagnostic))
        self.diagnostic = diagnostic


class Server:
    """A logical device and those who may associate with it. `device` and `identity` outlive a loss of power."""

    def __init__(self, device: Device, admissions: Iterable[Admission], identity: Identity | None = None) -> None:
        self.device, self.identity = device, identity or Identity()
        self._admissions = {one.client: one for one in admissions}
        self._sessions: dict[tuple[int, int], Session] = {}
        self._associations: dict[int, AssociationLN] = {}
        self._tell_policy()

    def _tell_policy(self) -> None:
        """The security setup tells no less than what every ciphered association is held to anyway."""
        ciphered = [one.policy.policy for one in self._admissions.values() if any(c.ciphered for c in one.contexts)]
        found = self.device.find(SECURITY.number, SETUP)
        if isinstance(found, SecuritySetup) and ciphered:
            found.policy |= reduce(int.__and__, ciphered)

    def power_loss(self) -> None:
        """The supply failed and came back: associations are gone, what is kept is kept."""
        self._sessions.clear()
        self.device.power_loss()

    def on_close(self, client: int, server: int) -> None:
        """The connection below is gone, and the association with it."""
        self._sessions.pop((client, server), None)

    def more(self, client: int, server: int) -> list[bytes]:
        """What follows the answer just given (blocks), and what the client is told unasked; each is given once."""
        session = self._sessions.get((client, server))
        if session is None:
            return []
        told, session.following = session.following, []
        return told

    def notify(self, event: EventNotification) -> int:
        """Tell all clients who agreed to be told of events; how many they are. See `more`."""
        told = [session for session in self._sessions.values() if session.wants_events]
        for session in told:
            session.tell(event)
        return len(told)

    def on_apdu(self, client: int, server: int, apdu: bytes, now: datetime) -> bytes | None:
        """The answer to an APDU that a client sent to a logical device; None for none. `more` may follow it."""
        self.device.advance(now)
        key = (client, server)
        if apdu[:1] == bytes((AARQ,)):
            return self._associate(key, apdu)
        session = self._sessions.get(key)
        if apdu[:1] == bytes((RLRQ,)):
            return self._release(key, session, apdu)
        if session is None:
            return a.encode(REFUSED)
        answer = session.answer(apdu, now)
        if session.failed:
            self._sessions.pop(key, None)
        return answer

    # ---- opening and closing ----
    def _associate(self, key: tuple[int, int], octets: bytes) -> bytes:
        self._sessions.pop(key, None)
        try:
            request = acse.decode(octets)
        except DecodeError:
            return Aare(result=Result.REJECTED_PERMANENT, diagnostic=acse.NO_REASON).encode()
        if not isinstance(request, Aarq):
            return a.encode(REFUSED)
        try:
            return self._opened(key, request)
        except _Rejected as no:
            title = self.identity.title if request.context.ciphered else b""
            return Aare(request.context, Result.REJECTED_PERMANENT, no.diagnostic, title=title).encode()
        except Replay:
            expected = self.identity.listener(request.title).last + 1
            return a.encode(ExceptionResponse(NOT_ALLOWED, COUNTER, expected))

    def _opened(self, key: tuple[int, int], request: Aarq) -> bytes:
        admission = self._admitted(key[0], request)
        channel = self._channel(admission, request)
        proposed = _proposed(request.user_information, channel)
        if channel:
            channel.control = channel.control.at_least(channel.asked.policy)
        if channel and proposed.dedicated_key:
            channel.keys = replace(channel.keys, dedicated=proposed.dedicated_key)
        secret = self._associations[key[0]].secret if key[0] in self._associations else None
        if admission.mechanism is Mechanism.LOW and not aes.same(
            secret or admission.secret, request.authentication or b""
        ):
            raise _Rejected(acse.AUTHENTICATION_FAILURE)
        agreed = self._agree(admission, request, proposed, channel)
        session = self._session(admission, agreed)
        answer = self._accepted(session, request, secret)
        if len(self._sessions) >= ASSOCIATIONS:
            self._sessions.pop(next(iter(self._sessions)))
        self._sessions[key] = session
        return answer

    def _admitted(self, client: int, request: Aarq) -> Admission:
        """The way in that the client asks for."""
        admission = self._admissions.get(client)
        if admission is None:
            raise _Rejected(acse.NO_REASON)
        if request.context not in admission.contexts:
            raise _Rejected(acse.CONTEXT_NOT_SUPPORTED)
        asked = request.mechanism or Mechanism.NONE
        if asked != admission.mechanism:
            none = asked is Mechanism.NONE
            raise _Rejected(acse.AUTHENTICATION_REQUIRED if none else acse.MECHANISM_NOT_RECOGNISED)
        titled = request.context.ciphered or admission.mechanism in (Mechanism.GMAC, Mechanism.SHA256, Mechanism.ECDSA)
        if titled and (len(request.title) != TITLE or request.title == self.identity.title):
            raise _Rejected(acse.AUTHENTICATION_FAILURE)
        return admission

    def _channel(self, admission: Admission, request: Aarq) -> Channel | None:
        if not request.context.ciphered:
            return None
        who = self.identity
        heard = who.listener(request.title)
        found = self.device.find(SECURITY.number, SETUP)
        least = admission.policy.at_least(found.policy if isinstance(found, SecuritySetup) else 0)
        return Channel(who.keys, who.title, request.title, control=least, counter=who.counter, heard=heard)

    def _agree(self, admission: Admission, request: Aarq, proposed: InitiateRequest, channel: Channel | None) -> Agreed:
        if proposed.version < VERSION or 0 < proposed.max_pdu < LEAST_PDU:
            raise _Rejected(acse.NO_REASON)
        offered = BY_SHORT_NAME if request.context.short_names else admission.conformance
        conformance = proposed.conformance & offered
        if channel is None:
            conformance &= ~a.Conformance.GENERAL_PROTECTION
        return Agreed(request.context, int(conformance), proposed.max_pdu, channel)

    def _session(self, admission: Admission, agreed: Agreed) -> Session:
        association = self._associations.get(admission.client)
        if association is None:
            association = AssociationLN(self.device, admission.level, admission.client, CURRENT)
            self._associations[admission.client] = association
        association.tell(agreed.context, admission.mechanism, agreed.conformance, agreed.max_pdu, self.identity.max_pdu)
        view = View(self.device, association, admission.level)
        services = Services(view, agreed.conformance, agreed.limit, _nobody)
        return Session(self.identity, admission, agreed, services)

    def _accepted(self, session: Session, request: Aarq, secret: bytes | None) -> bytes:
        """The AARE, with a challenge where the client still has to prove itself."""
        admission, agreed = session.admission, session.agreed
        vaa = BY_SHORT_NAME_VAA if agreed.context.short_names else BY_NAME_VAA
        told = a.encode(InitiateResponse(agreed.conformance, self.identity.max_pdu, vaa))
        information = agreed.channel.seal(told) if agreed.channel else told
        named = request.title or agreed.channel
        title = self.identity.title if named else b""
        if not admission.mechanism.high:
            return Aare(request.context, title=title, user_information=information).encode()
        drawn = challenge(unlike=request.authentication or b"")
        try:
            session.proof = Proof(self.identity, admission, request, drawn, secret)
        except DecodeError:
            raise _Rejected(acse.AUTHENTICATION_FAILURE) from None
        return Aare(
            request.context,
            Result.ACCEPTED,
            acse.AUTHENTICATION_REQUIRED,
            admission.mechanism,
            title,
            drawn,
            information,
        ).encode()

    def _release(self, key: tuple[int, int], session: Session | None, octets: bytes) -> bytes:
        if session is None:
            return a.encode(REFUSED)
        try:
            acse.decode(octets)
        except DecodeError:
            return a.encode(REFUSED)
        self._sessions.pop(key, None)
        return Rlre(0).encode()


def _nobody(parameter: Data | None) -> Outcome:
    """No proof is awaited."""
    return Outcome(int(a.AccessResult.READ_WRITE_DENIED))


def _proposed(information: bytes, channel: Channel | None) -> InitiateRequest:
    """What the client proposes. Replay; all else that is wrong with it is a rejection."""
    try:
        found = a.decode(channel.open(information) if channel else information)
    except Replay:
        raise
    except DecodeError:
        raise _Rejected(acse.AUTHENTICATION_FAILURE if channel else acse.NO_REASON) from None
    if not isinstance(found, InitiateRequest):
        raise _Rejected(acse.NO_REASON)
    return found


def over_hdlc(server: Server, logical: Collection[int] = (1,), physical: int | None = None) -> hdlc.Station:
    """The server on a line with HDLC."""
    return hdlc.Station(server.on_apdu, logical, physical, on_close=server.on_close, more=server.more)


def over_wrapper(server: Server, logical: Collection[int] = (1,)) -> wrapper.Station:
    """The server behind a TCP connection or a UDP port."""
    return wrapper.Station(server.on_apdu, logical, server.on_close, server.more)
