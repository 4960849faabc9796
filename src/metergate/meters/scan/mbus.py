"""Meters of the wired M-Bus: by primary address, and by number, which finds those that share an address."""

from __future__ import annotations

from collections import Counter

from metergate.errors import MetergateError, NoAnswer
from metergate.meters.map import find_map, load_maps
from metergate.meters.scan.base import Hit, Survey
from metergate.model import MeterIdentity
from metergate.wire.base import Dialogue, Telegram
from metergate.wire.mbus import reader
from metergate.wire.mbus.secondary import DIGITS, Secondary

HIGHEST = 250


def probe(survey: Survey) -> Dialogue[None]:
    """See `Probe`."""
    usual = reader.Settings(tries=2)
    wait = survey.scope.timeout
    settings = usual if wait is None else reader.Settings(delay=wait, tries=2)
    at: dict[int, list[MeterIdentity]] = {}
    yield from _by_address(survey, settings, at)
    if survey.scope.secondary:
        yield from _by_number(survey, settings, at)


def _by_address(survey: Survey, settings: reader.Settings, at: dict[int, list[MeterIdentity]]) -> Dialogue[None]:
    last = min(survey.scope.last, HIGHEST)
    for address in range(survey.scope.first, last + 1):
        survey.tell(f"address {address}", address - survey.scope.first, last - survey.scope.first + 1)
        if not (yield from reader.scan([address], settings)):
            continue
        try:
            readout = yield from reader.read(address, settings=settings)
        except MetergateError as error:
            survey.problem(f"M-Bus address {address}: {error}")
            continue
        telegram = readout.telegrams[0]
        if telegram.meter is not None:
            at.setdefault(address, []).append(telegram.meter)
            survey.found(_hit(telegram, str(address)))


def _by_number(survey: Survey, settings: reader.Settings, at: dict[int, list[MeterIdentity]]) -> Dialogue[None]:
    """All numbers, first digit by first digit; who is alone at his primary address keeps that."""
    try:
        yield from reader.select(Secondary(), settings)
    except NoAnswer:
        return
    except MetergateError:
        pass  # garbled: several answer, which is what the search is for
    heard: list[reader.Hit] = []
    for done, digit in enumerate(DIGITS):
        survey.tell(f"numbers {digit}...", done, len(DIGITS))
        found = yield from reader.search(Secondary(digit + "F" * 7), settings=settings)
        heard += found.hits
        for collision in found.collisions:
            survey.problem(f"several M-Bus meters have the number {collision}")
        shared = Counter(hit.address for hit in heard)
        for hit in found.hits:
            known = hit.telegram.meter in at.get(hit.address, ())
            number = hit.telegram.meter.id if hit.telegram.meter else hit.secondary.id
            survey.found(_hit(hit.telegram, str(hit.address) if known and shared[hit.address] == 1 else number))


def _hit(telegram: Telegram, address: str) -> Hit:
    meter = telegram.meter
    assert meter is not None
    model = find_map(load_maps().values(), "mbus", meter)
    what = f"{model.brand} {model.model}" if model else f"{meter.manufacturer} version {meter.version}"
    medium = f", {meter.medium.value}" if meter.medium else ""
    return Hit("mbus", meter.id, address, what + medium)
