"""Check sums of what carries DLMS, computed a second time. See `seals`."""

from __future__ import annotations

from seals import Seal, x25


class Hdlc(Seal):
    """Frame check over all, header check where there is information. Content: addresses, control, information."""

    def open(self, frame: bytes) -> bytes | None:
        if not self.right(frame):
            return None
        head = self._head(frame[3:-3])
        return frame[3 : 3 + head] + frame[5 + head : -3]

    def close(self, content: bytes) -> bytes:
        head = self._head(content)
        information = content[head:2030]
        length = 2 + head + (2 + len(information) if information else 0) + 2
        made = (0xA000 | length).to_bytes(2, "big") + content[:head]
        made += x25(made) + information if information else b""
        return b"\x7e" + made + x25(made) + b"\x7e"

    def right(self, frame: bytes) -> bool:
        return len(frame) > 8 and frame[0] == frame[-1] == 0x7E and x25(frame[1:-3]) == frame[-3:-1]

    def _head(self, content: bytes) -> int:
        """Octets of both addresses and the control field."""
        ends = [at for at, octet in enumerate(content) if octet & 1]
        return min(ends[1] + 2, len(content)) if len(ends) > 1 else len(content)


class Wrapper(Seal):
    """DLMS over TCP and UDP: no check, only a length."""

    def open(self, frame: bytes) -> bytes | None:
        return frame[8:] if self.right(frame) else None

    def close(self, content: bytes) -> bytes:
        body = content[:0xFFFF]
        return bytes.fromhex("000100100001") + len(body).to_bytes(2, "big") + body

    def right(self, frame: bytes) -> bool:
        return len(frame) > 8 and frame[:2] == b"\0\1" and int.from_bytes(frame[6:8], "big") == len(frame) - 8


class Naked(Seal):
    """An APDU by itself: nothing protects it, and it gives no readings."""

    def open(self, frame: bytes) -> bytes | None:
        return frame

    def close(self, content: bytes) -> bytes:
        return content

    def right(self, frame: bytes) -> bool:
        return False


class Pushed(Hdlc):
    """A push in one HDLC frame or more: all of them right, whatever stands between them."""

    def right(self, frame: bytes) -> bool:
        return any(super(Pushed, self).right(frame[: end + 1]) for end in _flags(frame)) and any(
            super(Pushed, self).right(frame[begin:]) for begin in _flags(frame)
        )


def _flags(frame: bytes) -> list[int]:
    return [at for at, octet in enumerate(frame) if octet == 0x7E]
