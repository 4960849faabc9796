"""Walking down wildcard addresses: where several meters answer to a pattern, it is split until each stands alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

from metergate.errors import BadChecksum, NoAnswer
from metergate.meters.scan.base import Survey
from metergate.wire.base import Dialogue

T = TypeVar("T")
WILD = "aa"
Ask = Callable[[str], Dialogue[T]]
"""`ask(pattern)`: the meter that alone answers to it. NoAnswer, BadChecksum if several do."""


def narrower(pattern: str) -> list[str]:
    """The patterns that it splits into: the last two open digits become 00 to 99. Wildcards stand in front only."""
    end = len(pattern)
    while end and pattern[end - 2 : end] != WILD:
        end -= 2
    return [f"{pattern[: end - 2]}{number:02d}{pattern[end:]}" for number in range(100)] if end else []


def noticing(dialogue: Dialogue[T]) -> Dialogue[T]:
    """The dialogue; where it ends in silence, but something was heard, several spoke at once: BadChecksum."""
    heard = False
    try:
        step = next(dialogue)
        while True:
            data = yield step
            heard = heard or bool(data)
            step = dialogue.send(data)
    except StopIteration as end:
        return cast(T, end.value)
    except NoAnswer:
        if heard:
            raise BadChecksum("what answers is not understood") from None
        raise


def walk(pattern: str, ask: Ask[T], survey: Survey, found: Callable[[T], None]) -> Dialogue[None]:
    """Every meter that `pattern` means."""
    patterns, done = [pattern], 0
    while patterns:
        now = patterns.pop()
        survey.tell(f"address {now}", done, done + len(patterns) + 1)
        done += 1
        try:
            found((yield from noticing(ask(now))))
        except BadChecksum:
            parts = narrower(now)
            patterns += reversed(parts)
            if not parts:
                survey.problem(f"several meters have the address {now}")
        except NoAnswer:
            continue
    survey.tell("addresses", done, done)
