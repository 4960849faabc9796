"""A value information block made out: quantity, unit, scale and what else tells the value apart (EN 13757-3 §6.4)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache

from metergate.errors import BadValue, Truncated
from metergate.model import Unit
from metergate.wire.mbus.vif_tables import (
    ABSENT,
    FB,
    FC,
    FD,
    PER,
    PRIMARY,
    QUALIFIERS,
    RATES,
    TEXTS,
    Kind,
    Meaning,
    Qualifier,
)

MOST = 10
"""A VIF has at most so many VIFEs, a DIF at most so many DIFEs."""
_TEXT, _MAKER = 0x7C, 0x7F


@dataclass(frozen=True, slots=True)
class Sense:
    """What a value information block says: value = raw x `factor` + `offset`.

    `address` names what the quantity alone does not: qualifiers ("voltage:l1"), a plain-text unit, an unknown code
    ("vif:ff1b"). `error` is the record error that the meter reports; `absent`: it says that there is no value.
    """

    quantity: str | None
    unit: Unit | None = None
    exponent: int = 0
    kind: Kind = Kind.NUMBER
    factor: Decimal = Decimal(1)
    offset: Decimal | None = None
    address: str | None = None
    error: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def absent(self) -> bool:
        """The meter says that it has no such value."""
        return self.error == ABSENT


def block_end(data: bytes, at: int, end: int, base: int = 0) -> int:
    """Where the value information block that begins at `at` ends: VIF, VIFEs and a plain-text unit.

    Truncated, or BadValue if there are more VIFEs than allowed.
    """
    return _parts(data, at, end, base)[2]


def _parts(data: bytes, at: int, end: int, base: int) -> tuple[list[int], bytes | None, int]:
    codes: list[int] = []
    text: bytes | None = None
    start = at
    while not codes or codes[-1] & 0x80:
        if at >= end:
            raise Truncated("the record ends in its VIF", base + at)
        if len(codes) > MOST:
            raise BadValue(f"more than {MOST} VIFEs", base + start)
        codes.append(data[at])
        at += 1
        if len(codes) == 1 and codes[0] == 0xFC and _is_text(data, at, end):
            text, at = _text(data, at, end, base)
    if codes[0] & 0x7F == _TEXT and text is None:
        text, at = _text(data, at, end, base)
    return codes, text, at


def _is_text(data: bytes, at: int, end: int) -> bool:
    """Whether a plain-text unit stands directly behind VIF FC, and not behind its VIFEs."""
    length = data[at] if at < end else 0
    text = data[at + 1 : min(at + 1 + length, end)]
    return 0 < length < 0x40 and len(text) == length and all(octet >= 0x20 for octet in text)


def _text(data: bytes, at: int, end: int, base: int) -> tuple[bytes, int]:
    if at >= end or at + 1 + data[at] > end:
        raise Truncated("the record ends in its plain-text unit", base + at)
    stop = at + 1 + data[at]
    return data[at + 1 : stop][::-1], stop


@lru_cache(4096)
def sense(vif: bytes) -> Sense:
    """The meaning of a value information block (VIF, VIFEs, plain text). A code that no table has keeps its value:
    quantity and unit None, `address` its hex. Truncated or BadValue if it is no such block."""
    codes, text, end = _parts(vif, 0, len(vif), 0)
    if end != len(vif):
        raise BadValue("bytes after the value information block", end)
    low = [code & 0x7F for code in codes]
    if text is not None:
        shown = text.decode("latin-1")
        name, unit = TEXTS.get(shown, (None, None))
        return _qualified(Sense(name, unit, address=None if name else shown or "text"), low[1:])
    found, rest = _meaning(low)
    if found is None:
        return Sense(None, address=f"vif:{vif.hex()}")
    factor = _times(found.factor or Decimal(1), found.exponent)
    scaler = 0 if found.factor else found.exponent
    return _qualified(Sense(found.quantity, found.unit, scaler, found.kind, factor), rest)


def _meaning(low: list[int]) -> tuple[Meaning | None, list[int]]:
    table = {0x7B: FB, 0x7D: FD}.get(low[0])
    if table is None:
        return PRIMARY.get(low[0]), low[1:]
    return (table.get(low[1]), low[2:]) if len(low) > 1 else (None, [])


def _qualified(meant: Sense, codes: list[int]) -> Sense:
    at = 0
    while at < len(codes):
        code = codes[at]
        at += 1
        if code == _MAKER:
            tag = "maker_" + bytes(codes[at:]).hex()
            return _with(meant, Qualifier(tag=tag))
        if code == _TEXT and at < len(codes):
            found = FC.get(codes[at], Qualifier(tag=f"fc{codes[at]:02x}"))
            meant, at = _with(meant, found), at + 1
        elif code in PER:
            meant = _per(meant, PER[code])
        elif code:
            meant = _with(meant, QUALIFIERS.get(code) or Qualifier(tag=f"vife{code:02x}"))
    return meant


def _with(meant: Sense, by: Qualifier) -> Sense:
    tags = [tag for tag in (meant.address or meant.quantity or "", by.tag) if tag]
    changed = replace(
        meant,
        exponent=meant.exponent + by.exponent,
        factor=_times(meant.factor, by.exponent),
        offset=_sum(meant.offset, by.offset),
        kind=by.kind or meant.kind,
        address=":".join(tags) if by.tag else meant.address,
        error=by.error or meant.error,
        notes=(*meant.notes, by.error) if by.error else meant.notes,
    )
    return _renamed(changed, by) if by.suffix else changed


def _renamed(meant: Sense, by: Qualifier) -> Sense:
    """For values that are no longer the quantity itself: limits, counts, times and durations of limits."""
    name = f"{meant.quantity or meant.address}_{by.suffix}"
    if by.kind is None and by.unit is None:
        return replace(meant, quantity=name, address=None)
    kind = by.kind or Kind.NUMBER
    quantity = "time_point" if kind is Kind.TIME else name
    address = name if kind is Kind.TIME else None
    return replace(
        meant, quantity=quantity, unit=by.unit, exponent=0, factor=Decimal(1), offset=None, kind=kind, address=address
    )


def _per(meant: Sense, name: str) -> Sense:
    quantity, unit = RATES.get((meant.quantity or "", meant.unit, name), (None, None))  # type: ignore[arg-type]
    if quantity:
        return replace(meant, quantity=quantity, unit=unit)
    text = f"per {name.replace('_', ' ')}"
    return replace(meant, address=f"{meant.address or meant.quantity or ''}:per_{name}", notes=(*meant.notes, text))


def _times(factor: Decimal, power: int) -> Decimal:
    """`factor` x 10^power, written without an exponent above zero, so that values print as plain digits."""
    found = factor.scaleb(power)
    return Decimal(int(found)) if found == found.to_integral_value() and found >= 1 else found


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    if one is None or other is None:
        return one if other is None else other
    return one + other
