"""Asking meters of the wired M-Bus."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from metergate.meters.pollers.base import Poller, Target
from metergate.model import Command, Outcome, SetClock
from metergate.wire.base import Dialogue, Options, Telegram
from metergate.wire.mbus import Decoder, reader, secondary
from metergate.wire.mbus.keys import Keyring


class MbusPoller(Poller):
    """Wired M-Bus. The address is a primary one (0..250) or the eight digits of a secondary one.

    Options: `delay`, seconds that converters add; `clock_offset`, minutes by which the meters' own clocks are ahead of
    UTC (0); `clock_seconds`, true where they take the time to the second. A meter's key opens encrypted telegrams.
    """

    def __init__(self, options: Options) -> None:
        delay, offset = options.get("delay"), options.get("clock_offset")
        self._settings = reader.Settings(delay=float(delay)) if isinstance(delay, int | Decimal) else reader.Settings()
        self._offset = timedelta(minutes=offset if isinstance(offset, int) else 0)
        self._seconds = options.get("clock_seconds") is True

    def read(self, target: Target) -> Dialogue[Telegram]:
        """All telegrams of the meter as one."""
        expect = secondary.Secondary(target.id) if len(target.id) == SECONDARY and target.id.isdigit() else None
        decoder = Decoder(keys=Keyring(common=target.key), accept_clear=target.key is None)
        readout = yield from reader.read(_slave(target), settings=self._settings, decoder=decoder, expect=expect)
        first = readout.telegrams[0]
        return replace(first, readings=readout.readings)

    def execute(self, target: Target, command: Command, now: datetime) -> Dialogue[Outcome]:
        """The clock. A repeated frame is done once, so that lost acknowledgements do no harm."""
        if not isinstance(command, SetClock):
            return Outcome.UNSUPPORTED
        yield from reader.set_clock(
            _slave(target), self._local(command.time or now), self._settings, seconds=self._seconds
        )
        return Outcome.DONE

    def broadcast_clock(self, now: datetime) -> Dialogue[Outcome]:
        """All meters of the line; whether they took it nobody says."""
        yield from reader.broadcast_clock(self._local(now), seconds=self._seconds)
        return Outcome.UNSURE

    def _local(self, time: datetime) -> datetime:
        return time.astimezone(UTC) + self._offset


def _slave(target: Target) -> int | secondary.Secondary:
    where = target.address
    return secondary.Secondary(where) if len(where) == SECONDARY else int(where)


SECONDARY = 8
"""Digits of a secondary address."""
