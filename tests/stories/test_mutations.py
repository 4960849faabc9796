"""No telegram, however spoilt, breaks a receiver, fools it or makes it grow.

Telegrams of the corpora and of simulated meters are mutated, cut and joined at random, on the wire and inside of frames
whose checks are then made right again. Whatever arrives: nothing but the errors of `metergate.errors` comes out, there
is always an answer, and a reading only comes from bytes whose check is right - computed here a second time. The same
spoilt telegrams heard over and over leave nothing behind. METERGATE_FUZZ is the count, scripts/fuzz.py runs any.
"""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mutants import MAKERS, fuzz, left_behind, line
from seals import en13757, kermit, modbus, x25

COUNT = int(os.environ.get("METERGATE_FUZZ", "1500"))
SEED = 2026


@pytest.mark.parametrize("name", MAKERS)
def test_nothing_escapes_and_nothing_corrupt_is_read(name: str) -> None:
    tried = line(name)
    tally = fuzz(tried, COUNT, SEED)
    assert tally.outcomes["with readings" if tried.reads else "without readings"] > 0, (
        "no spoilt telegram was still sound: nothing was tried behind the checks"
    )
    assert tally.outcomes["bad_checksum" if tried.summed else "truncated"] > 0


@pytest.mark.parametrize("name", MAKERS)
def test_memory_stays_flat(name: str) -> None:
    """Not even one object a telegram, when the same ones come again and again."""
    assert left_behind(line(name), 200, SEED) < 200


@pytest.mark.parametrize("name", MAKERS)
def test_what_the_coverage_of_the_decoders_leads_to(name: str, tmp_path: Path) -> None:
    """A short walk of the guided fuzzer; `make fuzz` takes a long one."""
    guided = Path(__file__).parents[1] / "guided.py"
    command = [sys.executable, str(guided), name, str(tmp_path), "--runs", str(COUNT // 3)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "stat::new_units_added" in done.stderr


def test_readings_without_a_right_check_would_be_noticed() -> None:
    """The lenient receiver tells what it can make of corrupt telegrams, by order; here that must count as a failure."""
    lenient = replace(line("sml"), name="lenient", options={"crc": "lenient"})
    with pytest.raises(AssertionError, match=r"lenient, seed 2026, telegram \d+: .*whose check is wrong"):
        fuzz(lenient, COUNT, SEED)


def test_the_second_computation_of_checks_agrees_with_the_published_ones() -> None:
    """The catalogue's check values: what each CRC gives for the digits 1 to 9."""
    assert [crc(b"123456789").hex() for crc in (x25, kermit, modbus, en13757)] == ["6e90", "2189", "374b", "c2b7"]
