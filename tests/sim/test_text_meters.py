"""Simulated meters of text protocols at a line: what they push is what the household used, read by our own reader."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from metergate.errors import ConfigError
from metergate.links.loop import pair
from metergate.meters.driver import Listener
from metergate.meters.translate import Translator
from metergate.model import Obis
from metergate.sim.household import Household
from metergate.sim.meters import Pusher, source
from metergate.sim.meters.p1 import KINDS
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire import protocol
from metergate.wire.base import Found, Telegram

AT = datetime(2026, 11, 22, 12, 3, 4, tzinfo=UTC)
BANK = Bank((Household(11, pv_watts=4000, since=date(2026, 11, 1)),), (), installed=datetime(2026, 11, 1, tzinfo=UTC))
KEY = "000102030405060708090a0b0c0d0e0f"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def spec(name: str, kind: int, key: str = "") -> MeterSpec:
    return MeterSpec(name, "041876097115", 0, kind, key)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "kind", "key"), [("p1", 5, ""), ("p1", 352, KEY), ("p1", 3, ""), ("tic", 0, ""), ("tic", 1, "")]
)
async def test_a_listener_hears_what_the_household_used(name: str, kind: int, key: str) -> None:
    here, there = pair()
    entry = protocol(name)
    assert entry is not None
    heard: list[Found] = []
    one = spec(name, kind, key)
    pusher = Pusher(one, BANK)
    for second in range(3):
        for frame in pusher.frames(AT + timedelta(seconds=second)):
            await there.write(frame)
    await there.close()
    await Listener(here, entry.receiver({one.id: bytes.fromhex(key)} if key else {}, {}), heard.append).run()
    telegrams = [item for item in heard if isinstance(item, Telegram)]
    assert len(telegrams) == len(heard) == 3
    show, translate = source(one, BANK), Translator()
    for second, telegram in enumerate(telegrams):
        readings = {str(reading.obis): reading for reading in translate(telegram)}
        total = show(Obis.parse("1-0:1.8.0"), AT + timedelta(seconds=second))
        assert total is not None
        parts = [readings[code] for code in ("1-0:1.8.1", "1-0:1.8.2") if code in readings]
        found = [readings["1-0:1.8.0"]] if "1-0:1.8.0" in readings else parts
        factor = 1000 if name == "tic" else 1
        assert sum(Decimal(str(reading.value)) for reading in found) / factor == total.quantize(
            Decimal("0.001"), "ROUND_DOWN"
        )
        if name == "p1":
            assert readings["7-1:3.0.0"].register.quantity == "gas"


def test_registers_never_fall() -> None:
    receiver = protocol("p1").receiver({}, {})  # type: ignore[union-attr]
    pusher = Pusher(spec("p1", 5), BANK)
    last: dict[str, Decimal] = {}
    for quarter in range(96):
        for frame in pusher.frames(AT + timedelta(minutes=15 * quarter)):
            (told,) = [item for item in receiver.receive(frame) if isinstance(item, Telegram)]
            for reading in told.readings:
                if reading.obis and reading.obis.d == 8 and isinstance(reading.value, Decimal):
                    assert reading.value >= last.get(str(reading.obis), Decimal(0))
                    last[str(reading.obis)] = reading.value
    assert len(last) == 4


def test_a_kind_that_there_is_not_is_named() -> None:
    assert 99 not in KINDS
    with pytest.raises(ConfigError, match="kind 99"):
        Pusher(spec("p1", 99), BANK)
