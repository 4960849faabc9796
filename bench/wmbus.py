"""Wireless M-Bus: telegrams a second of a thousand meters with a key each, against AES alone and pymbusparser.

AES alone is what a telegram's security mode asks for, done by `cryptography` with everything else prepared.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial

import pymbusparser
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, CTR
from cryptography.hazmat.primitives.cmac import CMAC

from bench.rows import Row, against, every, rate, readings, row
from metergate.wire.mbus.records import RawRecord, record
from metergate.wire.wmbus import Address, Context, Decoder, Format, Keyring, Receiver, Sender
from metergate.wire.wmbus.link import seal, strip

METERS = 1000
ROUNDS = 2
UNIT = "telegrams/s"
THIRD = 1 / 3
_HEADERS = ("0C 13", "0C 3B", "02 59", "4C 13", "02 FD17")
Keys = Mapping[str, bytes]
Bare = Callable[[bytes, AES, bytes], object]
"""`bare(key, algorithm, frame)`."""


def _records(number: int) -> list[RawRecord]:
    values = (
        Decimal(number) / 1000,
        Decimal(number % 40) / 1000,
        Decimal("21.5"),
        Decimal(number // 2) / 1000,
        Decimal(0),
    )
    headers = (map(bytes.fromhex, header.split()) for header in _HEADERS)
    return [record(dif, vif, value) for (dif, vif), value in zip(headers, values, strict=True)]


def _traffic(mode: int, ell: int | None) -> tuple[Keys, list[bytes]]:
    """Keys, and two rounds of telegrams of all meters."""
    dice = random.Random(5)
    keys = {f"{number:08d}": dice.randbytes(16) for number in range(METERS)}
    senders = [
        Sender(Address.named(name, "ELS", 1, 7), key, mode, Format.NONE, "short", ell) for name, key in keys.items()
    ]
    rounds = (enumerate(senders) for _ in range(ROUNDS))
    return keys, [sender.frames(_records(n + 7))[0] for each in rounds for n, sender in each]


def _decoder(keys: Keys, learn: bool = True) -> Decoder:
    return Decoder(Context(Keyring(keys), accept_clear=False), learn=learn)


def _learnt(keys: Keys, frames: list[bytes]) -> Callable[[bytes], object]:
    """Register values by layout, all meters heard before."""
    decoder = _decoder(keys)
    for frame in frames[:METERS]:
        decoder.decode(frame, 0, Format.NONE, frame, None)
    return decoder.values


def _receiver(keys: Keys, learn: bool = True) -> Callable[[bytes], object]:
    return readings(Receiver(_decoder(keys, learn).decode, Format.NONE), len(_HEADERS))


def _peer(keys: Keys) -> Callable[[bytes], object]:
    return lambda frame: pymbusparser.parse(frame, key=keys[frame[4:8][::-1].hex()])


def _alone(bare: Bare, keys: Keys) -> Callable[[bytes], object]:
    prepared = {bytes.fromhex(name)[::-1]: (key, AES(key)) for name, key in keys.items()}
    return lambda frame: bare(*prepared[frame[4:8]], frame)


def _mac(key: AES, data: bytes) -> bytes:
    made = CMAC(key)
    made.update(data)
    return made.finalize()


def _message_key(algorithm: AES, purpose: bytes, frame: bytes) -> bytes:
    return _mac(algorithm, purpose + frame[18:22] + frame[4:8] + b"\x07" * 7)


def _mode5(key: bytes, algorithm: AES, frame: bytes) -> bytes:
    vector = frame[2:10] + frame[11:12] * 8
    return Cipher(algorithm, CBC(vector)).decryptor().update(frame[15 : 15 + (frame[13] & 0xF0)])


def _mode7(key: bytes, algorithm: AES, frame: bytes) -> bytes | None:
    """Two keys of the message, the MAC, CBC."""
    mac = _mac(AES(_message_key(algorithm, b"\1", frame)), frame[17:22] + frame[30:])[:8]
    used = AES(_message_key(algorithm, b"\0", frame))
    plain = Cipher(used, CBC(bytes(16))).decryptor().update(frame[36 : 36 + (frame[33] & 0xF0)])
    return plain if mac == frame[22:30] else None


def _mode10(key: bytes, algorithm: AES, frame: bytes) -> bytes:
    """The key of the message, CCM."""
    used = AESCCM(_message_key(algorithm, b"\0", frame), tag_length=8)
    return used.decrypt(frame[2:10] + frame[18:22] + b"\0", frame[28:], frame[22:28])


def _ctr(key: bytes, algorithm: AES, frame: bytes) -> bytes:
    vector = frame[2:10] + frame[11:12] + frame[13:17] + bytes(3)
    return Cipher(algorithm, CTR(vector)).decryptor().update(frame[17:])


MODES: dict[str, tuple[int, int | None, str, Bare]] = {
    "mode 5": (5, None, "AES-CBC alone", _mode5),
    "mode 7": (7, 0x8C, "its CMACs and AES-CBC alone", _mode7),
    "mode 10": (10, 0x8C, "its CMAC and AES-CCM alone", _mode10),
    "link layer": (0, 0x8D, "AES-CTR alone", _ctr),
}


def _sealed(name: str) -> Row:
    """Values of one security mode beside AES."""
    mode, ell, peer, bare = MODES[name]
    keys, frames = _traffic(mode, ell)
    mine, other = against(every(_learnt(keys, frames), frames), every(_alone(bare, keys), frames))
    return row(f"wM-Bus {name}: values by layout", mine, UNIT, peer=(peer, other), least=20_000, ratio=THIRD)


def _with_crcs() -> Row:
    """From the frame as it is on the air, format A, its CRCs looked at."""
    keys, frames = _traffic(5, None)
    values = _learnt(keys, frames)
    air = [seal(frame, Format.A) for frame in frames]
    mine, other = against(
        every(lambda frame: values(strip(frame, Format.A) or b""), air), every(_alone(_mode5, keys), frames)
    )
    name = "wM-Bus mode 5: values by layout, CRCs of format A included"
    return row(name, mine, UNIT, peer=("AES-CBC alone", other), ratio=THIRD)


def run() -> list[Row]:
    """Rates of the learnt and the general way."""
    keys, frames = _traffic(5, None)
    learnt, general = every(_receiver(keys), frames), every(_receiver(keys, learn=False), frames[:200])
    parser = partial(against, theirs=every(_peer(keys), frames[:200]))
    beside, bare = against(learnt, every(_alone(_mode5, keys), frames))
    ours, theirs = parser(learnt)
    slow, other = parser(general)
    rows = [_sealed(name) for name in MODES]
    rows += [
        _with_crcs(),
        row("wM-Bus mode 5: readings by layout", beside, UNIT, peer=("AES-CBC alone", bare)),
        row("wM-Bus mode 5: readings by layout", ours, UNIT, peer=("pymbusparser", theirs), least=20_000),
        row("wM-Bus mode 5: general decoder", slow, UNIT, peer=("pymbusparser", other), least=2_000),
    ]
    keys7, frames7 = _traffic(7, 0x8C)
    rows.append(row("wM-Bus mode 7: general decoder", rate(every(_receiver(keys7, False), frames7[:200])), UNIT))
    return rows


if __name__ == "__main__":
    for line in run():
        print(line)
