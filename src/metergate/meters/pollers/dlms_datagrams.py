"""DLMS over datagrams, which are lost, doubled and late: what only reads is asked again, and an answer counts for its
own question alone.

The wrapper has no numbers. Answers are told apart by their kind (an association's or a service's), by the invoke id,
which goes on counting from one association to the next, and within a long answer by the number of the block. What
writes or executes is sent once: whoever ordered it reads back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from metergate.errors import ApplicationError, DecodeError, NoAnswer, Refused
from metergate.wire.base import Dialogue
from metergate.wire.dlms import apdu as a
from metergate.wire.dlms.apdu import Apdu, Attribute, Result, Selected, Selector
from metergate.wire.dlms.client import Client, Entrance, NotGiven
from metergate.wire.dlms.client.association import Accept
from metergate.wire.dlms.data import Data
from metergate.wire.dlms.transport import Transport
from metergate.wire.dlms.wrapper import client as wrapper

T = TypeVar("T")
TRIES = 3
"""How often a question is asked."""
STRAY = 8
"""Foreign answers that are passed over at most."""
IDS = 16
"""Invoke ids there are."""
AARE, RLRE, EXCEPTION = 0x61, 0x63, 0xD8
OPENING = {0x60: (AARE, EXCEPTION), 0x62: (RLRE, EXCEPTION)}
"""What answers an association's requests, by their tags; nothing else is answered by an AARE or RLRE."""


class Link(wrapper.Link):
    """The wrapper's way over UDP."""

    def __init__(self, client: int, server: int, timeout: float) -> None:
        super().__init__(client, server, wrapper.Settings(timeout, datagrams=True))
        self._question = 0

    def exchange(self, *apdus: bytes) -> Dialogue[bytes]:
        """See `Transport`. An answer of another kind is a late one and passed over."""
        self._question = apdus[-1][0]
        return (yield from self._own((yield from super().exchange(*apdus))))

    def receive(self) -> Dialogue[bytes]:
        """See `Transport`. As `exchange`."""
        return (yield from self._own((yield from super().receive())))

    def _own(self, found: bytes) -> Dialogue[bytes]:
        for _ in range(STRAY):
            if self._answers(found[0]):
                return found
            found = yield from super().receive()
        raise NoAnswer("only answers to other requests came")

    def _answers(self, tag: int) -> bool:
        wanted = OPENING.get(self._question)
        return tag in wanted if wanted else tag not in (AARE, RLRE)


class DatagramClient(Client):
    """A client whose questions are asked again. `ids`: the invoke ids, which go on from association to association."""

    def __init__(self, transport: Transport, entrance: Entrance, ids: Iterator[int]) -> None:
        super().__init__(transport, entrance)
        self._ids = ids

    def invoke(self) -> int:
        """The next invoke-id-and-priority."""
        return a.with_id(next(self._ids))

    def associate(self) -> Dialogue[None]:
        """As `Association.associate`. After a loss a refusal may be that of an earlier try, so that it is not final."""
        lost = False
        for _ in range(TRIES - 1):
            try:
                return (yield from super().associate())
            except NoAnswer:
                lost = True
            except (Refused, DecodeError):
                if not lost:
                    raise
        return (yield from super().associate())

    def get(self, attribute: Attribute, selector: Selector | None = None) -> Dialogue[Data]:
        """As `Client.get`; a long answer that broke off is asked for anew."""
        return (yield from again(lambda: Client.get(self, attribute, selector)))

    def get_list(self, items: Iterable[Selected]) -> Dialogue[tuple[Result, ...]]:
        """As `Client.get_list`."""
        wanted = tuple(items)
        return (yield from again(lambda: Client.get_list(self, wanted)))

    def ask(self, request: Apdu, accept: Accept, again: bool = True) -> Dialogue[Apdu]:
        """As `Association.ask`; a block that came already is no answer to the question for the next one."""
        return (yield from super().ask(request, _following(request, accept), again))


def _following(request: Apdu, accept: Accept) -> Accept:
    if not isinstance(request, a.GetRequestNext):
        return accept
    return lambda found: accept(found) and (isinstance(found.result, int) or found.block > request.block)


def again(make: Callable[[], Dialogue[T]]) -> Dialogue[T]:
    """Hold a dialogue that only reads, and once more where no answer came, or an exception that names no question."""
    for _ in range(TRIES - 1):
        try:
            return (yield from make())
        except NotGiven:
            raise
        except (NoAnswer, ApplicationError):
            continue
    return (yield from make())
