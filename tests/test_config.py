"""The gateway's file: five lines are enough, and every mistake is named with its place."""

from pathlib import Path

import pytest

from metergate.config import load_gateway, notes
from metergate.errors import ConfigError
from metergate.gateway.settings import Line, Mqtt, Settings
from metergate.toml import Seconds

HOUSEHOLD = """\
[mqtt]
url = "mqtt://127.0.0.1"
[[line]]
url = "/dev/ttyUSB0"
protocol = "sml"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "gateway.toml"


def test_a_household_is_five_lines(file: Path) -> None:
    assert len(HOUSEHOLD.splitlines()) == 5
    file.write_text(HOUSEHOLD)
    settings = load_gateway(file)
    assert settings.line == (Line("/dev/ttyUSB0", "sml"),)
    assert settings.mqtt == Mqtt("mqtt://127.0.0.1")
    assert settings.station is None
    assert settings.id


def test_everything_else_can_be_said_too(file: Path, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("00" * 16)
    file.write_text(
        HOUSEHOLD
        + f"""gap = "100 ms"
[[line]]
url = "tcp://127.0.0.1:10001"
protocol = "mbus"
period = "1 h"
others = false
[[line.meter]]
id = "12345678"
address = "5"
key_file = "{tmp_path}/key"
[station]
group = "north"
[publish.glow]
prefix = "energy"
[publish.homeassistant]
enabled = false
"""
    )
    settings = load_gateway(file)
    assert settings.line[0].gap == Seconds(0.1)
    assert settings.line[1].meter[0].key_file == tmp_path / "key"
    assert settings.line[1].period == Seconds(3600)
    assert settings.station is not None
    assert settings.publish.glow is not None
    assert not settings.publish.homeassistant.enabled


@pytest.mark.parametrize(
    ("more", "line", "words"),
    [
        ("perod = 5", 6, "did you mean 'period'"),
        ('[[line]]\nurl = "/dev/ttyUSB1"\nprotocol = "slm"', 8, "did you mean 'sml'"),
        ('[[line]]\nurl = "/dev/ttyUSB1"', 6, "'protocol' is missing"),
        ('[[line]]\nurl = "usb:1"\nprotocol = "sml"', 7, "no address"),
        ('[[line]]\nurl = "tpc://a:1"\nprotocol = "sml"', 7, "did you mean 'tcp'"),
        ('[[line]]\nurl = "/dev/ttyUSB0"\nprotocol = "sml"', 1, "two lines use /dev/ttyUSB0"),
        ('[[line.meter]]\nid = "1"\nkey_file = "/nowhere/key"', 8, "/nowhere/key: cannot be read"),
        ('[[line.meter]]\nid = "1"\nmap = "kamstrup_multical"', 8, "unknown map"),
        ('[[line.meter]]\nid = "1"\n[[line.meter]]\nid = "1"', 3, "listed twice"),
        ('options.crcc = "lenient"', 6, "sml has no option 'crcc'; did you mean 'crc'"),
        ("options.crc = 5", 6, "not a text in quotes"),
        ("events = true", 6, "sml has no such thing; it is for dlt645"),
        ("broadcast_clock = true", 6, "sml has no such thing; it is for dlt645"),
        ('[[line.meter]]\nid = "1"\nkey_files.encryption = "/x"', 8, "sml has no key 'encryption': it has one key"),
        (
            '[[line]]\nurl = "/dev/ttyU1"\nprotocol = "dlms-hdlc"\n[[line.meter]]\nid = "1"\nkey_files.encrypt = "/x"',
            11,
            "dlms-hdlc has no key 'encrypt'; did you mean 'encryption'",
        ),
        ('[station]\ngrop = "x"', 7, "did you mean 'group'"),
        ("[metrics]\nport = 1.5", 7, "whole number"),
        ('[metrics]\nport = "x"\nport = 3', 8, "no TOML"),
    ],
)
def test_mistakes(file: Path, more: str, line: int, words: str) -> None:
    file.write_text(HOUSEHOLD + more)
    with pytest.raises(ConfigError) as caught:
        load_gateway(file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('timezone = "Mars/Olympus"', "timezone"),
        ('id = "a/b"', "topic"),
        ("[station]", "give [mqtt]"),
        ('[mqtt]\nurl = "http://x"', "mqtt://"),
        ('[mqtt]\nurl = "mqtt://u:secret@x"', "no password"),
        ('[mqtt]\nurl = "mqtt://127.0.0.1"\npassword_file = "/nowhere"', "/nowhere"),
        ('[mqtt]\nurl = "mqtt://192.0.2.1"', ":2: mqtt://192.0.2.1:1883 is another machine: use mqtts://"),
        ("[mqtt]\nurl = mqtt://127.0.0.1", ":2: no TOML: Invalid value; text stands in straight quotes"),
        ("[mqtt]\nurl = \u201cmqtt://127.0.0.1\u201d", "straight quotes"),
        ('[mqtt]\nurl = "mqtt://127.0.0.1', "straight quotes"),
        ("mqtt:\n  url: mqtt://127.0.0.1", "write key = value"),
        ('log = "loud"', "there are debug, info"),
    ],
)
def test_mistakes_of_the_whole(file: Path, text: str, words: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_gateway(file)
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


def test_files_that_differ_in_one_line_differ_in_one_line(file: Path) -> None:
    file.write_text(HOUSEHOLD)
    before = load_gateway(file)
    file.write_text(HOUSEHOLD + '[[line]]\nurl = "/dev/ttyUSB1"\nprotocol = "sml"\n')
    after = load_gateway(file)
    assert after.line == (*before.line, Line("/dev/ttyUSB1", "sml"))


def test_a_gateway_can_be_empty() -> None:
    assert Settings().line == ()


def asked(rows: str) -> str:
    """The settings of one line with meters that are asked."""
    return f'[mqtt]\nurl = "mqtt://127.0.0.1"\n[[line]]\n{rows}\n'


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ('url = "tcp://192.0.2.1"\nprotocol = "sml"', ":4: tcp://192.0.2.1: the port is missing"),
        ('url = "192.0.2.1:4059"\nprotocol = "sml"', "did you mean tcp://192.0.2.1:4059?"),
        ('url = "ttyUSB0"\nprotocol = "sml"', "did you mean /dev/ttyUSB0?"),
        ('url = "/dev/ttyUSB0"\nprotocol = "SML"', "did you mean 'sml'?"),
        (
            'url = "/dev/x"\nprotocol = "modbus"\n[[line.meter]]\nid = "1"\nmap = "eastron_sdm120"',
            "did you mean 'eastron_sdm120_modbus'?",
        ),
        ('url = "/dev/x"\nprotocol = "modbus"\n[[line.meter]]\nid = "1"\nmap = "abb_delta"', "speaks mbus"),
    ],
)
def test_the_likely_word_is_told(file: Path, rows: str, words: str) -> None:
    file.write_text(asked(rows))
    with pytest.raises(ConfigError) as caught:
        load_gateway(file)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"), [("001122", "8 or 16 octets"), ("no hex", "hex digits"), ("", "8 or 16 octets")]
)
def test_a_key_that_can_be_none_is_found_before_it_is_used(
    file: Path, tmp_path: Path, content: str, words: str
) -> None:
    key = tmp_path / "meter.key"
    key.write_text(content)
    file.write_text(asked(f'url = "/dev/x"\nprotocol = "wmbus"\n[[line.meter]]\nid = "12345678"\nkey_file = "{key}"'))
    with pytest.raises(ConfigError) as caught:
        load_gateway(file)
    assert f"{file}:8: {key}: " in str(caught.value)
    assert words in str(caught.value)
    assert not content or content not in str(caught.value).replace("its hex digits", "")


def test_files_of_Windows_are_read(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + HOUSEHOLD.replace("\n", "\r\n").encode())
    assert load_gateway(file).line == (Line("/dev/ttyUSB0", "sml"),)


def test_what_is_probably_forgotten_is_noted(file: Path) -> None:
    file.write_text("")
    assert [note.partition(":")[0] for note in notes(load_gateway(file))] == ["no [[line]]", "no [mqtt]"]
    two = '[[line.meter]]\nid = "1"\naddress = "1"\n'
    file.write_text(
        asked(f'url = "tcp://127.0.0.1:1"\nprotocol = "mbus"\n{two}[[line]]\nurl = "/dev/not-there"\n')
        + f'protocol = "mbus"\n{two}[[line]]\nurl = "tcp://127.0.0.1:2"\nprotocol = "mbus"\n'
    )
    told = list(notes(load_gateway(file)))
    assert [note.partition(":")[0] for note in told] == [
        "/dev/not-there",
        "meter 1 is listed on tcp",
        "tcp",
    ]
    assert "have to be asked" in told[2]
    file.write_text(HOUSEHOLD.replace("/dev/ttyUSB0", "tcp://127.0.0.1:1"))
    assert not list(notes(load_gateway(file)))
