"""Meters of CJ/T 188: by wildcard, type by type and address by address where several answer."""

from __future__ import annotations

from functools import partial

from metergate.errors import BadChecksum, NoAnswer
from metergate.meters.scan.base import Hit, Survey
from metergate.meters.scan.walk import WILD, noticing, walk
from metergate.wire.base import Dialogue
from metergate.wire.cjt188 import dialogue

KINDS = {
    0x10: "cold water meter",
    0x11: "hot water meter",
    0x12: "drinking water meter",
    0x13: "reclaimed water meter",
    0x20: "heat meter",
    0x21: "cooling meter",
    0x30: "gas meter",
    0x40: "electricity meter",
}


def probe(survey: Survey) -> Dialogue[None]:
    """See `Probe`."""
    line = dialogue.Line(timeout=survey.scope.wait(1.0), tries=2)

    def found(who: tuple[int, str]) -> None:
        kind, address = who
        title = KINDS.get(kind, "meter")
        taken = any(hit.id == address for hit in survey.hits)  # by a meter of another type
        number = f"{kind:02X}-{address}" if taken else address
        survey.found(Hit("cjt188", number, f"{kind:02X}:{address}", f"CJ/T 188 {title}"))

    try:
        found((yield from noticing(dialogue.read_address(line))))
    except NoAnswer:
        return
    except BadChecksum:
        for kind in KINDS:
            ask = partial(_ask, line, kind)
            yield from walk(WILD * 7, ask, survey, found)


def _ask(line: dialogue.Line, kind: int, pattern: str) -> Dialogue[tuple[int, str]]:
    return (yield from dialogue.read_address(line, kind, pattern=pattern))
