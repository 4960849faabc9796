"""A reader's ways into a server of ours: both transports, every authentication."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec as curves

from dialogues import Talk
from metergate.wire.base import Responder
from metergate.wire.dlms.acse import Context, Mechanism
from metergate.wire.dlms.client import Client, Entrance
from metergate.wire.dlms.cosem.classes import Level
from metergate.wire.dlms.security import KeySet
from metergate.wire.dlms.server import Admission, Identity, Server, over_hdlc, over_wrapper
from metergate.wire.dlms.transport import Transport
from metergate.wire.dlms.wrapper import client as wrapper
from metergate.wire.hdlc import client as hdlc

NOW = datetime(2026, 11, 20, 12, 7, 30, tzinfo=UTC)
KEYS = KeySet(bytes(range(16)), bytes(range(0xD0, 0xE0)), master=bytes(range(0x20, 0x30)))
METER_TITLE, TITLE = b"MGT\x00\x00\x00\x12\x67", b"RDR\x00\x00\x00\x00\x01"
SECRET = b"ninety-nine words"
CLIENT_KEY, METER_KEY = curves.generate_private_key(curves.SECP256R1()), curves.generate_private_key(curves.SECP256R1())
WAYS = ("hdlc", "wrapper")
HIGH = (Mechanism.MD5, Mechanism.SHA1, Mechanism.GMAC, Mechanism.SHA256, Mechanism.ECDSA)
MECHANISMS = (Mechanism.NONE, Mechanism.LOW, *HIGH)
NUMBER = {mechanism: 30 + mechanism for mechanism in MECHANISMS}
"""The client that has to prove itself so, in clear; 20 more: ciphered."""
CIPHERED = 20
PUBLIC = 16


def admissions() -> list[Admission]:
    """One for each mechanism, in clear and ciphered, all managers; and the public client."""
    found = [Admission(PUBLIC, contexts=(Context.LN, Context.SN))]
    for mechanism, number in NUMBER.items():
        clear, ciphered = (Context.LN, Context.SN), (Context.LN_CIPHERED,)
        for at, contexts in ((number, clear), (number + CIPHERED, ciphered)):
            found.append(Admission(at, Level.MANAGER, mechanism, contexts, SECRET, verifying=CLIENT_KEY.public_key()))
    return found


def identity(**more: object) -> Identity:
    return Identity(METER_TITLE, KEYS, signing=METER_KEY, **more)  # type: ignore[arg-type]


def entrance(mechanism: Mechanism, ciphered: bool = False, **more: object) -> Entrance:
    context = Context.LN_CIPHERED if ciphered else Context.LN
    secret = b"" if mechanism in (Mechanism.NONE, Mechanism.GMAC, Mechanism.ECDSA) else SECRET
    return Entrance(
        mechanism,
        context,
        secret,
        KEYS,
        TITLE,
        signing=CLIENT_KEY,
        verifying=METER_KEY.public_key(),
        **more,  # type: ignore[arg-type]
    )


@dataclass
class Bench:
    """A server and the line to it."""

    server: Server
    way: str = "hdlc"
    talk: Talk = field(init=False)

    def __post_init__(self) -> None:
        make: Callable[[Server], Responder] = over_hdlc if self.way == "hdlc" else over_wrapper
        self.talk = Talk([make(self.server)], NOW)

    def transport(self, number: int) -> Transport:
        return hdlc.Link(number, 1) if self.way == "hdlc" else wrapper.Link(number, 1)

    def client(self, mechanism: Mechanism = Mechanism.NONE, ciphered: bool = False, **more: object) -> Client:
        number = NUMBER[mechanism] + (CIPHERED if ciphered else 0)
        return Client(self.transport(number), entrance(mechanism, ciphered, **more))
