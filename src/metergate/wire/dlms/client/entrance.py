"""How a reader gets into a meter: context, mechanism, secrets, and what it proposes."""

from __future__ import annotations

from dataclasses import dataclass, field

from metergate.crypto import ec
from metergate.errors import BadValue, ConfigError
from metergate.wire.dlms.acse import Context, Mechanism
from metergate.wire.dlms.apdu import Conformance
from metergate.wire.dlms.authentication import Plug
from metergate.wire.dlms.gbt import USUAL_WINDOW
from metergate.wire.dlms.security import Counter, Heard, KeySet, SecurityControl
from metergate.wire.dlms.security.control import COUNTER_END

PUBLIC_CLIENT = 16
"""The client that everybody may be, and that may read the counters."""
PROPOSED = (
    Conformance.GENERAL_PROTECTION
    | Conformance.GENERAL_BLOCK_TRANSFER
    | Conformance.PRIORITY_MANAGEMENT
    | Conformance.BLOCK_GET
    | Conformance.BLOCK_SET
    | Conformance.BLOCK_ACTION
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.GET
    | Conformance.SET
    | Conformance.ACCESS
    | Conformance.SELECTIVE_ACCESS
    | Conformance.EVENT_NOTIFICATION
    | Conformance.ACTION
)
PROPOSED_SHORT = (
    Conformance.READ
    | Conformance.WRITE
    | Conformance.UNCONFIRMED_WRITE
    | Conformance.MULTIPLE_REFERENCES
    | Conformance.PARAMETERISED_ACCESS
    | Conformance.BLOCK_GET
    | Conformance.GENERAL_PROTECTION
    | Conformance.GENERAL_BLOCK_TRANSFER
)
RESERVE = 1 << 20
"""A counter that leaves less than this is not believed: nobody proved it, and it would use up the key."""
FULL = SecurityControl()


@dataclass(slots=True)
class Entrance:
    """The way in, and what has to be remembered of it: `counter` is ours, `heard` the meter's, both for one key.

    `title` is the client's system title, `meter_title` the meter's where it is known beforehand; `secret` the password
    or the secret of mechanisms 2, 3, 4 and 6. `window`: blocks of general
    block transfer that we take at once. `counters`: the logical name (0.0.43.1.x.255) under which the public
    client finds our counter; empty: it is not asked for.
    """

    mechanism: Mechanism = Mechanism.NONE
    context: Context = Context.LN
    secret: bytes = field(default=b"", repr=False)
    keys: KeySet = field(default_factory=KeySet)
    title: bytes = b""
    meter_title: bytes = b""
    control: SecurityControl = FULL
    counter: Counter = field(default_factory=Counter)
    heard: Heard = field(default_factory=Heard)
    signing: ec.PrivateKey | None = None
    verifying: ec.PublicKey | None = None
    plug: Plug | None = None
    conformance: int = 0
    max_pdu: int = 0xFFFF
    general: bool = False
    dedicated: bool = False
    window: int = USUAL_WINDOW
    counters: bytes = b""

    def __post_init__(self) -> None:
        self.conformance = self.conformance or int(PROPOSED_SHORT if self.context.short_names else PROPOSED)
        titled = (Mechanism.GMAC, Mechanism.SHA256, Mechanism.ECDSA)
        if (self.context.ciphered or self.mechanism in titled) and len(self.title) != 8:
            raise ConfigError("this way of authentication needs the client's system title of 8 octets")

    @property
    def counted(self) -> bool:
        """Whether messages carry our invocation counter."""
        return self.context.ciphered or self.mechanism is Mechanism.GMAC

    def lift(self, expected: int) -> None:
        """The meter says which counter it expects; nobody proved that. BadValue if it would use up the key."""
        if expected > COUNTER_END - RESERVE:
            raise BadValue(f"the meter expects invocation counter {expected}: no key would be left")
        self.counter.lift(expected)
