"""Wireless telegrams made for tests, and what was heard of them."""

from dialogues import all_of
from metergate.model import Reading
from metergate.wire.base import Problem, Telegram
from metergate.wire.wmbus import Address, Format, receiver
from metergate.wire.wmbus.link import seal

ANY = "any"


def heard(data: bytes, key: str = "") -> list[Telegram | Problem]:
    return list(all_of(receiver({"key": bytes.fromhex(key)} if key else {}, {}), data))


def one(data: bytes, key: str = "") -> Telegram:
    (found,) = heard(data, key)
    assert isinstance(found, Telegram)
    return found


def frame(who: Address, ci: int, data: bytes, short: bytes | None = None) -> bytes:
    """A telegram without CRCs; `short`: behind a short header with this access number."""
    header = short + bytes(3) if short else b""
    return seal(b"\0\x44" + who.octets + bytes((ci,)) + header + data, Format.NONE)


def named(readings: tuple[Reading, ...], quantity: str, storage: int = 0, address: str | None = ANY) -> Reading:
    """The only reading of this quantity, storage number and address."""
    (found,) = [
        each
        for each in readings
        if each.register.quantity == quantity
        and each.register.storage == storage
        and (address == ANY or each.register.address == address)
    ]
    return found
