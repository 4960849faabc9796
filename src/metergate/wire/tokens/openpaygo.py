"""OpenPAYGO Token: 9 digits that add time or credit to a device, or set it. Both ends.

A token is made from the device's key, its starting code and a count that only grows; the device tries the counts that
may come next. Tokens that add have even counts, tokens that set have odd ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from itertools import islice

from metergate.crypto.siphash import siphash24
from metergate.errors import BadValue

BASE = 1000
MOST, DISABLE, SYNC = 995, 998, 999
"""The greatest value; "without limit from now on"; "take over this count"."""
DIGITS, KEYPAD_DIGITS = 9, 15
_LIMIT, _FOLD = 999_999_999, 73_741_825


class Kind(Enum):
    """What a token does."""

    ADD = 1
    SET = 2
    DISABLE = 3
    SYNC = 4


_FIXED = {Kind.DISABLE: DISABLE, Kind.SYNC: SYNC}


@dataclass(frozen=True, slots=True)
class Secret:
    """What a device and those who make tokens for it share."""

    key: bytes = field(repr=False)
    starting_code: int

    def __post_init__(self) -> None:
        if len(self.key) != 16 or not 0 <= self.starting_code <= _LIMIT:
            raise BadValue("a device has a key of 16 octets and a starting code of 9 digits")

    def codes(self, base: int) -> Iterator[int]:
        """The chain of codes of one base, count 0 first."""
        code = self.starting_code - self.starting_code % BASE + base
        while True:
            yield code
            code = _next(code, self.key)

    def base(self, value: int) -> int:
        """The last three digits of a token with this value."""
        return (self.starting_code + value) % BASE


def _next(code: int, key: bytes) -> int:
    """64 bits of hash folded to nine and a half digits."""
    hashed = siphash24(key, code.to_bytes(4, "big") * 2)
    code = (hashed >> 32 ^ hashed & 0xFFFFFFFF) >> 2
    return code - _FOLD if code > _LIMIT else code


def next_count(count: int, kind: Kind) -> int:
    """The count of the next token: even for one that adds, else odd."""
    adds = kind is Kind.ADD
    return count + (1 if count % 2 == adds else 2)


def generate(secret: Secret, count: int, kind: Kind, value: int = 0) -> tuple[str, int]:
    """The token and its count, `count` being that of the last one. BadValue if the value cannot be sent."""
    sent = _FIXED.get(kind, value)
    if kind not in _FIXED and not 0 <= value <= MOST:
        raise BadValue(f"a token carries 0 to {MOST}, not {value}")
    count = next_count(count, kind)
    base = secret.base(sent)
    code = next(islice(secret.codes(base), count, None))
    return f"{code - code % BASE + base:0{DIGITS}d}", count


def keypad(token: str) -> str:
    """The same token for a keypad with the digits 1 to 4: 15 of them, two bits each, high ones first."""
    number = int(token)
    return "".join(str((number >> shift & 3) + 1) for shift in range(2 * KEYPAD_DIGITS - 2, -1, -2))


def from_keypad(digits: str) -> str:
    """The inverse of `keypad`. BadValue if it is none."""
    if len(digits) != KEYPAD_DIGITS or set(digits) - set("1234"):
        raise BadValue(f"a keypad token has {KEYPAD_DIGITS} digits from 1 to 4")
    number = 0
    for digit in digits:
        number = number << 2 | int(digit) - 1
    return f"{number:0{DIGITS}d}"


class Answer(Enum):
    """What a device says to a token."""

    ACCEPTED = "accepted"
    USED = "used"
    WRONG = "wrong"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class Rules:
    """How a device decides. `window`: how far ahead of its count it looks; `sync_window`: for a token that brings a new
    count; `older`: how far back a token that adds may come late; `tries` wrong ones lock it for 1, 2, 4 ... minutes, at
    most 2^`longest`."""

    window: int = 30
    sync_window: int = 100
    older: int = 16
    tries: int = 5
    longest: int = 10


@dataclass(frozen=True, slots=True)
class State:
    """What a device remembers: the highest count, which of the late ones were used, and its lock."""

    count: int = 0
    used: frozenset[int] = frozenset()
    wrong: int = 0
    locked: datetime | None = None
    """Until then."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The answer, and what an accepted token does."""

    answer: Answer
    kind: Kind | None = None
    value: int = 0
    count: int = 0


RULES = Rules()


def enter(secret: Secret, state: State, token: str, now: datetime, rules: Rules = RULES) -> tuple[State, Entry]:
    """The customer types a token at `now`: what the device remembers then, and what it answers."""
    if state.locked is not None and now < state.locked:
        return state, Entry(Answer.LOCKED)
    if len(token) == DIGITS and token.isascii() and token.isdecimal():
        found = _find(secret, state, int(token), rules)
        if found is not None:
            answer = Answer.ACCEPTED if _good(state, found, rules) else Answer.USED
            if answer is Answer.USED:
                return state, replace(found, answer=answer, value=0)
            return _remember(state, found, rules), found
    return _mistaken(state, now, rules), Entry(Answer.WRONG)


def _find(secret: Secret, state: State, token: int, rules: Rules) -> Entry | None:
    """The token among those that may come and those that came; a good one goes before one that was used."""
    base = token % BASE
    value = (base - secret.starting_code) % BASE
    window = rules.sync_window if value == SYNC else rules.window
    best = None
    for count, code in enumerate(islice(secret.codes(base), state.count + window + 1)):
        if code - code % BASE + base == token and count:
            found = Entry(Answer.ACCEPTED, _kind(value, count), 0 if value > MOST else value, count)
            best = best or found
            if _good(state, found, rules):
                return found
    return best


def _kind(value: int, count: int) -> Kind | None:
    """None for what no generator makes."""
    if count % 2 == 0:
        return Kind.ADD if value <= MOST else None
    special = {DISABLE: Kind.DISABLE, SYNC: Kind.SYNC}
    return special.get(value, Kind.SET if value <= MOST else None)


def _good(state: State, found: Entry, rules: Rules) -> bool:
    if found.kind is None:
        return False
    if found.count > state.count:
        return True
    late = found.kind is Kind.ADD and found.count > state.count - rules.older
    return late and found.count not in state.used


def _remember(state: State, found: Entry, rules: Rules) -> State:
    """A token that sets makes all older ones void; one that adds only itself."""
    count = max(state.count, found.count)
    span = range(count - rules.older, count + 1)
    used = frozenset(span) if found.kind is not Kind.ADD else frozenset((state.used | {found.count}) & set(span))
    return State(count, used)


def _mistaken(state: State, now: datetime, rules: Rules) -> State:
    wrong = state.wrong + 1
    over = wrong - rules.tries
    locked = now + timedelta(minutes=1 << min(over, rules.longest)) if over >= 0 else None
    return replace(state, wrong=wrong, locked=locked)
