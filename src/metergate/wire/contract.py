"""Telegrams as plain JSON: the decode contract that `metergate decode --batch`, the workbench and the API share.

A request names a protocol and gives bytes (`hex` or `text`), `keys`, `prior` telegrams of the same meter and `options`;
the answer lists telegrams and errors. Values are exact decimal strings, octets lower-case hex, absent values null.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from metergate.errors import BadValue
from metergate.model import MeterIdentity, Reading
from metergate.wire import each_protocol, protocols
from metergate.wire.base import Found, Problem, Telegram, received

Json = dict[str, Any]
KEYS = ("key", "encryption", "authentication", "dedicated", "client_system_title")
LOOKED_AT, CERTAIN = 16 << 10, 100
"""Octets that a guess looks at; a guess that needs no other."""
LIMIT = 64 << 20
"""Most input bytes of one request."""


def plain(value: Any) -> Any:
    """A value as JSON has it: Decimal as digits without exponent, bytes as hex, times as ISO 8601."""
    match value:
        case Decimal():
            return f"{value:f}"
        case bytes() | bytearray():
            return value.hex()
        case datetime():
            return value.isoformat()
        case Enum():
            return value.value
        case Mapping():
            return {str(name): plain(item) for name, item in value.items()}
        case tuple() | list():
            return [plain(item) for item in value]
        case _:
            return value


def reading_json(reading: Reading) -> Json:
    """One reading by the contract, with what we know beyond it (quality, raw integer, reason, notes)."""
    register = reading.register
    found: Json = {
        "obis": register.obis.full if register.obis else None,
        "quantity": register.quantity,
        "value": plain(reading.value),
        "unit": register.unit.value if register.unit else None,
        "storage": register.storage,
        "tariff": register.tariff,
        "subunit": register.subunit,
        "function": register.function.value,
        "time": plain(reading.meter_time),
        "status": reading.status,
        "scaler": register.scaler if reading.raw is not None else None,
    }
    more = {"address": register.address, "reason": reading.reason, "notes": list(reading.notes)}
    return found | {name: value for name, value in more.items() if value}


def meter_json(meter: MeterIdentity | None) -> Json:
    """What a telegram tells of its meter."""
    if meter is None:
        return {}
    named = {
        "id": meter.id,
        "manufacturer": meter.manufacturer,
        "medium": meter.medium.value if meter.medium else None,
        "version": meter.version,
        "model": meter.model,
    }
    return {name: value for name, value in named.items() if value is not None}


def telegram_json(telegram: Telegram, base: int = 0) -> Json:
    """One telegram; `base` is where the input began in the receiver's count."""
    return {
        "offset": telegram.offset - base,
        "length": telegram.length,
        "valid": telegram.valid,
        "meter": meter_json(telegram.meter),
        "frame": plain(telegram.frame),
        "readings": [reading_json(reading) for reading in telegram.readings],
    }


def problem_json(problem: Problem, base: int = 0) -> Json:
    """One error."""
    return {"code": problem.code, "offset": problem.offset - base, "message": problem.message}


def answer_json(found: Iterable[Found], base: int = 0) -> Json:
    """Telegrams and errors of one input; never empty: bytes without a telegram are an error too."""
    telegrams: list[Json] = []
    errors: list[Json] = []
    for item in found:
        if isinstance(item, Telegram):
            telegrams.append(telegram_json(item, base))
            errors.extend(problem_json(problem, base) for problem in item.problems)
        else:
            errors.append(problem_json(item, base))
    if not telegrams and not errors:
        errors.append({"code": "bad_value", "offset": 0, "message": "no telegram found in the input"})
    return {"telegrams": telegrams, "errors": errors}


def octets(text: object, what: str) -> bytes:
    """Hex text as bytes; blanks and line ends are allowed. BadValue says where it stops being hex."""
    digits = "".join(str(text).split())
    for at, digit in enumerate(digits):
        if digit not in "0123456789abcdefABCDEF":
            raise BadValue(f"{what}: {digit!r} at digit {at + 1} is not hexadecimal", at // 2)
    if len(digits) % 2:
        raise BadValue(f"{what}: {len(digits)} hex digits, half a byte is missing or too much", len(digits) // 2)
    return bytes.fromhex(digits)


def keyring(text: str) -> dict[str, bytes]:
    """Keys as people write them: hex digits alone are the meter's key; else `name=hex`, separated by blanks or commas.

    Names: key, encryption, authentication, dedicated, client_system_title. BadValue says what is wrong, never the key.
    """
    keys: dict[str, bytes] = {}
    named = [word.partition("=") for word in text.replace(",", " ").split()]
    bare = "".join(word for word, equals, _ in named if not equals)
    if bare:
        keys["key"] = keys["encryption"] = _key(bare, "key")
    for name, equals, digits in named:
        if equals:
            if name not in KEYS:
                raise BadValue(f"unknown key {name[:24]!r}: there are {', '.join(KEYS)}")
            keys[name] = _key(digits, name)
    return keys


def _key(digits: str, name: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise BadValue(f"key {name}: not an even number of hex digits") from None


def pasted(text: str) -> bytes:
    """The bytes of a telegram as people paste it: hex with any spacing, or the lines of a text protocol."""
    if any(sign in text for sign in "(/!\t") and "\n" in text.strip():
        lines = text.replace("\r\n", "\n").replace("\n", "\r\n")
        return _input({"text": lines})
    return octets(text.replace("0x", "").replace(",", " "), "hex")


def _input(request: Json) -> bytes:
    if "hex" in request:
        return octets(request["hex"], "hex")
    if isinstance(request.get("text"), str):
        try:
            return str(request["text"]).encode("latin-1")
        except UnicodeEncodeError as error:
            raise BadValue(f"text: character {error.start + 1} is not in ISO 8859-1", error.start) from None
    raise BadValue("give the bytes as `hex` or `text`")


def decode(request: Json) -> Json:
    """The answer to one request, without its id. BadValue if the request itself is wrong."""
    entry = protocols().get(str(request.get("protocol")))
    if entry is None:
        raise BadValue(f"unknown protocol {request.get('protocol')!r}: there are {', '.join(protocols())}")
    data = _input(request)
    if len(data) > LIMIT:
        raise BadValue(f"{len(data)} bytes are more than {LIMIT} in one request")
    keys = {str(name): octets(text, f"key {name}") for name, text in (request.get("keys") or {}).items() if text}
    receiver = entry.receiver(keys, request.get("options") or {})
    for text in request.get("prior") or []:
        for _ in received(receiver, octets(text, "prior")):
            pass
    base = receiver.position
    return answer_json(received(receiver, data), base)


def respond(request: Any) -> Json:
    """The answer to one line of a batch, whatever it is."""
    if not isinstance(request, dict):
        return {"id": None} | _refusal("a request is a JSON object")
    try:
        answer = decode(request)
    except BadValue as error:
        answer = _refusal(error.reason, error.offset)
    return {"id": request.get("id")} | answer


def _refusal(message: str, offset: int = 0) -> Json:
    return {"telegrams": [], "errors": [{"code": "bad_value", "offset": offset, "message": message}]}


def guess(data: bytes) -> str | None:
    """The protocol that the bytes look most like, or None. What is certain ends the search."""
    best, sure = None, 0
    for entry in each_protocol():
        likeness = entry.guess(data[:LOOKED_AT])
        if likeness > sure:
            best, sure = entry.name, likeness
        if sure >= CERTAIN:
            break
    return best
