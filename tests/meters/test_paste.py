"""Bytes as people paste them: whatever the writing, the same bytes; what is none is said."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.errors import BadValue
from metergate.meters.paste import pasted

FRAME = bytes.fromhex("6801062816262068910833333433ab896745a116")
"""An answer by DL/T 645-2007: 123456.78 kWh."""
BLANKS = FRAME.hex(" ")
P1 = b"/ISK5\\2M550T-1012\r\n\r\n1-3:0.2.8(50)\r\n1-0:1.8.1(000051.775*kWh)\r\n!E5E9\r\n"


def canonical(octets: bytes, width: int = 16) -> str:
    """As `hexdump -C` prints."""
    rows = []
    for at in range(0, len(octets), width):
        row = octets[at : at + width]
        text = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in row)
        rows.append(f"{at:08x}  {row[:8].hex(' ')}  {row[8:].hex(' ')}".ljust(60) + f"|{text}|")
    return "\n".join([*rows, f"{len(octets):08x}", ""])


def wireshark(octets: bytes) -> str:
    """As Wireshark copies a packet: the last column may look like hex."""
    rows = []
    for at in range(0, len(octets), 16):
        row = octets[at : at + 16]
        text = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in row)
        rows.append(f"{at:04x}   {row.hex(' '):<47}   {text}")
    return "\n".join(rows)


WAYS: dict[str, Callable[[bytes], str]] = {
    "digits": bytes.hex,
    "blanks": lambda octets: octets.hex(" ").upper(),
    "tabs": lambda octets: octets.hex("\t"),
    "colons": lambda octets: octets.hex(":"),
    "dashes": lambda octets: octets.hex("-"),
    "lines": lambda octets: octets.hex("\n"),
    "Windows lines": lambda octets: octets.hex(" ", 8).replace(" ", "\r\n") + "\r\n",
    "0x": lambda octets: " ".join(f"0x{octet:02x}" for octet in octets),
    "one 0x": lambda octets: f"0x{octets.hex()}",
    "C": lambda octets: "{ " + ", ".join(f"0x{octet:02X}" for octet in octets) + " };",
    "Python": repr,
    "shell": lambda octets: "".join(f"\\x{octet:02x}" for octet in octets),
    "quoted": lambda octets: f'"{octets.hex(" ")}"',
    "hexdump -C": canonical,
    "Wireshark": wireshark,
}


@pytest.mark.parametrize("way", WAYS)
@given(st.binary(min_size=20, max_size=100).filter(lambda octets: octets[0] != 0))
def test_any_writing_gives_the_same_bytes(way: str, octets: bytes) -> None:
    found = pasted(WAYS[way](octets).encode())
    assert found.octets == octets
    assert not found.told


def test_what_xxd_prints() -> None:
    dump = subprocess.run(["xxd"], input=FRAME * 3, capture_output=True, check=True).stdout
    assert pasted(dump).octets == FRAME * 3


@pytest.mark.parametrize(
    "line",
    [
        f"2024-01-01 12:00:00 RX: {BLANKS}",
        f"2024-01-01T12:00:00.123Z <- {FRAME.hex()}",
        f"2024-01-01 12:00:00 {BLANKS}",
        f"01.02.2024 12:00:00: {BLANKS}",
        f"12:00:00.123456 < {BLANKS}",
        f"[ 1234.567890] uart: {BLANKS}",
        f"[2024-01-01 12:00:00,123] DEBUG meter.py:45 received 20 bytes: {BLANKS}",
        f"[12:00:00][D][uart_debug:114]: <<< {FRAME.hex(':').upper()}",
        f"telegram=|{FRAME.hex().upper()}|+123",
        f"T1;1;1;2019-04-03 19:00:42.000;97;148;88888888;0x{FRAME.hex()}",
        f'{{"telegram": "{FRAME.hex()}", "rssi": -70}}',
        f"Jan  1 12:00:00 host reader[123]: {BLANKS}",
        f"meter/raw {FRAME.hex()}",
    ],
)
def test_lines_of_logs(line: str) -> None:
    found = pasted(f"started on port 10\n{line}\n{line}\n".encode())
    assert found.octets == FRAME * 2
    assert found.told == "40 bytes of hex found in 2 of 3 lines of text"


def test_a_telegram_in_pieces_as_sniff_shows_them() -> None:
    text = f"12:00:00.1 < 68 01\n12:00:00.2 < {FRAME[2:-1].hex(' ')}\n  dlt645, 20 bytes of  1\n12:00:00.3 < 16\n"
    assert pasted(text.encode()).octets == FRAME


def test_base64_counts_only_if_it_is_a_telegram() -> None:
    assert pasted(base64.b64encode(FRAME)).octets == FRAME
    with pytest.raises(BadValue, match="no base64"):
        pasted(base64.b64encode(b"this is just some text"))


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16"])
def test_files_as_Windows_writes_them(coding: str) -> None:
    assert pasted(BLANKS.encode(coding)).octets == FRAME


@pytest.mark.parametrize("written", [P1, P1.replace(b"\r\n", b"\n"), b"\xef\xbb\xbf" + P1])
def test_lines_of_a_text_telegram_end_as_they_were_sent(written: bytes) -> None:
    assert pasted(written).octets == P1
    assert pasted(written, "p1").octets == P1


@given(st.binary(min_size=1).filter(lambda octets: b"\x00" in octets))
def test_what_is_no_text_is_taken_as_it_is(octets: bytes) -> None:
    if octets.startswith((b"\x0a\x0d\x0d\x0a", b"\xff\xfe", b"\xfe\xff")):
        return
    assert pasted(octets).octets == octets


@given(st.text(max_size=200))
def test_any_text_is_bytes_or_a_clear_no(text: str) -> None:
    with suppress(BadValue):
        assert pasted(text.encode("utf-8", "replace")).octets or not text.strip()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xd4\xc3\xb2\xa1" + bytes(20), "tshark"),
        (b"0000000 0168 2806\n0000004 2616 6820\n", "hexdump -C"),
        (FRAME.hex()[:-1].encode(), "39 hex digits: half a byte"),
        (FRAME.hex()[:-2].encode() + b"1g", "'g' at digit 40"),
        (b"hello world", "no hex"),
    ],
)
def test_what_cannot_be_taken_says_why(data: bytes, said: str) -> None:
    with pytest.raises(BadValue, match=said):
        pasted(data)
