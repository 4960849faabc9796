"""Strict TOML: what is right becomes a dataclass, what is wrong an error with file, line and suggestion."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from pathlib import Path

import pytest

from metergate.errors import ConfigError
from metergate.model import Obis
from metergate.toml import Seconds, line_of, load, loads

TEN = Seconds(10)


class Colour(Enum):
    RED = "red"
    GREEN = "green"


@dataclass(frozen=True)
class Lamp:
    url: str
    watts: int = 5
    price: Decimal = Decimal(0)
    colour: Colour = Colour.RED
    period: Seconds = TEN
    obis: Obis | None = None
    on: bool = False


@dataclass(frozen=True)
class House:
    name: str = "home"
    lamp: tuple[Lamp, ...] = ()
    place: Path | None = None
    rooms: dict[str, Lamp] = field(default_factory=dict)
    kitchen: Lamp | None = None


GOOD = """
name = "villa"
place = "/tmp"

[[lamp]]  # the first
url = "a"
period = "15 min"
price = 0.10
colour = "green"

[[lamp]]
url = "b"
obis = "1-0:1.8.0"

[rooms.cellar]
url = "c"
"""


def test_everything_becomes_its_type() -> None:
    house = loads(GOOD, House)
    assert house.lamp[0] == Lamp("a", price=Decimal("0.10"), colour=Colour.GREEN, period=Seconds(900))
    assert house.lamp[1].obis == Obis(1, 0, 1, 8, 0)
    assert (house.place, house.rooms) == (Path("/tmp"), {"cellar": Lamp("c")})
    assert str(house.lamp[0].price) == "0.10"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('nmae = "x"', 1, "did you mean 'name'"),
        ("name = 3", 1, "text"),
        ('\n[[lamp]]\nurl = "a"\n\n[[lamp]]\nurl = "b"\nwats = 3', 7, "did you mean 'watts'"),
        ('[[lamp]]\nurl = "a"\n[[lamp]]\n\nwatts = 3', 3, "'url' is missing"),
        ('[[lamp]]\nurl = "a"\ncolour = "gren"', 3, "did you mean 'green'"),
        ('[[lamp]]\nurl = "a"\nperiod = "soon"', 3, "duration"),
        ('[[lamp]]\nurl = "a"\nwatts = true', 3, "whole number"),
        ('[[lamp]]\nurl = "a"\nobis = "x"', 3, "no OBIS code"),
        ('[rooms.cellar]\nurl = "a"\non = 1', 3, "true or false"),
        ("lamp = 3", 1, "table"),
        ("name = ", 1, "no TOML"),
        ('name = "x"\n\nname = "y"', 3, "no TOML"),
        ('name = """\nurl = 3\n"""\nkitchen = {url = "a", zoom = 3}', 4, "unknown key 'zoom'"),
    ],
)
def test_every_mistake_has_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loads(text, House, "house.toml")
    assert str(caught.value).startswith(f"house.toml:{line}: ")
    assert words in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml: cannot be read"):
        load(tmp_path / "nothing.toml", House)


@pytest.mark.parametrize(
    ("text", "seconds"), [("200 ms", 0.2), ("90", 90), (90, 90), ("1.5 h", 5400), ("2 d", 172800), ("4min", 240)]
)
def test_durations(text: object, seconds: float) -> None:
    assert Seconds.parse(text) == pytest.approx(seconds)


def test_lines_of_nested_arrays() -> None:
    text = '[[line]]\nurl = "a"\n[[line.meter]]\nid = "1"\n[[line]]\n[[line.meter]]\n[[line.meter]]\nid = "3"'
    assert line_of(text, ("line", 1, "meter", 1, "id")) == 8
    assert line_of(text, ("line", 0, "meter", 0, "id")) == 4
