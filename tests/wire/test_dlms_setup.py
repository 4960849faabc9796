"""Security setup: what the policy tells is enforced; new keys come wrapped and count from the next association on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dlmshome import BANK, SPEC
from dlmsways import KEYS, METER_TITLE, NOW, Bench, entrance
from metergate.errors import ApplicationError, BadValue, ConfigError, MetergateError
from metergate.model.command import Outcome
from metergate.sim.meters.dlms import Meter
from metergate.wire.dlms import apdu as a
from metergate.wire.dlms.acse import Context, Mechanism
from metergate.wire.dlms.apdu import Attribute, ExceptionResponse
from metergate.wire.dlms.client import Client, keys, meter
from metergate.wire.dlms.cosem.classes import Level
from metergate.wire.dlms.cosem.security import SecuritySetup
from metergate.wire.dlms.security import Counter, KeySet, SecurityControl
from metergate.wire.dlms.server import Admission, Identity, Server

CLIENT, STRICT = 1, 2
FRESH = {"encryption": bytes(range(50, 66)), "authentication": bytes(range(70, 86))}
LEVELS = {1: SecurityControl(0, True, False), 2: SecurityControl(0, False, True), 3: SecurityControl()}


def bench(policy: SecurityControl = LEVELS[1]) -> tuple[Bench, Meter, SecuritySetup]:
    one = Meter(SPEC, BANK)
    one.identity = Identity(METER_TITLE, KEYS)
    setup = SecuritySetup(METER_TITLE, lambda: one.identity.keys.master, one.identity.take, policy=0)
    one.device.add(setup)
    ways = (Context.LN_CIPHERED,)
    doors = [Admission(CLIENT, Level.MANAGER, Mechanism.GMAC, ways, policy=policy)]
    doors += [Admission(STRICT, Level.MANAGER, Mechanism.GMAC, ways)]
    one.server = Server(one.device, doors, one.identity)
    return Bench(one.server), one, setup


def client(line: Bench, control: SecurityControl, number: int = CLIENT) -> Client:
    return Client(line.transport(number), entrance(Mechanism.GMAC, True, control=control))


def works(line: Bench, control: SecurityControl, number: int = CLIENT) -> bool:
    one = client(line, control, number)
    try:
        line.talk.run(one.associate())
        line.talk.run(one.get(meter.CLOCK))
    except MetergateError:
        return False
    return True


@pytest.mark.parametrize("told", [0, 1, 2, 3])
def test_what_the_policy_tells_is_enforced(told: int) -> None:
    line, _, setup = bench()
    setup.policy |= told
    assert setup.read_policy(NOW).number == told | 1
    for level, control in LEVELS.items():
        assert works(line, control) == (level & setup.policy == setup.policy)


def test_every_association_has_its_own_least() -> None:
    line, _, _ = bench()
    assert [works(line, LEVELS[1], number) for number in (CLIENT, STRICT)] == [True, False]
    assert works(line, LEVELS[3], STRICT)


def test_a_stricter_policy_counts_at_once() -> None:
    line, _, setup = bench()
    full, weak = client(line, LEVELS[3], STRICT), client(line, LEVELS[1])
    line.talk.run(weak.associate())
    line.talk.run(weak.get(meter.CLOCK))
    line.talk.run(full.associate())
    assert line.talk.run(keys.activate(full, 3)) is Outcome.DONE
    assert line.talk.run(keys.activate(full, 1)) is Outcome.REFUSED
    assert setup.policy == 3
    with pytest.raises(ApplicationError, match="deciphering"):
        line.talk.run(weak.get(meter.CLOCK))


def test_clear_requests_in_a_ciphered_context() -> None:
    line, one, _ = bench()
    line.talk.run(client(line, LEVELS[3]).associate())
    answer = one.server.on_apdu(CLIENT, 1, a.encode(a.GetRequest(0xC1, meter.CLOCK)), NOW)
    assert isinstance(a.decode(answer or b""), ExceptionResponse)


def test_the_association_tells_its_setup() -> None:
    line, _, _ = bench()
    reader = client(line, LEVELS[3])
    line.talk.run(reader.associate())
    told = line.talk.run(reader.get(Attribute(15, meter.OBJECTS.instance, 9)))
    assert told.octets == keys.SETUP


# ---- keys ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("which", [("encryption",), ("authentication",), ("encryption", "authentication")])
def test_new_keys_count_from_the_next_association_on(which: tuple[str, ...]) -> None:
    line, one, _ = bench()
    fresh = {name: FRESH[name] for name in which}
    other, manager = client(line, LEVELS[3], STRICT), client(line, LEVELS[3])
    line.talk.run(other.associate())
    line.talk.run(manager.associate())
    assert line.talk.run(keys.transfer(manager, fresh)) is Outcome.DONE
    assert one.identity.keys == replace(KEYS, **fresh)
    line.talk.run(other.get(meter.CLOCK))
    line.talk.run(manager.get(meter.CLOCK))
    assert not works(line, LEVELS[3])


def test_old_counters_say_nothing_of_a_new_key() -> None:
    line, one, _ = bench()
    other, manager = client(line, LEVELS[3], STRICT), client(line, LEVELS[3])
    other.entrance.counter.lift(100_000)
    line.talk.run(other.associate())
    line.talk.run(manager.associate())
    assert line.talk.run(keys.transfer(manager, FRESH)) is Outcome.DONE
    line.talk.run(other.get(meter.CLOCK))
    assert one.identity.greatest < 100
    line.talk.run(manager.get(meter.CLOCK))


def test_a_wrong_master_key_changes_nothing() -> None:
    line, one, _ = bench()
    manager = client(line, LEVELS[3])
    manager.entrance.keys = replace(KEYS, master=bytes(16))
    line.talk.run(manager.associate())
    assert line.talk.run(keys.transfer(manager, FRESH)) is Outcome.REFUSED
    assert one.identity.keys == KEYS


@pytest.mark.parametrize("fresh", [{}, {"master": bytes(16)}, {"encryption": bytes(8)}])
def test_keys_that_cannot_be(fresh: dict[str, bytes]) -> None:
    line, _, _ = bench()
    manager = client(line, LEVELS[3])
    line.talk.run(manager.associate())
    with pytest.raises(BadValue):
        line.talk.run(keys.transfer(manager, fresh))
    manager.entrance.keys = KeySet(KEYS.encryption, KEYS.authentication)
    with pytest.raises(ConfigError):
        line.talk.run(keys.transfer(manager, FRESH))


def test_counters_outlive_the_server() -> None:
    line, one, _ = bench()
    door = client(line, LEVELS[3])
    line.talk.run(door.associate())
    line.talk.run(door.get(meter.CLOCK))
    kept = dict(one.identity.heard)
    again = Identity(METER_TITLE, KEYS, Counter(one.identity.counter.last), dict(kept))
    way = Admission(CLIENT, Level.MANAGER, Mechanism.GMAC, (Context.LN_CIPHERED,))
    other = Bench(Server(one.device, [way], again))
    old = client(other, LEVELS[3])
    other.talk.run(old.associate())
    assert old.entrance.counter.last > kept[door.entrance.title]
    other.talk.run(client_of(door, other).associate())


def client_of(known: Client, line: Bench) -> Client:
    """Another client with the same memory."""
    return Client(line.transport(CLIENT), known.entrance)
