"""What SNRM and UA negotiate: bytes of information a frame may hold, and frames that may be under way (chapter 2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from metergate.bits import Cursor, be
from metergate.errors import BadValue

_FORMAT, _GROUP = 0x81, 0x80
_NAMES = {5: "transmit", 6: "receive", 7: "transmit_window", 8: "receive_window"}
_WINDOWS = (7, 8)


@dataclass(frozen=True, slots=True)
class Parameters:
    """As the sender of the frame sees it: what it transmits and receives. Bytes of information; windows of 1..7."""

    transmit: int = 128
    receive: int = 128
    transmit_window: int = 1
    receive_window: int = 1

    def __post_init__(self) -> None:
        if not all(1 <= size <= 2030 for size in (self.transmit, self.receive)):
            raise BadValue(f"information fields of {self.transmit} and {self.receive} bytes are not possible")
        if not all(1 <= window <= 7 for window in (self.transmit_window, self.receive_window)):
            raise BadValue(f"windows of {self.transmit_window} and {self.receive_window} frames are not possible")

    @property
    def octets(self) -> bytes:
        """The information field of SNRM or UA."""
        items = bytearray()
        for number, name in _NAMES.items():
            value = getattr(self, name)
            size = 4 if number in _WINDOWS else 1 if value < 0x100 else 2
            items += bytes((number, size)) + value.to_bytes(size, "big")
        return bytes((_FORMAT, _GROUP, len(items))) + bytes(items)

    @classmethod
    def of(cls, information: bytes) -> Parameters:
        """From an information field; what it does not name has its default, and so has all where it is empty."""
        if not information:
            return cls()
        cursor = Cursor(information)
        if cursor.take(2) != bytes((_FORMAT, _GROUP)):
            raise BadValue("the information field holds no parameters")
        cursor = Cursor(cursor.take(cursor.byte()))
        values: dict[str, int] = {}
        while cursor.left:
            number = cursor.byte()
            value = be(cursor.take(cursor.byte()))
            if number in _NAMES:
                values[_NAMES[number]] = value
        return cls(**values)

    def answered(self, theirs: Parameters) -> Parameters:
        """What we answer to their proposal: the smaller of what one sends and the other takes."""
        return Parameters(
            min(self.transmit, theirs.receive),
            min(self.receive, theirs.transmit),
            min(self.transmit_window, theirs.receive_window),
            min(self.receive_window, theirs.transmit_window),
        )


DEFAULT = Parameters()
"""What holds where nothing is negotiated: 128 bytes, one frame at a time."""
