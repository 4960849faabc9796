"""Bytes as people have them: binary, hex in any spacing, a hex dump, a log, base64, the text of a telegram."""

from __future__ import annotations

import ast
import base64
import re
from dataclasses import dataclass

from metergate.errors import BadValue
from metergate.wire import contract, protocols

TEXTS = ("p1", "tic", "iec62056-21", "iec62056-d")
"""Protocols whose telegrams are lines of text; their lines end with CR LF, whatever an editor made of that."""
SIGNS = "\t\r\n\xa0\x02\x03\x04"
"""Besides printable ones; the last three begin and end the text of a telegram."""
WHOLE = 90
"""How sure a protocol is that saw a whole telegram."""
LEAST = 4
"""Bytes of hex in the middle of a line that are no accident."""
LEAST_BASE64 = 16
CAPTURES = (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x0a\x0d\x0d\x0a")
"""How network captures begin."""

_PAIR = r"(?:0[xX]|\\x)?[0-9A-Fa-f]{2}"
_RUN = re.compile(rf"(?<![\w\\]){_PAIR}(?:[\s,:_-]{{0,3}}{_PAIR})*(?!\w)")
_AROUND = re.compile(r"0[xX]|\\x|[\s,;:{}\[\]()\"'_|-]")
_DATE = r"(?:19|20)\d\d[-/.]\d\d[-/.]\d\d|\d\d[/.]\d\d[/.]\d{2,4}"
_TIME = r"[0-2]\d:[0-5]\d:[0-5]\d(?:[.,]\d+)?(?:Z|\s?[+-]\d\d:?\d\d)?"
_STAMP = re.compile(
    rf"\s*(?:[\[(<]?\s*(?:(?:{_DATE})(?:[T ,]\s*{_TIME})?|{_TIME}|\d+\.\d{{3,}})(?!\w|:\w)[\])>]?[\s,;:]*)+(?=\S)"
)
_LABEL = re.compile(r"\s*(?:[A-Za-z]{1,10}\s*[:=>]+|[<>]{1,3}|->|<-)?\s*")
_ROW = re.compile(r"\s*([0-9A-Fa-f]{4,8})(?::\s?|\s+)(.*)")
_BYTES = re.compile(r"(?:[0-9A-Fa-f]{2}\s{0,2})*")
_ROW_END = re.compile(r"\s{3,}|\|")
_USUAL_ROW = 16
_BARE = re.compile(r"\s*\*?\s*|[0-9A-Fa-f]{4,8}:?\s*")
"""Lines of a dump that tell nothing: the length at its end."""
_TELEGRAM = re.compile(r"\s*(?:/[A-Za-z]{3}|\x02|[A-Z0-9.:*&-]{1,16}\()")
_SWAPPED = re.compile(r"^[0-9a-f]{7}( [0-9a-f]{4})+\s*$")


@dataclass(frozen=True, slots=True)
class Pasted:
    """The bytes, and what people should know of how they were found ("" where nothing was left out)."""

    octets: bytes
    told: str = ""


def pasted(data: bytes, protocol: str | None = None) -> Pasted:
    """What is meant. BadValue for network captures and for text in which nothing can be found."""
    if data.startswith(CAPTURES):
        raise BadValue("this is a network capture: `tshark -r FILE -T fields -e tcp.payload` gives the hex in it")
    text = _text(data)
    if text is None or not text.strip():
        return Pasted(data)
    for way in (_literal, _hex, _dump, _lines, _log, _base64):
        found = way(text, protocol)
        if found is not None:
            return found
    raise BadValue("no hex, no base64 and no text of a meter")


def _text(data: bytes) -> str | None:
    """As text, if it is some."""
    coding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(coding)
    except UnicodeDecodeError:
        return None
    return text if all(sign.isprintable() or sign in SIGNS for sign in text) else None


def _literal(text: str, protocol: str | None) -> Pasted | None:
    """`b'...'` as Python prints it."""
    if text.strip()[:2] not in ("b'", 'b"'):
        return None
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return None
    return Pasted(value) if isinstance(value, bytes) else None


def _hex(text: str, protocol: str | None) -> Pasted | None:
    """Nothing but hex: with blanks, colons, commas, 0x, brackets, line ends."""
    digits = _AROUND.sub("", text)
    if not digits or re.search(r"[^0-9A-Fa-f]", digits):
        return None
    lines = text.strip().splitlines()
    if any(map(_STAMP.match, lines)) or (len(lines) > 1 and _offsets(text)):
        return None
    if len(digits) % 2:
        raise BadValue(f"{len(digits)} hex digits: half a byte is missing or too much", len(digits) // 2)
    return Pasted(bytes.fromhex(digits))


def _offsets(text: str) -> list[bytes] | None:
    """The rows of a hex dump, if in front of each stands how many bytes came before."""
    found = [_ROW.fullmatch(line) for line in text.splitlines() if not _BARE.fullmatch(line)]
    numbers = [int(row[1], 16) for row in found if row]
    if not numbers or len(numbers) < len(found):
        return None
    width = numbers[1] if len(numbers) > 1 else _USUAL_ROW
    rows = [_row(row[2], width) for row in found if row]
    return rows if numbers == [width * at for at in range(len(rows))] else None


def _row(body: str, width: int) -> bytes:
    """The hex of a row, without the text beside it."""
    digits = _BYTES.match(_ROW_END.split(body.strip())[0])
    return bytes.fromhex("".join(digits[0].split()))[:width] if digits else b""


def _dump(text: str, protocol: str | None) -> Pasted | None:
    """`xxd`, `hexdump -C`, Wireshark: an offset, hex, and perhaps the same as text."""
    if any(_SWAPPED.match(line) for line in text.splitlines()) and _offsets(text):
        raise BadValue("this dump shows words of two swapped bytes: make it with `hexdump -C` or `xxd`")
    rows = _offsets(text)
    return Pasted(b"".join(rows)) if rows else None


def _lines(text: str, protocol: str | None) -> Pasted | None:
    """The text of a telegram, with the line ends that were sent."""
    if "\n" not in text.strip():
        return None
    lines = text if "\r" in text else text.replace("\n", "\r\n")
    try:
        octets = lines.encode("latin-1")
    except UnicodeEncodeError:
        return None
    name = protocol or contract.guess(octets)
    begun = _TELEGRAM.match(text) or _sure(name, octets) or _log(text, None) is None
    return Pasted(octets) if name in TEXTS and begun else None


def _sure(name: str | None, octets: bytes) -> bool:
    return name in TEXTS and protocols()[name].guess(octets) >= WHOLE


def _log(text: str, protocol: str | None) -> Pasted | None:
    """Hex at the end of the lines of a log, or in the middle if it is long enough."""
    _slip(text)
    lines = [line for line in text.splitlines() if line.strip()]
    found = [octets for octets in map(_logged, lines) if octets]
    if not found:
        return None
    octets = b"".join(found)
    return Pasted(octets, f"{len(octets)} bytes of hex found in {len(found)} of {len(lines)} lines of text")


def _logged(line: str) -> bytes:
    line = _STAMP.sub("", line).rstrip(" \t|\"')];,.")
    runs = list(_RUN.finditer(line))
    if not runs:
        return b""
    last = runs[-1]
    alone = last.end() == len(line) and _LABEL.fullmatch(line[: last.start()])
    best = last if alone else max(runs, key=lambda run: len(_octets(run[0])))
    octets = _octets(best[0])
    return octets if alone or len(octets) >= LEAST else b""


def _octets(run: str) -> bytes:
    return bytes.fromhex(_AROUND.sub("", run))


def _base64(text: str, protocol: str | None) -> Pasted | None:
    """Base64 of something that looks like a telegram."""
    packed = "".join(text.split())
    if len(packed) < LEAST_BASE64:
        return None
    try:
        octets = base64.b64decode(packed, validate=True)
    except ValueError:
        return None
    return Pasted(octets, f"{len(octets)} bytes of base64") if protocol or contract.guess(octets) else None


def _slip(text: str) -> None:
    """BadValue where one sign is all that keeps the whole from being hex."""
    digits = _AROUND.sub("", text)
    wrong = list(re.finditer(r"[^0-9A-Fa-f]", digits))
    if len(wrong) == 1 and wrong[0].start() > 0 and len(digits) > 2 * LEAST:
        raise BadValue(f"{wrong[0][0]!r} at digit {wrong[0].start() + 1} is not hexadecimal", wrong[0].start() // 2)
