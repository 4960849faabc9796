"""A firmware image to a meter (class 18): blocks, verification, activation; what was begun is gone on with."""

from __future__ import annotations

from collections.abc import Callable

from metergate.errors import ApplicationError, BadValue, NoAnswer, Refused
from metergate.wire.base import Ask, Dialogue
from metergate.wire.dlms.apdu import AccessResult, Attribute, Method
from metergate.wire.dlms.client.client import Client, NotDone
from metergate.wire.dlms.cosem.image import Status
from metergate.wire.dlms.data import i8, octets, structure, u32

IMAGE = 18
NAME = bytes((0, 0, 44, 0, 0, 255))
INITIATE, BLOCK, VERIFY, ACTIVATE = 1, 2, 3, 4
POLLS, PAUSE = 60, 5.0
"""How often a meter at work is asked, and seconds between."""
ROUNDS = 3


def status(client: Client) -> Dialogue[Status]:
    """How far a transfer is."""
    told = yield from client.get(Attribute(IMAGE, NAME, 6))
    try:
        return Status(told.number)
    except ValueError:
        raise BadValue(f"{told.number} is no state of an image transfer") from None


Progress = Callable[[int, int], None]
"""`progress(sent, all)`: how many of the blocks have arrived."""


def transfer(
    client: Client, identifier: bytes, image: bytes, resume: bool = False, progress: Progress = lambda sent, all_: None
) -> Dialogue[None]:
    """Send what is missing of an image. `resume`: a transfer of this image was begun, only what is missing goes.

    Refused if the meter takes no images; NoAnswer when the line is lost: then associate again and resume.
    """
    enabled = yield from client.get(Attribute(IMAGE, NAME, 5))
    if enabled.value is not True:
        raise Refused("the meter takes no images now")
    size = (yield from client.get(Attribute(IMAGE, NAME, 2))).number
    if size < 1:
        raise BadValue("the meter's image blocks have no size")
    state = yield from status(client)
    if not resume or state not in (Status.INITIATED, Status.VERIFIED):
        parameter = structure(octets(identifier), u32(len(image)))
        yield from client.act(Method(IMAGE, NAME, INITIATE), parameter)
    blocks = [image[at : at + size] for at in range(0, len(image), size)]
    for _ in range(ROUNDS):
        missing = yield from _missing(client, len(blocks))
        if not missing:
            progress(len(blocks), len(blocks))
            return
        for at, number in enumerate(missing):
            progress(len(blocks) - len(missing) + at, len(blocks))
            yield from client.act(Method(IMAGE, NAME, BLOCK), structure(u32(number), octets(blocks[number])))
    raise ApplicationError("the meter keeps losing blocks of the image")


def _missing(client: Client, count: int) -> Dialogue[list[int]]:
    """The numbers of the blocks that have not arrived: by the bitmap, or from the first missing one on."""
    first = (yield from client.get(Attribute(IMAGE, NAME, 4))).number
    if first >= count:
        return []
    bitmap = (yield from client.get(Attribute(IMAGE, NAME, 3))).value
    if not isinstance(bitmap, str):
        return list(range(first, count))
    return [at for at in range(first, count) if bitmap[at : at + 1] != "1"]


def verify(client: Client, pause: float = PAUSE) -> Dialogue[None]:
    """Have the meter check the image, and wait for it. Refused if the image is no good."""
    yield from _work(client, VERIFY, Status.VERIFYING, Status.VERIFIED, pause)


def activate(client: Client, pause: float = PAUSE) -> Dialogue[None]:
    """Have the meter run the image, and wait for it. Refused if it does not."""
    yield from _work(client, ACTIVATE, Status.ACTIVATING, Status.ACTIVATED, pause)


def _work(client: Client, method: int, working: Status, done: Status, pause: float) -> Dialogue[None]:
    state = yield from status(client)
    if state is done:
        return
    if state is not working:
        try:
            yield from client.act(Method(IMAGE, NAME, method), i8(0))
        except NotDone as no:
            if no.result != AccessResult.TEMPORARY_FAILURE:
                raise
    for _ in range(POLLS):
        state = yield from status(client)
        if state is done:
            return
        if state is not working:
            raise Refused(f"the image is not good: {state.name.lower().replace('_', ' ')}")
        yield Ask(b"", pause)
    raise NoAnswer("the meter works on the image without end")
