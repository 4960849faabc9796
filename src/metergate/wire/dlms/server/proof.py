"""The server's part of the third and fourth pass: the client proves that it knows the secret, then the server does."""

from __future__ import annotations

from metergate.wire.dlms.acse import Aarq, Mechanism
from metergate.wire.dlms.authentication import Credentials, Handshake, Side
from metergate.wire.dlms.security import Heard
from metergate.wire.dlms.server.admission import Admission, Identity


class Proof:
    """One handshake. `secret`, where the client changed it, takes the place of the admission's.

    The counter in the client's proof has to be greater than what was heard when the challenge went out; clients may use
    it for the APDU around the proof too.
    """

    def __init__(
        self, identity: Identity, admission: Admission, request: Aarq, challenge: bytes, secret: bytes | None = None
    ) -> None:
        self._kept = identity.listener(request.title)
        self._heard = Heard(self._kept.last)
        self._gmac = admission.mechanism is Mechanism.GMAC
        known = Credentials(
            secret or admission.secret,
            identity.keys,
            admission.policy.suite,
            identity.counter,
            self._heard,
            identity.signing,
            admission.verifying,
        )
        me, peer = Side(identity.title, challenge), Side(request.title, request.authentication or b"")
        self._handshake = Handshake(admission.mechanism, me, peer, known)

    def verify(self, reply: bytes) -> None:
        """The client's f(StoC). WrongKey, Replay, KeyMissing, BadValue."""
        self._handshake.check(reply)
        if self._gmac and self._heard.last > self._kept.last:
            self._kept.accept(self._heard.last)

    def prove(self) -> bytes:
        """Our f(CtoS)."""
        return self._handshake.proof()
