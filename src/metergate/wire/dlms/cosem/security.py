"""Security setup (class 64): the policy of a meter, and new keys for it, wrapped by the master key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from metergate.crypto import keywrap
from metergate.errors import DecodeError
from metergate.wire.dlms.apdu.items import AccessResult
from metergate.wire.dlms.cosem.classes import SECURITY, Level
from metergate.wire.dlms.cosem.objects import AccessRefused, CosemObject, elements
from metergate.wire.dlms.data import Data, enum, octets

KEYS = {0: "encryption", 1: "broadcast", 2: "authentication"}
"""Which key an id of method 2 means."""
MOST_POLICY = 3

Take = Callable[[dict[str, bytes]], None]
"""Is given the new keys by name."""


class SecuritySetup(CosemObject):
    """`0.0.43.0.0.255`. `master` tells the key that wraps keys, `take` takes new ones."""

    def __init__(
        self,
        title: bytes,
        master: Callable[[], bytes],
        take: Take,
        policy: int = 3,
        suite: int = 0,
        name: str = "0-0:43.0.0",
    ) -> None:
        values = {"suite": enum(suite), "client_title": octets(b""), "server_title": octets(title)}
        super().__init__(SECURITY, name, dict(values), Level.READER)
        self.policy, self._master, self._take = policy, master, take

    def read_policy(self, now: datetime) -> Data:
        """Attribute 2: 0 nothing, 1 authenticated, 2 encrypted, 3 both."""
        return enum(self.policy)

    def do_activate(self, parameter: Data, now: datetime) -> None:
        """Method 1: a stricter policy; it is never loosened."""
        if parameter.number & self.policy != self.policy or parameter.number > MOST_POLICY:
            raise AccessRefused(AccessResult.READ_WRITE_DENIED)
        self.policy = parameter.number

    def do_key_transfer(self, parameter: Data, now: datetime) -> None:
        """Method 2: array of structure{which key, wrapped key}; all or none."""
        fresh = {}
        for item in elements(parameter, 1, len(KEYS)):
            which, wrapped = elements(item, 2)
            if which.number not in KEYS:
                raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
            fresh[KEYS[which.number]] = self._unwrapped(wrapped.octets)
        self._take(fresh)

    def _unwrapped(self, wrapped: bytes) -> bytes:
        try:
            return keywrap.unwrap(self._master(), wrapped)
        except DecodeError:
            raise AccessRefused(AccessResult.READ_WRITE_DENIED) from None
