"""The protocol of a telegram is found by itself: every row of the corpora, without being told whose it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpusrows import CorpusRow, corpus_rows
from metergate.wire import contract, each_protocol, protocols
from metergate.wire.base import ProtocolEntry
from metergate.wire.contract import CERTAIN, guess
from metergate.wire.dlt645.frame import hunter
from metergate.wire.hunt import likeness

ENERGY = bytes.fromhex("68 11 11 11 11 11 11 68 11 04 33 33 34 33 18 16")
"""DL/T 645: meter 111111111111 is asked for its energy."""

OTHERWISE: dict[str, tuple[str | None, str]] = {
    "dlms/apdu/pwitab/dlms-cosem/test_action.py/91/25": (None, "its service and its length do not fit each other"),
    "dlms/apdu/pwitab/dlms-cosem/test_action.py/156/7": (None, "its service and its length do not fit each other"),
    "dlms/apdu/pwitab/dlms-cosem/test_get.py/381/10": (None, "its service and its length do not fit each other"),
    "dlms/apdu/xdom/jdlms/kamstrup-object-list-data": ("dlms-push", "a value without an APDU is what a push carries"),
    "dlms/hdlc/toreamun/amshan/test_hdlc.py/FRAME_WITH_ESCAPE_CHARACTER_IN_INFO/42": ("dlms-push", "a push in a frame"),
    "dlt698/vector/get-list-response": (None, "an APDU alone has neither start nor check"),
    "dlt698/vector/link-login-request": (None, "an APDU alone has neither start nor check"),
    "dlt698/vector/get_record_response": (None, "an APDU alone has neither start nor check"),
    "sml/smllib_test_sml_stream_reader_09.bin": (None, "messages without the transport around them"),
    "mbus/unsupported-frames__manual_frame1": (None, "it lacks its start octet"),
    "mbus/pymeterbus__manual_frame1": (None, "it is cut at both ends"),
    "dllcrc-19": ("mbus", "a frame of the wired M-Bus"),
    "p1/dsmr_parser/TELEGRAM_ESY5Q3DA1004_V304": ("iec62056-21", "a readout of mode D; a P1 port has a check sum"),
}
"""Rows whose folder says something else than their octets: what is found, and why."""
LEAST = 0.95
"""Share of every protocol's rows that is found; dlt698 and mbus have few rows or broken ones, see above."""


@pytest.fixture(scope="module")
def rows() -> list[CorpusRow]:
    found = corpus_rows()
    if not found:
        pytest.skip("no corpora")
    return found


def test_every_row_is_found_or_named_here(rows: list[CorpusRow]) -> None:
    right, count = Counter[str](), Counter[str]()
    wrong = []
    for row in rows:
        found = guess(row.data)
        count[row.protocol] += 1
        right[row.protocol] += found == row.protocol
        if found != OTHERWISE.get(row.name, (row.protocol, ""))[0]:
            wrong.append((row.name, found))
    for name, number in count.items():
        print(f"{name}: {right[name]} of {number} found")
    assert not wrong
    assert sum(right.values()) == len(rows) - len(OTHERWISE)
    assert sum(right.values()) > LEAST * len(rows)


def test_no_other_protocol_is_surer(rows: list[CorpusRow]) -> None:
    for row in rows:
        if row.name in OTHERWISE:
            continue
        sure = {name: entry.guess(row.data) for name, entry in protocols().items()}
        assert sure[row.protocol] == max(sure.values()), (row.name, sure)


def test_what_is_certain_ends_the_search(rows: list[CorpusRow]) -> None:
    """And it comes to the same as asking everybody."""
    for row in rows:
        sure = {name: entry.guess(row.data) for name, entry in protocols().items()}
        best = max(sure, key=lambda name: sure[name])
        assert guess(row.data) == (best if sure[best] else None)


def test_only_as_many_protocols_are_loaded_as_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def watched() -> Iterator[ProtocolEntry]:
        for entry in each_protocol():
            asked.append(entry.name)
            yield entry

    monkeypatch.setattr(contract, "each_protocol", watched)
    assert guess(ENERGY) == "dlt645"
    assert asked == list(protocols())[: len(asked)]
    assert asked[-1] == "dlt645"


@given(st.binary(max_size=300))
def test_no_octets_make_a_guess_fail(data: bytes) -> None:
    for entry in protocols().values():
        assert 0 <= entry.guess(data) <= CERTAIN


def test_noise_is_hardly_ever_taken_for_a_telegram() -> None:
    dice = Random(2026)
    named = Counter(guess(dice.randbytes(64)) for _ in range(300))
    assert named[None] > 270, named


def test_likeness_of_frames() -> None:
    broken = ENERGY[:-2] + b"\0\x16"
    samples = (ENERGY, b"\xfe\xfe" + ENERGY, b"abc" + ENERGY, b"\xfe" + broken, b"abc" + broken, b"abc")
    assert [likeness(hunter(), data) for data in samples] == [100, 100, 90, 30, 0, 0]
