"""Seals of the protocols that are text: check sums of P1 and TIC computed a second time, bit by bit, as in `seals`."""

from __future__ import annotations

import json
import re
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from seals import Seal


def arc(data: bytes) -> int:
    """CRC-16/ARC."""
    value = 0
    for octet in data:
        value ^= octet
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


class P1(Seal):
    """A CRC in hexadecimal behind the `!`, which only versions before 4 may lack. Content: all before it."""

    MODERN = re.compile(rb"(?:1-3:0\.2\.8|0-0:96\.1\.4)\([4-9]\d")

    def open(self, frame: bytes) -> bytes | None:
        return frame.rpartition(b"!")[0] if self._summed(frame) else None

    def close(self, content: bytes) -> bytes:
        return content + b"!%04X\r\n" % arc(content + b"!")

    def right(self, frame: bytes) -> bool:
        return self._summed(frame) or (frame.endswith((b"\n!\n", b"\n!\r\n")) and not self.MODERN.search(frame))

    @staticmethod
    def _summed(frame: bytes) -> bool:
        body, _, digits = frame.rpartition(b"!")
        digits = digits.rstrip(b"\0\r\n")
        return 0 < len(digits) <= 4 and digits.isalnum() and int(digits, 16) == arc(body + b"!")


class SealedP1(Seal):
    """AES-GCM with a tag of 12 bytes around a telegram with its CRC. Content: the clear telegram's."""

    TITLE, COUNTER = b"MGT\0\0\0\0\1", b"\0\0\0\7"

    def __init__(self, key: str) -> None:
        self._cipher = AESGCM(bytes.fromhex(key))
        self._header = bytes.fromhex("3000112233445566778899aabbccddeeff")

    def _sealed(self, plain: bytes) -> bytes:
        return self._cipher.encrypt(self.TITLE + self.COUNTER, plain, self._header)[: len(plain) + 12]

    def open(self, frame: bytes) -> bytes | None:
        body = frame[18:]
        keystream = self._cipher.encrypt(frame[2:10] + frame[14:18], body, None)[: len(body) - 12]
        return P1().open(keystream)

    def close(self, content: bytes) -> bytes:
        body = b"\x30" + self.COUNTER + self._sealed(P1().close(content))
        return b"\xdb\x08" + self.TITLE + b"\x82" + len(body).to_bytes(2, "big") + body

    def right(self, frame: bytes) -> bool:
        nonce, body = frame[2:10] + frame[14:18], frame[18:]
        plain = self._cipher.encrypt(nonce, body, None)[: len(body) - 12]
        tag = self._cipher.encrypt(nonce, plain, self._header)[len(plain) :][:12]
        return tag == body[len(plain) :] and P1().right(plain)


class Tic(Seal):
    """Six bits of a sum in every group. Content: all between STX and ETX."""

    def open(self, frame: bytes) -> bytes | None:
        return frame[1:-1]

    def close(self, content: bytes) -> bytes:
        return b"\x02" + content + b"\x03"

    def inside(self, content: bytes) -> bytes:
        standard = b"\t" in content
        return b"\r".join(self._mended(group, standard) for group in content.split(b"\r"))

    def _mended(self, group: bytes, standard: bool) -> bytes:
        return group[:-1] + bytes((self._sum(group, standard),)) if len(group) > 3 else group

    @staticmethod
    def _sum(group: bytes, standard: bool) -> int:
        return 0x20 + sum(group[1:-1] if standard else group[1:-2]) % 64

    def right(self, frame: bytes) -> bool:
        standard = b"\t" in frame
        groups = [group for group in frame[1:-1].split(b"\r") if group]
        return all(group[:1] == b"\n" and self._sum(group, standard) == group[-1] for group in groups)


class Iec62056(Seal):
    """A readout; its last octet is the XOR of those behind STX. One without STX, or that ends without ETX, has none."""

    HEAD = b"/MGT5FUZZ\r\n"

    @staticmethod
    def command(body: bytes) -> str:
        """A command in hex."""
        made = 0
        for octet in body + b"\x03":
            made ^= octet
        return (b"\x01" + body + b"\x03" + bytes((made,))).hex()

    def right(self, frame: bytes) -> bool:
        text = bytes(octet & 0x7F for octet in frame)
        begin = min((place for sign in b"\1\2" if (place := text.find(sign)) >= 0), default=-1)
        if begin < 0 or text[-2] not in b"\3\4":
            return True
        made = 0
        for octet in frame[begin + 1 : -1]:
            made ^= octet
        return made == frame[-1]

    def open(self, frame: bytes) -> bytes | None:
        text = frame[frame.find(b"\x02") + 1 :] if b"\x02" in frame else frame.partition(b"\r\n")[2]
        return text.partition(b"!")[0] or None

    def close(self, content: bytes) -> bytes:
        body = bytes(octet for octet in content if octet not in b"\1\2\3\4") + b"!\r\n\x03"
        made = 0
        for octet in body:
            made ^= octet
        return self.HEAD + b"\x02" + body + bytes((made,))


def p1_captures(corpora: Path) -> list[bytes]:
    """The captured telegrams that carry a check sum."""
    path = corpora / "p1/telegrams.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [frame for row in rows if P1().right(frame := str(row["text"]).encode("latin-1"))]
