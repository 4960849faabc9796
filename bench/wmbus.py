"""Wireless M-Bus: mode 5 telegrams a second, a thousand meters with a key each, against pymbusparser."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import cycle

import pymbusparser
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from bench.rows import Row, against, rate, row
from metergate.wire.base import Telegram
from metergate.wire.mbus.records import RawRecord, record
from metergate.wire.wmbus import Address, Context, Decoder, Format, Keyring, Receiver, Sender

METERS = 1000
ROUNDS = 3
_HEADERS = ("0C 13", "0C 3B", "02 59", "4C 13", "02 FD17")


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


def _traffic(mode: int, ell: int | None) -> tuple[dict[str, bytes], list[bytes]]:
    """Keys, and three rounds of telegrams of all meters."""
    dice = random.Random(5)
    keys = {f"{number:08d}": dice.randbytes(16) for number in range(METERS)}
    senders = [
        Sender(Address.named(name, "ELS", 1, 7), key, mode, Format.NONE, "short", ell) for name, key in keys.items()
    ]
    rounds = (enumerate(senders) for _ in range(ROUNDS))
    return keys, [sender.frames(_records(n + 7))[0] for each in rounds for n, sender in each]


def _reader(receiver: Receiver, frames: Iterator[bytes], block: int = 500) -> Callable[[], int]:
    """Reads `block` telegrams and says how many of them gave all their readings."""

    def work() -> int:
        good = 0
        for _ in range(block):
            for found in receiver.receive(next(frames)):
                good += isinstance(found, Telegram) and len(found.readings) == len(_HEADERS)
        if good != block:
            raise AssertionError(f"only {good} of {block} telegrams were read")
        return good

    return work


def _receiver(keys: dict[str, bytes], learn: bool) -> Receiver:
    return Receiver(Decoder(Context(Keyring(keys), accept_clear=False), learn=learn).decode, Format.NONE)


def _peer(keys: dict[str, bytes], frames: Iterator[bytes], block: int = 200) -> Callable[[], int]:
    def work() -> int:
        good = 0
        for _ in range(block):
            frame = next(frames)
            parsed = pymbusparser.parse(frame, key=keys[frame[4:8][::-1].hex()])
            good += parsed["decode_state"] == "complete"
        if good < block - 1:  # it takes one in thousands of ciphertexts for a frame with CRCs
            raise AssertionError(f"the peer read only {good} of {block} telegrams")
        return block

    return work


def _bare(keys: dict[str, bytes], frames: Iterator[bytes], block: int = 500) -> Callable[[], int]:
    """Nothing but AES-CBC over the encrypted bytes of each telegram, with the key of its meter."""
    ciphers = {bytes.fromhex(name)[::-1]: AES(key) for name, key in keys.items()}

    def work() -> int:
        for _ in range(block):
            frame = next(frames)
            vector = frame[2:10] + frame[11:12] * 8
            Cipher(ciphers[frame[4:8]], CBC(vector)).decryptor().update(frame[15 : 15 + (frame[13] & 0xF0)])
        return block

    return work


def run() -> list[Row]:
    """Rates of the learnt and the general way in modes 5 and 7 and with AES-CTR."""
    keys, frames = _traffic(5, None)
    learnt = _reader(_receiver(keys, learn=True), cycle(frames))
    for _ in range(len(frames) // 500):
        learnt()
    ours, theirs = against(learnt, _peer(keys, cycle(frames)))
    secured, bare = against(_reader(_receiver(keys, learn=True), cycle(frames)), _bare(keys, cycle(frames)))
    general = rate(_reader(_receiver(keys, learn=False), cycle(frames)))
    keys7, frames7 = _traffic(7, 0x8C)
    keys_ctr, frames_ctr = _traffic(0, 0x8D)
    unit = "telegrams/s"
    return [
        row("wM-Bus mode 5, learnt layouts", ours, unit, peer=("pymbusparser", theirs), least=20_000),
        row("wM-Bus mode 5, readings beside bare AES", secured, unit, peer=("AES-CBC alone", bare), ratio=1 / 3),
        row("wM-Bus mode 5, general decoder", general, unit, peer=("pymbusparser", theirs), least=2_000),
        row("wM-Bus mode 7 with MAC", rate(_reader(_receiver(keys7, learn=True), cycle(frames7))), unit, least=2_000),
        row("wM-Bus AES-CTR", rate(_reader(_receiver(keys_ctr, learn=True), cycle(frames_ctr))), unit, least=2_000),
    ]


if __name__ == "__main__":
    for line in run():
        print(line)
