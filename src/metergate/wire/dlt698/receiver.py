"""The listening end: bytes in any chunking -> telegrams with readings. Parts of split APDUs are joined."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from metergate.errors import DecodeError, Unsupported
from metergate.model import Medium, MeterIdentity, Reading
from metergate.wire.base import Found, Keys, Options, Problem, Telegram
from metergate.wire.dlt698 import objects
from metergate.wire.dlt698.apdu import Apdu
from metergate.wire.dlt698.decode import frame_header, header, readings, results
from metergate.wire.dlt698.frame import Frame, Joiner, hunter
from metergate.wire.dlt698.learning import LEARNED, Layout, key_of
from metergate.wire.hunt import HuntingReceiver

TALKS = 256
"""Most talks of split APDUs that are followed at once."""
Taken = tuple[dict[str, object], tuple[Reading, ...], tuple[Problem, ...]]


def identity(frame: Frame) -> MeterIdentity | None:
    """The meter that the server address names, if it names one."""
    return MeterIdentity(frame.address.text, medium=Medium.ELECTRICITY) if frame.address.particular else None


def take(octets: bytes, meter: str, offset: int, at: datetime | None, utc_offset: int | None) -> Taken:
    """Header fields, readings and problems of one APDU; no readings where the meter reports a problem."""
    try:
        apdu = Apdu.decode(octets)
        told = header(apdu)
        found = [*results(apdu)]
        values = tuple(reading for one in found for reading in readings(meter, one, at, utc_offset))
    except DecodeError as error:
        return {}, (), (Problem(error.code, offset, error.reason),)
    problems = tuple(_refusals(apdu, told, offset))
    return told, () if problems else values, problems


def _refusals(apdu: Apdu, told: dict[str, object], offset: int) -> Iterator[Problem]:
    dar = told.get("dar")
    if isinstance(dar, int) and dar and apdu.service != "get-response-list":
        yield Problem("application_error", offset, f"the meter reports: {objects.dar_text(dar)}")
    elif apdu.service == "error-response":
        yield Problem("application_error", offset, f"the meter reports error {apdu.fields['error']}")
    elif apdu.service.startswith("security"):
        yield Problem.of(Unsupported("APDUs protected by a security module are not opened", offset))


class Receiver(HuntingReceiver):
    """Frames of DL/T 698.45. Options: `utc_offset`, minutes of the meters' clocks; `layer` "apdu": no frame around."""

    def __init__(self, keys: Keys | None = None, options: Options | None = None) -> None:
        super().__init__(hunter())
        options = options or {}
        offset = options.get("utc_offset")
        self._utc_offset = offset if isinstance(offset, int) else None
        self._bare = options.get("layer") == "apdu"
        self._input = bytearray()
        self._talks: dict[tuple[object, ...], Joiner] = {}
        self._layouts: dict[bytes, Layout] = {}

    def receive(self, data: bytes, at: datetime | None = None) -> Iterator[Found]:
        """See `wire.base.Receiver`. A whole frame at once, as a meter's answer comes, needs no hunt."""
        if self._bare:
            self._input += data
            self.position += len(data)
        elif caught := self._hunter.whole(data):
            yield self.telegram(*caught, at)
        else:
            yield from super().receive(data, at)

    def silence(self) -> Iterator[Found]:
        """See `wire.base.Receiver`. An APDU without a frame ends where its input does."""
        if self._bare and self._input:
            octets, offset = bytes(self._input), self.position - len(self._input)
            self._input.clear()
            told, found, problems = take(octets, "", offset, None, self._utc_offset)
            yield Telegram("dlt698", offset, len(octets), not problems, octets, None, told, found, problems)
        yield from super().silence()

    def telegram(self, offset: int, octets: bytes, at: datetime | None) -> Telegram:
        """The telegram of a whole, right frame, by its learnt layout where it has one."""
        key = key_of(octets)
        layout = self._layouts.get(key) if key is not None else None
        if layout is not None and (known := layout.telegram(offset, octets, at)):
            return known
        found = self.decode(offset, octets, at)
        if key is not None and found.readings:
            self._learn(key, found)
        return found

    def _learn(self, key: bytes, telegram: Telegram) -> None:
        """Remember the layout of an answer, if it is one of numbers only."""
        if len(self._layouts) >= LEARNED:
            self._layouts.clear()
        try:
            self._layouts[key] = Layout(telegram.data, telegram.meter, dict(telegram.frame))
        except DecodeError:
            self._layouts.pop(key, None)

    def decode(self, offset: int, octets: bytes, at: datetime | None) -> Telegram:
        """The general way, for every whole, right frame."""
        frame = Frame.of(octets)
        told = frame_header(frame)
        found: tuple[Reading, ...] = ()
        problems: tuple[Problem, ...] = ()
        try:
            apdu = self._apdu(frame)
        except DecodeError as error:
            problem = Problem(error.code, offset, error.reason)
            return Telegram("dlt698", offset, len(octets), True, octets, identity(frame), told, (), (problem,))
        if apdu is not None:
            more, found, problems = take(apdu, frame.address.text, offset, at, self._utc_offset)
            told |= more
        return Telegram("dlt698", offset, len(octets), True, octets, identity(frame), told, found, problems)

    def _apdu(self, frame: Frame) -> bytes | None:
        """The whole APDU, or None while parts of it are to come."""
        if not frame.split:
            return frame.apdu
        talk = (frame.address, frame.client, frame.from_meter)
        if talk not in self._talks and len(self._talks) >= TALKS:
            self._talks.clear()
        return self._talks.setdefault(talk, Joiner()).add(frame.apdu)
