"""How telegrams are spoilt: on the wire, and inside of frames whose checks are then made right again."""

from __future__ import annotations

import random

from mutants.lines import Line

_ODD = (0x00, 0x01, 0x7F, 0x80, 0xFF, 0x16, 0x1A, 0x1B, 0x68, 0x7E, 0x76, 0xFE)
Dice = random.Random


def _span(dice: Dice, data: bytes | bytearray, most: int = 64) -> tuple[int, int]:
    begin = dice.randrange(len(data) + 1)
    return begin, min(len(data), begin + dice.randrange(1, most + 1))


def _flip(dice: Dice, data: bytearray, line: Line) -> None:
    for _ in range(dice.choice((1, 1, 2, 5))):
        if data:
            data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def _replace(dice: Dice, data: bytearray, line: Line) -> None:
    for _ in range(dice.choice((1, 1, 2, 8))):
        if data:
            data[dice.randrange(len(data))] = dice.choice((dice.choice(_ODD), dice.randrange(256)))


def _remove(dice: Dice, data: bytearray, line: Line) -> None:
    begin, end = _span(dice, data)
    del data[begin:end]


def _repeat(dice: Dice, data: bytearray, line: Line) -> None:
    begin, end = _span(dice, data)
    data[begin:begin] = data[begin:end] * dice.choice((1, 1, 2, 9))


def _insert(dice: Dice, data: bytearray, line: Line) -> None:
    begin, _ = _span(dice, data)
    octets = dice.choice((dice.randbytes(dice.randrange(1, 20)), bytes((dice.choice(_ODD),)) * dice.randrange(1, 40)))
    data[begin:begin] = octets


def _cut(dice: Dice, data: bytearray, line: Line) -> None:
    """Lose the beginning or the end."""
    at = dice.randrange(len(data) + 1)
    del data[dice.choice((slice(0, at), slice(at, None)))]


def _join(dice: Dice, data: bytearray, line: Line) -> None:
    """Go on with another telegram, or a part of one."""
    other = dice.choice(line.frames)
    data += other[dice.choice((0, dice.randrange(len(other) + 1))) :]


def _cross(dice: Dice, data: bytearray, line: Line) -> None:
    """Carry on at some place with some place of another telegram."""
    other = dice.choice(line.contents or line.frames)
    data[dice.randrange(len(data) + 1) :] = other[dice.randrange(len(other) + 1) :]


_DAMAGES = (_flip, _flip, _replace, _replace, _remove, _repeat, _insert, _cut, _cross)


def mutant(dice: Dice, line: Line) -> bytes:
    """A spoilt telegram: on the wire, or in its content with the outer, or all, checks made right again."""
    way = dice.randrange(5)
    if way < 2 or not line.contents:
        data = bytearray(dice.choice(line.frames))
        for damage in dice.choices((*_DAMAGES, _join), k=dice.choice((1, 1, 2, 4))):
            damage(dice, data, line)
        return bytes(data)
    content = bytearray(dice.choice(line.contents))
    for damage in dice.choices(_DAMAGES, k=dice.choice((1, 1, 2, 4))):
        damage(dice, content, line)
    return line.seal.close(line.seal.inside(bytes(content)) if way < 4 else bytes(content))
