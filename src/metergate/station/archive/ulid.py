"""ULIDs: 26 letters that sort by time of making (48 bits of milliseconds, 80 random bits, Crockford's base 32)."""

from __future__ import annotations

import secrets
import time
from typing import Any

from django.db import models

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def encode(milliseconds: int, random: int) -> str:
    """The ULID of an instant and 80 random bits."""
    number = milliseconds << 80 | random
    return "".join(ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def new_ulid() -> str:
    """A fresh one."""
    return encode(time.time_ns() // 1_000_000, secrets.randbits(80))


class UlidField(models.CharField):  # type: ignore[type-arg]
    """The primary key of a table of the archive."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs = {"max_length": 26, "default": new_ulid, "editable": False, **kwargs}
        super().__init__(*args, **kwargs)
