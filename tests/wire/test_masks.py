"""Secrets in traces: no octet of a password is shown, whatever its protocol and however its frame is cut."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogues import NOW, cut
from metergate.errors import MetergateError
from metergate.meters.pollers import POLLERS, Target
from metergate.model import Connect, SetClock, SetPassword
from metergate.wire.base import Ask, Dialogue
from metergate.wire.masks import MASKS, Masker, masked
from metergate.wire.sml import reader as sml

PLAIN = bytes.fromhex("135791")
NEXT = bytes.fromhex("864209")
WORD = b"Secr3tMark"


def _sent(*dialogues: Dialogue[Any], answers: tuple[bytes, ...] = ()) -> list[bytes]:
    """What dialogues send that hear these answers and then nothing."""
    found = []
    for dialogue in dialogues:
        heard = list(answers)
        try:
            step = next(dialogue)
            while True:
                if isinstance(step, Ask) and step.data:
                    found.append(step.data)
                step = dialogue.send(heard.pop(0) if heard and isinstance(step, Ask) and step.data else b"")
        except (StopIteration, MetergateError):
            pass
    return found


def _orders(protocol: str, target: Target, options: dict[str, object], *orders: Any) -> list[bytes]:
    poller = POLLERS[protocol](options)
    return _sent(*(poller.execute(target, order, NOW) for order in orders))


def _by_645(protocol: str) -> list[bytes]:
    target = Target("1", "202611000001", b"\x02" + PLAIN)
    words = SetPassword("p", "1", level=2, old=PLAIN.hex(), new=NEXT.hex())
    return _orders(protocol, target, {}, SetClock("c", "1"), Connect("r", "1"), words)


def _by_376() -> list[bytes]:
    behind = Target("1", "02001234/202611000001", b"\x02" + PLAIN)
    options: dict[str, object] = {"password": (WORD + b"abcdef").hex()}
    own = _orders("gdw376", Target("1", "02001234:1"), options, SetClock("c", "1"), Connect("r", "1"))
    return own + _orders("gdw376", behind, options, Connect("r", "1"))


def _by_text() -> list[bytes]:
    poller = POLLERS["iec62056-21"]({})
    order = poller.execute(Target("1", "", WORD), SetClock("c", "1"), NOW)
    return _sent(order, answers=(b"/MGT5EMETER1\r\n", b"\x01P0\x02(00000000)\x03\x60"))


def _by_dlms(protocol: str) -> list[bytes]:
    target = Target("1", "1", keys={"password": WORD})
    return _sent(POLLERS[protocol]({}).read(target), answers=(_UA,) if protocol == "dlms-hdlc" else ())


_UA = bytes.fromhex("7ea00723032373fc527e")


def _by_sml() -> list[bytes]:
    return _sent(sml.get_list(sml.Session(b"file", username=b"me", password=WORD)))


SENT: dict[str, tuple[Callable[[], list[bytes]], tuple[bytes, ...]]] = {
    "dlt645": (lambda: _by_645("dlt645"), tuple(bytes(octet + 0x33 & 255 for octet in word) for word in (PLAIN, NEXT))),
    "dlt645-1997": (
        lambda: _by_645("dlt645-1997"),
        tuple(bytes(octet + 0x33 & 255 for octet in word) for word in (PLAIN, NEXT)),
    ),
    "gdw376": (_by_376, (WORD + b"abcdef", bytes(octet + 0x33 & 255 for octet in PLAIN))),
    "dlt698": (
        lambda: _orders("dlt698", Target("1", "202611000001", WORD), {"connect": True}, SetClock("c", "1")),
        (WORD,),
    ),
    "iec62056-21": (_by_text, (WORD,)),
    "dlms-wrapper": (lambda: _by_dlms("dlms-wrapper"), (WORD,)),
    "sml": (_by_sml, (WORD,)),
}


@pytest.mark.parametrize("protocol", SENT)
def test_what_is_sent_holds_the_secret_and_what_is_shown_does_not(protocol: str) -> None:
    make, secrets = SENT[protocol]
    sent = make()
    for secret in secrets:
        assert any(secret in data for data in sent)
    for data in sent:
        shown = masked(protocol, data)
        assert len(shown) == len(data)
        assert not any(secret in shown for secret in secrets)
        assert masked(protocol, shown) == shown


@pytest.mark.parametrize("protocol", SENT)
@given(places=st.lists(st.integers(0, 1 << 20), max_size=12), before=st.binary(max_size=40))
def test_secrets_in_parts_stay_hidden(protocol: str, places: list[int], before: bytes) -> None:
    make, secrets = SENT[protocol]
    for data in _kept(protocol, make):
        mask = Masker(protocol)
        shown = b"".join(mask(">", part) for part in (before, *cut(data, places)))
        assert len(shown) == len(before) + len(data)
        assert not any(secret in shown[len(before) :] for secret in secrets)


_MADE: dict[str, list[bytes]] = {}


def _kept(protocol: str, make: Callable[[], list[bytes]]) -> list[bytes]:
    return _MADE.setdefault(protocol, make())


@pytest.mark.parametrize("protocol", MASKS)
@given(data=st.binary(max_size=300))
def test_any_octets_can_be_masked(protocol: str, data: bytes) -> None:
    assert len(masked(protocol, data)) == len(data)


def test_values_are_not_hidden() -> None:
    """A question for energy, its answer, and protocols without secrets stay as they are."""
    asked = _sent(POLLERS["dlt645"]({}).read(Target("1", "202611000001")))
    answer = bytes.fromhex("6861100130121568910833333433AB3933334916")
    assert [masked("dlt645", data) for data in (*asked, answer)] == [*asked, answer]
    assert masked("mbus", b"\x68\x03\x03\x68") == b"\x68\x03\x03\x68"
