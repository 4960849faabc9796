"""The reader's end of DLMS/COSEM, as dialogues (`wire.base.Dialogue`) over any `Transport`.

`Client` opens an association through an `Entrance` and has the services; `meter`, `profile`, `orders` and `image` are
what one does with them.
"""

from __future__ import annotations

from metergate.errors import MetergateError
from metergate.wire.base import Dialogue
from metergate.wire.dlms.apdu import Attribute
from metergate.wire.dlms.client.client import Client, NotDone, NotGiven
from metergate.wire.dlms.client.entrance import Entrance
from metergate.wire.dlms.transport import Transport

__all__ = ["Client", "Entrance", "NotDone", "NotGiven", "recover"]


def recover(transport: Transport, entrance: Entrance) -> Dialogue[None]:
    """Learn the counter that the meter expects of us, as the public client over `transport`.

    NotGiven where it does not tell; NoAnswer, Refused, DecodeError.
    """
    public = Client(transport, Entrance())
    try:
        yield from public.associate()
        told = yield from public.get(Attribute(1, entrance.counters, 2))
    except MetergateError:
        yield from public.release()
        raise
    yield from public.release()
    entrance.lift(told.number + 1)
