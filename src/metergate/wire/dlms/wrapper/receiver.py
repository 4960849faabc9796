"""The listening end of the wrapper, one taken apart for people, and a guess whether bytes are wrapped at all."""

from __future__ import annotations

from datetime import datetime

from metergate.wire.base import Keys, Options, Problem, Span, Telegram
from metergate.wire.dlms.wrapper.frame import HEADER, VERSION, Wpdu, framer
from metergate.wire.hunt import HuntingReceiver

DOCUMENT = "IEC 62056-47"


class Receiver(HuntingReceiver):
    """Wrappers as they pass, from and to whomever; what is inside is another decoder's."""

    def __init__(self, keys: Keys | None = None, options: Options | None = None) -> None:
        super().__init__(framer())

    def telegram(self, offset: int, octets: bytes, at: datetime | None) -> Telegram:
        """The telegram of a whole wrapper."""
        found = Wpdu.of(octets)
        fields = {
            "version": VERSION,
            "source_wport": found.source,
            "destination_wport": found.destination,
            "length": len(found.apdu),
            "apdu_tag": found.apdu[0],
            "apdu": found.apdu.hex(),
        }
        return Telegram("dlms-wrapper", offset, len(octets), True, octets, None, fields)


def _whole(data: bytes) -> list[tuple[int, bytes]]:
    """Offsets and octets of the wrappers, if `data` is nothing but wrappers."""
    found = framer()
    catches = [*found.feed(data), *found.silence()]
    whole = [catch for catch in catches if not isinstance(catch, Problem)]
    return whole if len(whole) == len(catches) else []


def guess(data: bytes) -> int:
    """80: nothing but wrappers (what they carry may be surer); 0 otherwise: there is no check sum to tell."""
    return 80 if _whole(data) else 0


def explain(data: bytes, keys: Keys | None = None) -> list[Span]:
    """Every octet of the first wrapper in `data`, named; nothing where there is none."""
    found = framer()
    for catch in (*found.feed(data), *found.silence()):
        if not isinstance(catch, Problem):
            return _spans(*catch)
    return []


def _spans(at: int, octets: bytes) -> list[Span]:
    wpdu = Wpdu.of(octets)
    numbers = (("version", VERSION), ("source port", wpdu.source), ("destination port", wpdu.destination))
    heads = [Span(at + 2 * n, 2, name, str(value), 1, DOCUMENT) for n, (name, value) in enumerate(numbers)]
    return [
        Span(at, len(octets), "wrapper", f"{wpdu.source} to {wpdu.destination}", 0, DOCUMENT),
        *heads,
        Span(at + 6, 2, "length", str(len(wpdu.apdu)), 1, DOCUMENT),
        Span(at + HEADER, len(wpdu.apdu), "APDU", wpdu.apdu.hex(), 1),
    ]
