"""What a gateway tells of its lines for those who look at them: JSON at QoS 0, nothing depends on its delivery.

* `metergate/<gateway>/lines`: how each line answers, counted since the gateway began (`Report`);
* `metergate/<gateway>/trace/<line>`: one message seen on a line (`Sight`), only while somebody watches;
* `metergate/<gateway>/watch/<line>`: somebody watches; holds for `WATCHED` seconds and is then to be said again.

In a topic a line's name is percent-encoded, so that it is one level whatever it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

from metergate.errors import DecodeError

WATCHED = 30.0
"""Seconds that one call to watch holds."""
SHOWN = 512
"""Bytes of a message that are shown."""
MAX_MESSAGE, MAX_LINES, MAX_CAUSES = 1 << 18, 1000, 64
REPORTS, TRACES = "metergate/+/lines", "metergate/+/trace/+"
WAYS = ("rx", "tx")


@dataclass(frozen=True, slots=True)
class LineReport:
    """One line. Counters run since the gateway began; `telegrams` whole ones heard; `problems` by cause.

    `round_ms`: what the last dialogue that was answered took, waiting for its turn included; None where none was.
    """

    name: str
    state: str = ""
    asked: int = 0
    answered: int = 0
    telegrams: int = 0
    round_ms: int | None = None
    problems: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """All lines of a gateway. Another `began` means that its counters began anew."""

    began: str
    lines: tuple[LineReport, ...] = ()


@dataclass(frozen=True, slots=True)
class Sight:
    """A message seen on a line: `direction` rx or tx, its first `SHOWN` bytes, what it means in words."""

    at: datetime
    direction: str
    data: bytes
    protocol: str = ""
    text: str = ""


def report_topic(gateway: str) -> str:
    """Where a gateway tells of its lines."""
    return f"metergate/{gateway}/lines"


def trace_topic(gateway: str, line: str) -> str:
    """Where it shows what it sees on a line."""
    return f"metergate/{gateway}/trace/{quote(line, safe='')}"


def watch_topic(gateway: str, line: str) -> str:
    """Where it is told that somebody watches a line; `watch_topic(gateway, "+")` is the filter of all."""
    return f"metergate/{gateway}/watch/{quote(line, safe='+')}"


def place(topic: str) -> tuple[str, str]:
    """Gateway and line (empty where the topic names none) of a topic of these."""
    _, gateway, _, *line = topic.split("/")
    return gateway, unquote(line[0]) if line else ""


def encode_report(began: str, lines: Iterable[LineReport]) -> bytes:
    """The message of a report."""
    return json.dumps({"began": began, "lines": [asdict(line) for line in lines]}, separators=(",", ":")).encode()


def decode_report(data: bytes) -> Report:
    """The report in a message. DecodeError if it is none."""
    tree = _tree(data)
    rows = tree.get("lines")
    if not isinstance(rows, list) or len(rows) > MAX_LINES:
        raise DecodeError("no list of lines")
    return Report(_text(tree, "began"), tuple(_line(row) for row in rows))


def encode_sight(sight: Sight) -> bytes:
    """The message of a sight; bytes beyond `SHOWN` are left out."""
    told = {
        "at": sight.at.isoformat(),
        "direction": sight.direction,
        "hex": sight.data[:SHOWN].hex(),
        "protocol": sight.protocol,
        "text": sight.text[:240],
    }
    return json.dumps(told, separators=(",", ":")).encode()


def decode_sight(data: bytes) -> Sight:
    """The sight in a message. DecodeError if it is none."""
    tree = _tree(data)
    try:
        at, octets = datetime.fromisoformat(_text(tree, "at")), bytes.fromhex(_text(tree, "hex", 2 * SHOWN))
        at = at.astimezone(UTC) if at.tzinfo else at
    except (ValueError, OverflowError) as error:
        raise DecodeError(f"no sight: {error}") from None
    if at.tzinfo is None or tree.get("direction") not in WAYS:
        raise DecodeError("neither rx nor tx at an instant of UTC")
    return Sight(at, tree["direction"], octets, _text(tree, "protocol", 24), _text(tree, "text", 240))


def _tree(data: bytes) -> Mapping[str, Any]:
    if len(data) > MAX_MESSAGE:
        raise DecodeError(f"{len(data)} bytes are too many")
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError):
        raise DecodeError("no JSON") from None
    if not isinstance(tree, dict):
        raise DecodeError("no JSON object")
    return tree


def _line(row: object) -> LineReport:
    if not isinstance(row, dict):
        raise DecodeError("a line is no object")
    causes = row.get("problems", {})
    if not isinstance(causes, dict) or len(causes) > MAX_CAUSES or any(len(cause) > 40 for cause in causes):
        raise DecodeError("no counts by cause")
    return LineReport(
        name=_text(row, "name", 240),
        state=_text(row, "state", 24),
        asked=_count(row.get("asked")),
        answered=_count(row.get("answered")),
        telegrams=_count(row.get("telegrams")),
        round_ms=None if row.get("round_ms") is None else _count(row["round_ms"]),
        problems={_clean(cause): _count(count) for cause, count in causes.items()},
    )


def _text(tree: Mapping[str, Any], name: str, size: int = 64) -> str:
    found = tree.get(name)
    if not isinstance(found, str) or len(found) > size:
        raise DecodeError(f"{name} is no text of at most {size} characters")
    return _clean(found)


def _clean(text: str) -> str:
    """Neither NUL nor lone surrogates, which databases do not take."""
    if "\0" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
        raise DecodeError("signs that are no text")
    return text


def _count(found: object) -> int:
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found < 1 << 53:
        raise DecodeError(f"{found!r:.40} is no count")
    return found
