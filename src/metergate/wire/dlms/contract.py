"""The listening end for single APDUs: whatever stands between two silences is one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from metergate.errors import BadValue, DecodeError
from metergate.wire.base import Found, Keys, Options, Problem, Telegram
from metergate.wire.dlms import apdu
from metergate.wire.dlms import data as cosem
from metergate.wire.dlms.data import Data
from metergate.wire.dlms.opening import Opener, is_sealed, sealed
from metergate.wire.dlms.push.assembly import bare
from metergate.wire.dlms.push.carriers import Whole
from metergate.wire.dlms.push.readings import json

NAME = "dlms-apdu"
DATA_LAYER = "cosem-data"


class ApduReceiver:
    """Implements `wire.base.Receiver`.

    Options: `layer` "cosem-data": the bytes are one value, not an APDU; `system_title` (hex): the sender of ciphered
    services that do not carry it. Keys: `encryption`, `authentication`, `dedicated`; see `opening.Opener`.
    """

    def __init__(self, keys: Keys | None = None, options: Options | None = None) -> None:
        given, known = options or {}, keys or {}
        title = bytes.fromhex(str(given.get("system_title") or "")) or known.get("client_system_title", b"")
        self._opener = Opener(known, title, strict=False)
        self._whole = Whole()
        self._data = str(given.get("layer") or "").startswith(DATA_LAYER)

    @property
    def position(self) -> int:
        """How many bytes were received so far."""
        return self._whole.position

    @position.setter
    def position(self, value: int) -> None:
        self._whole.position = value

    def receive(self, data: bytes, at: datetime | None = None) -> Iterator[Found]:
        """Take in bytes; nothing is complete before the silence. Must be consumed."""
        for item in self._whole.feed(data):
            yield item if isinstance(item, Problem) else self._telegram(item.offset, item.data)

    def silence(self) -> Iterator[Found]:
        """The line went quiet: what was received is the APDU."""
        for item in self._whole.silence():
            yield item if isinstance(item, Problem) else self._telegram(item.offset, item.data)

    def _telegram(self, offset: int, octets: bytes) -> Telegram:
        fields: dict[str, object] = {}
        try:
            if self._data:
                fields["data"] = json(cosem.decode_all(octets))
            else:
                self._fields(bare(octets), fields)
        except DecodeError as error:
            problem = Problem(error.code, offset + error.offset, error.reason)
            sound = "apdu" in fields or error.code == "unsupported"
            return Telegram(NAME, offset, len(octets), sound, octets, None, fields, (), (problem,))
        return Telegram(NAME, offset, len(octets), True, octets, None, fields)

    def _fields(self, octets: bytes, fields: dict[str, object]) -> None:
        """Fill in what the APDU says; what is known before something goes wrong stays."""
        if is_sealed(octets):
            self._inside(octets, fields)
        elif octets[0] in apdu.ACSE_KINDS:
            fields |= {"apdu": apdu.kind(octets), "reencoded": apdu.encode(apdu.decode(octets))}
        else:
            found, end = apdu.decode_front(octets)
            fields |= {"apdu": apdu.kind(octets), "reencoded": apdu.encode(found), **_said(found)}
            if end != len(octets):
                raise BadValue(f"{len(octets) - end} octets after the APDU", end)

    def _inside(self, octets: bytes, fields: dict[str, object]) -> None:
        """Without keys nothing of a ciphered APDU is looked at but its kind, as far as it can be told."""
        if not self._opener.wants_ciphered:
            fields["apdu"] = apdu.kind(octets)
        outer = sealed(octets)
        fields |= {"apdu": apdu.kind(octets), **outer.fields}
        plain, _ = self._opener.open(outer)
        fields |= {"plaintext": plain, "reencoded": octets}
        fields |= _plain(plain)


def _plain(plain: bytes) -> dict[str, object]:
    try:
        return _said(apdu.decode(plain))
    except DecodeError as error:
        raise BadValue(f"the APDU inside: {error.reason}") from None


def _said(found: Any) -> dict[str, object]:
    """The data of an APDU by the contract, where it has any."""
    for name in ("result", "value", "body", "parameter", "results", "values", "parameters", "outcome", "data"):
        held = getattr(found, name, None)
        if isinstance(held, apdu.Outcome):
            held = held.returned
        if isinstance(held, Data):
            return {"data": json(held)}
        if isinstance(held, tuple) and held and all(isinstance(item, Data | int) for item in held):
            return {"data": [json(item) if isinstance(item, Data) else item for item in held]}
    return {}
