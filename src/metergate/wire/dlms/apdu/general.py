"""APDUs of no single service: initiate, notifications, errors, block transfer, protection, unified access."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

from metergate.wire.dlms.apdu.items import Attribute, Method, Selector
from metergate.wire.dlms.data import Data


class Conformance(IntFlag):
    """The services an association offers: 24 bits, bit 0 of the standard's table is the most significant."""

    GENERAL_PROTECTION = 1 << 22
    GENERAL_BLOCK_TRANSFER = 1 << 21
    READ = 1 << 20
    WRITE = 1 << 19
    UNCONFIRMED_WRITE = 1 << 18
    ATTRIBUTE0_SET = 1 << 15
    PRIORITY_MANAGEMENT = 1 << 14
    ATTRIBUTE0_GET = 1 << 13
    BLOCK_GET = 1 << 12
    BLOCK_SET = 1 << 11
    BLOCK_ACTION = 1 << 10
    MULTIPLE_REFERENCES = 1 << 9
    INFORMATION_REPORT = 1 << 8
    DATA_NOTIFICATION = 1 << 7
    ACCESS = 1 << 6
    PARAMETERISED_ACCESS = 1 << 5
    GET = 1 << 4
    SET = 1 << 3
    SELECTIVE_ACCESS = 1 << 2
    EVENT_NOTIFICATION = 1 << 1
    ACTION = 1 << 0


@dataclass(frozen=True, slots=True)
class InitiateRequest:
    """What the client proposes. `conformance`: bits of `Conformance`; `max_pdu` 0: no limit.

    `short` writes the conformance tag as 5F instead of 5F1F, as some peers do.
    """

    conformance: int
    max_pdu: int = 0xFFFF
    dedicated_key: bytes | None = None
    response_allowed: bool = True
    quality: int | None = None
    version: int = 6
    short: bool = False


@dataclass(frozen=True, slots=True)
class InitiateResponse:
    """What the server agrees to. `vaa`: 0007H by logical name, FA00H by short name."""

    conformance: int
    max_pdu: int = 0xFFFF
    vaa: int = 7
    quality: int | None = None
    version: int = 6
    short: bool = False


@dataclass(frozen=True, slots=True)
class DataNotification:
    """A push. `invoke`: 32 bits; `time`: 12 octets, or none.

    `tagged`: the time stands there as COSEM data (09 0C ...), as Kaifa sends it, not as bare length and octets.
    """

    invoke: int
    time: bytes
    body: Data
    tagged: bool = False


@dataclass(frozen=True, slots=True)
class EventNotification:
    """A value that the server tells unasked."""

    time: bytes | None
    attribute: Attribute
    value: Data


@dataclass(frozen=True, slots=True)
class ExceptionResponse:
    """The request was not served. `state`: 1 service not allowed, 2 service unknown.

    `error`: 1 operation not possible, 2 not supported, 3 other, 4 PDU too long, 5 deciphering, 6 invocation counter;
    with 6 `counter` is the one that the server expects.
    """

    state: int
    error: int
    counter: int | None = None


@dataclass(frozen=True, slots=True)
class ConfirmedServiceError:
    """The answer to a bad initiate, read or write: service 1, 5 or 6, kind of error, error."""

    service: int
    kind: int
    error: int


@dataclass(frozen=True, slots=True)
class GeneralBlockTransfer:
    """A block of an APDU. `control`: 80H last, 40H streaming, low six bits window; `acknowledged`: last in order."""

    control: int
    block: int
    acknowledged: int
    raw: bytes

    @property
    def last(self) -> bool:
        """No further block follows."""
        return bool(self.control & 0x80)

    @property
    def streaming(self) -> bool:
        """More blocks follow without being asked for."""
        return bool(self.control & 0x40)

    @property
    def window(self) -> int:
        """How many blocks the other side may send ahead of an acknowledgement; 0: none is acknowledged."""
        return self.control & 0x3F


@dataclass(frozen=True, slots=True)
class Ciphered:
    """A glo-* or ded-* APDU: `tag` says which, `content` is security control, invocation counter and what follows."""

    tag: int
    content: bytes


@dataclass(frozen=True, slots=True)
class GeneralGlobalCiphering:
    """Any APDU under the global key."""

    system_title: bytes
    content: bytes


@dataclass(frozen=True, slots=True)
class GeneralDedicatedCiphering:
    """Any APDU under the dedicated key of the association."""

    system_title: bytes
    content: bytes


@dataclass(frozen=True, slots=True)
class IdentifiedKey:
    """The key is known on both sides. `key` 0 global unicast, 1 global broadcast."""

    key: int


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """The key comes along, wrapped. `kek` 0: by the master key."""

    kek: int
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class AgreedKey:
    """The key is agreed. `parameters` 01: one-pass Diffie-Hellman C(1e, 1s), 02: static C(0e, 2s)."""

    parameters: bytes
    data: bytes


KeyInfo = IdentifiedKey | WrappedKey | AgreedKey


@dataclass(frozen=True, slots=True)
class GeneralCiphering:
    """Any APDU, ciphered between two system titles, with the way to its key."""

    transaction: bytes
    originator: bytes
    recipient: bytes
    time: bytes
    other: bytes
    key: KeyInfo | None
    content: bytes


@dataclass(frozen=True, slots=True)
class GeneralSigning:
    """Any APDU, signed."""

    transaction: bytes
    originator: bytes
    recipient: bytes
    time: bytes
    other: bytes
    content: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Access:
    """A request of unified access. `choice` 1 get, 2 set, 3 action, 4 get and 5 set with a selector."""

    choice: int
    target: Attribute | Method
    selector: Selector | None = None


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """Several gets, sets and actions at once; `data` has one element for each (null-data for a get)."""

    invoke: int
    time: bytes
    requests: tuple[Access, ...]
    data: tuple[Data, ...]


@dataclass(frozen=True, slots=True)
class AccessResponse:
    """The answer: `data` and `results` in the order of the requests; a result is (1 get 2 set 3 action, code)."""

    invoke: int
    time: bytes
    requests: tuple[Access, ...] | None
    data: tuple[Data, ...]
    results: tuple[tuple[int, int], ...]
