"""Ciphering of APDUs: suites 0, 1 and 2; authenticated, encrypted or both; counters that never come again.

`Channel` is what an association uses; `Ciphered`, `parse` and `seal` are single APDUs.
"""

from __future__ import annotations

from metergate.wire.dlms.security.channel import Channel
from metergate.wire.dlms.security.ciphered import (
    DED,
    GENERAL_DED,
    GENERAL_GLO,
    GLO,
    PLAIN_OF,
    Ciphered,
    is_ciphered,
    parse,
    seal,
)
from metergate.wire.dlms.security.control import TITLE, Counter, Heard, KeySet, SecurityControl

__all__ = [
    "DED",
    "GENERAL_DED",
    "GENERAL_GLO",
    "GLO",
    "PLAIN_OF",
    "TITLE",
    "Channel",
    "Ciphered",
    "Counter",
    "Heard",
    "KeySet",
    "SecurityControl",
    "is_ciphered",
    "parse",
    "seal",
]
