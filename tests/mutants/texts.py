"""Lines of the protocols that are text."""

from __future__ import annotations

from dataclasses import replace

from metergate.sim.specs import MeterSpec
from mutants.lines import CORPORA, KEY, answered, frames, made, pushed, rows, texts
from textseals import P1, Iec62056, SealedP1, Tic, p1_captures

P01 = b"R5\x02P.01(2611211200;2611211400)"


def _readouts() -> list[bytes]:
    """Readouts as captured, pushed and answered by simulated meters, with parity bits, and a session."""
    seen = [row["text"].encode("latin-1") for row in rows("iec62056_21/readouts.jsonl")]
    seen += pushed("iec62056-d", 0)[:1] + frames("iec62056_21/messages.jsonl")
    seen += [bytes(octet | (octet.bit_count() % 2) << 7 for octet in row) for row in seen[-2:]]
    meter, asked = MeterSpec("iec62056-21", "4711", 0), ("2f3f210d0a", "063035300d0a", "2f3f210d0a", "063035310d0a")
    told = answered(meter, *asked, Iec62056.command(b"R1\x021.8.0()"), Iec62056.command(P01))
    return [*seen, *told, told[0] + told[1]]


P01 = b"R5\x02P.01(2611211200;2611211400)"


MAKERS = {
    "iec62056-21": lambda: made("iec62056-21", Iec62056(), _readouts(), silent=b"\0\r\n\x80\x8d\x8a"),
    "p1": lambda: made("p1", P1(), p1_captures(CORPORA) + texts("p1", 4, 5, 32, 36, 46)),
    "p1-sealed": lambda: replace(
        made("p1", SealedP1(KEY), texts("p1", 5, 43, 352, key=KEY)), name="p1-sealed", keys={"encryption": KEY}
    ),
    "tic": lambda: replace(
        made("tic", Tic(), frames("linky/frames.jsonl") + texts("tic", 0, 1)), options={"groups": "strict"}
    ),
}
