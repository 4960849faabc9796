"""What probes share: where to look, what was found, and who is told of the progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from metergate.wire.base import Dialogue

Tell = Callable[[str, int, int], None]
"""`tell(what, done, of)`: how far a probe is."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to look. `first` and `last` bound numbered addresses (M-Bus primary, Modbus units); `timeout`: seconds to
    wait for an answer, None: what the protocol needs on an ordinary line; `secondary`: also search M-Bus by number;
    `thorough`: also ask silent Modbus units for all that the known models have; `echo`: the adapter repeats what is
    sent; `datagrams`: the line is UDP."""

    first: int = 1
    last: int = 247
    timeout: float | None = None
    secondary: bool = True
    echo: bool = False
    datagrams: bool = False
    thorough: bool = False

    def wait(self, usual: float) -> float:
        """Seconds to wait where a protocol usually waits `usual`."""
        return usual if self.timeout is None else self.timeout


@dataclass(frozen=True, slots=True)
class Hit:
    """A meter that was found: how a gateway's settings name it. `title` is for people; `map` where one is needed.

    `sure` False: it is there, but more has to be known before it can be read (`note` says what).
    """

    protocol: str
    id: str
    address: str
    title: str = ""
    map: str = ""
    note: str = ""
    sure: bool = True


@dataclass(slots=True)
class Survey:
    """What has been found so far; it is complete at any moment, so that a scan may be stopped."""

    scope: Scope = field(default_factory=Scope)
    tell: Tell = lambda what, done, of: None
    hits: list[Hit] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def found(self, hit: Hit) -> None:
        """A meter; one with the same protocol and id is the same, at a better address."""
        self.hits = [each for each in self.hits if (each.protocol, each.id) != (hit.protocol, hit.id)] + [hit]

    def problem(self, text: str) -> None:
        """Something that people should know."""
        if text not in self.problems:
            self.problems.append(text)


class Probe(Protocol):
    """Looks for the meters of one protocol."""

    def __call__(self, survey: Survey) -> Dialogue[None]:
        """The dialogue. What it finds is in the survey."""
        ...
