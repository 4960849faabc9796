"""The header fields of a push telegram; its body as plain JSON is made only for whoever looks at it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from metergate.wire.dlms import data as cosem
from metergate.wire.dlms.push.readings import json

BODY = "data"


class Header(Mapping[str, object]):
    """Fields by name, and `data`: the notification's body, kept as octets until somebody asks."""

    __slots__ = ("_body", "_fields")

    def __init__(self, fields: Mapping[str, object], body: bytes) -> None:
        self._fields, self._body = fields, body

    def __getitem__(self, name: str) -> object:
        if name == BODY:
            return json(cosem.decode(self._body)[0])
        return self._fields[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._fields
        yield BODY

    def __len__(self) -> int:
        return len(self._fields) + 1

    def __eq__(self, other: Any) -> bool:
        if isinstance(other, Header):
            return self._fields == other._fields and self._body == other._body
        return bool(dict(self) == other)

    def also(self, fields: Mapping[str, object]) -> Header:
        """With more fields; those override."""
        return Header({**self._fields, **fields}, self._body) if fields else self

    def __repr__(self) -> str:
        return f"Header({dict(self._fields)}, {self._body.hex()})"
