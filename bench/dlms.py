"""How fast pushes are read: to register values and to readings, against dlms-cosem and gurux-dlms in the same run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

from bench.rows import Row, against, rate, row
from metergate.model import Obis, Reading, Register, Unit
from metergate.wire.base import Telegram, received
from metergate.wire.dlms.push import PushReceiver
from metergate.wire.dlms.push.writer import hdlc_frames, notification, self_describing
from metergate.wire.dlms.security import KeySet, seal

AT = datetime(2026, 3, 1, tzinfo=UTC)
KEYS = {"encryption": bytes(range(16)), "authentication": bytes(range(0xD0, 0xE0))}
TITLE = bytes.fromhex("4d4d4d0000bc614e")
CODES = (
    *((f"1-0:{code}.7.0", Unit.W if code % 20 in (1, 2) else Unit.VAR, 0, 1000) for code in (1, 2, 3, 4)),
    *((f"1-0:{code}.7.0", Unit.A, -1, 50) for code in (31, 51, 71)),
    *((f"1-0:{code}.7.0", Unit.V, -1, 2300) for code in (32, 52, 72)),
    *(
        (f"1-0:{phase + code}.7.0", Unit.W if code < 3 else Unit.VAR, 0, 300)
        for phase in (20, 40, 60)
        for code in (1, 2, 3, 4)
    ),
    *((f"1-0:{code}.8.0", Unit.WH if code < 3 else Unit.VARH, 0, 10**7) for code in (1, 2, 3, 4)),
)
"""26 registers: a Swedish meter's list, its clock left out, its id as octets, the only text that dlms-cosem reads."""


def notifications(count: int) -> list[bytes]:
    """One meter's notifications of one layout with rising values."""
    return [_notification(place) for place in range(count)]


def _notification(place: int) -> bytes:
    found = [Reading(Register("", Obis.parse("0-0:96.1.0")), b"7359992892587665")]
    for code, unit, scaler, base in CODES:
        register = Register("", Obis.parse(code), unit=unit, scaler=scaler)
        found.append(Reading(register, Decimal(base + place).scaleb(scaler)))
    return notification(self_describing(found))


def _cosem(octets: bytes) -> Any:
    from dlms_cosem import utils
    from dlms_cosem.protocol.xdlms import DataNotification

    return utils.parse_as_dlms_data(DataNotification.from_bytes(octets).body)


def _gurux() -> Callable[[bytes], Any]:
    from gurux_dlms import GXByteBuffer, GXDLMSClient, GXReplyData
    from gurux_dlms.enums import InterfaceType

    client = GXDLMSClient(True, 1, 1, interfaceType=InterfaceType.HDLC)

    def parse(frame: bytes) -> Any:
        reply, pushed = GXReplyData(), GXReplyData()
        client.getData(GXByteBuffer(frame), reply, pushed)
        return pushed.value if pushed.value is not None else reply.value

    return parse


def _all(work: Callable[[bytes], Any], inputs: list[bytes]) -> Callable[[], int]:
    def once() -> int:
        for octets in inputs:
            work(octets)
        return len(inputs)

    return once


def _receiver(**options: object) -> Callable[[bytes], Any]:
    receiver = PushReceiver({}, options)
    return lambda frame: list(receiver.receive(frame, AT))


def _learnt(example: bytes) -> PushReceiver:
    receiver = PushReceiver({}, {"layer": "hdlc"})
    (found,) = receiver.receive(b"".join(hdlc_frames(example)), AT)
    if not isinstance(found, Telegram) or len(found.readings) != len(CODES) + 1:
        raise RuntimeError("the notification was not read")
    return receiver


def _values(example: bytes) -> Callable[[bytes], Any]:
    layout = _learnt(example).layouts.known()[0]
    if layout.values(example) is None:
        raise RuntimeError("the layout does not read its own notification")
    return layout.values


def _ciphered(inputs: list[bytes]) -> list[bytes]:
    keys = KeySet(**KEYS)
    return [seal(octets, keys, TITLE, place, general=True).encode() for place, octets in enumerate(inputs, 1)]


def _bare(inputs: list[bytes]) -> Callable[[], int]:
    """AES-GCM alone over the same text: one cipher object, tag of 16 bytes, everything else prepared."""
    cipher, header = AESGCM(KEYS["encryption"]), b"\x30" + KEYS["authentication"]
    made = [
        (TITLE + place.to_bytes(4, "big"), cipher.encrypt(TITLE + place.to_bytes(4, "big"), octets, header))
        for place, octets in enumerate(inputs, 1)
    ]

    def once() -> int:
        for nonce, text in made:
            cipher.decrypt(nonce, text, header)
        return len(made)

    return once


def _bare_short(inputs: list[bytes]) -> Callable[[], int]:
    """AES-GCM alone over the same bytes with DLMS's tag of 12 bytes, the way `cryptography` opens such."""
    algorithm, header = AES(KEYS["encryption"]), b"\x30" + KEYS["authentication"]
    made = [(TITLE + octets[14:18], octets[18:-12], octets[-12:]) for octets in _ciphered(inputs)]

    def once() -> int:
        for nonce, text, tag in made:
            opener = Cipher(algorithm, GCM(nonce, tag, 12)).decryptor()
            opener.authenticate_additional_data(header)
            opener.update(text)
            opener.finalize()
        return len(made)

    return once


def _opened_values(inputs: list[bytes]) -> Callable[[], int]:
    """From the ciphered APDU to register values; the counters begin anew with every round."""
    ciphered = _ciphered(inputs)

    def once() -> int:
        receiver = PushReceiver(KEYS, {"layer": "apdu"})
        list(received(receiver, ciphered[0], AT))
        for octets in ciphered[1:]:
            if receiver.values(octets) is None:
                raise RuntimeError("a notification was not read")
        return len(ciphered)

    return once


def run() -> list[Row]:
    """Notifications a second of CPU time, of one meter whose list keeps its layout."""
    inputs = notifications(50)
    frames = [b"".join(hdlc_frames(octets)) for octets in inputs]
    size, unit = len(inputs[0]), "notifications/s"
    values, readings = _all(_values(inputs[0]), inputs), _all(_receiver(layer="hdlc"), frames)
    general = _all(_receiver(layer="hdlc", learn=False), frames)
    rows = [
        row(f"DLMS push {size} B, {len(CODES)} registers: values by layout", rate(values), unit, least=250_000),
        row("DLMS push: readings by layout, HDLC frame and its checks", rate(readings), unit),
        row("DLMS push: readings by the general decoder", rate(general), unit, least=2_000),
    ]
    for name, theirs in (("dlms-cosem", _all(_cosem, inputs)), ("gurux-dlms", _all(_gurux(), frames))):
        for what, ours, least in (("values by layout", values, 50), ("readings by layout", readings, 5)):
            mine, other = against(ours, theirs)
            rows.append(row(f"DLMS push: {what}, against {name}", mine, unit, peer=(name, other), ratio=least))
    many = inputs * 40
    opened = _opened_values(many)
    goals: tuple[tuple[int, Callable[[], int], float | None], ...] = (
        (12, _bare_short(many), 1 / 3),
        (16, _bare(many), None),
    )
    for tag, bare, lowest in goals:
        mine, other = against(opened, bare)
        peer = (f"AES-GCM alone, tag of {tag} bytes", other)
        rows.append(row(f"DLMS push, encrypted: values, against {peer[0]}", mine, unit, peer=peer, ratio=lowest))
    return rows


if __name__ == "__main__":
    for line in run():
        print(line)
