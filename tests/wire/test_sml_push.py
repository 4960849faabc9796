"""What we write as a meter, read by strangers and by ourselves."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.errors import BadValue
from metergate.model import Obis, Reading, Register, Unit
from metergate.wire.base import Telegram
from metergate.wire.sml.push import Style, entry_of, sec_index
from metergate.wire.sml.readings import STATUS_SIGN
from metergate.wire.sml.transport import KERMIT, X25
from smlkit import METER, SERVER, reading, receive, sample, telegram

NUMBERS = st.integers(-(1 << 63), (1 << 64) - 1)
UNITS = st.sampled_from([Unit.WH, Unit.W, Unit.V, Unit.A, Unit.HZ, Unit.VAR, None])


def smllib(data: bytes, crc: str) -> dict[str, tuple[Any, ...]]:
    module = pytest.importorskip("smllib")
    stream = module.SmlStreamReader(crc=crc)
    stream.add(data)
    frame = stream.get_frame()
    entries = frame.parse_frame()[1].message_body.val_list
    return {entry.obis.obis_code: (entry.value, entry.scaler, entry.unit, entry.status) for entry in entries}


def pysml(data: bytes) -> dict[str, Any]:
    module = pytest.importorskip("sml")
    _, frame = module.SmlBase.parse_frame(data)
    return {entry["objName"]: entry for entry in frame[1]["messageBody"]["valList"]}


STYLES = [Style(), Style(choice_size=4)]


@pytest.mark.parametrize("style", [*STYLES, Style(crc=KERMIT)])
def test_smllib_reads_our_telegrams(style: Style) -> None:
    found = smllib(telegram(style=style), style.crc.name)
    assert found == {
        "1-0:96.50.1*1": ("EMH", None, None, None),
        "1-0:96.1.0*255": (SERVER.hex(), None, None, None),
        "1-0:1.8.0*255": (54301577, -1, 30, 0x1C0104),
        "1-0:2.8.0*255": (262445726, -1, 30, None),
        "1-0:16.7.0*255": (35624, -2, 27, None),
        "1-0:32.7.0*255": (2305, -1, 35, None),
    }


@pytest.mark.parametrize("style", STYLES)
def test_pysml_reads_our_telegrams(style: Style) -> None:
    found = pysml(telegram(style=style))
    assert [found[code].get("unit") for code in ("1-0:1.8.0*255", "1-0:16.7.0*255", "1-0:32.7.0*255")] == [
        "Wh",
        "W",
        "V",
    ]
    assert found["1-0:1.8.0*255"]["value"] == pytest.approx(5430157.7)
    assert found["1-0:16.7.0*255"]["value"] == pytest.approx(356.24)
    assert found["1-0:96.1.0*255"]["value"] == "1 EMH00 0534 7102"
    assert found["1-0:1.8.0*255"]["status"] == 0x1C0104


@given(st.lists(st.tuples(NUMBERS, UNITS, st.integers(-6, 6)), min_size=1, max_size=25))
def test_strangers_read_any_numbers(numbers: list[tuple[int, Unit | None, int]]) -> None:
    made = [reading(f"1-0:{at}.8.0", raw, unit, scaler) for at, (raw, unit, scaler) in enumerate(numbers)]
    data = telegram(found=made)
    if b"\x1b" * 4 not in data[8:-8]:
        assert [entry[:2] for entry in smllib(data, "x25").values()] == [(raw, scaler) for raw, _, scaler in numbers]
        assert len(pysml(data)) == len(numbers)


@given(
    st.lists(st.tuples(NUMBERS, UNITS, st.integers(-20, 20)), max_size=20),
    st.sampled_from([X25, KERMIT]),
    st.booleans(),
)
def test_readings_come_back(numbers: list[tuple[int, Unit | None, int]], crc: Any, bare: bool) -> None:
    made = [reading(f"1-0:{at}.8.0", raw, unit, scaler) for at, (raw, unit, scaler) in enumerate(numbers)]
    (found,) = receive(telegram(found=made, style=Style(crc=crc, bare_time=bare)))
    assert isinstance(found, Telegram)
    assert [(item.register, item.value, item.raw) for item in found.readings] == [
        (item.register, item.value, item.raw) for item in made
    ]
    assert [str(item.value) for item in found.readings] == [str(item.value) for item in made]


def test_sample_comes_back_with_all_its_fields() -> None:
    (found,) = receive(telegram(), at=None)
    assert isinstance(found, Telegram)
    assert found.meter is not None
    assert found.meter.id == METER
    quality = found.readings[0].time_quality
    made = [replace(item, time_quality=quality) for item in sample()]
    assert list(found.readings) == made


@pytest.mark.parametrize(
    "wrong",
    [
        Reading(Register(METER, Obis.parse("1-0:1.8.0"), unit=Unit.KWH), Decimal(1)),
        Reading(Register(METER, None, quantity="energy", unit=Unit.WH), Decimal(1)),
        Reading(Register(METER, Obis.parse("1-0:1.8.0"), unit=Unit.WH, scaler=0), Decimal("1.5")),
    ],
)
def test_what_sml_cannot_say(wrong: Reading) -> None:
    with pytest.raises(BadValue):
        entry_of(wrong)


def test_text_is_sent_as_octets() -> None:
    assert entry_of(Reading(Register(METER, Obis.parse("1-0:0.2.0*0")), "1.02.007")).value == b"1.02.007"


@pytest.mark.parametrize(("power", "status"), [(-5, 0x1C0124), (5, 0x1C0104)])
def test_direction_goes_into_the_status_word(power: int, status: int) -> None:
    style = Style(quirks=frozenset([STATUS_SIGN]))
    (found,) = receive(telegram(found=sample(power=power), style=style))
    assert isinstance(found, Telegram)
    assert (found.readings[2].status, found.readings[4].raw) == (status, 5)


def test_style_changes_the_bytes_only() -> None:
    read: Callable[[Style], Any] = lambda style: receive(telegram(style=style))[0]  # noqa: E731
    plain = read(Style())
    for style in (Style(choice_size=4), Style(bare_time=True), Style(crc=KERMIT)):
        other = read(style)
        assert other.data != plain.data
        assert other.readings == plain.readings


def test_counter_time_wraps() -> None:
    assert sec_index((1 << 32) + 5) == sec_index(5)
