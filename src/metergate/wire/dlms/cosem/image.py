"""Image transfer (class 18): a firmware image comes in blocks, is verified, then activated.

What has arrived is kept over a loss of power, so that the client goes on where the bitmap says. A verification or an
activation that the loss interrupted has to be asked for again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum

from metergate.wire.dlms.apdu.items import AccessResult
from metergate.wire.dlms.cosem.classes import IMAGE, Level
from metergate.wire.dlms.cosem.objects import AccessRefused, CosemObject, elements
from metergate.wire.dlms.data import Data, array, bits, boolean, enum, octets, structure, u32

Check = Callable[[bytes], bool]
"""Whether a whole image is one that this meter can run."""


class Status(IntEnum):
    """Attribute 6: how far a transfer is."""

    IDLE = 0
    INITIATED = 1
    VERIFYING = 2
    VERIFIED = 3
    VERIFICATION_FAILED = 4
    ACTIVATING = 5
    ACTIVATED = 6
    ACTIVATION_FAILED = 7


@dataclass(slots=True)
class Transfer:
    """An image on its way."""

    identifier: bytes = b""
    size: int = 0
    blocks: dict[int, bytes] = field(default_factory=dict)


class ImageTransfer(CosemObject):
    """`0.0.44.0.0.255`. `check` judges the whole image; verifying and activating take `work` each."""

    def __init__(
        self,
        check: Check = bool,
        block_size: int = 128,
        work: timedelta = timedelta(0),
        most: int = 4 << 20,
        name: str = "0-0:44.0.0",
    ) -> None:
        super().__init__(IMAGE, name, {"enabled": boolean(True)}, Level.MANAGER)
        self.block_size, self.status = block_size, Status.IDLE
        self.transfer = Transfer()
        self.running = b""
        """The image that was activated last."""
        self._check, self._work, self._most = check, work, most
        self._done: datetime | None = None

    @property
    def count(self) -> int:
        """How many blocks the image has."""
        return -(-self.transfer.size // self.block_size)

    @property
    def first_missing(self) -> int:
        """The number of the first block that has not arrived; the number of blocks if all have."""
        return next((at for at in range(self.count) if at not in self.transfer.blocks), self.count)

    @property
    def image(self) -> bytes:
        """What has arrived, in order."""
        return b"".join(self.transfer.blocks[at] for at in sorted(self.transfer.blocks))

    def advance(self, now: datetime) -> None:
        """Verification and activation end when their time is over."""
        if self._done is None or now < self._done:
            return
        self._done = None
        good = self._check(self.image)
        if self.status == Status.VERIFYING:
            self.status = Status.VERIFIED if good else Status.VERIFICATION_FAILED
        elif self.status == Status.ACTIVATING:
            self.status = Status.ACTIVATED if good else Status.ACTIVATION_FAILED
            self.running = self.image if good else self.running

    def power_loss(self) -> None:
        """Work in progress is lost, blocks and state are not."""
        back = {Status.VERIFYING: Status.INITIATED, Status.ACTIVATING: Status.VERIFIED}
        self._done, self.status = None, back.get(self.status, self.status)

    # ---- attributes ----
    def read_block_size(self, now: datetime) -> Data:
        """Attribute 2."""
        return u32(self.block_size)

    def read_blocks_status(self, now: datetime) -> Data:
        """Attribute 3: a bit for each block, 1 if it has arrived."""
        return bits("".join("1" if at in self.transfer.blocks else "0" for at in range(self.count)))

    def read_first_missing_block(self, now: datetime) -> Data:
        """Attribute 4."""
        return u32(self.first_missing)

    def read_status(self, now: datetime) -> Data:
        """Attribute 6."""
        self.advance(now)
        return enum(self.status)

    def read_to_activate(self, now: datetime) -> Data:
        """Attribute 7: array of structure{size, identification, signature}."""
        if self.status not in (Status.VERIFIED, Status.ACTIVATING, Status.ACTIVATED):
            return array()
        return array(structure(u32(self.transfer.size), octets(self.transfer.identifier), octets(b"")))

    # ---- methods ----
    def do_initiate(self, parameter: Data, now: datetime) -> None:
        """Method 1: structure{identifier, size}. The same image again goes on where it stopped."""
        identifier, size = elements(parameter, 2)
        wanted = Transfer(identifier.octets, size.number)
        if self.values["enabled"] != boolean(True) or self._done is not None:
            raise AccessRefused(AccessResult.TEMPORARY_FAILURE)
        if not 0 < wanted.size <= self._most:
            raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        same = (wanted.identifier, wanted.size) == (self.transfer.identifier, self.transfer.size)
        if not same or self.status >= Status.VERIFICATION_FAILED:
            self.transfer = wanted
        self.status = Status.INITIATED

    def do_block_transfer(self, parameter: Data, now: datetime) -> None:
        """Method 2: structure{number from 0, octets}. A block that comes again replaces the first."""
        number, held = elements(parameter, 2)
        if self.status != Status.INITIATED:
            raise AccessRefused(AccessResult.TEMPORARY_FAILURE)
        at = number.number
        wanted = min(self.block_size, self.transfer.size - at * self.block_size)
        if not 0 <= at < self.count or len(held.octets) != wanted:
            raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        self.transfer.blocks[at] = held.octets

    def do_verify(self, parameter: Data, now: datetime) -> None:
        """Method 3. TEMPORARY_FAILURE while it lasts, OTHER if the image is no good."""
        self._begin(Status.VERIFYING, Status.INITIATED, Status.VERIFIED, now)

    def do_activate(self, parameter: Data, now: datetime) -> None:
        """Method 4, as method 3."""
        self._begin(Status.ACTIVATING, Status.VERIFIED, Status.ACTIVATED, now)

    def _begin(self, work: Status, before: Status, after: Status, now: datetime) -> None:
        self.advance(now)
        if self.status == after:
            return
        if self.status == before and self.first_missing == self.count > 0:
            self.status, self._done = work, now + self._work
            self.advance(now)
        if self.status != after:
            busy = self.status == work
            raise AccessRefused(AccessResult.TEMPORARY_FAILURE if busy else AccessResult.OTHER_REASON)
