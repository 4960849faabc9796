"""Every error metergate raises on purpose.

Each says what is wrong, where, and what to do. `code` is the stable name that logs, counters, the decode
contract and the pages show; the text is for people.
"""

from __future__ import annotations

from typing import ClassVar


class MetergateError(Exception):
    """Root of all our errors; catching it catches everything that is not a bug."""

    code: ClassVar[str] = "error"


class DecodeError(MetergateError):
    """A telegram that cannot be decoded. `offset` counts bytes of the input that held it."""

    code: ClassVar[str] = "bad_value"

    def __init__(self, reason: str, offset: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


class BadChecksum(DecodeError):
    """A check sum, CRC, FCS or block check character is wrong: line noise, or not this protocol."""

    code = "bad_checksum"


class Truncated(DecodeError):
    """The telegram ends before its own length field or structure says."""

    code = "truncated"


class KeyMissing(DecodeError):
    """The telegram is encrypted and no key is configured for the meter."""

    code = "key_missing"


class WrongKey(DecodeError):
    """A key is configured, but the authentication tag, MAC or check bytes do not agree."""

    code = "wrong_key"


class Unsupported(DecodeError):
    """Well formed, but of a kind that is not decoded."""

    code = "unsupported"


class BadValue(DecodeError):
    """A field cannot be what it says."""

    code = "bad_value"


class ApplicationError(DecodeError):
    """The meter itself reports an error instead of values."""

    code = "application_error"


class Replay(DecodeError):
    """The message counter did not grow: an old telegram sent again."""

    code = "replay"


class Unprotected(DecodeError):
    """A key is configured for the meter, but the telegram came in clear: anybody could have sent it."""

    code = "unprotected"


class LinkError(MetergateError):
    """The line itself cannot be used: port missing, connection refused, cable pulled."""

    code = "link"


class NoAnswer(MetergateError):
    """The meter was asked and kept silent past its limit and all tries."""

    code = "no_answer"


class Refused(MetergateError):
    """The other side understood and said no (password, interlock, expired order)."""

    code = "refused"


class StorageError(MetergateError):
    """Readings cannot be written: disk full, file torn, database away."""

    code = "storage"


class ConfigError(MetergateError):
    """A setting is unknown or cannot be used; says file, line and, where one is near, the likely name."""

    code = "config"


DECODE_CODES = tuple(
    sorted(
        {
            kind.code
            for kind in (
                BadChecksum,
                Truncated,
                KeyMissing,
                WrongKey,
                Unsupported,
                BadValue,
                ApplicationError,
                Replay,
                Unprotected,
            )
        }
    )
)
