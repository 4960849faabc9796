"""MQTT topic names and topic filters: what is allowed, and which name a filter matches (MQTT 5.0 §4.7)."""

from __future__ import annotations

from metergate.errors import BadValue

_LONGEST = 65_535


def check_topic(topic: str) -> str:
    """`topic` as it came, when a message may be published to it; BadValue with the reason when not."""
    _check_text(topic, "topic")
    if "+" in topic or "#" in topic:
        raise BadValue(f"{topic!r} has a wildcard: messages are published to a topic without + and #")
    return topic


def check_filter(topic_filter: str) -> str:
    """`topic_filter` as it came, when it may be subscribed to; BadValue with the reason when not."""
    _check_text(topic_filter, "topic filter")
    levels = unshared(topic_filter).split("/")
    for number, level in enumerate(levels, 1):
        if "#" in level and (level != "#" or number < len(levels)):
            raise BadValue(f"{topic_filter!r}: # stands alone in its level, and only in the last one")
        if "+" in level and level != "+":
            raise BadValue(f"{topic_filter!r}: + stands alone in its level")
    return topic_filter


def unshared(topic_filter: str) -> str:
    """The filter inside `$share/<group>/<filter>`; any other as it is. BadValue if group or filter is missing."""
    if not topic_filter.startswith("$share/"):
        return topic_filter
    _, _, rest = topic_filter.partition("/")
    group, _, inner = rest.partition("/")
    if not group or not inner or "+" in group or "#" in group:
        raise BadValue(f"{topic_filter!r}: a shared subscription is written $share/<group>/<filter>")
    return inner


def matches(topic_filter: str, topic: str) -> bool:
    """Whether a message to `topic` reaches a subscriber of `topic_filter`.

    A leading `$` is matched by no wildcard; empty levels count.
    """
    wanted = unshared(topic_filter).split("/")
    found = topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    if wanted[-1] == "#":
        wanted.pop()
        found = found[: len(wanted)] if len(found) >= len(wanted) else found
    return len(wanted) == len(found) and all(w in ("+", f) for w, f in zip(wanted, found, strict=True))


def _check_text(text: str, what: str) -> None:
    if not text:
        raise BadValue(f"an empty {what}")
    if "\0" in text:
        raise BadValue(f"{text!r}: U+0000 is not allowed in a {what}")
    if len(text.encode("utf-8", errors="surrogatepass")) > _LONGEST:
        raise BadValue(f"a {what} of more than {_LONGEST} bytes")
