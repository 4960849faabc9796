"""The quick way to a reading gives the same as the usual one."""

import copy
import pickle
from dataclasses import FrozenInstanceError, fields, replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from metergate.model import Quality, Reading, Register, TimeQuality
from metergate.model.reading import quick_reading

AT = datetime(2026, 3, 1, tzinfo=UTC)
PARTS = (Register("m"), Decimal("1.0"), 10, AT, AT, 4, Quality.SUSPECT, TimeQuality.DOUBTFUL, "why", ("note",))


def test_quick_reading_is_a_reading() -> None:
    quick, usual = quick_reading(*PARTS), Reading(*PARTS)
    assert type(quick) is Reading
    assert quick == usual
    assert hash(quick) == hash(usual)
    assert repr(quick) == repr(usual)
    assert [getattr(quick, field.name) for field in fields(Reading)] == list(PARTS)
    assert replace(quick, raw=11) == replace(usual, raw=11)
    assert copy.copy(quick) == pickle.loads(pickle.dumps(quick)) == usual
    assert quick_reading(*PARTS[:8]) == Reading(*PARTS[:8])


def test_quick_reading_is_frozen() -> None:
    quick = quick_reading(*PARTS)
    with pytest.raises(FrozenInstanceError):
        quick.raw = 1  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        quick.other = 1  # type: ignore[attr-defined]
