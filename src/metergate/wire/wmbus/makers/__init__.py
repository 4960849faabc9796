"""Formats of single makers: which block is whose, by manufacturer, version and device type.

Three places hold such blocks: a whole payload (`payload`), what follows DIF 0F behind the records (`tail`), and a
record whose VIF the maker defines (`record`). What is not in these tables stays undecoded, and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from metergate.model import Medium
from metergate.wire.wmbus.link import Address
from metergate.wire.wmbus.makers import apator, bmeters, diehl, others, qundis, techem
from metergate.wire.wmbus.makers.base import Block, Decode, Item, Key, Own, readings

__all__ = [
    "MEDIA",
    "PAYLOADS",
    "RECORDS",
    "TAILS",
    "Block",
    "Decode",
    "Item",
    "Key",
    "Own",
    "payload",
    "readings",
    "tail",
]

T = TypeVar("T")

PAYLOADS: dict[Key, Own] = {**techem.PAYLOADS, **diehl.PAYLOADS, **apator.PAYLOADS, **others.PAYLOADS}
"""Whole payloads, by manufacturer, version and device type; None stands for any."""
TAILS: dict[Key, Decode] = {**bmeters.TAILS, **others.TAILS}
"""Blocks behind DIF 0F."""
RECORDS: dict[tuple[str, bytes], Decode] = {
    ("QDS", b"\xff\x5f"): qundis.walk_by,
    ("EIE", b"\xff\x2c"): others.ei6500,
}
"""Records, by manufacturer and VIF; these decoders raise nothing: no items mean that the record stays as it is."""
MEDIA: dict[tuple[str, int], Medium] = {("TCH", device): medium for device, medium in techem.MEDIA.items()}
"""Device types of a maker's own."""


def _of(table: Mapping[Key, T], address: Address) -> T | None:
    maker, version, device = address.manufacturer, address.version, address.device
    return table.get((maker, version, device)) or table.get((maker, None, device)) or table.get((maker, None, None))


def payload(address: Address, ci: int) -> Own | None:
    """The format of a payload behind this CI, if it is one of the maker's own that is decoded."""
    own = _of(PAYLOADS, address)
    return own if own is not None and ci in own.cis else None


def tail(address: Address) -> Decode | None:
    """The decoder of what such a meter puts behind DIF 0F."""
    return _of(TAILS, address)
