"""From a telegram to its payload in clear, layer by layer: link, extended link, authentication, transport, security."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from metergate.bits import Cursor
from metergate.errors import Unprotected
from metergate.wire.wmbus.ccm import CcmRules
from metergate.wire.wmbus.fragments import Reassembler
from metergate.wire.wmbus.keys import Cipher, Counters, Keyring
from metergate.wire.wmbus.layers import AFL, ELL, Afl, Ell, Tpl
from metergate.wire.wmbus.link import FIRST, Address, Link
from metergate.wire.wmbus.models import printed
from metergate.wire.wmbus.security import Opened, open_ell, open_tpl


@dataclass(slots=True)
class Context:
    """What a reader knows: keys, message counters (None: replays are not looked for), unfinished messages.

    `accept_clear`: telegrams in clear are welcome although their meter has a key; `ccm`: how mode 10 is done.
    """

    keys: Keyring = field(default_factory=Keyring)
    counters: Counters | None = None
    accept_clear: bool = True
    ccm: CcmRules = field(default_factory=CcmRules)
    fragments: Reassembler = field(default_factory=Reassembler)


@dataclass(slots=True)
class Layers:
    """What was found so far; `payload` None until everything is open. `base` is where the payload stands.

    `base` is exact while nothing was encrypted by the extended link layer or put together from fragments.
    """

    link: Link
    ell: Ell | None = None
    afl: Afl | None = None
    tpl: Tpl | None = None
    payload: bytes | None = None
    base: int = 0
    protected: bool = False
    named: Address | None = None
    """Whom a record names, where the header only names the radio adapter."""
    stray: bool = False
    """Octets that belong to no record were left out from the end."""

    @property
    def address(self) -> Address:
        """The meter's own address: the long header's where there is one, not its radio adapter's."""
        if self.named:
            return self.named
        return self.tpl.address if self.tpl and self.tpl.address else printed(self.link.address)


def peel(telegram: bytes, layers: Layers, context: Context, at: datetime | None = None) -> None:
    """Fill `layers` (made from the same telegram) as far as it goes; what stops it is a `DecodeError`.

    `payload` stays None without an error where the telegram has none, or is a fragment that waits for others.
    """
    sender = layers.link.address
    body, base = telegram[FIRST:], FIRST
    if body and body[0] in ELL:
        cursor = Cursor(body, 1, base=base)
        layers.ell = Ell.parse(body[0], cursor)
        key = context.keys.of(layers.address)
        base = cursor.offset
        opened = open_ell(layers.ell, sender, cursor.rest(), key, context.accept_clear, base)
        body, layers.protected = opened.payload, opened.protected
    if body and body[0] == AFL:
        cursor = Cursor(body, 1, base=base)
        layers.afl = Afl.parse(cursor)
        base, body = cursor.offset, cursor.rest()
        if layers.afl.fragment or layers.afl.more:
            whole = context.fragments.add(sender.octets, layers.afl, body, at)
            if whole is None:
                return
            layers.afl, body = whole
    if body:
        _transport(body, base, layers, context)


def _transport(body: bytes, base: int, layers: Layers, context: Context) -> None:
    cursor = Cursor(body, 1, base=base)
    layers.tpl = tpl = Tpl.parse(body[0], cursor)
    at, rest = cursor.offset, cursor.rest()
    key = context.keys.of(layers.address, layers.link.address)
    opened = open_tpl(tpl, layers.link.address, layers.afl, rest, key, context.accept_clear, at, context.ccm)
    _guard(opened, layers, key, context, at)
    layers.payload, layers.base = opened.payload, at


def _guard(opened: Opened, layers: Layers, key: Cipher | None, context: Context, at: int) -> None:
    """Refuse what a key ought to have protected, and what was heard before."""
    layers.protected = layers.protected or opened.protected
    if key is not None and not layers.protected and not context.accept_clear:
        raise Unprotected("sent in clear, though the meter has a key", at)
    if opened.protected and layers.afl and layers.afl.counter is not None and context.counters is not None:
        address = layers.address
        context.counters.accept(f"{address.manufacturer} {address.id}", layers.afl.counter)
