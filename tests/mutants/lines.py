"""What every family of lines is made of: a line, and where its telegrams come from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from dialogues import Talk
from metergate.sim.household import Household
from metergate.sim.meters import Pusher, responder
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire import protocols
from metergate.wire.base import Receiver, Responder, Telegram
from seals import Bare, Seal, Wmbus

CORPORA = Path(os.environ.get("METERGATE_CORPORA", Path(__file__).parents[2] / "../shared/corpora"))
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEY = "000102030405060708090a0b0c0d0e0f"
HOME = Household(11, pv_watts=4000, since=date(2026, 11, 1))
BANK = Bank((HOME,), (), installed=datetime(2026, 11, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Line:
    """A line of one protocol: how it is received, what was sent on it, and how that is sealed."""

    name: str
    protocol: str
    seal: Seal
    frames: tuple[bytes, ...]
    contents: tuple[bytes, ...] = ()
    keys: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    silent: bytes = b""
    """An octet that stands between frames and means nothing."""
    reads: bool = True
    """Whether its receiver makes readings of what it hears; carriers only say what they carry."""
    summed: bool = True
    """Whether frames have a check sum, and not only a length."""

    @property
    def parts(self) -> bool:
        """Whether a telegram has parts with checks of their own, so that one can be good and another not."""
        return self.protocol == "sml"

    def receiver(self) -> Receiver:
        """A fresh receiver."""
        keys = {name: bytes.fromhex(key) for name, key in self.keys.items()}
        return protocols()[self.protocol].receiver(keys, self.options)

    def protected(self, telegram: Telegram) -> bool:
        """Whether the bytes under a telegram with readings carry the check they must carry."""
        form = telegram.frame.get("link_crc")
        seal = self.seal if form is None else Bare() if form == "none" else Wmbus(str(form))
        return telegram.valid and seal.right(telegram.data)


def made(protocol: str, seal: Seal, frames: Sequence[bytes], silent: bytes = b"") -> Line:
    """A line of these frames, with the contents of those that are right."""
    contents = [content for frame in frames if (content := seal.open(frame)) is not None]
    return Line(protocol, protocol, seal, tuple(frames), tuple(contents), silent=silent)


def rows(name: str) -> list[dict[str, Any]]:
    """The rows of a file of the corpora; none where there are no corpora."""
    path = CORPORA / name
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def frames(*names: str) -> list[bytes]:
    """All frames of files of the corpora."""
    found: list[bytes] = []
    for row in (row for name in names for row in rows(name)):
        many = [octets for _, octets in row.get("frames", ())]
        found += [bytes.fromhex(text) for text in (*many, *([row["frame"]] if "frame" in row else []))]
    return found


def pushed(protocol: str, *kinds: int) -> list[bytes]:
    """What simulated meters push, in clear and encrypted."""
    specs = [MeterSpec(protocol, "61203344", 0, kind, key, 5 if key else 0) for kind in kinds for key in ("", KEY)]
    return [frame for spec in specs for frame in Pusher(spec, BANK).frames(AT)]


def texts(protocol: str, *kinds: int, key: str = "") -> list[bytes]:
    """What simulated meters of text protocols push."""
    specs = [MeterSpec(protocol, "041876097115", 0, kind, key) for kind in kinds]
    return [frame for spec in specs for frame in Pusher(spec, BANK).frames(AT)]


def answered(spec: MeterSpec, *questions: str) -> list[bytes]:
    """What a simulated meter answers."""
    meter: Responder = responder(spec, BANK)
    talk = Talk([meter], AT)
    return [answer for question in questions for answer in talk._answers(bytes.fromhex(question))]
