"""Every telegram of the corpora with its protocol, whatever the folder calls it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from metergate.meters.examples import corpora

ROWS = {
    "wmbus/telegrams.jsonl": "wmbus",
    "wmbus/dll_crc.jsonl": "wmbus",
    "dlms/han_push.jsonl": "dlms-push",
    "dlms/apdu.jsonl": "dlms-apdu",
    "dlms/security.jsonl": "dlms-apdu",
    "dlms/security_suites_oracle.jsonl": "dlms-apdu",
    "dlms/hdlc.jsonl": "dlms-hdlc",
    "dlms/sessions.jsonl": "dlms-hdlc",
    "dlms/wrapper.jsonl": "dlms-wrapper",
    "p1/telegrams.jsonl": "p1",
    "iec62056_21/readouts.jsonl": "iec62056-21",
    "iec62056_21/messages.jsonl": "iec62056-21",
    "dlt645/frames_2007.jsonl": "dlt645",
    "dlt645/frames_1997.jsonl": "dlt645-1997",
    "dlt645/exchanges_2007.jsonl": "dlt645",
    "cjt188/frames.jsonl": "cjt188",
    "gdw376/frames.jsonl": "gdw376",
    "dlt698/frames.jsonl": "dlt698",
    "dlt698/apdu.jsonl": "dlt698",
    "linky/frames.jsonl": "tic",
}
"""File of rows -> protocol."""


@dataclass(frozen=True)
class CorpusRow:
    protocol: str
    name: str
    data: bytes
    keys: dict[str, bytes] = field(default_factory=dict)
    layer: str = ""


def corpus_rows() -> list[CorpusRow]:
    """All of them; none where the corpora are absent."""
    folder = corpora()
    return [] if folder is None else [*_captures(folder), *_lines(folder)]


def _captures(folder: Path) -> Iterator[CorpusRow]:
    for path in sorted(folder.glob("sml/*.bin")):
        yield CorpusRow("sml", f"sml/{path.name}", path.read_bytes())
    for path in sorted(folder.glob("mbus/*.hex")):
        yield CorpusRow("mbus", f"mbus/{path.stem}", bytes.fromhex(path.read_text()))


def _lines(folder: Path) -> Iterator[CorpusRow]:
    for place, protocol in ROWS.items():
        for line in (folder / place).read_text("utf-8").splitlines():
            row = json.loads(line)
            if data := _data(row):
                yield CorpusRow(protocol, row["name"], data, _keys(row), str(row.get("layer") or ""))


def _data(row: dict[str, Any]) -> bytes:
    digits = row.get("frame") or row.get("telegram") or "".join(hexes for _, hexes in row.get("frames") or [])
    return bytes.fromhex(digits) if digits else str(row.get("text") or "").encode("latin-1")


def _keys(row: dict[str, Any]) -> dict[str, bytes]:
    given = row.get("keys") or {}
    keys = {name: bytes.fromhex(text) for name, text in given.items() if isinstance(text, str) and _is_hex(text)}
    if row.get("key"):
        keys["key"] = bytes.fromhex(row["key"])
    return keys


def _is_hex(text: str) -> bool:
    return bool(text) and len(text) % 2 == 0 and set(text.lower()) <= set("0123456789abcdef")
