"""DLMS meters asked over UDP: datagrams are lost, come twice, and come late."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import cycle

import pytest

from dialogues import Talk
from dlmshome import AK, BANK, EK, NOON, QUARTER, SPEC, truth
from dlmshome import profile as stored
from metergate.errors import ConfigError, MetergateError, NoAnswer
from metergate.links import Link, open_link
from metergate.meters.once import ask_once, read_once
from metergate.meters.options import check_option
from metergate.meters.pollers import POLLERS, Poller, Target
from metergate.meters.pollers.dlms_datagrams import IDS, DatagramClient
from metergate.meters.pollers.dlms_datagrams import Link as Way
from metergate.meters.scan import PROBES, Scope, Survey, scan
from metergate.model import Disconnect, Obis, Outcome
from metergate.model.reading import Value
from metergate.sim.meters.dlms import PASSWORD, Meter
from metergate.sim.serve import bank_of, meter_of, serve
from metergate.wire.base import Telegram
from metergate.wire.dlms.apdu import Conformance
from metergate.wire.dlms.client import Entrance, profile
from metergate.wire.dlms.client.entrance import PROPOSED
from metergate.wire.dlms.client.meter import Known, Zone
from metergate.wire.dlms.cosem.control import State
from metergate.wire.dlms.server import over_wrapper

LOAD = Obis.parse("1-0:99.1.0")
CODES = ("1-0:1.8.0", "1-0:2.8.0", "1-0:16.7.0", "1-0:32.7.0")
DOORS = {
    "none": Target("m", "1", registers=CODES),
    "low": Target("m", "1", keys={"password": PASSWORD}, registers=CODES),
    "gmac": Target("m", "1", EK + AK, registers=CODES),
}


def udp() -> Poller:
    return POLLERS["dlms-wrapper"]({"datagrams": True})


def line() -> tuple[Talk, Meter]:
    """A meter whose time stands still, so that what it shows is known."""
    one = Meter(SPEC, BANK)
    answer = one.server.on_apdu
    one.server.on_apdu = lambda client, server, apdu, now: answer(client, server, apdu, NOON)  # type: ignore[method-assign]
    return Talk([over_wrapper(one.server)], NOON), one


def shown(telegram: Telegram) -> dict[str, Value]:
    return {str(one.obis): one.value for one in telegram.readings}


def right() -> dict[str, Value]:
    factors = {"1-0:32.7.0": 1}
    return {code: (truth(code) * factors.get(code, 1000)).quantize(Decimal(1) / 10) for code in CODES}


def bad(seed: int, lost: float, doubled: float) -> Callable[[bytes], Iterable[bytes]]:
    dice = random.Random(seed)
    return lambda data: [] if dice.random() < lost else [data] * (1 + (dice.random() < doubled))


@pytest.mark.parametrize("door", DOORS)
def test_a_good_way(door: str) -> None:
    talk, _ = line()
    assert shown(talk.run(udp().read(DOORS[door]))) == pytest.approx(right(), abs=Decimal(1))


@pytest.mark.parametrize("door", DOORS)
def test_what_is_lost_is_asked_again_and_no_answer_is_taken_for_another(door: str) -> None:
    """Over a way that loses a sixth of all datagrams each way, doubles some and holds some back until later."""
    talk, _ = line()
    good, poller = 0, udp()
    expected = shown(talk.run(poller.read(DOORS[door])))
    for seed in range(30):
        talk.up, talk.down = bad(seed, 0.16, 0.1), bad(seed + 500, 0.16, 0.1)
        talk.late, talk.seed = 0.1, seed
        try:
            found = shown(talk.run(poller.read(DOORS[door])))
        except MetergateError:
            continue
        assert found == expected
        good += 1
    assert good >= 20


def test_a_way_that_is_no_datagrams_asks_once() -> None:
    talk, _ = line()
    talk.up = lambda data: [] if len(talk.sent) == 2 else [data]
    with pytest.raises(NoAnswer):
        talk.run(POLLERS["dlms-wrapper"]({}).read(DOORS["none"]))
    talk, _ = line()
    talk.up = lambda data: [] if len(talk.sent) == 2 else [data]
    assert set(shown(talk.run(udp().read(DOORS["none"])))) == set(CODES)


def test_an_answer_of_the_session_before_is_not_taken() -> None:
    """The last answer before the poller gave up comes when it asks anew: it belongs to nobody."""
    talk, _ = line()
    expected = shown(talk.run(udp().read(DOORS["none"])))
    for last in range(2, 5):
        poller, held = udp(), list[bytes]()
        talk, _ = line()

        def swallow(data: bytes, talk: Talk = talk, last: int = last, held: list[bytes] = held) -> list[bytes]:
            if len(talk.sent) < last:
                return [data]
            held.append(data)
            return []

        talk.up = swallow
        with pytest.raises(NoAnswer):
            talk.run(poller.read(DOORS["none"]))
        late = list(held)

        def release(data: bytes, late: list[bytes] = late) -> list[bytes]:
            return [late.pop(), data] if late else [data]

        talk.up = release
        assert shown(talk.run(poller.read(DOORS["none"]))) == expected


@pytest.mark.parametrize("without", [0, Conformance.GENERAL_BLOCK_TRANSFER], ids=["general blocks", "blocks of get"])
def test_a_load_profile_in_blocks(without: int) -> None:
    """Blocks come twice, and some never: the whole profile or an error."""
    begin = NOON.replace(hour=6, minute=0, second=0)
    end = begin + timedelta(hours=5)
    rows = [(at, Decimal(count).scaleb(-1)) for at, count, _ in stored(begin, end - QUARTER)]
    talk, _ = line()
    ids, code = cycle(range(IDS)), Obis.parse("1-0:1.8.0")
    good = 0
    for seed in range(12):
        talk.up = bad(seed, 0.02, 0.2)
        door = Entrance(max_pdu=120, conformance=int(PROPOSED & ~without))
        client = DatagramClient(Way(16, 1, 1.0), door, ids)
        try:
            talk.run(client.associate())
            found = talk.run(profile.readings(client, "m", LOAD, begin, end, Zone(), Known()))
        except MetergateError:
            continue
        assert [(one.meter_time, one.value) for one in found if one.obis == code] == rows
        good += 1
    assert good >= 8


@pytest.mark.parametrize("seed", range(12))
def test_an_order_is_sent_once_and_its_outcome_is_true(seed: int) -> None:
    talk, one = line()
    done: list[bool] = []
    one.relay.moved = lambda closed, now: done.append(closed)
    talk.up, talk.down = bad(seed, 0.2, 0.0), bad(seed + 99, 0.2, 0.0)
    try:
        outcome = talk.run(udp().execute(DOORS["gmac"], Disconnect("1", "m"), NOON))
    except MetergateError:
        outcome = Outcome.NO_ANSWER
    assert len(done) <= 1
    if outcome is Outcome.DONE:
        assert one.relay.state is State.DISCONNECTED


def test_the_option_is_the_wrappers() -> None:
    check_option("dlms-wrapper", "datagrams", True)
    with pytest.raises(ConfigError):
        check_option("dlms-hdlc", "datagrams", True)
    with pytest.raises(ConfigError):
        check_option("dlms-wrapper", "datagrams", "yes")


# ---- sockets ----
@asynccontextmanager
async def served() -> AsyncIterator[str]:
    """Our simulated meter at a UDP port of loopback."""
    spec = meter_of("dlms-wrapper", "10004711", 0, "", 0, 1.0)
    there: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    bank = bank_of(spec, datetime.now(UTC), 1.0, seed=5)
    task = asyncio.ensure_future(serve(spec, bank, "udp://:0?bind=127.0.0.1", there.set_result))
    try:
        yield await there
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def through(address: str, spoil: Callable[[int, bytes], bytes | None]) -> AsyncIterator[str]:
    """A way to `address` on which every answer is spoiled, by its number: None loses it."""
    near = await open_link("udp://:0?bind=127.0.0.1")
    far = await open_link(address)

    async def carry(source: Link, sink: Link, answers: bool) -> None:
        number = 0
        while data := await source.read():
            kept = spoil(number, data) if answers else data
            number += 1
            if kept is not None:
                await sink.write(kept)

    tasks = [asyncio.ensure_future(carry(near, far, False)), asyncio.ensure_future(carry(far, near, True))]
    try:
        yield f"udp://127.0.0.1:{getattr(near, 'port')}"  # noqa: B009 - a link's port is not of the protocol
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await near.close()
        await far.close()


@pytest.mark.anyio
async def test_the_simulated_meter_is_read_over_a_socket() -> None:
    target = Target("10004711", "1", registers=("1-0:1.8.0", "1/0-0:96.1.0"))
    async with served() as address:
        telegram = await read_once(address, "dlms-wrapper", target)
        begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
        asked = await ask_once(
            address, "dlms-wrapper", lambda one: one.profile(target, "1-0:1.8.0", begin, begin + timedelta(hours=1))
        )
    assert shown(telegram)["0-0:96.1.0"] == "10004711"
    assert [one.meter_time for one in asked.readings] == [begin + number * QUARTER for number in range(4)]


@pytest.mark.anyio
async def test_over_a_socket_that_loses_and_delays() -> None:
    """Every third answer is lost; the rest of the time an answer comes together with that of the next question."""
    held: list[bytes] = []

    def spoil(number: int, data: bytes) -> bytes | None:
        if number % 3 == 1:
            held.append(data)
            return None
        late, held[:] = list(held), []
        return b"".join([*late, data])

    target = Target("10004711", "1", registers=CODES)
    async with served() as straight, through(straight, spoil) as address:
        found = await read_once(address, "dlms-wrapper", target, options={"timeout": Decimal("0.3")})
        plain = await read_once(straight, "dlms-wrapper", target)
    assert {one.obis: one.unit for one in found.readings} == {one.obis: one.unit for one in plain.readings}
    before, after = shown(found)["1-0:1.8.0"], shown(plain)["1-0:1.8.0"]
    assert isinstance(before, Decimal)
    assert isinstance(after, Decimal)
    assert 0 <= after - before < 100


@pytest.mark.anyio
async def test_it_is_found_by_a_scan() -> None:
    surveys: dict[str, Survey] = {}
    async with served() as address:
        await scan(address, {"dlms-wrapper": PROBES["dlms-wrapper"]}, [None], surveys, Survey(Scope(timeout=1.0)))
    (hit,) = surveys[address].hits
    assert (hit.protocol, hit.id, hit.address, hit.sure) == ("dlms-wrapper", "10004711", "1", True)


@pytest.mark.anyio
async def test_nobody_there() -> None:
    async with served() as address:
        pass
    with pytest.raises(NoAnswer):
        await read_once(address, "dlms-wrapper", DOORS["none"], options={"timeout": Decimal("0.05")})
