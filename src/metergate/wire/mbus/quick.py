"""`Telegram(...)` at a fraction of its cost, for decoders in a hurry: a frozen dataclass fills itself in slowly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from metergate.model import MeterIdentity, Reading
from metergate.wire.base import Telegram


class _Draft:
    """A telegram being filled in: the same slots as `Telegram`, but not frozen yet."""

    __slots__ = tuple(Telegram.__dataclass_fields__)


def quick_telegram(
    protocol: str,
    offset: int,
    data: bytes,
    meter: MeterIdentity,
    frame: Mapping[str, object],
    readings: tuple[Reading, ...],
) -> Telegram:
    """A valid telegram without problems."""
    draft: Any = _Draft()
    draft.protocol = protocol
    draft.offset = offset
    draft.length = len(data)
    draft.valid = True
    draft.data = data
    draft.meter = meter
    draft.frame = frame
    draft.readings = readings
    draft.problems = ()
    draft.__class__ = Telegram
    return draft  # type: ignore[no-any-return]
