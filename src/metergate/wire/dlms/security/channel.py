"""The protected way between two systems: what goes out is sealed, what comes in is opened and its counter checked."""

from __future__ import annotations

from metergate.errors import BadValue, KeyMissing, Unprotected, WrongKey
from metergate.wire.dlms.security.ciphered import DED, GLO, Ciphered, is_ciphered, parse, seal
from metergate.wire.dlms.security.control import Counter, Heard, KeySet, SecurityControl


class Channel:
    """One association (or one meter that pushes) under one set of keys.

    `mine` and `theirs` are system titles, `counter` what we send with, `heard` what we heard last under the global
    keys. `control` is how we protect, and the least that we accept. With a dedicated key services use it, with counters
    that begin anew (it must be a new key in each association); `general` wraps all in general-glo or general-ded
    ciphering. What comes under the broadcast key has a counter of its own.
    """

    def __init__(
        self,
        keys: KeySet,
        mine: bytes,
        theirs: bytes = b"",
        *,
        control: SecurityControl | None = None,
        counter: Counter | None = None,
        heard: Heard | None = None,
        general: bool = False,
    ) -> None:
        self.keys = keys
        self.mine = mine
        self.theirs = theirs
        self.control = control or SecurityControl()
        self.counter = counter or Counter()
        self.heard = heard or Heard()
        self.general = general
        self.asked = self.control
        """How what came in last was protected."""
        self._dedicated = Counter()
        self._heard = {"encryption": self.heard, "dedicated": Heard(), "broadcast": Heard()}

    def seal(self, apdu: bytes) -> bytes:
        """Our APDU for the wire. KeyMissing; BadValue when the counter is used up."""
        if not apdu:
            raise BadValue("an empty APDU")
        dedicated = bool(self.keys.dedicated) and (apdu[0] in DED or apdu[0] not in GLO)
        general = self.general or apdu[0] not in (DED if dedicated else GLO)
        counter = (self._dedicated if dedicated else self.counter).next()
        return seal(apdu, self.keys, self.mine, counter, self.control, dedicated=dedicated, general=general).encode()

    def open(self, octets: bytes) -> bytes:
        """The APDU that they sealed.

        Unprotected for less protection than agreed (none at all too), Replay, WrongKey, KeyMissing, and what `parse`
        raises. Only what is authenticated moves the counter on.
        """
        if not is_ciphered(octets):
            raise Unprotected("an APDU in clear in a ciphered context")
        found = parse(octets)
        self._allowed(found)
        heard = self._heard[found.key]
        heard.check(found.counter)
        plain = found.open(self.keys, self.theirs)
        if found.control.authenticated:
            heard.accept(found.counter)
        self.asked = found.control
        return plain

    def _allowed(self, found: Ciphered) -> None:
        if found.title and self.theirs and found.title != self.theirs:
            raise WrongKey(f"the APDU is of system title {found.title.hex()}, not {self.theirs.hex()}")
        if not found.control.covers(self.control):
            raise Unprotected(
                f"security control {found.control.octet:02X} protects less than the agreed {self.control.octet:02X}"
            )
        if found.dedicated and not self.keys.dedicated:
            raise KeyMissing("a dedicated key was not agreed in this association")
