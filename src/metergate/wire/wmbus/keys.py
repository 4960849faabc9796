"""Counters that tell an old message from a new one; the keys are those of the wired M-Bus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from metergate.errors import Replay
from metergate.wire.mbus.keys import Cipher, Keyring

__all__ = ["Cipher", "Counters", "Keyring"]


class Counters:
    """The last authenticated message counter of every meter. `Counters(saved)` goes on where `saved()` left off."""

    def __init__(self, saved: Mapping[str, int] | Iterable[tuple[str, int]] = ()) -> None:
        self._last: dict[str, int] = dict(saved)
        self.changes = 0
        """Grows with every counter that is noted."""

    def accept(self, meter: str, counter: int) -> None:
        """Take note of a counter; Replay if it did not grow since the last one."""
        last = self._last.get(meter, -1)
        if counter <= last:
            raise Replay(f"message counter {counter} of meter {meter} is not above {last}: an old telegram")
        self._last[meter] = counter
        self.changes += 1

    def restore(self, saved: Mapping[str, int]) -> None:
        """Go on from `saved`; never back from what was heard since."""
        for meter, counter in saved.items():
            self._last[meter] = max(counter, self._last.get(meter, -1))

    def saved(self) -> dict[str, int]:
        """All of them, to be stored."""
        return dict(self._last)
