"""TIC of French meters: frames of both modes to readings per second; at 9,600 Bd a meter sends one in a second."""

from __future__ import annotations

from datetime import UTC, datetime

from bench.rows import Row, every, rate, readings, row
from metergate.wire.base import Telegram
from metergate.wire.tic import HISTORICAL, STANDARD, TicReceiver, frame

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
OLD: dict[str, int | str] = {
    "ADCO": "041876097115",
    "OPTARIF": "HC..",
    "ISOUSC": 45,
    "HCHC": 1234567,
    "HCHP": 2345678,
    "PTEC": "HP..",
    "IINST": 4,
    "IMAX": 90,
    "PAPP": 860,
}
NEW: dict[str, int | str] = {
    "ADSC": "041876097115",
    "VTIC": "02",
    "EAST": 3580245,
    "EASF01": 1234567,
    "EASF02": 2345678,
    "IRMS1": 4,
    "URMS1": 231,
    "PREF": 9,
    "PCOUP": 9,
    "SINSTS": 860,
    "RELAIS": "000",
    "NTARF": "02",
}
LEAST = 2_000


def run() -> list[Row]:
    """The rows of this benchmark."""
    rows = []
    for name, mode, values in (("historical", HISTORICAL, OLD), ("standard", STANDARD, NEW)):
        octets = frame(mode, values, AT).encode()
        receiver = TicReceiver({})
        found = [one for one in receiver.receive(octets * 2) if isinstance(one, Telegram)]
        count = len(found[-1].readings)
        title = f"TIC, {name} mode, {len(octets)} B, {count} readings"
        rows.append(row(title, rate(every(readings(receiver, count), [octets] * 50)), "frames/s", least=LEAST))
    return rows


if __name__ == "__main__":
    for line in run():
        print(line)
