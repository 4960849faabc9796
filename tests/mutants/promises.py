"""What must hold whatever arrives."""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from metergate.errors import DECODE_CODES
from metergate.wire.base import Found, Problem, Receiver
from metergate.wire.contract import respond
from mutants.lines import AT, Line
from mutants.spoil import Dice, mutant

CODES_KNOWN = {*DECODE_CODES, "noise"}
LIFE = 500
"""Spoilt telegrams that a receiver sees before it is exchanged for a fresh one."""


@dataclass
class Tally:
    """What came of it. `grown`: bytes of memory that the second half of the telegrams left behind."""

    line: str
    count: int
    outcomes: Counter[str] = field(default_factory=Counter)
    grown: int = 0
    slowest: float = 0.0
    seconds: float = 0.0

    def __str__(self) -> str:
        told = ", ".join(f"{name} {count}" for name, count in sorted(self.outcomes.items()))
        speed = f"{self.seconds:.1f} s, slowest {self.slowest * 1000:.1f} ms, memory {self.grown / 1024:+.0f} kB"
        return f"{self.line:8} {self.count} spoilt telegrams: {told}; {speed}"


def _chunks(dice: Dice, data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        step = dice.choice((len(data), len(data), 1, dice.randrange(1, 40)))
        yield data[at : at + step]
        at += step


def heard(receiver: Receiver, chunks: Iterator[bytes]) -> list[Found]:
    """All that a receiver finds in these chunks and the silence after them."""
    found = [item for chunk in chunks for item in receiver.receive(chunk, AT)]
    return [*found, *receiver.silence()]


def _problems(found: list[Found]) -> Iterator[Problem]:
    for item in found:
        yield from (item,) if isinstance(item, Problem) else item.problems


def check(line: Line, data: bytes, base: int, found: list[Found], tally: Tally) -> None:
    """What was found in `data`, that began at `base`, keeps every promise."""
    assert found or not data.strip(line.silent or None), "no answer"
    for problem in _problems(found):
        assert problem.code in CODES_KNOWN, f"unknown code {problem.code!r}"
        tally.outcomes[problem.code] += 1
    for item in found:
        if isinstance(item, Problem):
            continue
        begin = item.offset - base
        assert data[begin : begin + item.length] == item.data, "the telegram is not what was sent"
        if item.readings:
            assert line.protected(item), f"{len(item.readings)} readings from a telegram whose check is wrong"
            assert line.parts or not item.problems, "readings from a telegram that could not be decoded"
        tally.outcomes["with readings" if item.readings else "without readings"] += 1


def _answers(line: Line, data: bytes) -> None:
    """The same through the decode contract, which must always have something to say, in JSON."""
    answer = respond({"protocol": line.protocol, "hex": data.hex(), "keys": line.keys, "options": line.options})
    assert answer["telegrams"] or answer["errors"], "an empty answer"
    json.dumps(answer, allow_nan=False)


def memory() -> int:
    """Bytes that this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def left_behind(line: Line, count: int, seed: int) -> int:
    """Objects that one receiver gains while it hears the same `count` spoilt telegrams five times.

    What it remembers of layouts comes and goes: the least of the last times counts, against the most of those before.
    """
    dice = random.Random(f"{seed} {line.name}")
    data = [mutant(dice, line) for _ in range(count)]
    receiver, held = line.receiver(), list[int]()
    for _ in range(5):
        for octets in data:
            heard(receiver, iter((octets,)))
        gc.collect()
        held.append(sys.getallocatedblocks())
    return min(held[3:]) - max(held[1:3])


def _try(line: Line, receiver: Receiver, data: bytes, dice: Dice, tally: Tally) -> None:
    base, start = receiver.position, time.process_time()
    found = heard(receiver, _chunks(dice, data))
    tally.slowest = max(tally.slowest, time.process_time() - start)
    check(line, data, base, found, tally)


def fuzz(line: Line, count: int, seed: int) -> Tally:
    """Feed `count` spoilt telegrams. AssertionError names the first that broke a promise."""
    dice = random.Random(f"{seed} {line.name}")
    tally, began, receiver, before = Tally(line.name, count), time.perf_counter(), line.receiver(), 0
    gc.freeze()  # what was there before is not the receiver's: its walks through memory would count as slow telegrams
    for number in range(count):
        before = memory() if number == count // 2 else before
        data = b""
        try:
            if number % LIFE == 0:
                receiver = line.receiver()
                heard(receiver, iter(line.frames))
            data = mutant(dice, line)
            _try(line, receiver, data, dice, tally)
            if number % 8 == 0:
                _answers(line, data)
        except Exception as error:
            where = f"{line.name}, seed {seed}, telegram {number}"
            raise AssertionError(f"{where}: {type(error).__name__}: {error}\n{data.hex()}") from error
    tally.grown = memory() - before
    tally.seconds = time.perf_counter() - began
    return tally
