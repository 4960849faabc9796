"""M-Bus: telegrams a second to readings, against pyMeterBus and pymbusparser in the same run."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from decimal import Decimal

import meterbus
import pymbusparser
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from bench.rows import Row, against, every, rate, row
from metergate.crypto.aes import Aes
from metergate.wire.mbus.dib import Dib
from metergate.wire.mbus.frame import Frame
from metergate.wire.mbus.keys import Keyring
from metergate.wire.mbus.records import RawRecord, decode_records, record
from metergate.wire.mbus.security import sealed
from metergate.wire.mbus.slave import pages
from metergate.wire.mbus.telegram import Decoder, LongHeader, Receiver

METERS, TELEGRAMS = 20, 10


def _heat(dice: random.Random) -> list[RawRecord]:
    """Fifteen records as an ordinary heat meter has them: BCD, integers, a time, stored values."""

    def bcd(size: int, vif: str, scale: str, storage: int = 0) -> RawRecord:
        top = 10 ** (2 * size - 1)
        value = dice.randrange(top) * Decimal(scale)
        return record(Dib("bcd", size, storage=storage), bytes.fromhex(vif), value)

    def integer(size: int, vif: str, scale: str, storage: int = 0) -> RawRecord:
        value = dice.randrange(1 << 8 * size - 1) * Decimal(scale)
        return record(Dib("int", size, storage=storage), bytes.fromhex(vif), value)

    return [
        record(Dib("bcd", 4), b"\x78", Decimal(12345678)),
        record(Dib("int", 4), b"\x6d", f"2026-11-22T{dice.randrange(24):02}:{dice.randrange(60):02}:00"),
        bcd(4, "06", "1000"),
        bcd(4, "13", "0.001"),
        bcd(3, "2b", "1"),
        bcd(3, "3b", "0.001"),
        bcd(2, "5a", "0.1"),
        bcd(2, "5e", "0.1"),
        bcd(2, "62", "0.1"),
        integer(4, "22", "1"),
        integer(2, "fd17", "1"),
        record(Dib("int", 2, storage=1), b"\x6c", "2026-01-01"),
        bcd(4, "06", "1000", 1),
        bcd(4, "13", "0.001", 1),
        integer(4, "26", "1"),
    ]


def _frames() -> list[bytes]:
    """Telegrams of several meters of one kind, their values changing."""
    dice = random.Random(5)
    found = []
    for _ in range(TELEGRAMS):
        for number in range(METERS):
            header = LongHeader(f"{10_000_000 + number}", "KAM", 8, 4, dice.randrange(256))
            (page,) = pages(_heat(dice))
            found.append(Frame(0x08, number + 1, 0x72, header.octets + page).octets)
    return found


def _ours(frames: Sequence[bytes]) -> Callable[[], int]:
    receiver = Receiver()

    def work() -> int:
        for frame in frames:
            for _ in receiver.receive(frame):
                pass
        return len(frames)

    return work


def _values(frames: Sequence[bytes]) -> Callable[[], int]:
    decoder = Decoder()
    for frame in frames:
        decoder.telegram(frame)

    def work() -> int:
        found = 0
        for frame in frames:
            found += decoder.values(frame) is not None
        return found

    return work


def _general(frames: Sequence[bytes]) -> Callable[[], int]:
    def work() -> int:
        for frame in frames:
            decode_records(frame[19:-2], "1")
        return len(frames)

    return work


def _first_sight(frames: Sequence[bytes]) -> Callable[[], int]:
    def work() -> int:
        for frame in frames:
            Decoder().telegram(frame)
        return len(frames)

    return work


def _py_meter_bus(frames: Sequence[bytes]) -> Callable[[], int]:
    def work() -> int:
        for frame in frames:
            for one in meterbus.load(frame).records:
                _ = one.value
        return len(frames)

    return work


def _mbus_parser(frames: Sequence[bytes]) -> Callable[[], int]:
    def work() -> int:
        for frame in frames:
            pymbusparser.parse(frame)
        return len(frames)

    return work


def _noise(size: int = 1 << 16) -> Callable[[], int]:
    noise = random.Random(6).randbytes(size)

    def work() -> int:
        receiver = Receiver()
        for _ in (*receiver.receive(noise), *receiver.silence()):
            pass
        return size

    return work


KEY = bytes(range(16))


def _encrypted() -> Row:
    """From the encrypted frame to values, beside AES-CBC over the same bytes."""
    dice, cipher, algorithm = random.Random(5), Aes(KEY), AES(KEY)
    frames = []
    for number in range(TELEGRAMS * METERS):
        header = LongHeader(f"{10_000_000 + number % METERS}", "KAM", 8, 4, number % 256)
        (page,) = pages(_heat(dice))
        frames.append(Frame(0x08, number % METERS + 1, 0x72, sealed(header.octets, page, cipher)).octets)
    decoder = Decoder(keys=Keyring({}, common=KEY), accept_clear=False)
    for frame in frames[:METERS]:
        decoder.telegram(frame)

    def bare(frame: bytes) -> bytes:
        vector = frame[11:13] + frame[7:11] + frame[13:15] + frame[15:16] * 8
        return Cipher(algorithm, CBC(vector)).decryptor().update(frame[19 : 19 + (frame[17] & 0xF0)])

    mine, other = against(every(decoder.values, frames), every(bare, frames))
    name = "M-Bus mode 5, repeated layouts to values"
    return row(name, mine, "frames/s", peer=("AES-CBC alone", other), ratio=1 / 3)


def run() -> list[Row]:
    """Rates of the learnt way, the general decoder, and the receiver on noise."""
    frames = _frames()
    learnt, theirs = against(_values(frames), _py_meter_bus(frames))
    whole, other = against(_ours(frames), _py_meter_bus(frames))
    mine, parser = against(_ours(frames), _mbus_parser(frames))
    return [
        row("M-Bus, repeated layouts to values", learnt, "frames/s", peer=("pyMeterBus values", theirs), ratio=50),
        row(
            "M-Bus, repeated layouts to Reading objects", whole, "frames/s", peer=("pyMeterBus values", other), ratio=20
        ),
        row("M-Bus, the same", mine, "frames/s", peer=("pymbusparser", parser), ratio=1),
        _encrypted(),
        row("M-Bus, general record decoder", rate(_general(frames)), "frames/s", least=3000),
        row("M-Bus, layout seen for the first time", rate(_first_sight(frames)), "frames/s", least=1000),
        row("M-Bus receiver on noise", rate(_noise()) * 60 / 1e6, "MB/min", least=20),
    ]


if __name__ == "__main__":
    for line in run():
        print(line)
