"""`metergate decode`, as it is typed: rightly, wrongly, and by programs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

STATUS = "7e 01 00 12 05 02 00 00 12 cf"
"""A request of the collector protocol (MGC/1 §1.2, sample)."""


def metergate(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "metergate.cli", *words], input=stdin, capture_output=True, check=False
    )


@pytest.mark.parametrize("words", [(STATUS,), ("-",), ("--protocol", "mgc1", STATUS.replace(" ", ""))])
def test_hex_is_decoded_wherever_it_comes_from(words: tuple[str, ...]) -> None:
    done = metergate("decode", *words, stdin=STATUS.encode())
    assert done.returncode == 0, done.stderr
    assert b"mgc1" in done.stdout


def test_files_are_binary_or_hex(tmp_path: Path) -> None:
    for name, content in (("a.bin", bytes.fromhex(STATUS)), ("b.hex", STATUS.encode() + b"\n")):
        (tmp_path / name).write_bytes(content)
        done = metergate("decode", str(tmp_path / name), "--format", "json")
        (telegram,) = json.loads(done.stdout)["telegrams"]
        assert telegram["length"] == 10


def test_explained_by_field_and_place() -> None:
    lines = metergate("decode", STATUS, "--explain").stdout.decode().splitlines()
    assert any("STATUS, request" in line for line in lines)
    assert any(line.split()[:2] == ["8", "2"] and "CRC" in line for line in lines)
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("zz",), 1, "zz: there is no such file"),
        (("7e0",), 1, "half a byte"),
        ((f"{STATUS[:20]}g0",), 1, "'g' at digit 15 is not hexadecimal"),
        (("/no/such/file",), 1, "no such file"),
        ((str(Path(__file__).parent),), 1, "directory"),
        (("/dev/null",), 1, "/dev/null is empty"),
        ((), 1, "standard input is empty"),
        (("--protocol", "smll", "00"), 2, "unknown protocol 'smll'; did you mean sml?"),
        (("--protocol", "nonsense", "00"), 2, "`metergate decode --protocol list` shows them"),
        (("000000",), 1, "no known protocol fits these 3 bytes"),
        (("--format", "xml", STATUS), 2, '"table", "json"'),
        (("--explian", STATUS), 2, "unknown option --explian"),
        (("--option", "crc", STATUS), 2, "write name=value"),
        (("--key", "xyz", STATUS), 2, "hex digits"),
        (("--key-file", "/no/such/key", STATUS), 1, "/no/such/key: the key cannot be read: No such file"),
    ],
)
def test_what_is_typed_wrongly_is_answered_in_one_line(words: tuple[str, ...], status: int, said: str) -> None:
    done = metergate("decode", *words)
    assert done.returncode == status
    assert said in done.stderr.decode()
    assert len(done.stderr.splitlines()) == 1
    assert not done.stdout


def test_a_batch_answers_every_line_in_order_and_never_stops() -> None:
    lines = [
        json.dumps({"id": "good", "protocol": "mgc1", "hex": STATUS}),
        "this is no JSON",
        json.dumps({"id": "unknown", "protocol": "nonsense", "hex": "00"}),
        json.dumps({"id": "noise", "protocol": "sml", "hex": "0011"}),
        json.dumps({"id": "last", "protocol": "mgc1", "hex": STATUS}),
    ]
    done = metergate("decode", "--batch", stdin="\n".join(lines).encode())
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == ["good", None, "unknown", "noise", "last"]
    assert [bool(answer["telegrams"]) for answer in answers] == [True, False, False, False, True]
    assert all(answer["telegrams"] or answer["errors"] for answer in answers)
    assert done.returncode == 0


RADIO = "2e44931578563412330333637a2a0020255923c95aaa26d1b2e7493bc2ad013ec4a6f6d3529b520edff0ea6defc955b29d6d69ebf3ec8a"
"""A gas meter's encrypted telegram (lvogt/wireless-mbus-parser, MIT, from the examples of the OMS)."""
RIGHT = "0102030405060708090a0b0c0d0e0f11"


@pytest.mark.parametrize("content", [RIGHT, f"{RIGHT.upper()}\n", "01 02 03 04 05 06 07 08\n09 0A 0B 0C 0D 0E 0F 11\n"])
def test_a_key_comes_from_a_file(content: str, tmp_path: Path) -> None:
    (tmp_path / "meter.key").write_text(content)
    done = metergate("decode", RADIO, "--key-file", str(tmp_path / "meter.key"))
    assert done.returncode == 0, done.stderr
    assert "28504.27" in done.stdout.decode()
    named = metergate("decode", RADIO, "--key-file", f"key={tmp_path}/meter.key")
    assert named.stdout == done.stdout


@pytest.mark.parametrize("key", [f"0x{RIGHT}", ":".join(RIGHT[at : at + 2] for at in range(0, 32, 2))])
def test_a_key_is_written_in_any_way(key: str) -> None:
    assert b"28504.27" in metergate("decode", RADIO, "--key", key).stdout


@pytest.mark.parametrize(("words", "code"), [((), "key_missing"), (("--key", "00" * 16), "wrong_key")])
def test_without_the_right_key_there_is_an_answer_and_no_value(words: tuple[str, ...], code: str) -> None:
    done = metergate("decode", RADIO, *words)
    assert done.returncode == 1
    assert code in done.stdout.decode()
    assert b"28504" not in done.stdout


def test_a_key_of_a_wrong_length_is_told() -> None:
    done = metergate("decode", RADIO, "--key", "0011")
    assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (1, b"", 1)
    assert b"16 bytes" in done.stderr


def test_hex_needs_no_quotes_and_a_log_is_taken() -> None:
    plain = metergate("decode", *STATUS.split())
    assert plain.returncode == 0
    logged = metergate("decode", stdin=f"2024-01-01 12:00:00 RX: {STATUS}\n".encode())
    assert logged.stdout == plain.stdout
    assert logged.stderr == b"standard input: 10 bytes of hex found in 1 of 1 lines of text\n"
