"""One association of a server: proved if it has to be, then serving requests until it is released."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from metergate.errors import DecodeError, Replay, Unsupported, WrongKey
from metergate.wire.dlms import apdu as a
from metergate.wire.dlms.acse import Context
from metergate.wire.dlms.apdu import AccessResult, ExceptionResponse, Outcome
from metergate.wire.dlms.data import Data, octets
from metergate.wire.dlms.gbt import CONTROL, BlocksOut, acknowledgement
from metergate.wire.dlms.security import Channel, SecurityControl, is_ciphered
from metergate.wire.dlms.security.ciphered import GENERAL_DED, GENERAL_GLO
from metergate.wire.dlms.server.admission import Admission, Identity
from metergate.wire.dlms.server.blocks import General
from metergate.wire.dlms.server.proof import Proof
from metergate.wire.dlms.server.services import NotAgreed, Services
from metergate.wire.dlms.server.short import REPLY, ShortNames

NOT_ALLOWED, UNKNOWN = 1, 2
"""States of an exception."""
NOT_POSSIBLE, NOT_SUPPORTED, OTHER, TOO_LONG, DECIPHERING, COUNTER = 1, 2, 3, 4, 5, 6
"""Errors of an exception."""
PROTECTION = 30
"""Octets that ciphering adds, at most."""
GENERAL_BLOCK, EXCEPTION = 0xE0, 0xD8
CONFIRMED = 0x40
"""Bit of the invoke id: an answer is wanted."""
REFUSED = ExceptionResponse(NOT_ALLOWED, NOT_POSSIBLE)
_TOO_LONG = ExceptionResponse(NOT_ALLOWED, TOO_LONG)


@dataclass(slots=True)
class Agreed:
    """What an association agreed on. `max_pdu` is the client's, 0 for no limit."""

    context: Context
    conformance: int
    max_pdu: int
    channel: Channel | None = None

    @property
    def limit(self) -> int:
        """How long a plain answer may be."""
        most = self.max_pdu or 0xFFFF
        return most - PROTECTION if self.channel else most


class Session:
    """An open association. `proof` is set while the client has not yet proved itself."""

    def __init__(self, identity: Identity, admission: Admission, agreed: Agreed, services: Services) -> None:
        self.identity, self.admission, self.agreed = identity, admission, agreed
        self.services = services
        self.proof: Proof | None = None
        self.failed = False
        self._short = ShortNames(services.view, agreed.conformance, agreed.limit, self._prove)
        self._general = General(identity.window)
        self.following: list[bytes] = []
        """What goes to the client next without being asked for."""
        services.prove = self._prove

    # ---- requests ----
    def answer(self, octets_in: bytes, now: datetime) -> bytes | None:
        """The answer to an APDU, general block transfer being the outermost layer."""
        if octets_in[:1] != bytes((GENERAL_BLOCK,)):
            self._general = General(self.identity.window)
            answer = self._protected(octets_in, now)
            if answer is None or len(answer) <= (self.agreed.max_pdu or 0xFFFF):
                return answer
            return self._in_blocks(answer, 1)
        if not self._blocks:
            return a.encode(ExceptionResponse(UNKNOWN, NOT_SUPPORTED))
        try:
            return self._block(a.decode(octets_in), octets_in, now)
        except DecodeError:
            return a.encode(ExceptionResponse(UNKNOWN, OTHER))

    def _block(self, block: a.GeneralBlockTransfer, octets_in: bytes, now: datetime) -> bytes | None:
        general = self._general
        if general.out is not None and general.repeats(block, octets_in):
            general.out.acknowledge(block)
            return None if block.streaming else self._blocks_of(general)
        if general.begins(block, octets_in):
            general = self._general = General(self.identity.window, octets_in)
        general.into.take(block)
        if not general.into.whole:
            told = acknowledgement(0, general.into.received, general.window)
            return None if block.streaming else a.encode(told)
        request, general.into.held = bytes(general.into.held), bytearray()
        answer = self._protected(request, now)
        return None if answer is None else self._in_blocks(answer, block.window)

    def _blocks_of(self, general: General) -> bytes | None:
        """The first of the next blocks; the others follow."""
        told = [a.encode(block) for block in general.answer()]
        self.following = told[1:] + self.following
        return told[0] if told else None

    @property
    def _blocks(self) -> bool:
        """Whether general block transfer was agreed."""
        return bool(self.agreed.conformance & a.Conformance.GENERAL_BLOCK_TRANSFER)

    def _in_blocks(self, answer: bytes, window: int) -> bytes | None:
        """The first general block of an answer; `window`: what the client takes at once."""
        size = max(1, (self.agreed.max_pdu or 0xFFFF) - CONTROL)
        self._general.out = BlocksOut(answer, size, max(1, window))
        return self._blocks_of(self._general)

    @property
    def least(self) -> SecurityControl:
        """What requests have to be protected by: the admission's policy and the setup's; answers as requests."""
        return self.admission.policy.at_least(self.services.view.policy)

    # ---- events ----
    @property
    def wants_events(self) -> bool:
        """Whether the client is there, proved, and agreed to be told of events."""
        return self.proof is None and bool(self.agreed.conformance & a.Conformance.EVENT_NOTIFICATION)

    def tell(self, event: a.EventNotification) -> None:
        """An event for the client, protected as all is in this association."""
        told = a.encode(event)
        self.following.append(self.agreed.channel.seal(told) if self.agreed.channel else told)

    def _protected(self, request: bytes, now: datetime) -> bytes | None:
        """The answer to a whole APDU, protected as the request was."""
        channel = self.agreed.channel
        if channel is None:
            return self._plain(request, now)
        channel.control = self.least
        try:
            plain = channel.open(request)
        except Replay:
            return a.encode(ExceptionResponse(NOT_ALLOWED, COUNTER, channel.heard.last + 1))
        except DecodeError:
            return a.encode(ExceptionResponse(NOT_ALLOWED, DECIPHERING))
        channel.control = channel.control.at_least(channel.asked.policy)
        channel.general = request[0] in (GENERAL_GLO, GENERAL_DED)
        answer = self._plain(plain, now)
        if answer is None or answer[0] == EXCEPTION:
            return answer
        return channel.seal(answer)

    def _plain(self, request: bytes, now: datetime) -> bytes | None:
        try:
            found = a.decode(request)
            if self.agreed.channel is None and is_ciphered(request):
                return a.encode(ExceptionResponse(NOT_ALLOWED, DECIPHERING))
            if self.proof is not None and not self._is_reply(found):
                return a.encode(REFUSED)
            answer = self._served(found, now)
        except Unsupported:
            return a.encode(ExceptionResponse(UNKNOWN, NOT_SUPPORTED))
        except NotAgreed:
            return a.encode(ExceptionResponse(NOT_ALLOWED, NOT_SUPPORTED))
        except DecodeError:
            return a.encode(ExceptionResponse(UNKNOWN, OTHER))
        if answer is None:
            return None
        told = a.encode(answer)
        return told if len(told) <= self.agreed.limit or self._blocks else a.encode(_TOO_LONG)

    def _served(self, request: a.Apdu, now: datetime) -> a.Apdu | None:
        if self.agreed.context.short_names:
            return self._short.answer(request, now)
        answer = self.services.answer(request, now)
        invoke = getattr(request, "invoke", CONFIRMED)
        wanted = isinstance(request, a.AccessRequest) or invoke & CONFIRMED
        return answer if wanted else None

    # ---- authentication, third and fourth pass ----
    def _is_reply(self, request: a.Apdu) -> bool:
        """Whether a request is the third pass, the only one that an association awaits that is not yet proved."""
        if self.agreed.context.short_names and isinstance(request, a.ReadRequest) and len(request.variables) == 1:
            place = request.variables[0]
            return isinstance(place, a.Parameterised) and place.name & 0xFFFF == REPLY
        if not isinstance(request, a.ActionRequest):
            return False
        method = request.method
        return method.index == 1 and method.instance == self.services.view.association.name.octets

    def _prove(self, parameter: Data | None) -> Outcome:
        """The client's f(StoC) is checked, ours of CtoS returned."""
        proof, self.proof = self.proof, None
        if proof is None or parameter is None:
            return Outcome(int(AccessResult.READ_WRITE_DENIED))
        try:
            proof.verify(parameter.octets)
        except (DecodeError, WrongKey):
            self.failed = True
            return Outcome(int(AccessResult.OTHER_REASON))
        return Outcome(0, octets(proof.prove()))
