"""What is wrong with the words that were typed, in one line each; the program then ends with status 2."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Annotated

from cyclopts import CycloptsError, Parameter
from cyclopts.exceptions import MissingArgumentError, UnusedCliTokensError

from metergate.errors import ConfigError

LIST = ("list", "?")
"""In place of a protocol's name: show the names. A shell may take the question mark for itself."""


SHOWN = "`metergate decode --protocol list` shows them"
"""Where the names of the protocols are."""


class Usage(ConfigError):
    """The command line cannot be meant like this: status 2."""


def one_line(error: CycloptsError) -> str:
    """What the parser did not understand, and where the help is."""
    error.verbose = False
    verb = " ".join(("metergate", *(error.command_chain or ())))
    return f"{verb}: {_what(error)}; see `{verb} --help`"


def _what(error: CycloptsError) -> str:
    if isinstance(error, UnusedCliTokensError):
        return f"{' '.join(error.unused_tokens or ())!r} is too much; words with blanks stand in quotes"
    text = " ".join(str(error).split())
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        asked = "wants a value" if error.keyword or error.argument.tokens else "is missing"
        near = text.partition(" Did you mean ")[2].rstrip("?")
        return f"{error.keyword or error.argument.name} {asked}" + (f": did you mean {near}" if near else "")
    text = text.partition(" Available commands")[0].rstrip(".")
    return text[:1].lower() + text[1:]


def meant(wrong: str, there: Iterable[str], else_: str = "") -> str:
    """The end of a sentence about a name that is not known: the likely ones, or where (or which) all are."""
    names, low = list(there), wrong.lower()
    near = get_close_matches(low, names, 1) or [name for name in names if low and name.startswith(low)]
    return f"did you mean {' or '.join(near)}?" if near else else_ or f"there are {', '.join(names)}"


def known(name: str) -> str:
    """The name of a protocol. Usage, with the likely one, if there is none of that name."""
    from metergate.wire import protocol, protocols

    if protocol(name) is None:
        raise Usage(f"unknown protocol {name!r}; {meant(name, protocols(), SHOWN)}")
    return name


def _known(_: object, value: object) -> None:
    for name in value if isinstance(value, list) else (value,):
        if name is not None and name not in LIST:
            known(str(name))


Protocol = Annotated[str, Parameter(validator=_known)]
"""The name of a protocol, checked before anything is opened."""
