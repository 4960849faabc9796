"""Check sums of the Chinese protocols, computed a second time. See `seals`."""

from __future__ import annotations

from seals import Seal, Summed, x25


class Dlt645(Summed):
    """Content: address, control code, data."""

    _fixed = 7

    def __init__(self) -> None:
        super().__init__(0, lambda frame: frame[9] + 12, {0: 0x68, 7: 0x68})

    def _content(self, frame: bytes) -> bytes:
        return frame[1:7] + frame[8:9] + frame[10:-2]

    def _head(self, content: bytes) -> bytes:
        return b"\x68" + content[:6] + b"\x68" + content[6:7] + bytes((len(content) - 7,)) + content[7:]


class Dlt698(Seal):
    """Content: control octet, flag of the address, address, client address, APDU."""

    def right(self, frame: bytes) -> bool:
        head = 9 + (frame[4] & 15) if len(frame) > 13 else 99
        whole = len(frame) > head + 2 and len(frame) == int.from_bytes(frame[1:3], "little") + 2
        sealed = frame[head - 2 : head] == x25(frame[1 : head - 2]) and frame[-3:-1] == x25(frame[1:-3])
        return whole and sealed and (frame[0], frame[-1]) == (0x68, 0x16)

    def open(self, frame: bytes) -> bytes | None:
        frame = frame.lstrip(b"\xfe")
        if not self.right(frame):
            return None
        head = 9 + (frame[4] & 15)
        return frame[3 : head - 2] + frame[head:-3]

    def close(self, content: bytes) -> bytes:
        content = content.ljust(8, b"\0")
        size = 4 + (content[1] & 15)
        content = content.ljust(size + 2, b"\0")[:16000]
        head = (len(content) + 6).to_bytes(2, "little") + content[:size]
        body = head + x25(head) + content[size:]
        return b"\x68" + body + x25(body) + b"\x16"


class Gdw376(Summed):
    """Content: control octet, address, function, sequence, data units."""

    _fixed = 8

    def __init__(self) -> None:
        super().__init__(6, self._size, {0: 0x68, 5: 0x68})

    @staticmethod
    def _size(frame: bytes) -> int:
        length = int.from_bytes(frame[1:3], "little")
        return (length >> 2) + 8 if frame[1:3] == frame[3:5] and length & 3 in (1, 2) else 0

    def _content(self, frame: bytes) -> bytes:
        return frame[6:-2]

    def _head(self, content: bytes) -> bytes:
        length = (len(content) << 2 | 2).to_bytes(2, "little")
        return b"\x68" + length * 2 + b"\x68" + content


class Cjt188(Summed):
    """Content: type, address, control code, data."""

    _fixed = 9

    def __init__(self) -> None:
        super().__init__(0, lambda frame: frame[10] + 13, {0: 0x68})

    def _content(self, frame: bytes) -> bytes:
        return frame[1:10] + frame[11:-2]

    def _head(self, content: bytes) -> bytes:
        return b"\x68" + content[:9] + bytes((len(content) - 9,)) + content[9:]
