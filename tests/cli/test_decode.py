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
