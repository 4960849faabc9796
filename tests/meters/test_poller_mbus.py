"""M-Bus meters that are asked: encrypted ones with their key, the clock of one and of all."""

from datetime import UTC, datetime

import pytest

from dialogues import NOW, Talk
from metergate.errors import KeyMissing, Unprotected, WrongKey
from metergate.meters.pollers import POLLERS, Target
from metergate.model import Connect, Outcome, SetClock
from metergate.sim.household import Household
from metergate.sim.meters import responder
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.mbus.slave import Slave

KEY = bytes(range(16))
BANK = Bank((Household(5),), (), installed=datetime(2026, 1, 1, tzinfo=UTC))
ADDRESS = str(61203344 % 250 + 1)


def slave(key: bytes = b"") -> Slave:
    found = responder(MeterSpec("mbus", "61203344", 0, 4, key.hex()), BANK)
    assert isinstance(found, Slave)
    return found


@pytest.mark.parametrize("address", [ADDRESS, "61203344"])
def test_an_encrypted_meter_is_read_with_its_key(address: str) -> None:
    clear = Talk([slave()]).run(POLLERS["mbus"]({}).read(Target("61203344", address)))
    found = Talk([slave(KEY)]).run(POLLERS["mbus"]({}).read(Target("61203344", address, KEY)))
    assert [reading.value for reading in found.readings] == [reading.value for reading in clear.readings]
    assert found.frame["protected"] is True


@pytest.mark.parametrize(
    ("has", "given", "error"), [(KEY, None, KeyMissing), (KEY, bytes(16), WrongKey), (b"", KEY, Unprotected)]
)
def test_without_the_key_there_is_an_error(has: bytes, given: bytes | None, error: type[Exception]) -> None:
    with pytest.raises(error):
        Talk([slave(has)]).run(POLLERS["mbus"]({}).read(Target("61203344", ADDRESS, given)))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "2026-11-22T04:30:00"),
        ({"clock_offset": 60}, "2026-11-22T05:30:00"),
        ({"clock_seconds": True}, "2026-11-22T04:30:17"),
    ],
)
def test_the_clock_of_one_and_of_all(options: dict[str, object], told: str) -> None:
    poller, now = POLLERS["mbus"](options), NOW.replace(second=17)
    meter, other = slave(), slave()
    assert (
        Talk([meter]).run(poller.execute(Target("61203344", ADDRESS), SetClock("1", "61203344"), now)) is Outcome.DONE
    )
    assert (meter.clock, other.clock) == (told, None)
    assert Talk([meter, other]).run(poller.broadcast_clock(now)) is Outcome.UNSURE
    assert other.clock == told


def test_an_order_that_there_is_not() -> None:
    meter = slave()
    order = POLLERS["mbus"]({}).execute(Target("61203344", ADDRESS), Connect("1", "61203344"), NOW)
    assert Talk([meter]).run(order) is Outcome.UNSUPPORTED
    assert meter.written == []
