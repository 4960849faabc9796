"""Asking meters of the wired M-Bus."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from metergate.meters.pollers.base import Poller, Target
from metergate.wire.base import Dialogue, Options, Telegram
from metergate.wire.mbus import reader, secondary


class MbusPoller(Poller):
    """Wired M-Bus. The address is a primary one (0..250) or the eight digits of a secondary one.

    Options: `delay`, seconds that converters add.
    """

    def __init__(self, options: Options) -> None:
        delay = options.get("delay")
        self._settings = reader.Settings(delay=float(delay)) if isinstance(delay, int | Decimal) else reader.Settings()

    def read(self, target: Target) -> Dialogue[Telegram]:
        """All telegrams of the meter as one."""
        where = target.address
        slave = secondary.Secondary(where) if len(where) == SECONDARY else int(where)
        expect = secondary.Secondary(target.id) if len(target.id) == SECONDARY and target.id.isdigit() else None
        readout = yield from reader.read(slave, settings=self._settings, expect=expect)
        first = readout.telegrams[0]
        return replace(first, readings=readout.readings)


SECONDARY = 8
"""Digits of a secondary address."""
