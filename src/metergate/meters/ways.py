"""The four reading methods: from register differences to quantities, exactly (Decimal, no float).

`quantity = (register difference) x factor + adders`. The difference is taken in the register's own resolution, the
factor afterwards; the factor belongs to the period for which a meter was installed and history is never multiplied
again. Direct meters have factor 1; transformer meters CT x PT; a single-phase meter on a balanced three-phase load 3
(or CT x 3); prepaid meters any of these on both of their registers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum

from metergate.errors import BadValue

ZERO, ONE = Decimal(0), Decimal(1)
CT_SECONDARIES = ("5", "1")
"""Secondary currents of a current transformer's nameplate, A."""
PT_SECONDARIES = ("100",)
"""Secondary voltages of a voltage transformer's nameplate, V."""
_RATIO = re.compile(r"(\d+(?:\.\d+)?)/(\d+)")


class Basis(Enum):
    """What a register of a transformer meter counts."""

    SECONDARY = "secondary"  # what flows through the meter; the ratio applies
    PRIMARY = "primary"  # the meter multiplies itself; the ratio is information only


class Finding(Enum):
    """What a pair of register values was taken for."""

    NORMAL = "normal"
    ROLLOVER = "rollover"
    REVERSED = "reversed"
    RESET = "reset"
    NOISE = "noise"  # a dip so small that it is none
    AMBIGUOUS = "ambiguous"  # somebody has to look: no quantity


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a register moved, in its own units; `amount` None where nobody can tell."""

    amount: Decimal | None
    finding: Finding = Finding.NORMAL
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be concluded from a falling register.

    `digits` are the integer digits of the register (10^digits is where it starts again); `plausible` the most that can
    have flowed in the elapsed time, in register units (connection rating x hours x 1.1); `reversal` and `reset` say
    that an inspector or a device event confirmed them.
    """

    digits: int | None = None
    plausible: Decimal | None = None
    threshold: Decimal = Decimal("0.9")
    noise: Decimal = Decimal("0.1")
    reversal: bool = False
    reset: bool = False


def ratios(text: str, secondaries: tuple[str, ...] = CT_SECONDARIES) -> tuple[Decimal, ...]:
    """The factors in a cell of nameplate ratios: `"100/5, 150/5"` -> (20, 30).

    Ratios are separated by comma or space. BadValue for everything else, with a hint where only the separator is lost;
    it is never guessed.
    """
    parts = [part for part in re.split(r"[,\s]+", text.strip()) if part]
    if not parts:
        raise BadValue("no ratio given: write P/S, as 100/5")
    return tuple(_ratio(part, secondaries) for part in parts)


def _ratio(part: str, secondaries: tuple[str, ...]) -> Decimal:
    found = _RATIO.fullmatch(part)
    if found is None or found[2] not in secondaries:
        allowed = " or ".join(f"P/{value}" for value in secondaries)
        raise BadValue(f"{part!r} is no ratio: write {allowed}{_hint(part, secondaries)}")
    if not Decimal(found[1]):
        raise BadValue(f"{part!r} is no ratio: the primary side cannot be 0")
    return Decimal(found[1]) / Decimal(found[2])


def _hint(part: str, secondaries: tuple[str, ...]) -> str:
    apart = re.findall(rf"(\d+(?:\.\d+)?/(?:{'|'.join(secondaries)}))", part)
    return f"; did you mean {' '.join(apart)!r}?" if len(apart) > 1 and "".join(apart) == part else ""


def factor(ct: Decimal = ONE, pt: Decimal = ONE, phases: Decimal | int = 1, basis: Basis = Basis.SECONDARY) -> Decimal:
    """What a register difference is multiplied by: CT x PT x phases (1, or 3 on a balanced load); primary values: 1."""
    if phases not in (1, 3):
        raise BadValue(f"the phase factor is 1 or 3, not {phases}")
    return ONE if basis is Basis.PRIMARY else ct * pt * Decimal(phases)


def difference(previous: Decimal, present: Decimal, rules: Rules | None = None) -> Difference:
    """How far the register moved from `previous` to `present`; nothing is concluded that `rules` do not allow."""
    rules = rules or Rules()
    modulus = ZERO if rules.digits is None else Decimal(10) ** rules.digits
    if rules.reversal:
        return _reversed(previous, present)
    if modulus and rules.plausible is not None and rules.plausible >= modulus:
        return Difference(None, Finding.AMBIGUOUS, "so long a gap that the register may have turned over twice")
    if present >= previous:
        return Difference(present - previous)
    if previous - present <= rules.noise:
        return Difference(ZERO, Finding.NOISE, f"dip of {previous - present}: the higher value is kept")
    if rules.reset and present * 100 < previous:
        return Difference(present, Finding.RESET, "the register was reset to zero; what it counted before that is lost")
    return _rolled(previous, present, modulus, rules)


def _reversed(previous: Decimal, present: Decimal) -> Difference:
    if present > previous:
        return Difference(None, Finding.AMBIGUOUS, "the meter is known to run backwards, and its register rose")
    return Difference(previous - present, Finding.REVERSED)


def _rolled(previous: Decimal, present: Decimal, modulus: Decimal, rules: Rules) -> Difference:
    """Rollover is accepted near the end of the register only, and only if so much can have flowed."""
    amount = present + modulus - previous
    if not modulus or rules.plausible is None:
        reason = "the register fell"
    elif previous < rules.threshold * modulus:
        reason = f"the register fell from {previous}, too far from {modulus} for a rollover"
    elif amount > rules.plausible:
        reason = f"a rollover would mean {amount}, more than the plausible {rules.plausible}"
    else:
        return Difference(amount, Finding.ROLLOVER)
    return Difference(None, Finding.AMBIGUOUS, reason)


@dataclass(frozen=True, slots=True)
class Piece:
    """The part of a period during which one meter hung there."""

    start: Decimal
    end: Decimal
    factor: Decimal = ONE

    @property
    def amount(self) -> Decimal:
        """What this piece adds. BadValue if it is negative: that is an error and never taken for 0."""
        if self.end < self.start:
            raise BadValue(f"the piece from {self.start} to {self.end} is negative")
        return (self.end - self.start) * self.factor


def exchange(pieces: Iterable[Piece]) -> Decimal:
    """The quantity of a period in which meters were exchanged: each piece times its own factor."""
    return sum((piece.amount for piece in pieces), ZERO)


@dataclass(frozen=True, slots=True)
class Losses:
    """Transformer and line losses agreed for a measuring point. Percentages are of the measured quantity."""

    no_load_kw: Decimal = ZERO
    energised_hours: Decimal = ZERO
    load_percent: Decimal = ZERO
    line_percent: Decimal = ZERO
    line_of_all: bool = False
    """Line loss of (measured + transformer loss) instead of measured."""


@dataclass(frozen=True, slots=True)
class Adder:
    """One row that is added to the measured quantity; rows of their own, so that a bill can show them."""

    name: str
    amount: Decimal


def adders(measured: Decimal, losses: Losses) -> tuple[Adder, ...]:
    """The loss rows of `measured` kWh; rows of 0 are left out."""
    no_load = losses.no_load_kw * losses.energised_hours
    load = measured * losses.load_percent / 100
    base = measured + no_load + load if losses.line_of_all else measured
    rows = (
        Adder("no-load loss", no_load),
        Adder("load loss", load),
        Adder("line loss", base * losses.line_percent / 100),
    )
    return tuple(row for row in rows if row.amount)


def quantity(moved: Decimal, times: Decimal = ONE, losses: Losses | None = None) -> Decimal:
    """Register difference x factor + adders."""
    measured = moved * times
    return measured + sum((row.amount for row in adders(measured, losses)), ZERO) if losses else measured


@dataclass(frozen=True, slots=True)
class Prepaid:
    """What a prepaid meter shows: total is the billing register, remaining a check and a display."""

    total: Decimal
    remaining: Decimal


def prepaid_entry(total: Decimal | None, remaining: Decimal | None) -> Prepaid:
    """A manual entry. One display shows both numbers in turn, so one without the other is refused (BadValue)."""
    if total is None or remaining is None:
        raise BadValue("enter both numbers of the display, and beside which of them the red dot was lit")
    return Prepaid(total, remaining)


@dataclass(frozen=True, slots=True)
class PrepaidResult:
    """With the factor applied; `gap` is what before + recharge - used differs from the remaining by."""

    used: Decimal
    remaining: Decimal
    gap: Decimal
    alarm: str | None


def prepaid(before: Prepaid, now: Prepaid, recharge: Decimal = ZERO, times: Decimal = ONE) -> PrepaidResult:
    """Method 4. `alarm`: PREPAID_IDENTITY if before + recharge - used misses the remaining by over 0.1 x factor."""
    used = now.total - before.total
    if used < 0:
        raise BadValue(f"the total fell from {before.total} to {now.total}")
    gap = before.remaining + recharge - used - now.remaining
    alarm = "PREPAID_IDENTITY" if abs(gap * times) > Decimal("0.1") * times else None
    return PrepaidResult(used * times, now.remaining * times, gap * times, alarm)
