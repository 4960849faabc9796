"""Radio in both directions: the access window, orders done once, installation, bad air."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogues import hit
from metergate.errors import BadValue, MetergateError, NoAnswer, WrongKey
from metergate.wire.base import Ask, Dialogue
from metergate.wire.mbus.records import encode_records, record
from metergate.wire.wmbus import Address, Context, Decoder, Format, Keyring, Sender
from metergate.wire.wmbus.meter import RadioMeter
from metergate.wire.wmbus.twoway import ACC_DMD, Station, Window, install, read, write

T = TypeVar("T")
KEY = bytes(range(16))
METER = Address.named("12345678", "ELS", 51, 7)
OTHER = Address.named("87654321", "ELS", 51, 7)
READER = Address.named("00000042", "MGT", 1, 0x31)
NOW = datetime(2026, 11, 23, tzinfo=UTC)
EVERY = timedelta(seconds=60)
ORDER = encode_records([record(b"\x04", b"\x6d", "2026-11-23T00:00:00")])


def volume(now: datetime) -> list[object]:
    """A litre a second since the day began."""
    return [record(b"\x04", b"\x13", Decimal(int((now - NOW).total_seconds())) / 1000)]


def meter(mode: int = 0, address: Address = METER, header: str = "short", **more: object) -> RadioMeter:
    sender = Sender(address, KEY if mode else None, mode, header=header, ell=0x8C, **more)  # type: ignore[arg-type]
    return RadioMeter(sender, volume)  # type: ignore[arg-type]


def station(mode: int = 0, key: bytes | None = KEY, **more: object) -> Station:
    decoder = Decoder(Context(Keyring(common=key if mode else None), accept_clear=mode == 0))
    return Station(READER, METER, decoder, key if mode else None, mode, window=Window(**more))  # type: ignore[arg-type]


@dataclass
class Air:
    """Meters that send once a minute each, and a reader's dialogue. `up` and `down`: what the air does to them."""

    meters: list[RadioMeter]
    kind: Callable[[RadioMeter, datetime], list[bytes]] = lambda meter, now: meter.push(now)
    up: Callable[[bytes], list[bytes]] = lambda data: [data]
    down: Callable[[bytes], list[bytes]] = lambda data: [data]
    now: datetime = NOW
    sent: list[bytes] = field(default_factory=list)

    def run(self, dialogue: Dialogue[T]) -> T:
        heard: list[bytes] = []
        until = self.now
        try:
            step = next(dialogue)
            while True:
                if isinstance(step, Ask):
                    until = self.now + timedelta(seconds=step.timeout)
                    self.sent += [step.data] if step.data else []
                    heard = self._answers(step.data)
                while not heard and self.now + EVERY <= until:
                    self.now += EVERY
                    heard = [
                        piece for one in self.meters for data in self.kind(one, self.now) for piece in self.up(data)
                    ]
                if not heard:
                    self.now = until
                step = dialogue.send(heard.pop(0) if heard else b"")
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    def _answers(self, data: bytes) -> list[bytes]:
        pieces = self.down(data) if data else []
        answers = [answer for piece in pieces for one in self.meters for answer in one.receive(piece, self.now)]
        return [piece for answer in answers for piece in self.up(answer)]


@pytest.mark.parametrize("mode", [0, 5, 7, 10])
@pytest.mark.parametrize("header", ["short", "long"])
def test_a_meter_is_asked_in_its_window(mode: int, header: str) -> None:
    air = Air([meter(0, OTHER), meter(mode, header=header)])
    found = air.run(read(station(mode, heed_access=True)))
    assert [reading.value for reading in found.readings] == [Decimal("0.060")]
    assert found.frame["control"] == "08"
    assert [sent[1] for sent in air.sent] == [0x7B, 0x40]


def test_without_a_window_nothing_is_sent() -> None:
    air = Air([meter(0, OTHER)])
    with pytest.raises(NoAnswer, match="no access window"):
        air.run(read(station()))
    assert air.sent == []


def test_a_meter_that_says_it_does_not_listen() -> None:
    deaf = meter()
    deaf.sender.flags = 0
    with pytest.raises(NoAnswer):
        Air([deaf]).run(read(station(heed_access=True)))
    assert Air([deaf]).run(read(station())).readings


def test_after_the_window_the_meter_is_deaf() -> None:
    one, ask = meter(), station()
    one.push(NOW)
    request = ask.manage(0x7B)
    assert list(one.receive(request, NOW + timedelta(seconds=3))) == []
    assert len(list(one.receive(request, NOW + timedelta(seconds=1)))) == 1


def test_access_demand_opens_a_window_without_data() -> None:
    air = Air([meter()], kind=lambda one, now: one.push(now, ACC_DMD))
    assert air.run(read(station())).readings


@pytest.mark.parametrize("mode", [0, 5, 7, 10])
def test_an_order_reaches_the_meter(mode: int) -> None:
    one = meter(mode)
    Air([one]).run(write(station(mode), ORDER))
    ((ci, data),) = one.written
    assert (ci, bytes.fromhex(data.hex()).rstrip(b"\x2f")) == ("5b", ORDER)


def test_an_order_is_done_once_though_its_acknowledgement_is_lost() -> None:
    one, lost = meter(5), [True, False, False, False]

    def up(data: bytes) -> list[bytes]:
        return [] if data[1] == 0 and lost.pop(0) else [data]

    talk, ask = Air([one], up=up), station(5)
    talk.run(write(ask, ORDER))
    assert len(one.written) == 1
    talk.run(write(ask, ORDER))
    assert len(one.written) == 2


@pytest.mark.parametrize("mode", [5, 7, 10])
def test_an_order_without_the_meters_key_is_not_taken(mode: int) -> None:
    one = meter(mode)
    for wrong in (station(mode, bytes(16)), station(0)):
        with pytest.raises(NoAnswer):
            Air([one]).run(write(wrong, ORDER))
    assert one.written == []


def test_an_answer_that_cannot_be_opened_is_an_error() -> None:
    with pytest.raises(WrongKey):
        Air([meter(5)]).run(read(station(5, bytes(16))))


def test_an_order_that_is_too_long() -> None:
    with pytest.raises(BadValue):
        Air([meter(7)]).run(write(station(7), ORDER * 40))


def test_installation() -> None:
    one = meter(5)
    found = Air([meter(0, OTHER), one], kind=lambda each, now: each.install(now)).run(install(station(5)))
    assert (found.frame["control"], len(found.readings)) == ("46", 1)
    assert one.station == READER
    with pytest.raises(NoAnswer, match="installation"):
        Air([one]).run(install(station(5), 600))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000), st.sampled_from([0, 5, 7]))
def test_bad_air_gives_right_values_or_errors(up: int, down: int, mode: int) -> None:
    one = meter(mode)
    air = Air([meter(0, OTHER), one], up=hit(up), down=hit(down))  # type: ignore[arg-type]
    ask = station(mode)
    try:
        found = air.run(read(ask))
    except MetergateError:
        return
    elapsed = Decimal(int((air.now - NOW).total_seconds())) / 1000
    assert {reading.value for reading in found.readings} in ({elapsed}, {elapsed - Decimal("0.001")})


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4))
def test_bad_air_never_doubles_an_order(seed: int, orders: int) -> None:
    one, ask = meter(5), station(5)
    air = Air([one], up=hit(seed), down=hit(seed + 1))  # type: ignore[arg-type]
    done = 0
    for _ in range(orders):
        try:
            air.run(write(ask, ORDER))
            done += 1
        except MetergateError:
            pass
    assert done <= len(one.written) <= orders


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_meters_survive_rubbish(chunks: list[bytes]) -> None:
    one = meter(5)
    one.push(NOW)
    for chunk in chunks:
        assert list(one.receive(chunk, NOW)) == []
    one.silence()
    one.push(NOW)
    dice = random.Random(1)
    assert one.written == []
    assert len(list(one.receive(station(5).manage(0x7B), NOW))) == 1, dice


def test_formats() -> None:
    for form in (Format.A, Format.B):
        one = RadioMeter(Sender(METER, KEY, 5, form), volume)  # type: ignore[arg-type]
        ask = Station(READER, METER, Decoder(Context(Keyring(common=KEY))), KEY, 5, form)
        assert Air([one]).run(read(ask)).readings
