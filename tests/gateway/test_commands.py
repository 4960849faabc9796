"""Orders: once, in time, by whom they concern, and answered whatever happens."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from metergate.errors import DecodeError, LinkError, MetergateError, NoAnswer, Refused
from metergate.gateway.commands import Commander, Journal
from metergate.gateway.hub import Hub
from metergate.model import CloseValve, Command, CommandResult, Outcome, ReadNow

pytestmark = pytest.mark.anyio
LATER = datetime.now(UTC) + timedelta(hours=1)


class Valve:
    """A meter `m` that counts what it is ordered."""

    def __init__(self, error: MetergateError | None = None) -> None:
        self.error = error
        self.orders: list[Command] = []
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    def has(self, meter: str) -> bool:
        return meter == "m"

    async def execute(self, command: Command) -> tuple[Outcome, str]:
        self.orders.append(command)
        self.asked.set()
        await self.go.wait()
        if self.error:
            raise self.error
        return Outcome.DONE, "closed"


def commander(folder: Path, valve: Valve) -> Commander:
    return Commander(Journal(folder / "commands.jsonl"), Hub("gw1"), lambda: [valve])


async def test_an_order_is_carried_out_once(tmp_path: Path) -> None:
    valve = Valve()
    boss = commander(tmp_path, valve)
    order = CloseValve("1", "m", LATER)
    results = [await boss.execute(order) for _ in range(3)]
    assert results == [CommandResult("1", Outcome.DONE, "closed")] * 3
    assert valve.orders == [order]


async def test_twice_at_the_same_time_is_once(tmp_path: Path) -> None:
    valve = Valve()
    valve.go.clear()
    boss = commander(tmp_path, valve)
    both = [asyncio.create_task(boss.execute(CloseValve("1", "m", LATER))) for _ in range(2)]
    await valve.asked.wait()
    valve.go.set()
    assert [result.outcome for result in await asyncio.gather(*both)] == [Outcome.DONE, Outcome.DONE]
    assert len(valve.orders) == 1


async def test_also_after_a_restart(tmp_path: Path) -> None:
    await commander(tmp_path, Valve()).execute(CloseValve("1", "m", LATER))
    valve = Valve()
    assert (await commander(tmp_path, valve).execute(CloseValve("1", "m", LATER))).outcome is Outcome.DONE
    assert valve.orders == []


async def test_a_gateway_that_died_meanwhile_says_unsure(tmp_path: Path) -> None:
    Journal(tmp_path / "commands.jsonl").begin("1")
    valve = Valve()
    result = await commander(tmp_path, valve).execute(CloseValve("1", "m", LATER))
    assert (result.outcome, valve.orders) == (Outcome.UNSURE, [])


async def test_an_expired_order_and_a_stranger(tmp_path: Path) -> None:
    valve = Valve()
    boss = commander(tmp_path, valve)
    expired = await boss.execute(CloseValve("1", "m", datetime.now(UTC) - timedelta(seconds=1)))
    stranger = await boss.execute(ReadNow("2", "somebody else", LATER))
    assert (expired.outcome, stranger.outcome, valve.orders) == (Outcome.EXPIRED, Outcome.REFUSED, [])


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Refused("interlock"), Outcome.REFUSED),
        (NoAnswer("silent"), Outcome.NO_ANSWER),
        (LinkError("gone"), Outcome.NO_ANSWER),
        (DecodeError("torn"), Outcome.UNSURE),
    ],
)
async def test_failures_have_an_outcome(tmp_path: Path, error: MetergateError, outcome: Outcome) -> None:
    result = await commander(tmp_path, Valve(error)).execute(CloseValve("1", "m", LATER))
    assert (result.outcome, result.text) == (outcome, str(error))


def test_a_torn_journal_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    file = tmp_path / "commands.jsonl"
    journal = Journal(file)
    journal.end(CommandResult("1", Outcome.DONE))
    with file.open("a") as out:
        out.write('{"id": "2", "outc')
    again = Journal(file)
    assert again.known("1") == CommandResult("1", Outcome.DONE)
    assert again.known("2") is None
