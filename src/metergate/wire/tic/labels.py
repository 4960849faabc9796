"""What the labels mean: OBIS code, unit and kind of each (Enedis-NOI-CPT_54E §6.2, historical and standard mode)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from metergate.model import Obis, Register, TimeQuality, Unit
from metergate.wire.p1.moments import stamp as local_stamp

METERS = ("ADCO", "ADSC")
"""Labels of the meter's number."""
TARIFFS_HISTORICAL = {
    "BASE": "1-0:1.8.0",
    "HCHC": "1-0:1.8.1",
    "HCHP": "1-0:1.8.2",
    "EJPHN": "1-0:1.8.1",
    "EJPHPM": "1-0:1.8.2",
    "BBRHCJB": "1-0:1.8.1",
    "BBRHPJB": "1-0:1.8.2",
    "BBRHCJW": "1-0:1.8.3",
    "BBRHPJW": "1-0:1.8.4",
    "BBRHCJR": "1-0:1.8.5",
    "BBRHPJR": "1-0:1.8.6",
}
Codes = dict[str, str | None]
_WH: Codes = {**TARIFFS_HISTORICAL, "EAST": "1-0:1.8.0", "EAIT": "1-0:2.8.0"}
_WH |= {f"EASF{number:02}": f"1-0:1.8.{number}" for number in range(1, 11)}
_WH |= {f"EASD{number:02}": None for number in range(1, 5)}
_VARH: Codes = {f"ERQ{number}": f"1-0:{number + 4}.8.0" for number in range(1, 5)}
_VA: Codes = {
    "PAPP": "1-0:9.7.0",
    "SINSTS": "1-0:9.7.0",
    "SINSTI": "1-0:10.7.0",
    "SMAXSN": "1-0:9.6.0",
    "PMAX": None,
}
_VA |= dict.fromkeys(("SMAXSN-1", "SMAXIN", "SMAXIN-1"))
_VA |= {f"{name}{phase}": None for name in ("SINSTS", "SMAXSN") for phase in (1, 2, 3)}
_VA |= {f"SMAXSN{phase}-1": None for phase in (1, 2, 3)}
_VA |= {f"SINSTS{phase}": f"1-0:{9 + 20 * phase}.7.0" for phase in (1, 2, 3)}
_W: Codes = {"CCASN": None, "CCASN-1": None, "CCAIN": None, "CCAIN-1": None}
_A: Codes = {
    "IINST": "1-0:31.7.0",
    "ISOUSC": None,
    "IMAX": None,
    "ADPS": None,
    "ADIR1": None,
    "ADIR2": None,
    "ADIR3": None,
}
_A |= {f"{name}{phase}": f"1-0:{11 + 20 * phase}.7.0" for name in ("IINST", "IRMS") for phase in (1, 2, 3)}
_A |= {f"IMAX{phase}": None for phase in (1, 2, 3)}
_V: Codes = {f"URMS{phase}": f"1-0:{12 + 20 * phase}.7.0" for phase in (1, 2, 3)}
_V |= {f"UMOY{phase}": f"1-0:{12 + 20 * phase}.24.0" for phase in (1, 2, 3)}
_KVA: Codes = {"PREF": None, "PCOUP": None}
_PLAIN = ("NTARF", "NJOURF", "NJOURF+1", "PEJP", "RELAIS")
PAST = {f"{name}-1" for name in ("SMAXSN", "SMAXIN", "CCASN", "CCAIN", "SMAXSN1", "SMAXSN2", "SMAXSN3")}
"""Labels of the period before."""
NUMBER, TEXT, CLOCK, STATUS = "number", "text", "clock", "status"
_UNITS: tuple[tuple[Codes, Unit | None], ...] = (
    (_WH, Unit.WH),
    (_VARH, Unit.VARH),
    (_VA, Unit.VA),
    (_W, Unit.W),
    (_A, Unit.A),
    (_V, Unit.V),
    (_KVA, Unit.KVA),
    (dict.fromkeys(_PLAIN), None),
)
LABELS: dict[str, tuple[str | None, Unit | None]] = {
    label: (code, unit) for table, unit in _UNITS for label, code in table.items()
}
"""Labels of numbers: OBIS code where there is one, and unit. All others are texts."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What of a value never changes."""

    register: Register
    kind: str


@lru_cache(4096)
def slot(meter: str, label: str) -> Slot:
    """The slot of a label's value. `address` is the label as sent."""
    code, unit = LABELS.get(label, (None, None))
    kind = NUMBER if label in LABELS else {"DATE": CLOCK, "STGE": STATUS}.get(label, TEXT)
    obis = Obis.parse(code) if code else Obis.parse("0-0:1.0.0") if kind is CLOCK else None
    return Slot(Register(meter, obis, None, unit, 0, int(label in PAST), address=label), kind)


_SEASONS = {"E": 120, "H": 60, "e": 120, "h": 60}
"""Minutes east of Greenwich by season letter; a small letter: the meter's clock is not to be trusted."""
_MILLENNIUM = datetime(2000, 1, 1, tzinfo=UTC)


@lru_cache(4096)
def moment(text: str) -> tuple[datetime | None, TimeQuality]:
    """The instant of a time stamp (`E081225223518`) and its worth; None where there is none or it cannot be."""
    offset = _SEASONS.get(text[:1])
    if len(text) != 13 or offset is None or not (text[1:].isascii() and text[1:].isdecimal()):
        return None, TimeQuality.NONE
    year, *rest = (int(text[at : at + 2]) for at in range(1, 13, 2))
    try:
        local = datetime(2000 + year, rest[0], rest[1], rest[2], rest[3], rest[4], tzinfo=UTC)
    except ValueError:
        return None, TimeQuality.NONE
    return local - timedelta(minutes=offset), TimeQuality.DOUBTFUL if text[0].islower() else TimeQuality.UNCHECKED


def stamp(instant: datetime, trusted: bool = True) -> str:
    """The time stamp of an instant, in the season that Europe then has."""
    text = local_stamp(instant)
    letter = "E" if text[-1] == "S" else "H"
    return (letter if trusted else letter.lower()) + text[:-1]


_BITS: tuple[tuple[int, int, str, tuple[str, ...]], ...] = (
    (0, 1, "dry contact", ("closed", "open")),
    (
        1,
        3,
        "breaker",
        ("closed", "open: power", "open: voltage", "open: load shed", "open: remote", *["open: heat"] * 2),
    ),
    (4, 1, "terminal cover", ("closed", "open")),
    (6, 1, "voltage", ("normal", "too high")),
    (7, 1, "reference power", ("kept", "exceeded")),
    (8, 1, "operation", ("consumer", "producer")),
    (9, 1, "active energy", ("positive", "negative")),
    (10, 4, "supplier tariff", tuple(str(number) for number in range(1, 17))),
    (14, 2, "distributor tariff", ("1", "2", "3", "4")),
    (16, 1, "clock", ("right", "degraded")),
    (17, 1, "TIC", ("historical", "standard")),
    (19, 2, "Euridis", ("off", "on, not safe", "", "on, safe")),
    (21, 2, "PLC", ("new, unlocked", "new, locked", "registered", "")),
    (23, 1, "PLC synchronised", ("no", "yes")),
    (24, 2, "Tempo today", ("none", "blue", "white", "red")),
    (26, 2, "Tempo tomorrow", ("none", "blue", "white", "red")),
    (28, 2, "peak notice", ("none", "1", "2", "3")),
    (30, 2, "peak", ("none", "1", "2", "3")),
)
"""Bits of STGE: first bit, how many, name, meanings. From the document's text; no capture confirms them."""


def status_bits(text: str) -> dict[str, str]:
    """The fields of the status register (8 hex digits); empty where it is none."""
    try:
        word = int(text, 16) if len(text) == 8 and text.isalnum() else None
    except ValueError:
        word = None
    if word is None:
        return {}
    found = ((name, word >> at & (1 << count) - 1, words) for at, count, name, words in _BITS)
    return {name: words[value] if value < len(words) and words[value] else str(value) for name, value, words in found}
