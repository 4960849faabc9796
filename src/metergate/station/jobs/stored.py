"""What a meter kept of what is missing: which of its load profiles is to be read, and over which span."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from metergate.model import Outcome
from metergate.station.archive.models import Channel, Meter
from metergate.station.jobs.models import Order

PROFILES: Mapping[str, tuple[str, ...]] = {
    "dlms-hdlc": ("",),
    "dlms-wrapper": ("",),
    "dlt645": ("", "daily/"),
    "dlt698": ("", "5004/"),
    "gdw376": ("",),
    "iec62056-21": ("",),
}
"""Protocols whose meters can be asked for what they stored, and what is put before the name of a register to say
where: nothing for the load profile, else the table of daily freezes."""

_ANSWERS = [each.value for each in (Outcome.DONE, Outcome.UNSUPPORTED, Outcome.REFUSED, Outcome.UNSURE)]


@dataclass(frozen=True, slots=True)
class Span:
    """What was stored of a register (OBIS code, or with its table before it), `begin` <= time < `end`."""

    register: str
    begin: datetime
    end: datetime

    def __str__(self) -> str:
        """As gateways are told."""
        return f"{self.register} {self.begin.isoformat()} {self.end.isoformat()}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is missing of a meter's register in unbroken pieces, earliest first: all, and the midnights among it."""

    meter: str
    missing: Sequence[Span]
    nights: Sequence[Span] = ()


def spans(wanted: Iterable[Wanted], since: datetime) -> dict[str, Span]:
    """What to fetch, by meter: from the beginning to the end of what is missing. Nothing for a meter that cannot give
    it, or gave all it had, as orders given after `since` found out; who did not answer is asked for the same again."""
    rows = [each for each in wanted if each.missing and each.missing[0].register]
    spoken, tried = protocols(each.meter for each in rows), _tried(since)
    found = {each.meter: _span(each, spoken.get(each.meter, ""), tried.get(each.meter, [])) for each in rows}
    return {meter: span for meter, span in found.items() if span}


def _span(wanted: Wanted, protocol: str, tried: list[Order]) -> Span | None:
    for table in PROFILES.get(protocol, ()):
        pieces = [
            replace(piece, register=table + piece.register) for piece in (wanted.nights if table else wanted.missing)
        ]
        if left := _left(pieces, tried):
            return replace(left[0], end=left[-1].end)
    return None


def _left(pieces: list[Span], tried: list[Order]) -> list[Span]:
    """What was not fetched yet; nothing of a profile that the meter has not."""
    register = pieces[0].register if pieces else None
    for order in tried:
        if order.register == register and order.begin and order.end:
            if order.state != Order.State.DONE:
                return []
            pieces = list(_without(pieces, order.begin, order.end))
    return pieces


def _without(pieces: Iterable[Span], begin: datetime, end: datetime) -> Iterator[Span]:
    for piece in pieces:
        if piece.begin < begin:
            yield replace(piece, end=min(piece.end, begin))
        if piece.end > end:
            yield replace(piece, begin=max(piece.begin, end))


def _tried(since: datetime) -> dict[str, list[Order]]:
    """Profile reads that ended with an answer, by meter."""
    answered = Order.objects.filter(ended__gt=since, outcome__in=_ANSWERS).exclude(register="")
    found: dict[str, list[Order]] = defaultdict(list)
    for order in answered:
        found[order.meter_id].append(order)
    return found


def protocols(meters: Iterable[str]) -> dict[str, str]:
    """What is spoken with meters: the protocol of the line they hang on, else the one they were heard in."""
    wanted = list(meters)
    wired = Channel.objects.current().filter(meter__in=wanted).exclude(line__protocol="")
    heard = Meter.objects.filter(pk__in=wanted)
    return dict(heard.values_list("pk", "protocol")) | dict(wired.values_list("meter", "line__protocol"))
