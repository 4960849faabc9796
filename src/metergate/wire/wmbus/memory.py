"""What a receiver learns and must not forget over a restart: message counters, layouts of compact frames."""

from __future__ import annotations

from collections.abc import Mapping

from metergate.errors import BadValue
from metergate.wire.wmbus.compact import Formats
from metergate.wire.wmbus.keys import Counters


class Memory:
    """`saved()` is plain JSON, `restore` takes it back; `changes` grows whenever it would give something new."""

    def __init__(self, formats: Formats, counters: Counters | None) -> None:
        self._formats, self._counters = formats, counters

    @property
    def changes(self) -> int:
        """How often something new was learnt."""
        return self._formats.changes + (self._counters.changes if self._counters else 0)

    def saved(self) -> dict[str, object]:
        """All of it."""
        return {"layouts": self._formats.saved(), "counters": self._counters.saved() if self._counters else {}}

    def restore(self, saved: Mapping[str, object]) -> None:
        """Go on where `saved()` left off. BadValue if it is not of that form."""
        layouts, counters = saved.get("layouts", {}), saved.get("counters", {})
        if not isinstance(layouts, Mapping) or not isinstance(counters, Mapping):
            raise BadValue("what was remembered of a radio line has another form")
        if not all(isinstance(counter, int) for counter in counters.values()):
            raise BadValue("a remembered message counter is no number")
        try:
            self._formats.restore({str(name): str(text) for name, text in layouts.items()})
        except ValueError:
            raise BadValue("a remembered layout is no hex") from None
        if self._counters:
            self._counters.restore({str(meter): counter for meter, counter in counters.items()})
