"""Shares as cells of a strip."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from metergate.station.collect.queries import QUARTER, Share


def cells(shares: Sequence[Share], end: datetime, zone: ZoneInfo) -> list[tuple[str, str]]:
    """Each a state (full, part, none, void) and its words; the last one ends at `end`'s quarter."""
    end = end.replace(minute=end.minute // 15 * 15, second=0, microsecond=0)
    first = end - len(shares) * QUARTER
    return [_cell(share, first + place * QUARTER, zone) for place, share in enumerate(shares)]


def _cell(share: Share, at: datetime, zone: ZoneInfo) -> tuple[str, str]:
    words = f"{at.astimezone(zone):%H:%M}–{(at + timedelta(minutes=15)).astimezone(zone):%H:%M}"
    if not share.expected:
        return "void", words
    state = "full" if share.present == share.expected else "part" if share.present else "none"
    return state, f"{words}: {share.present}/{share.expected}"
