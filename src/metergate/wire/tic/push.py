"""The meter's side: frames as a Linky sends them in either mode."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from metergate.wire.tic.frame import HISTORICAL, STANDARD, Frame, Group
from metergate.wire.tic.labels import stamp

WIDTHS: dict[str, dict[str, int]] = {
    HISTORICAL: {
        "ADCO": 12,
        "OPTARIF": 4,
        "ISOUSC": 2,
        "BASE": 9,
        "HCHC": 9,
        "HCHP": 9,
        "EJPHN": 9,
        "EJPHPM": 9,
        "PTEC": 4,
        "IINST": 3,
        "IMAX": 3,
        "PAPP": 5,
        "HHPHC": 1,
        "MOTDETAT": 6,
    },
    STANDARD: {
        "ADSC": 12,
        "VTIC": 2,
        "DATE": 0,
        "NGTF": 16,
        "LTARF": 16,
        "EAST": 9,
        **{f"EASF{number:02}": 9 for number in range(1, 11)},
        "EAIT": 9,
        "IRMS1": 3,
        "URMS1": 3,
        "PREF": 2,
        "PCOUP": 2,
        "SINSTS": 5,
        "SMAXSN": 5,
        "SINSTI": 5,
        "STGE": 8,
        "RELAIS": 3,
        "NTARF": 2,
        "PRM": 14,
    },
}
"""Labels of each mode in the order in which they are sent, and how many characters their values have."""
STAMPED = {"DATE", "SMAXSN", "SMAXIN", "CCASN", "UMOY1"}
"""Labels of the standard mode with a time stamp."""


def frame(mode: str, values: Mapping[str, int | str], now: datetime, trusted: bool = True) -> Frame:
    """A frame of `values` by label, in the order of the mode; numbers with leading zeros, texts as they are.

    `now` becomes the time stamps of the standard mode; `trusted` false: the meter's clock is wrong and says so.
    """
    groups = []
    for label, width in WIDTHS[mode].items():
        if label in values or (label == "DATE" and mode == STANDARD):
            value = values.get(label, "")
            text = f"{value:0{width}d}" if isinstance(value, int) else value
            stamped = stamp(now, trusted) if mode == STANDARD and label in STAMPED else None
            groups.append(Group(label, text, stamped))
    return Frame(mode, tuple(groups))
