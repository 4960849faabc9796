"""Who may associate with a server: the client's address, how it proves itself, and what it may then do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from metergate.crypto import ec
from metergate.wire.dlms.acse import Context, Mechanism
from metergate.wire.dlms.apdu import Conformance
from metergate.wire.dlms.cosem.classes import Level
from metergate.wire.dlms.gbt import USUAL_WINDOW
from metergate.wire.dlms.security import Counter, Heard, KeySet, SecurityControl

BY_NAME = (
    Conformance.GENERAL_PROTECTION
    | Conformance.GENERAL_BLOCK_TRANSFER
    | Conformance.PRIORITY_MANAGEMENT
    | Conformance.BLOCK_GET
    | Conformance.BLOCK_SET
    | Conformance.BLOCK_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.ACCESS
    | Conformance.GET
    | Conformance.SET
    | Conformance.SELECTIVE_ACCESS
    | Conformance.EVENT_NOTIFICATION
    | Conformance.ACTION
)
"""What the server can do by logical names."""
BY_SHORT_NAME = (
    Conformance.READ
    | Conformance.WRITE
    | Conformance.UNCONFIRMED_WRITE
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.PARAMETERISED_ACCESS
    | Conformance.BLOCK_GET
    | Conformance.GENERAL_PROTECTION
    | Conformance.GENERAL_BLOCK_TRANSFER
)
"""What it can do by short names."""
FULL = SecurityControl()
"""Authenticated and encrypted, suite 0."""


@dataclass(frozen=True, slots=True)
class Admission:
    """One way in. `secret`: the password, or the secret of mechanisms 2, 3, 4 and 6. `verifying`: the client's public
    key for mechanism 7. `policy`: the least protection in ciphered contexts, what is protected less is refused.
    """

    client: int
    level: Level = Level.PUBLIC
    mechanism: Mechanism = Mechanism.NONE
    contexts: tuple[Context, ...] = (Context.LN,)
    secret: bytes = field(default=b"", repr=False)
    policy: SecurityControl = FULL
    conformance: Conformance = BY_NAME
    verifying: ec.PublicKey | None = None


@dataclass(slots=True)
class Identity:
    """What the server is: system title, keys, how it counts, and where the client's counters are kept.

    `window`: blocks that it takes ahead of an acknowledgement.
    `heard` holds the last counter accepted by client title; all of it has to outlive a restart.
    """

    title: bytes = b""
    keys: KeySet = field(default_factory=KeySet)
    counter: Counter = field(default_factory=Counter)
    heard: dict[bytes, int] = field(default_factory=dict)
    max_pdu: int = 1024
    window: int = USUAL_WINDOW
    signing: ec.PrivateKey | None = None
    _known: dict[bytes, Heard] = field(default_factory=dict)

    def listener(self, title: bytes) -> Heard:
        """What was heard of a client so far, one for all its associations; kept once it has proved its key.

        What is heard later under a key that was replaced meanwhile says nothing about the new one.
        """
        key = self.keys.encryption

        def store(counter: int) -> None:
            if key == self.keys.encryption:
                self.heard[title] = counter
                self._known[title] = fresh

        fresh = Heard(self.heard.get(title, -1), store)
        return self._known.get(title, fresh)

    def take(self, fresh: dict[str, bytes]) -> None:
        """New keys by name; under a new encryption key all counters begin anew for the clients."""
        self.keys = replace(self.keys, **fresh)
        if "encryption" in fresh:
            self.heard.clear()
            self._known.clear()

    @property
    def greatest(self) -> int:
        """The greatest counter accepted so far; 0 if there is none."""
        return max(self.heard.values(), default=0)
