"""One association of a server: proved if it has to be, then serving requests until it is released."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from metergate.errors import DecodeError, Replay, Unsupported, WrongKey
from metergate.wire.dlms import apdu as a
from metergate.wire.dlms.acse import Context
from metergate.wire.dlms.apdu import AccessResult, ExceptionResponse, Outcome
from metergate.wire.dlms.data import Data, octets
from metergate.wire.dlms.security import Channel, is_ciphered
from metergate.wire.dlms.security.ciphered import GENERAL_DED, GENERAL_GLO
from metergate.wire.dlms.server.admission import Admission, Identity
from metergate.wire.dlms.server.blocks import General
from metergate.wire.dlms.server.proof import Proof
from metergate.wire.dlms.server.services import NotAgreed, Services
from metergate.wire.dlms.server.short import ShortNames

NOT_ALLOWED, UNKNOWN = 1, 2
"""States of an exception."""
NOT_POSSIBLE, NOT_SUPPORTED, OTHER, TOO_LONG, DECIPHERING, COUNTER = 1, 2, 3, 4, 5, 6
"""Errors of an exception."""
PROTECTION = 30
"""Octets that ciphering adds, at most."""
BLOCK_CONTROL = 9
"""Octets around a block of general block transfer, at most."""
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
        self._short = ShortNames(services.view, agreed.conformance, agreed.limit)
        self._general = General()
        services.prove = self._prove

    # ---- requests ----
    def answer(self, octets_in: bytes, now: datetime) -> bytes | None:
        """The answer to an APDU, general block transfer being the outermost layer."""
        if octets_in[:1] != bytes((GENERAL_BLOCK,)):
            self._general = General()
            answer = self._protected(octets_in, now)
            long = answer is not None and len(answer) > (self.agreed.max_pdu or 0xFFFF)
            return self._first(answer) if long else answer
        if not self._blocks:
            return a.encode(ExceptionResponse(UNKNOWN, NOT_SUPPORTED))
        try:
            block: a.GeneralBlockTransfer = a.decode(octets_in)
        except DecodeError:
            return a.encode(ExceptionResponse(UNKNOWN, OTHER))
        return self._block(block, now)

    def _block(self, block: a.GeneralBlockTransfer, now: datetime) -> bytes | None:
        general = self._general
        if general.out is not None:
            following = general.following(block.acknowledged)
            return a.encode(following) if following else None
        if not general.take(block):
            return a.encode(general.acknowledge())
        if not block.last:
            return None if block.streaming else a.encode(general.acknowledge())
        request, general.held = bytes(general.held), bytearray()
        return self._first(self._protected(request, now))

    @property
    def _blocks(self) -> bool:
        """Whether general block transfer was agreed."""
        return bool(self.agreed.conformance & a.Conformance.GENERAL_BLOCK_TRANSFER)

    def _first(self, answer: bytes | None) -> bytes | None:
        """The first general block of an answer."""
        size = max(1, (self.agreed.max_pdu or 0xFFFF) - BLOCK_CONTROL)
        return None if answer is None else a.encode(self._general.start(answer, size))

    def _protected(self, request: bytes, now: datetime) -> bytes | None:
        """The answer to a whole APDU, protected as the request was."""
        channel = self.agreed.channel
        if channel is None:
            return self._plain(request, now)
        try:
            plain = channel.open(request)
        except Replay:
            return a.encode(ExceptionResponse(NOT_ALLOWED, COUNTER, channel.heard.last + 1))
        except DecodeError:
            return a.encode(ExceptionResponse(NOT_ALLOWED, DECIPHERING))
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
