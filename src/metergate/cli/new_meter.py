"""`metergate meters new`: questions and answers on the way to a map."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.prompt import Prompt

from metergate.cli.decode import bytes_of, protocol_of
from metergate.errors import BadValue, ConfigError
from metergate.meters.examples import check_map
from metergate.meters.map import load_map
from metergate.meters.new import Draft, Proposal, Sheet, draft, renamed, text
from metergate.meters.pollers import read_key
from metergate.wire import protocols
from metergate.wire.base import Telegram, received

QUESTIONS = {
    "brand": ("Who made the meter", None),
    "model": ("Which model is it", None),
    "origin": ("Where is the telegram from", "own meter"),
    "licence": ("Under which licence may it be used", "MIT"),
}
DROP = "-"


def make(
    source: str, protocol: str | None, key_file: Path | None, folder: Path, given: Mapping[str, str | None], yes: bool
) -> None:
    """Ask for what is missing and write the map. BadValue, ConfigError."""
    console = Console()
    data, key = bytes_of(source), read_key(key_file) if key_file else None
    name = protocol_of(data, protocol)
    receiver = protocols()[name].receiver({"key": key} if key else {}, {})
    made = draft(item for item in received(receiver, data) if isinstance(item, Telegram))
    console.print(f"[bold]{name}[/]  {' '.join(map(str, _told(made)))}", highlight=False)
    sheet = _sheet(given)
    kept = made.proposals if yes else tuple(_asked(console, made.proposals))
    if not kept:
        raise BadValue("every value was dropped: a map without registers says nothing")
    file = folder / sheet.file
    if file.exists():
        raise ConfigError(f"{file} is there already: give another model or folder")
    file.write_text(text(sheet, Draft(made.protocol, made.meter, kept), data, key), "utf-8")
    _prove(console, file, len(kept))


def _told(made: Draft) -> Iterator[object]:
    meter = made.meter
    yield from (part for part in (meter.id, meter.manufacturer, meter.version, made.medium.value) if part is not None)


def _sheet(given: Mapping[str, str | None]) -> Sheet:
    return Sheet(**{name: given.get(name) or _ask(*QUESTIONS[name]) for name in QUESTIONS})


def _ask(question: str, usual: str | None) -> str:
    while True:
        answer = Prompt.ask(question, default=usual) if usual else Prompt.ask(question)
        if answer and answer.strip():
            return answer.strip()


def _asked(console: Console, proposals: tuple[Proposal, ...]) -> Iterator[Proposal]:
    taken: set[str] = set()
    for proposal in proposals:
        while True:
            name = Prompt.ask(f"{proposal.shown:>24}  name, or {DROP}", default=proposal.row.name).strip()
            try:
                if name == DROP:
                    break
                if name in taken:
                    raise BadValue(f"{name} is taken")
                yield renamed(proposal, name)
            except BadValue as error:
                console.print(f"[yellow]{error.reason}[/]", highlight=False)
                continue
            taken.add(name)
            break


def _prove(console: Console, file: Path, registers: int) -> None:
    wrong = check_map(load_map(file))
    for line in wrong:
        console.print(f"[yellow]{line}[/]", highlight=False)
    agrees = "does not agree" if wrong else "agrees"
    console.print(f"{file}: {registers} registers, its example {agrees}", highlight=False)
    folder = file.parent.absolute()
    console.print(f'Use it: in the line of the gateway\'s settings, maps = "{folder}"', highlight=False)
