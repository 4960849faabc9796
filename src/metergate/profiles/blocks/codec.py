"""A register-day in a few octets.

    1 u version (1) | 1 s scaler | 1 u width of value steps | 1 u what follows | 4 u first cell | 4 u cells | 8 s value
    value steps | qualities | 4 s offset, offset steps

The cells reach from the first present one to the last; an absent one repeats the value before it. Steps are the
differences from cell to cell, the first from the number in the header, of 0, 1, 2, 4 or 8 octets. "What follows":
bits 0-3 the width of offset steps, or 15 where all offsets are 0; bits 4-7 the quality of all cells, or 15 where there
is one octet a cell. All little-endian.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from metergate.errors import StorageError
from metergate.profiles.blocks.stack import DAYS, Ints, Stack

VERSION = 1
NONE = 15
_HEAD = np.dtype(
    [
        ("version", "u1"),
        ("scaler", "i1"),
        ("width", "u1"),
        ("form", "u1"),
        ("first", "<u4"),
        ("cells", "<u4"),
        ("value", "<i8"),
    ]
)
_WIDTHS = (1, 2, 4, 8)
_BLANK = bytes(8 * 86_400)


def encode(stack: Stack) -> list[bytes]:
    """The octets of each block; every block must hold a reading."""
    if not len(stack.key):
        return []
    present = stack.quality > 0
    first = present.argmax(1)
    stop = stack.n - present[:, ::-1].argmax(1)
    value = _Steps.of(_held(stack.value, present, first), first)
    quality, form = _qualities(stack, first, stop)
    offsets, widths = _offsets(stack, present, first, stop)
    head = np.zeros(len(stack.key), _HEAD)
    head["version"], head["scaler"], head["width"] = VERSION, stack.scaler, value.width
    head["form"] = form << 4 | widths
    head["first"], head["cells"], head["value"] = first, stop - first, value.start
    heads = _sliced(head.tobytes(), _HEAD.itemsize, len(head))
    parts = zip(heads, value.cut(first, stop), quality, offsets, strict=True)
    return [b"".join(part) for part in parts]


def decode(stack: Stack, rows: ArrayLike, blocks: Sequence[bytes]) -> None:
    """Fill rows of an empty stack from their octets. StorageError for octets that are no block."""
    if not blocks:
        return
    row = np.asarray(rows, np.int64)
    try:
        head = np.frombuffer(b"".join([block[: _HEAD.itemsize] for block in blocks]), _HEAD)
        if (head["version"] != VERSION).any():
            raise ValueError("unknown version")
        stack.scaler[row] = head["scaler"]
        _Reader(stack, row, blocks, head).read()
    except (ValueError, IndexError) as error:
        first = int(stack.key[row].min()) // DAYS
        raise StorageError(f"a block of register {first} or one of the next cannot be read: {error}") from error


def _held(value: Ints, present: np.ndarray, first: Ints) -> Ints:
    """Values with the last present one repeated over gaps, and the first one before it."""
    if present.all():
        return value
    cells = np.arange(value.shape[1])
    last = np.maximum.accumulate(np.where(present, cells, first[:, None]), 1)
    return np.take_along_axis(value, last, 1)


@dataclass(slots=True)
class _Steps:
    """Differences along rows, each row in the narrowest width that holds its own."""

    start: Ints
    step: Ints
    width: Ints

    @classmethod
    def of(cls, value: Ints, first: Ints) -> _Steps:
        start = value[np.arange(len(value)), first]
        step = np.empty_like(value)
        step[:, 0] = value[:, 0] - start
        np.subtract(value[:, 1:], value[:, :-1], out=step[:, 1:])
        low, high = step.min(1), step.max(1)
        width = np.zeros(len(value), np.int64)
        for octets, below in zip(_WIDTHS, (0, *_WIDTHS), strict=False):
            limit = 1 << (8 * below - 1) if below else 0
            width[(low < -limit) | (high > max(limit - 1, 0))] = octets
        return cls(start, step, width)

    def cut(self, first: Ints, stop: Ints) -> list[bytes]:
        """Each row's steps between two cells."""
        found = [b""] * len(self.start)
        for width in _WIDTHS:
            rows = np.nonzero(self.width == width)[0]
            if len(rows):
                data = self.step[rows].astype(f"<i{width}").tobytes()
                length = self.step.shape[1] * width
                begins = np.arange(len(rows)) * length + first[rows] * width
                ends = begins + (stop - first)[rows] * width
                for row, begin, end in zip(rows.tolist(), begins.tolist(), ends.tolist(), strict=True):
                    found[row] = data[begin:end]
        return found


def _qualities(stack: Stack, first: Ints, stop: Ints) -> tuple[list[bytes], Ints]:
    """Each block's quality octets, and its quality where it is the same everywhere (else 15)."""
    cells = np.arange(stack.n)
    inside = (cells >= first[:, None]) & (cells < stop[:, None])
    high = stack.quality.max(1)
    even = ~(inside & (stack.quality != high[:, None])).any(1)
    form = np.where(even, high, NONE).astype(np.int64)
    found = [b""] * len(form)
    for row in np.nonzero(~even)[0].tolist():
        found[row] = stack.quality[row, first[row] : stop[row]].tobytes()
    return found, form


def _offsets(stack: Stack, present: np.ndarray, first: Ints, stop: Ints) -> tuple[list[bytes], Ints]:
    """Each block's offsets, and the width of their steps (15 where all are 0)."""
    widths = np.full(len(first), NONE, np.int64)
    found = [b""] * len(first)
    rows = np.nonzero(stack.offset.any(1))[0]
    if len(rows):
        held = _held(stack.offset[rows].astype(np.int64), present[rows], first[rows])
        steps = _Steps.of(held, first[rows])
        widths[rows] = steps.width
        starts = _sliced(steps.start.astype("<i4").tobytes(), 4, len(rows))
        parts = zip(rows.tolist(), starts, steps.cut(first[rows], stop[rows]), strict=True)
        for row, start, part in parts:
            found[row] = start + part
    return found, widths


@dataclass(slots=True)
class _Reader:
    """Takes blocks apart, section by section; `at` is where each block's next section begins."""

    stack: Stack
    row: Ints
    blocks: Sequence[bytes]
    head: np.ndarray

    def read(self) -> None:
        first, cells = self.head["first"].astype(np.int64), self.head["cells"].astype(np.int64)
        if ((first + cells) > self.stack.n).any() or not cells.all():
            raise ValueError("cells outside the day")
        at = np.full(len(self.row), _HEAD.itemsize, np.int64)
        value = self._steps(self.head["value"], self.head["width"].astype(np.int64), at)
        quality = self._quality(self.head["form"] >> 4, at)
        self.stack.quality[self.row] = quality
        self.stack.value[self.row] = np.where(quality > 0, value, 0)
        self._offset(self.head["form"] & NONE, at, quality)
        if at.tolist() != [len(block) for block in self.blocks]:
            raise ValueError("octets left over")

    def _steps(self, start: Ints, width: Ints, at: Ints) -> Ints:
        step = np.zeros((len(self.row), self.stack.n), np.int64)
        for octets in _WIDTHS:
            rows = np.nonzero(width == octets)[0]
            if len(rows):
                step[rows] = self._section(rows, octets, at).view(f"<i{octets}")
        step[:, 0] += start
        at += self.head["cells"] * width
        return np.cumsum(step, 1, out=step)

    def _section(self, rows: Ints, width: int, at: Ints) -> np.ndarray:
        """A section of some blocks as octets [blocks x n * width], 0 outside their cells."""
        first, cells = self.head["first"][rows] * width, self.head["cells"][rows] * width
        length = self.stack.n * width
        parts = []
        for number, begin, before, size in zip(
            rows.tolist(), at[rows].tolist(), first.tolist(), cells.tolist(), strict=True
        ):
            part = self.blocks[number][begin : begin + size]
            if len(part) != size:
                raise ValueError("cut short")
            parts.append(part if size == length else _BLANK[:before] + part + _BLANK[: length - before - size])
        return np.frombuffer(b"".join(parts), np.uint8).reshape(len(rows), length)

    def _quality(self, form: np.ndarray, at: Ints) -> np.ndarray:
        cells = np.arange(self.stack.n)
        first = self.head["first"][:, None].astype(np.int64)
        inside = (cells >= first) & (cells < first + self.head["cells"][:, None])
        quality = np.where(inside, form[:, None], 0).astype(np.uint8)
        rows = np.nonzero(form == NONE)[0]
        if len(rows):
            quality[rows] = self._section(rows, 1, at)
            at[rows] += self.head["cells"][rows]
        return quality

    def _offset(self, form: np.ndarray, at: Ints, quality: np.ndarray) -> None:
        rows = np.nonzero(form != NONE)[0]
        if not len(rows):
            return
        starts = [self.blocks[row][at[row] : at[row] + 4] for row in rows.tolist()]
        start = np.frombuffer(b"".join(starts), "<i4").astype(np.int64)
        some = _Reader(self.stack, self.row[rows], [self.blocks[row] for row in rows.tolist()], self.head[rows])
        place = at[rows] + 4
        offset = some._steps(start, form[rows].astype(np.int64), place)
        at[rows] = place
        self.stack.offset[self.row[rows]] = np.where(quality[rows] > 0, offset, 0)


def _sliced(data: bytes, size: int, count: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, size * count, size)]
