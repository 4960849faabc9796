"""Coverage-guided fuzzing of one protocol's line: `python tests/guided.py NAME FOLDER --seconds N` (or `--runs N`).

The fuzzer sees which branches of the decoders its inputs reach and keeps those that reach new ones. An input's first
octet says whether what follows is the telegram, its content to be sealed with right outer checks, or with all checks
right, and into how many parts it is cut. What must hold is what `mutants` asks for, and that cutting changes nothing.
An input that breaks it, takes over two seconds of CPU or makes the process grow past its limit is written to FOLDER
and ends the run.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

import atheris

BESIDE = {"wmbus": ("mbus",), "dlms": ("hdlc",), "gdw376": ("dlt645",)}
"""Protocols in which others are wrapped."""
_NAME = (sys.argv[1:] or ["?"])[0]
_MODULE = _NAME.partition("-")[0]
_PARTS = ("metergate.bits", *(f"metergate.wire.{part}" for part in (_MODULE, "hunt", *BESIDE.get(_MODULE, ()))))


def narrow(finder: object) -> None:
    """Let atheris, which only knows whole distributions, instrument nothing but the parts."""
    find = finder.find_spec  # type: ignore[attr-defined]

    def find_part(name: str, path: object = None, target: object = None) -> object:
        wanted = any(name == part or name.startswith(f"{part}.") for part in _PARTS)
        return find(name, path, target) if wanted else None

    finder.find_spec = find_part  # type: ignore[attr-defined]


with atheris.instrument_imports(include=["metergate"]):
    narrow(sys.meta_path[0])
    import mutants

    if _NAME in mutants.MAKERS:  # some load what they need only when it is needed
        mutants.heard(mutants.line(_NAME).receiver(), iter(mutants.line(_NAME).frames))

LONGEST, SLOW, HANG, MEMORY = 2048, 2, 60, 1024
"""Octets of an input, seconds of CPU for one, seconds after which it is taken for one that never ends (others may keep
the processor busy meanwhile), MB of the process."""
RAW, SEALED, ALL_SEALED = range(3)


def telegram(line: mutants.Line, data: bytes) -> tuple[bytes, int]:
    """The octets that an input stands for, and how long the parts are into which they are cut."""
    how, rest = data[0], data[1:]
    step = 1 + (how // 3) % 64
    if how % 3 == RAW:
        return rest, step
    return line.seal.close(line.seal.inside(rest) if how % 3 == ALL_SEALED else rest), step


def once(line: mutants.Line, data: bytes) -> None:
    """One input. AssertionError or whatever leaves a decoder: a mistake."""
    made, step = telegram(line, data)
    receiver, other = line.receiver(), line.receiver()
    whole = mutants.heard(receiver, iter((made,)))
    parts = mutants.heard(other, (made[at : at + step] for at in range(0, len(made), step)))
    mutants.check(line, made, 0, whole, mutants.Tally(line.name, 1, Counter()))
    assert whole == parts or repr(whole) == repr(parts), "cut into parts it is another answer"  # NaN is not itself


def sown(line: mutants.Line, folder: Path) -> Path:
    """The folder with the telegrams to begin with."""
    folder.mkdir(exist_ok=True)
    for kind, many in ((RAW, line.frames), (SEALED, line.contents)):
        for number, octets in enumerate(many):
            (folder / f"{kind}-{number}").write_bytes(bytes((kind + 3 * 63,)) + octets[: LONGEST - 1])
    return folder


def main() -> None:
    """Fuzz until the time is up or something broke; then the status is not 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=mutants.MAKERS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--runs", type=int, default=-1)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    line, found = mutants.line(given.name), given.folder / "found"
    found.mkdir(parents=True, exist_ok=True)
    ends = [f"-max_total_time={given.seconds}", f"-runs={given.runs}", f"-seed={given.seed}"]
    limits = [f"-max_len={LONGEST}", f"-timeout={HANG}", f"-rss_limit_mb={MEMORY}", "-detect_leaks=0"]
    options = [*ends, *limits, f"-artifact_prefix={given.folder}/broken-", "-print_final_stats=1"]

    def one(data: bytes) -> None:
        if len(data) > 1:
            began = time.process_time()
            once(line, data)
            assert time.process_time() - began < SLOW, "too slow"

    atheris.Setup([sys.argv[0], *options, str(found), str(sown(line, given.folder / "seeds"))], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
