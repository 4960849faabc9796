"""The asking side: dialogues that fetch lists, parameters and profiles from a meter that answers requests.

A request file is one transport frame: open, the requests, close. The answers come in one file or several, each with its
request's transaction; whatever else is on the line (pushed telegrams, echoes, late answers) is passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from metergate.errors import BadValue, NoAnswer, Refused
from metergate.wire.base import MORE, Ask, Dialogue, Problem
from metergate.wire.sml.codec import Message, decode_messages, encode_telegram
from metergate.wire.sml.messages import (
    ATTENTIONS,
    Attention,
    Body,
    CloseRequest,
    CloseResponse,
    GetListRequest,
    GetListResponse,
    GetProcParameterRequest,
    GetProcParameterResponse,
    GetProfileListRequest,
    GetProfileListResponse,
    GetProfilePackRequest,
    GetProfilePackResponse,
    OpenRequest,
    OpenResponse,
    SetProcParameterRequest,
    Tree,
)
from metergate.wire.sml.push import timestamp
from metergate.wire.sml.transport import X25, Accepted, CrcKind, Framer, crc_of, unwrap

_ANSWERS = (
    OpenResponse,
    CloseResponse,
    GetListResponse,
    GetProcParameterResponse,
    GetProfileListResponse,
    GetProfilePackResponse,
    Attention,
)
Answers = list[tuple[Body, ...]]
B = TypeVar("B", bound=Body)


@dataclass(frozen=True, slots=True)
class Session:
    """Who asks whom. `file` tells this request file from all others; the LMN leaves out server and login."""

    file: bytes
    client: bytes = b"metergate"
    server: bytes | None = None
    username: bytes | None = None
    password: bytes | None = field(default=None, repr=False)
    timeout: float = 2.0
    tries: int = 3
    crc: CrcKind = X25


class _Collector:
    """Gathers the answers to some transactions."""

    def __init__(self, transactions: Sequence[bytes]) -> None:
        self.answers: dict[bytes, list[Body]] = {transaction: [] for transaction in transactions}
        self._framer = Framer(self._accept)
        self._closing = transactions[-1]

    def feed(self, data: bytes) -> bool:
        """Take in bytes; whether the file is complete now."""
        for _ in self._framer.feed(data):
            pass
        return bool(self.answers[self._closing]) or all(self.answers.values())

    def _accept(self, frame: bytes, offset: int) -> Accepted:
        kind = crc_of(frame)
        for message in decode_messages(unwrap(frame), kind) if kind else ():
            if isinstance(message, Message) and isinstance(message.body, _ANSWERS):
                self.answers.get(message.transaction or b"", []).append(message.body)
        return Accepted(Problem("noise", offset, "an answer file"), kind is not None)


def exchange(session: Session, requests: Sequence[Body]) -> Dialogue[Answers]:
    """Ask all of it in one file; per request its answers, attentions among them.

    NoAnswer if none comes in all tries; Refused if the meter does not even open.
    """
    opening = OpenRequest(None, session.client, session.file, session.server, session.username, session.password, None)
    bodies: list[Body] = [opening, *requests, CloseRequest()]
    messages = [Message(body, session.file + index.to_bytes(2, "big")) for index, body in enumerate(bodies)]
    telegram = encode_telegram(messages, session.crc)
    transactions = [message.transaction or b"" for message in messages]
    for _ in range(session.tries):
        collector = _Collector(transactions)
        data = yield Ask(telegram, session.timeout)
        while data:
            if collector.feed(data):
                return _sorted(collector, transactions)
            data = yield MORE
    raise NoAnswer(f"the meter {(session.server or b'').hex()} did not answer in {session.tries} tries")


def _sorted(collector: _Collector, transactions: Sequence[bytes]) -> Answers:
    for body in collector.answers[transactions[0]]:
        if isinstance(body, Attention):
            raise Refused(attention_text(body))
    return [tuple(collector.answers[transaction]) for transaction in transactions[1:-1]]


def attention_text(attention: Attention) -> str:
    """What an attention says, for people."""
    number = attention.number or b""
    known = ATTENTIONS.get(int.from_bytes(number[-2:], "big"), "unknown attention")
    text = (attention.text or b"").decode("utf-8", "replace")
    return f"the meter says: {known} ({number.hex()}){': ' + text if text else ''}"


def _fetch(session: Session, request: Body, kind: type[B]) -> Dialogue[tuple[B, ...]]:
    """The answers of one kind to one request. Refused if there is an attention, BadValue if there is nothing."""
    (answers,) = yield from exchange(session, [request])
    for body in answers:
        if isinstance(body, Attention):
            raise Refused(attention_text(body))
    found = tuple(body for body in answers if isinstance(body, kind))
    if not found:
        raise BadValue(f"the meter answered without a {kind.__name__}")
    return found


def get_list(session: Session, name: bytes | None = None) -> Dialogue[GetListResponse]:
    """All values of a list (the meter's default list where no name is given). NoAnswer, Refused or BadValue."""
    request = GetListRequest(session.client, session.server, session.username, session.password, name)
    found = yield from _fetch(session, request, GetListResponse)
    return found[0]


def get_parameters(session: Session, paths: Sequence[tuple[bytes, ...]]) -> Dialogue[list[Tree | Attention]]:
    """The parameter trees at some paths, in one file; an attention in the place of one that is refused."""
    requests = [_parameter(session, path) for path in paths]
    answers = yield from exchange(session, requests)
    return [_tree(bodies) for bodies in answers]


def _parameter(session: Session, path: tuple[bytes, ...]) -> GetProcParameterRequest:
    return GetProcParameterRequest(session.server, session.username, session.password, path)


def _tree(bodies: tuple[Body, ...]) -> Tree | Attention:
    for body in bodies:
        if isinstance(body, Attention):
            return body
        if isinstance(body, GetProcParameterResponse) and body.tree is not None:
            return body.tree
    raise BadValue("the meter left a parameter unanswered")


def set_parameter(session: Session, path: tuple[bytes, ...], tree: Tree) -> Dialogue[None]:
    """Write a parameter; sent once only. Refused with the meter's reason; NoAnswer: it may or may not be done."""
    request = SetProcParameterRequest(session.server, session.username, session.password, path, tree)
    once = Session(session.file, session.client, session.server, timeout=session.timeout, tries=1, crc=session.crc)
    (answers,) = yield from exchange(once, [request])
    attention = next((body for body in answers if isinstance(body, Attention)), None)
    if attention is None:
        raise BadValue("the meter answered an order without an attention")
    if (attention.number or b"")[-2:] != b"\xfd\x00":
        raise Refused(attention_text(attention))


def get_profile_list(
    session: Session, begin: datetime, end: datetime, path: tuple[bytes, ...], objects: tuple[bytes, ...] | None = None
) -> Dialogue[tuple[GetProfileListResponse, ...]]:
    """A load profile from `begin` up to (not with) `end`, one answer a moment."""
    login = session.server, session.username, session.password
    request = GetProfileListRequest(*login, False, timestamp(begin), timestamp(end), path, objects)
    return (yield from _fetch(session, request, GetProfileListResponse))


def get_profile_pack(
    session: Session, begin: datetime, end: datetime, path: tuple[bytes, ...], objects: tuple[bytes, ...] | None = None
) -> Dialogue[GetProfilePackResponse]:
    """A load profile as one table."""
    login = session.server, session.username, session.password
    request = GetProfilePackRequest(*login, False, timestamp(begin), timestamp(end), path, objects)
    found = yield from _fetch(session, request, GetProfilePackResponse)
    return found[0]
