"""The security control byte, the suites, the keys, and the invocation counters (specification chapter 2.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from metergate.errors import BadValue, KeyMissing, Replay, Unsupported

TITLE = 8
"""Bytes of a system title."""
TAG = 12
"""Bytes of an authentication tag."""
JUMP = 1000
"""A counter is stored so far ahead of what was used."""
COUNTER_END = (1 << 32) - 1
"""This invocation counter is never used: the key has to be changed before."""
_SUITE, _AUTHENTICATED, _ENCRYPTED, _BROADCAST, _COMPRESSED = 0x0F, 0x10, 0x20, 0x40, 0x80
KEY_SIZES = (16, 16, 32)
"""Bytes of an AES key by suite."""


@dataclass(frozen=True, slots=True)
class SecurityControl:
    """How an APDU is protected. Suites: 0 AES-128, 1 AES-128 and P-256, 2 AES-256 and P-384."""

    suite: int = 0
    authenticated: bool = True
    encrypted: bool = True
    broadcast: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.suite < len(KEY_SIZES):
            raise Unsupported(f"security suite {self.suite} is not known: there are 0, 1 and 2")

    @property
    def octet(self) -> int:
        """As on the wire."""
        flags = self.authenticated * _AUTHENTICATED | self.encrypted * _ENCRYPTED | self.broadcast * _BROADCAST
        return self.suite | flags

    @classmethod
    def of(cls, octet: int) -> SecurityControl:
        """From the wire. Unsupported for compressed APDUs and unknown suites."""
        if octet & _COMPRESSED:
            raise Unsupported("the APDU is compressed (V.44), which is not decoded")
        return cls(octet & _SUITE, bool(octet & _AUTHENTICATED), bool(octet & _ENCRYPTED), bool(octet & _BROADCAST))

    @property
    def policy(self) -> int:
        """As the policy of a security setup: 1 authenticated, 2 encrypted, 3 both."""
        return self.authenticated | self.encrypted << 1

    def at_least(self, policy: int) -> SecurityControl:
        """This and what a policy asks for besides."""
        both = self.policy | policy
        return SecurityControl(self.suite, bool(both & 1), bool(both & 2), self.broadcast)

    def covers(self, least: SecurityControl) -> bool:
        """Whether this protects at least as much as `least`, by the same suite."""
        return (
            self.suite == least.suite
            and self.authenticated >= least.authenticated
            and self.encrypted >= least.encrypted
        )


@dataclass(frozen=True, slots=True, repr=False)
class KeySet:
    """The symmetric keys of one meter. Their lengths must fit the suite; nothing of them is ever shown.

    `encryption` is the global unicast key (EK), `authentication` is AK, `broadcast` the global broadcast key,
    `dedicated` the key of one association, `master` the key that wraps keys (KEK).
    """

    encryption: bytes = b""
    authentication: bytes = b""
    broadcast: bytes = b""
    dedicated: bytes = b""
    master: bytes = b""

    def __repr__(self) -> str:
        return f"KeySet({', '.join(name for name in self.__slots__ if getattr(self, name))})"

    def key(self, name: str, suite: int) -> bytes:
        """The key of that name. KeyMissing if there is none, BadValue if it does not fit the suite."""
        key: bytes = getattr(self, name)
        if not key:
            raise KeyMissing(f"the {name} key of the meter is not configured")
        if len(key) != KEY_SIZES[suite]:
            raise BadValue(f"the {name} key has {len(key)} bytes; suite {suite} wants {KEY_SIZES[suite]}")
        return key


class Counter:
    """The sender's invocation counter of one key and title: every number is used once, whatever crashes.

    `stored` is what `store` was last given, or 0. `store` is called before a number beyond it is used, with a number
    `jump` ahead, and must not return before it is safe.
    """

    def __init__(self, stored: int = 0, store: Callable[[int], None] | None = None, jump: int = JUMP) -> None:
        if not 0 <= stored < COUNTER_END:
            raise BadValue(f"{stored} is no invocation counter")
        self.last = stored
        """The number used last; all up to it are spent."""
        self._safe = stored
        self._store, self._jump = store, jump

    def next(self) -> int:
        """The next number. BadValue when the last one is spent: then the key must be changed."""
        if self.last + 1 >= COUNTER_END:
            raise BadValue("the invocation counter is used up: the key must be changed")
        self._secure(self.last + 1)
        self.last += 1
        return self.last

    def lift(self, expected: int) -> None:
        """The other side expects at least `expected`; a lower number changes nothing."""
        if expected >= COUNTER_END:
            raise BadValue(f"{expected} is no invocation counter")
        if expected > self.last + 1:
            self._secure(expected)
            self.last = expected - 1

    def _secure(self, number: int) -> None:
        if number > self._safe:
            ahead = min(number + self._jump, COUNTER_END - 1)
            if self._store is not None:
                self._store(ahead)
            self._safe = ahead


class Heard:
    """The receiver's side: the last counter accepted from one title under one key. -1: none so far."""

    def __init__(self, last: int = -1, store: Callable[[int], None] | None = None) -> None:
        self.last = last
        self._store = store

    def check(self, counter: int) -> None:
        """Replay unless `counter` is greater than all before it."""
        if counter >= COUNTER_END:
            raise BadValue(f"{counter} is no invocation counter")
        if counter <= self.last:
            raise Replay(f"invocation counter {counter} is not greater than {self.last}")

    def accept(self, counter: int) -> None:
        """Remember a counter that proved to be the sender's."""
        self.check(counter)
        if self._store is not None:
            self._store(counter)
        self.last = counter
