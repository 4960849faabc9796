"""Meters of DL/T 645: the only one is asked for its address, several are told apart by the ends of theirs."""

from __future__ import annotations

from functools import partial

from metergate.errors import MetergateError
from metergate.meters.scan.base import Hit, Survey
from metergate.meters.scan.walk import WILD, walk
from metergate.wire.base import Dialogue
from metergate.wire.dlt645 import dialogue

ENERGY = 0x00010000


def probe(survey: Survey) -> Dialogue[None]:
    """See `Probe`."""
    line = dialogue.Line(timeout=survey.scope.wait(1.0), tries=2)
    addresses: list[str] = []
    yield from walk(WILD * 6, partial(dialogue.read_address, line), survey, addresses.append)
    for address in addresses:
        note = ""
        try:
            yield from dialogue.read(address, ENERGY, line)
        except MetergateError as error:
            note = f"its energy was not told: {error}"
        survey.found(Hit("dlt645", address, address, "DL/T 645 electricity meter", note=note))
