"""An M-Bus with several slaves on it: who speaks at once is not understood."""

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from metergate.wire.mbus.dib import Dib
from metergate.wire.mbus.records import RawRecord, record
from metergate.wire.mbus.slave import Slave, pages
from metergate.wire.mbus.telegram import LongHeader

CORPORA = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[2] / "shared" / "corpora"))


def overlap(answers: Sequence[bytes]) -> bytes:
    """What the master hears when slaves draw current at once: a 0 of any of them wins over the others' 1.

    Where they say different things, twice the current is no sign of either: the last octet is lost. (Without that one
    slave's answer could hide another's, 0 digits under 1 digits, and no master could tell.)
    """
    heard = bytearray(b"\xff" * max(map(len, answers)))
    for answer in answers:
        for at, octet in enumerate(answer):
            heard[at] &= octet
    if len(set(answers)) > 1:
        heard[-1] = 0
    return bytes(heard)


class Bus:
    """Several slaves as one responder."""

    def __init__(self, *slaves: Slave) -> None:
        self.slaves = slaves

    def receive(self, data: bytes, now: datetime) -> Iterator[bytes]:
        answers = [answer for slave in self.slaves for answer in slave.receive(data, now)]
        if answers:
            yield overlap(answers) if len(answers) > 1 else answers[0]

    def silence(self) -> None:
        for slave in self.slaves:
            slave.silence()


def int32(vif: str, value: str, storage: int = 0) -> RawRecord:
    return record(Dib("int", 4, storage=storage), bytes.fromhex(vif), Decimal(value))


def bcd8(vif: str, value: str, storage: int = 0) -> RawRecord:
    return record(Dib("bcd", 4, storage=storage), bytes.fromhex(vif), Decimal(value))


def heat_records(wh: str = "12345000") -> list[RawRecord]:
    """What an ordinary heat meter tells."""
    return [
        bcd8("06", wh),
        bcd8("13", "345.678"),
        int32("2B", "4321"),
        record(Dib("bcd", 3), b"\x3b", Decimal("0.432")),
        record(Dib("bcd", 2), b"\x5a", Decimal("61.5")),
        record(Dib("bcd", 2), b"\x5e", Decimal("41.2")),
        record(Dib("int", 4), b"\x6d", "2026-11-22T04:30:00"),
        record(Dib("variable", 0), b"\xfd\x0f", "1.0.4"),
        bcd8("06", "9000", storage=1),
    ]


def heat(number: str, address: int = 0, wh: str = "12345000", **who: object) -> Slave:
    """A heat meter with the number `number`; `who`: other parts of its header."""
    parts = {"manufacturer": "KAM", "version": 8, "medium": 4} | who
    return Slave(LongHeader(number, **parts), pages(heat_records(wh)), address)  # type: ignore[arg-type]


def large(number: str, address: int = 0, count: int = 120) -> Slave:
    """A meter that needs several telegrams: `count` stored volumes, number n of n m3."""
    records = [int32("16", str(n), storage=n) for n in range(count)]
    return Slave(LongHeader(number, "KAM", 1, 7), pages(records), address)
