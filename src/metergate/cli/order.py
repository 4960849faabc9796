"""`metergate clock`, `relay` and `valve`: orders to one meter, read back, with a clear answer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from metergate.cli.reach import Reach

if TYPE_CHECKING:
    from metergate.meters.pollers import Poller
    from metergate.model import Command, Outcome
    from metergate.wire.base import Dialogue

_SAID = {
    "done": "done",
    "refused": "the meter refuses",
    "no answer": "no answer",
    "unsupported": "the meter's protocol cannot do that",
    "unsure": "sent, but what became of it could not be read back: look at the meter before you repeat it",
    "expired": "too late",
}


def clock(url: str, /, *, reach: Reach, time: datetime | None = None, everybody: bool = False) -> None:
    """Set a meter's clock, to this machine's time where none is given.

    Examples:

        metergate clock /dev/ttyUSB0 --protocol dlt645 --address 202616280601

        metergate clock /dev/ttyUSB0 --protocol dlt645 --everybody

    Parameters
    ----------
    url
        The line: `/dev/ttyUSB0`, `tcp://host:port` ...
    time
        The time; local where no zone is given.
    everybody
        Tell it to all meters of the line at once; nobody answers.
    """
    from metergate.model import SetClock

    if everybody:
        _end(asyncio.run(_held(url, reach, lambda poller: poller.broadcast_clock(time or datetime.now(UTC)))), True)
    else:
        _order(url, reach, SetClock("", reach.address, None, time.astimezone(UTC) if time else None))


def relay(url: str, state: Literal["on", "off"], /, *, reach: Reach) -> None:
    """Switch the relay of an electricity meter: supply on or off. It is read back and never repeated blindly.

    Examples:

        metergate relay /dev/ttyUSB0 off --protocol dlt645 --address 202616280601 --key-file password.hex

    Parameters
    ----------
    url
        The line: `/dev/ttyUSB0`, `tcp://host:port` ...
    state
        `on` or `off`.
    """
    from metergate.model import Connect, Disconnect

    _order(url, reach, (Connect if state == "on" else Disconnect)("", reach.address))


def valve(url: str, state: Literal["open", "closed"], /, *, reach: Reach) -> None:
    """Open or close the valve of a water or gas meter, and wait until it is there.

    Examples:

        metergate valve /dev/ttyUSB0 closed --protocol cjt188 --address 10:47110500000001

    Parameters
    ----------
    url
        The line: `/dev/ttyUSB0`, `tcp://host:port` ...
    state
        `open` or `closed`.
    """
    from metergate.model import CloseValve, OpenValve

    _order(url, reach, (OpenValve if state == "open" else CloseValve)("", reach.address))


def _order(url: str, reach: Reach, command: Command) -> None:
    given, target = replace(command, id=uuid4().hex), reach.target()
    _end(asyncio.run(_held(url, reach, lambda poller: poller.execute(target, given, datetime.now(UTC)))))


async def _held(url: str, reach: Reach, work: Callable[[Poller], Dialogue[Outcome]]) -> Outcome:
    from metergate.meters.once import ask_once

    return await ask_once(url, reach.protocol, work, reach.timeout, reach.options())


def _end(outcome: Outcome, unheard: bool = False) -> None:
    """Say how it ended; status 1 unless it is done (or nobody was to answer)."""
    from metergate.model import Outcome

    if unheard and outcome in (Outcome.DONE, Outcome.UNSURE):
        print("told to all meters of the line; none of them answers to that")
        return
    print(_SAID[outcome.value], file=sys.stdout if outcome is Outcome.DONE else sys.stderr)
    sys.exit(0 if outcome is Outcome.DONE else 1)
