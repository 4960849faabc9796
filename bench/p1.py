"""How fast P1 is: telegrams a second to register values and to readings, against dsmr-parser in the same run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bench.rows import Row, against, rate, row
from metergate.wire.p1 import P1Receiver, seal_telegram
from metergate.wire.p1.frame import Frame, Line
from metergate.wire.p1.moments import stamp
from metergate.wire.p1.push import written
from metergate.wire.p1.sealed import AUTHENTICATED, DEFAULT_AK, Keyring, decode_sealed

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY, TITLE = bytes(range(16)), b"MGT\x00\x00\x00\x00\x01"
NUMBERS = (
    *((f"1-0:{code}.8.{tariff}", "000000.000*kWh", "1234.567") for code in (1, 2) for tariff in (1, 2)),
    ("0-0:96.14.0", "0000", "2"),
    *((f"1-0:{code}.7.0", "00.000*kW", "1.234") for code in (1, 2)),
    ("0-0:96.7.21", "00000", "13"),
    ("0-0:96.7.9", "00000", "2"),
    *((f"1-0:{code}.{d}.0", "00000", "3") for d in (32, 36) for code in (32, 52, 72)),
    *((f"1-0:{code}.7.0", "000.0*V", "230.1") for code in (32, 52, 72)),
    *((f"1-0:{code}.7.0", "000*A", "4") for code in (31, 51, 71)),
    *((f"1-0:{code}.7.0", "00.000*kW", "0.411") for code in (21, 41, 61, 22, 42, 62)),
)
"""The numbers of a three-phase DSMR 5 meter."""


def telegrams(count: int) -> list[bytes]:
    """One meter's telegrams of one layout, a second apart, with values that change."""
    return [_telegram(number) for number in range(count)]


def _telegram(number: int) -> bytes:
    def value(pattern: str, base: str) -> str:
        moves = "." in pattern
        return written(pattern, Decimal(base) + (Decimal(number).scaleb(-1) if moves else 0))

    lines = [
        Line("1-3:0.2.8", ("50",)),
        Line("0-0:1.0.0", (stamp(AT + timedelta(seconds=number)),)),
        Line("0-0:96.1.1", ("4530303334303036383234393130313137",)),
        *(Line(code, (value(pattern, base),)) for code, pattern, base in NUMBERS),
        Line("1-0:99.97.0", ("1", "0-0:96.7.19", "250101180320W", "0000237126*s")),
        Line("0-0:96.13.0", ("",)),
        Line("0-1:24.1.0", ("003",)),
        Line("0-1:96.1.0", ("4730303332353635353039393034313137",)),
        Line("0-1:24.2.1", (stamp(AT), "00212.529*m3")),
    ]
    return Frame("MGT5\\2P1-50", tuple(lines)).encode()


def _dsmr_parser() -> Callable[[bytes], Any]:
    from dsmr_parser import telegram_specifications
    from dsmr_parser.parsers import TelegramParser

    parser = TelegramParser(telegram_specifications.V5)
    return lambda frame: parser.parse(frame.decode("ascii"))


def _receiver(keys: dict[str, bytes] | None = None, **options: bool) -> Callable[[bytes], Any]:
    receiver = P1Receiver(keys, options)
    return lambda frame: list(receiver.receive(frame, AT))


def _values(frame: bytes) -> Callable[[bytes], Any]:
    receiver = P1Receiver()
    list(receiver.receive(frame, AT))
    layout = receiver.layouts.known()[0]
    if layout.values(frame) is None:
        raise RuntimeError("the layout does not read its own telegram")
    return layout.values


def _opened(frame: bytes) -> Callable[[bytes], Any]:
    """An encrypted telegram to register values: the envelope, the tag, the layout."""
    ring, values = Keyring({"encryption": KEY}), _values(frame)

    def work(sealed: bytes) -> Any:
        return values(ring.open(decode_sealed(sealed)))

    return work


def _bare() -> Callable[[bytes], Any]:
    """AES-GCM alone on the same bytes, key schedule ready; a whole tag, as the library's fast call wants it."""
    cipher, header = AESGCM(KEY), bytes((AUTHENTICATED,)) + DEFAULT_AK
    return lambda sealed: cipher.decrypt(sealed[2:10] + sealed[14:18], sealed[18:], header)


def _bare_stream() -> Callable[[bytes], Any]:
    """The library's own way for tags of 12 bytes."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    header = bytes((AUTHENTICATED,)) + DEFAULT_AK

    def work(sealed: bytes) -> bytes:
        mode = modes.GCM(sealed[2:10] + sealed[14:18], sealed[-12:], 12)
        stream = Cipher(algorithms.AES(KEY), mode).decryptor()
        stream.authenticate_additional_data(header)
        return stream.update(sealed[18:-12]) + stream.finalize()

    return work


def _all(work: Callable[[bytes], Any], frames: list[bytes]) -> Callable[[], int]:
    def once() -> int:
        for frame in frames:
            work(frame)
        return len(frames)

    return once


def _encrypted(frames: list[bytes]) -> list[Row]:
    """Encrypted telegrams against AES-GCM alone: at least a third of its speed."""
    unit = "telegrams/s"
    sealed = [seal_telegram(frame, KEY, TITLE, number) for number, frame in enumerate(frames, 1)]
    ring, header = Keyring({"encryption": KEY}), bytes((AUTHENTICATED,)) + DEFAULT_AK
    cipher = AESGCM(KEY)
    whole = [
        octets[:-12] + cipher.encrypt(octets[2:10] + octets[14:18], frame, header)[-16:]
        for octets, frame in zip(sealed, frames, strict=True)
    ]
    work = {
        "opened": lambda octets: ring.open(decode_sealed(octets)),
        "to values by layout": _opened(frames[0]),
        "to readings by layout": _receiver({"encryption": KEY}),
    }
    rows = []
    for name, least in (("opened", 1 / 3), ("to values by layout", 1 / 3), ("to readings by layout", None)):
        mine, bare = against(_all(work[name], sealed), _all(_bare_stream(), sealed))
        rows.append(row(f"P1 encrypted: {name}", mine, unit, peer=("AES-GCM of the same bytes", bare), ratio=least))
    mine, bare = against(_all(work["opened"], sealed), _all(_bare(), whole))
    rows.append(row("P1 encrypted: opened", mine, unit, peer=("AES-GCM, whole tag, one call", bare)))
    return rows


def run() -> list[Row]:
    """Telegrams a second of CPU time, of one meter whose telegrams keep their layout."""
    frames = telegrams(50)
    size, unit = len(frames[0]), "telegrams/s"
    values, read = _all(_values(frames[0]), frames), _all(_receiver(), frames)
    general = _all(_receiver(learn=False), frames)
    rows = [
        row(f"P1 {size} B, {len(NUMBERS)} numbers: values by layout", rate(values), unit),
        row("P1: readings by layout", rate(read), unit),
        row("P1: readings by the general decoder", rate(general), unit, least=2_000),
    ]
    theirs = _all(_dsmr_parser(), frames)
    for what, ours, least in (
        ("values by layout", values, 30),
        ("readings by layout", read, None),
        ("readings by the general decoder", general, None),
    ):
        mine, other = against(ours, theirs)
        rows.append(row(f"P1: {what}, against dsmr-parser", mine, unit, peer=("dsmr-parser", other), ratio=least))
    return rows + _encrypted(frames)


if __name__ == "__main__":
    for line in run():
        print(line)
