"""Orders from the station: carried out once, by whom it concerns, and answered whatever becomes of them.

Every order is written down before anything is sent, so that a gateway that dies in between says UNSURE afterwards
and does not do it twice.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import structlog

from metergate.errors import DecodeError, LinkError, MetergateError, NoAnswer, Refused
from metergate.gateway.hub import Hub
from metergate.model import Command, CommandResult, Outcome, Severity
from metergate.model.event import Event

log = structlog.get_logger(__name__)
KEPT = 10_000
"""Orders that are remembered."""


class Journal:
    """Which orders were begun and how they ended: a line of JSON each, on the disk before it counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._results: dict[str, CommandResult] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            self._learn(line)
        self._trim()

    def _learn(self, line: str) -> None:
        try:
            row = json.loads(line)
            found = CommandResult(row["id"], Outcome(row["outcome"]), row["text"])
        except (ValueError, KeyError, TypeError):
            return  # torn by a crash: the order before it stands as begun
        self._results[found.id] = found

    def _trim(self) -> None:
        """Keep the newest; the old file stays until the new one is whole."""
        rows = list(self._results.values())[-KEPT:]
        self._results = {row.id: row for row in rows}
        fresh = self._path.with_suffix(".new")
        fresh.write_text("".join(_row(row) for row in rows), "utf-8")
        fresh.replace(self._path)

    def known(self, command_id: str) -> CommandResult | None:
        """What became of an order, None if it was never begun."""
        return self._results.get(command_id)

    def begin(self, command_id: str) -> None:
        """From now on, until its end is written, it is unsure what became of it."""
        self.end(CommandResult(command_id, Outcome.UNSURE, "the gateway stopped while it was carried out"))

    def end(self, result: CommandResult) -> None:
        """How it ended."""
        self._results[result.id] = result
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_row(result))
            file.flush()
            os.fdatasync(file.fileno())


def _row(result: CommandResult) -> str:
    return json.dumps({"id": result.id, "outcome": result.outcome.value, "text": result.text}) + "\n"


class Executor(Protocol):
    """Who can carry out orders: a line, a collector."""

    def has(self, meter: str) -> bool:
        """Is the meter one of ours?"""
        ...

    async def execute(self, command: Command) -> tuple[Outcome, str]:
        """Carry it out: outcome and a text for people. Refused, NoAnswer, LinkError, DecodeError."""
        ...


class Commander:
    """Carries out orders on the lines of a gateway."""

    def __init__(self, journal: Journal, hub: Hub, lines: Callable[[], Iterable[Executor]]) -> None:
        self._journal, self._hub, self._lines = journal, hub, lines
        self._running: dict[str, asyncio.Task[CommandResult]] = {}

    async def execute(self, command: Command) -> CommandResult:
        """The result of an order; of one that was given before, the same result again without doing it again."""
        if known := self._journal.known(command.id):
            if command.id not in self._running:
                return known
        else:
            self._journal.begin(command.id)
            self._running[command.id] = asyncio.ensure_future(self._execute(command))
        return await asyncio.shield(self._running[command.id])

    async def _execute(self, command: Command) -> CommandResult:
        try:
            result = await self._judged(command)
            self._journal.end(result)
        finally:
            self._running.pop(command.id, None)
        severity = Severity.NOTICE if result.outcome is Outcome.DONE else Severity.WARNING
        args = {"id": command.id, "order": type(command).__name__, "outcome": result.outcome.value, "text": result.text}
        self._hub.pass_event(Event(datetime.now(UTC), "COMMAND", command.meter, severity, args))
        return result

    async def _judged(self, command: Command) -> CommandResult:
        """An order that cannot be carried out has an outcome, not an exception."""
        if command.expires is not None and datetime.now(UTC) >= command.expires:
            return CommandResult(command.id, Outcome.EXPIRED)
        line = next((one for one in self._lines() if one.has(command.meter)), None)
        if line is None:
            return CommandResult(command.id, Outcome.REFUSED, "this gateway has no such meter")
        try:
            outcome, text = await line.execute(command)
        except Refused as error:
            outcome, text = Outcome.REFUSED, str(error)
        except (NoAnswer, LinkError) as error:
            outcome, text = Outcome.NO_ANSWER, str(error)
        except (DecodeError, MetergateError) as error:
            outcome, text = Outcome.UNSURE, str(error)
        return CommandResult(command.id, outcome, text)
