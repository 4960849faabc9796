"""Lines that carry DLMS."""

from __future__ import annotations

import re
from dataclasses import replace

from dlmsseals import Hdlc, Naked, Pushed, Wrapper
from metergate.wire.dlms.push.writer import blocks, hdlc_frames
from mutants.lines import frames, made, pushed


def _lists() -> list[bytes]:
    """What a meter pushes by itself: in one frame, in segments, in blocks, and a frame that carries none."""
    (push,) = pushed("dlms-push", 0)[:1]
    apdu = push[push.index(b"\xe6\xe7\x00") + 3 : -3]
    segments, parts = hdlc_frames(apdu, size=100), blocks(apdu, 100)
    return [push, b"".join(segments), b"".join(frame for part in parts for frame in hdlc_frames(part)), segments[0]]


def _inside() -> list[bytes]:
    """What recorded sessions carried in their frames."""
    told = [content for frame in frames("dlms/sessions.jsonl") if (content := Hdlc().open(frame)) is not None]
    parts = [re.split(rb"\xe6[\xe6\xe7]\0", content, maxsplit=1)[1:] for content in told]
    return [apdu for part in parts for apdu in part]


MAKERS = {
    "dlms-hdlc": lambda: replace(
        made("dlms-hdlc", Hdlc(), frames("dlms/hdlc.jsonl", "dlms/sessions.jsonl"), silent=b"\x7e"), reads=False
    ),
    "dlms-push": lambda: replace(
        made("dlms-push", Pushed(), frames("dlms/han_push.jsonl") + _lists(), silent=b"\x7e"),
        options={"layer": "hdlc"},
    ),
    "dlms-wrapper": lambda: replace(
        made("dlms-wrapper", Wrapper(), frames("dlms/wrapper.jsonl")), reads=False, summed=False
    ),
    "dlms-apdu": lambda: replace(
        made("dlms-apdu", Naked(), frames("dlms/apdu.jsonl") + _inside()), reads=False, summed=False
    ),
}
