"""One household's meter, read over two protocols: the same registers with the same values, to what each can carry."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from dialogues import Talk
from metergate.meters.pollers import POLLERS, Target
from metergate.model import Obis, Reading, Unit
from metergate.sim.household import Household
from metergate.sim.meters import Pusher, responder
from metergate.sim.meters.base import source
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire import protocols
from metergate.wire.base import Telegram, received

AT = datetime(2026, 11, 22, 12, 0, 30, tzinfo=UTC)
BANK = Bank((Household(5, pv_watts=4000, since=date(2026, 11, 1)),), (), installed=datetime(2026, 11, 1, tzinfo=UTC))
NUMBER = "202611000001"
TERMINAL = "11000001"
OFFSET: dict[str, object] = {"utc_offset": 60}
BASE = {Unit.KWH: (Unit.WH, 3), Unit.KW: (Unit.W, 3)}
Values = dict[str, tuple[Decimal, Unit | None]]


def _asked(protocol: str, number: str, target: Target, options: dict[str, object]) -> tuple[Reading, ...]:
    meter = responder(MeterSpec(protocol, number, 0), BANK)
    return Talk([meter], AT).run(POLLERS[protocol](options).read(target)).readings


def _pushed(protocol: str, kind: int = 0, options: dict[str, object] | None = None) -> tuple[Reading, ...]:
    frames = Pusher(MeterSpec(protocol, NUMBER, 0, kind), BANK).frames(AT)
    receiver = protocols()[protocol].receiver({}, options or {})
    found = [item for frame in frames for item in received(receiver, frame, AT)]
    return tuple(reading for item in found if isinstance(item, Telegram) for reading in item.readings)


WAYS = {
    "645": lambda: _asked("dlt645", NUMBER, Target("m", NUMBER), OFFSET),
    "645 through 376.1": lambda: _asked(
        "gdw376", NUMBER[-8:], Target("m", f"{NUMBER[-8:]}/{NUMBER[-8:]:0>12}"), OFFSET
    ),
    "DLMS": lambda: _asked("dlms-wrapper", NUMBER, Target("m", "16/1"), {}),
    "DLMS pushed": lambda: _pushed("dlms-push", options={"layer": "hdlc"}),
    "P1": lambda: _pushed("p1", 5),
    "SML": lambda: _pushed("sml"),
    "D0": lambda: _asked("iec62056-21", NUMBER, Target("m", ""), {}),
    "D0 pushed": lambda: _pushed("iec62056-d"),
}


def _values(way: str) -> Values:
    """Registers by group C, D and E (no channel, no storage), in Wh, W, V and A; what the meter tells of itself not."""
    found: Values = {}
    for reading in WAYS[way]():
        if reading.obis is not None and reading.obis.a == 1 and isinstance(reading.value, Decimal):
            unit, shift = BASE.get(reading.unit, (reading.unit, 0)) if reading.unit else (None, 0)
            code = f"1-0:{reading.obis.c}.{reading.obis.d}.{reading.obis.e}"
            found[code] = (reading.value.scaleb(shift), unit)
    return found


def _agree(one: Decimal, other: Decimal) -> bool:
    """As far as the coarser one tells: digits that it does not carry are cut off or rounded."""
    step = Decimal(1).scaleb(max(int(one.normalize().as_tuple().exponent), int(other.normalize().as_tuple().exponent)))
    return abs(one - other) < step


@pytest.mark.parametrize(
    ("one", "other", "least"),
    [
        ("645", "645 through 376.1", ("1-0:1.8.0", "1-0:2.8.0", "1-0:32.7.0", "1-0:31.7.0", "1-0:16.7.0")),
        ("DLMS", "P1", ("1-0:32.7.0", "1-0:31.7.0")),
        ("DLMS", "DLMS pushed", ("1-0:1.8.0", "1-0:2.8.0", "1-0:16.7.0")),
        ("SML", "D0", ("1-0:1.8.0", "1-0:2.8.0", "1-0:16.7.0")),
        ("D0", "D0 pushed", ("1-0:1.8.0", "1-0:2.8.0", "1-0:16.7.0", "1-0:32.7.0", "1-0:31.7.0")),
        ("645", "D0", ("1-0:1.8.0", "1-0:2.8.0", "1-0:32.7.0", "1-0:31.7.0", "1-0:16.7.0")),
    ],
)
def test_what_both_ways_carry_is_the_same(one: str, other: str, least: tuple[str, ...]) -> None:
    mine, theirs = _values(one), _values(other)
    assert set(least) <= mine.keys() & theirs.keys()
    for code in mine.keys() & theirs.keys():
        assert mine[code][1] is theirs[code][1], code
        assert _agree(mine[code][0], theirs[code][0]), (code, mine[code], theirs[code])


@pytest.mark.parametrize(("one", "other"), [("645", "645 through 376.1"), ("D0", "D0 pushed")])
def test_the_same_record_set(one: str, other: str) -> None:
    """What is only carried otherwise is the same to the last digit, no register more or less."""
    assert _values(one) == _values(other) != {}


@pytest.mark.parametrize("way", WAYS)
def test_values_are_those_of_the_household(way: str) -> None:
    show = source(MeterSpec("any", NUMBER, 0), BANK)
    for code, (value, unit) in _values(way).items():
        true = show(Obis.parse(code), AT)
        if true is not None:
            shift, most = (3, 10) if unit is Unit.WH else (3, 1) if unit is Unit.W else (0, 1)
            assert abs(value - true.scaleb(shift)) <= most, code


def test_the_tariffs_of_p1_add_up_to_the_totals_of_dlms() -> None:
    dlms, p1 = _values("DLMS"), _values("P1")
    for total in ("1-0:1.8.", "1-0:2.8."):
        parts = p1[f"{total}1"][0] + p1[f"{total}2"][0]
        assert abs(parts - dlms[f"{total}0"][0]) <= 2
