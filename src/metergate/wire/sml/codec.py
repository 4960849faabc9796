"""Messages out of and into the payload of a transport frame.

Message: list(6) of transaction, group, abort-on-error, body = list(2) of choice and content, CRC, end (00).
The CRC goes from the first octet up to the one before the CRC's own TL field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from metergate.errors import BadChecksum, BadValue, DecodeError, Unsupported
from metergate.wire.sml.messages import BODIES, TAGS, Body
from metergate.wire.sml.tlv import END, Integer, Node, decode_items, encode
from metergate.wire.sml.transport import X25, CrcKind, wrap

MESSAGE = 0x76


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `choice_size`: bytes of the choice field, 2 or 4, both are usual."""

    body: Body
    transaction: bytes | None = None
    group: int = 0
    abort: int = 0
    choice_size: int = 2

    @property
    def tag(self) -> int:
        """The number of its kind, as 0701H."""
        return TAGS[type(self.body)]


def decode_messages(payload: bytes, crc: CrcKind = X25, base: int = 0) -> Iterator[Message | DecodeError]:
    """Every message of a payload, or what is wrong with it; those with a wrong CRC are dropped, the others stay.

    Where an element cannot be read the rest is given up, since nobody knows where the next message begins. `base` is
    added to the offsets in errors.
    """
    at = 0
    while at < len(payload):
        if payload[at] == 0:
            at += 1
            continue
        try:
            if payload[at] != MESSAGE:
                raise BadValue(f"no message begins with {payload[at]:02x}", at)
            parts, at_crc, end = _parts(payload, at)
        except DecodeError as error:
            error.offset += base
            yield error
            return
        yield _message(parts, payload[at:at_crc], crc, base + at)
        at = end


def _parts(payload: bytes, at: int) -> tuple[list[Node], int, int]:
    """The six elements of the message at `at`, where its CRC element begins, where it ends."""
    covered, at_crc = decode_items(payload, at + 1, len(payload), 4)
    rest, end = decode_items(payload, at_crc, len(payload), 2)
    return covered + rest, at_crc, end


def _message(parts: list[Node], covered: bytes, crc: CrcKind, offset: int) -> Message | DecodeError:
    transaction, group, abort, content, check, end = parts
    if not isinstance(check, Integer) or not _right(check, covered, crc):
        return BadChecksum(f"the {crc.name} check sum of the message is wrong: it is dropped", offset)
    if end is not END or not isinstance(content, list) or len(content) != 2 or not isinstance(content[0], Integer):
        return BadValue("no message has such parts", offset)
    choice = content[0]
    if choice.value not in BODIES:
        return Unsupported(f"message {choice.value:04X} is not known", offset)
    if not isinstance(group, Integer) or not isinstance(abort, Integer):
        return BadValue("no message begins like this", offset)
    if transaction is not None and not isinstance(transaction, bytes):
        return BadValue("no message begins like this", offset)
    try:
        body = BODIES[choice.value][1].load(content[1])
    except DecodeError as error:
        return BadValue(f"message {choice.value:04X}: {error.reason}", offset)
    if body is None:
        return BadValue(f"message {choice.value:04X} is empty", offset)
    return Message(body, transaction, group.value, abort.value, 4 if choice.size > 2 else 2)


def _right(check: Integer, covered: bytes, crc: CrcKind) -> bool:
    """One octet stands for a number below 100H, whichever of the two octets was zero."""
    if check.signed or check.size > 2:
        return False
    wanted = crc.stored(covered)
    if check.size == 2:
        return wanted == check.value.to_bytes(2, "big")
    return 0 in wanted and check.value == max(wanted)


def encode_message(message: Message, crc: CrcKind = X25) -> bytes:
    """The bytes of a message with its CRC. OverflowError where a number does not fit its field."""
    parts: tuple[Node, ...] = (
        message.transaction or None,
        Integer(message.group, 1),
        Integer(message.abort, 1),
        [Integer(message.tag, message.choice_size), BODIES[message.tag][1].dump(message.body)],
    )
    covered = bytes((MESSAGE,)) + b"".join(map(encode, parts))
    return covered + b"\x63" + crc.stored(covered) + b"\x00"


def encode_telegram(messages: Iterable[Message], crc: CrcKind = X25) -> bytes:
    """A whole transport frame with these messages."""
    return wrap(b"".join(encode_message(message, crc) for message in messages), crc)
