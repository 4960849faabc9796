"""HDLC connections, both ends: windows, segments, refusals and silence."""

from datetime import timedelta
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialogues import NOW, Talk
from hdlckit import Echo, station
from metergate.errors import BadChecksum, BadValue, NoAnswer, Refused, Unsupported
from metergate.wire.base import Ask, Dialogue, More
from metergate.wire.hdlc import Address, Frame, Kind, Parameters, client, server
from metergate.wire.hdlc.frame import POLL
from metergate.wire.iec62056.frame import Identification
from metergate.wire.iec62056.meter import Meter, Setup
from metergate.wire.iec62056.reader import sign_on_hdlc

T = TypeVar("T")


# --- as it should go -------------------------------------------------------------------------------------------------
def test_the_exchange_of_the_specification() -> None:
    app = Echo()
    talk = Talk([station(app)])
    link = client.Link(16, 1)
    talk.run(link.connect())
    assert talk.run(link.exchange(b"\x60\x01")) == Echo.answer(1, b"\x60\x01")
    talk.run(link.disconnect())
    assert talk.sent[0].hex() == "7ea0070321930f017e"
    assert talk.sent[1].hex().startswith("7ea00e032110")
    assert (app.heard, app.closed) == ([(16, 1, b"\x60\x01")], [(16, 1)])
    assert not link.connected


def test_answer_to_snrm_as_captured() -> None:
    [answer] = station(Echo()).receive(bytes.fromhex("7ea0070321930f017e"), NOW)
    assert answer.hex() == "7ea01e210373c37a81801205018006018007040000000108040000000153 3b7e".replace(" ", "")


parameters = st.builds(Parameters, *(st.integers(4, 300),) * 2, *(st.integers(1, 7),) * 2)


@settings(max_examples=60, deadline=None)
@given(parameters, parameters, st.lists(st.binary(min_size=1, max_size=2000), min_size=1, max_size=4))
def test_long_messages_in_segments_and_windows(mine: Parameters, theirs: Parameters, messages: list[bytes]) -> None:
    app = Echo()
    talk = Talk([station(app, theirs, 17)])
    link = client.Link(Address(33), Address(2, 17, 4), client.Settings(parameters=mine))
    talk.run(link.connect())
    for number, message in enumerate(messages, 1):
        assert talk.run(link.exchange(message)) == Echo.answer(number, message)
    assert [apdu for _, _, apdu in app.heard] == messages
    assert link.parameters.transmit == min(mine.transmit, theirs.receive)


def test_windows_save_turns() -> None:
    asked = []
    for window in (1, 3, 7):
        talk = Talk([station(Echo(), Parameters(64, 64, window, window))])
        link = client.Link(settings=client.Settings(parameters=Parameters(64, 64, 7, 7)))
        talk.run(link.connect())
        before = talk.asked
        talk.run(link.exchange(bytes(64 * 21 - 7)))
        asked.append(talk.asked - before)
    assert asked == [41, 13, 5]


def test_two_clients_and_two_devices_at_a_time() -> None:
    app = Echo()
    talk = Talk([station(app)])
    links = [client.Link(who, device) for who in (16, 17) for device in (1, 2)]
    for link in links:
        talk.run(link.connect())
    for n, link in enumerate(links * 2):
        assert talk.run(link.exchange(bytes((n,)))) == Echo.answer(n + 1, bytes((n,)))
    assert [heard[:2] for heard in app.heard[:4]] == [(16, 1), (16, 2), (17, 1), (17, 2)]


def test_meters_on_one_line_know_their_addresses() -> None:
    apps = Echo(), Echo()
    talk = Talk([station(apps[0], None, 17), station(apps[1], None, 18)])
    link = client.Link(16, Address(1, 18))
    talk.run(link.connect())
    talk.run(link.exchange(b"x"))
    assert (len(apps[0].heard), len(apps[1].heard)) == (0, 1)
    with pytest.raises(NoAnswer):
        talk.run(client.Link(16, Address(1, 19)).connect())


def test_answers_that_take_time_are_polled_for() -> None:
    app = Echo()
    app.mute = True
    meter = station(app)
    talk = Talk([meter])
    link = client.Link()
    talk.run(link.connect())
    begun = talk.asked

    def work(data: bytes) -> list[bytes]:
        if talk.asked == begun + 9:
            assert meter.send(16, 1, b"late but true")
        return [data]

    talk.down = work
    assert talk.run(link.exchange(b"question")) == b"late but true"
    assert not meter.send(99, 1, b"nobody")


def test_a_meter_that_is_never_ready() -> None:
    app = Echo()
    app.mute = True
    talk = Talk([station(app)])
    link = client.Link(settings=client.Settings(polls=5))
    talk.run(link.connect())
    with pytest.raises(NoAnswer):
        talk.run(link.exchange(b"x"))
    assert not link.connected
    assert app.closed == [(16, 1)], "the client says that it has gone"


def test_a_busy_meter_is_waited_for() -> None:
    app = Echo()
    meter = station(app)
    talk = Talk([meter])
    link = client.Link()
    talk.run(link.connect())
    meter.busy = True
    begun = talk.asked

    def free(data: bytes) -> list[bytes]:
        meter.busy = talk.asked < begun + 6
        return [data]

    talk.down = free
    assert talk.run(link.exchange(b"x")) == Echo.answer(1, b"x")
    assert len(app.heard) == 1


def test_one_more_apdu_without_asking() -> None:
    app = Echo()
    meter = station(app)
    talk = Talk([meter])
    link = client.Link()
    talk.run(link.connect())
    talk.run(link.exchange(b"x"))
    meter.send(16, 1, b"block 2")
    meter.send(16, 1, b"block 3")
    assert [talk.run(link.receive()), talk.run(link.receive())] == [b"block 2", b"block 3"]


def test_unnumbered_information() -> None:
    app = Echo()
    meter = station(app)
    talk = Talk([meter])
    talk.run(client.Link().send(b"nobody answers"))
    everybody = client.Link(16, Address(127))
    talk.run(everybody.send(b"all of you"))
    assert [apdu for _, _, apdu in app.heard] == [b"nobody answers", b"all of you"]
    polled = Frame(Address(1), Address(16), Kind.UI | POLL, bytes.fromhex("e6e600aa"))
    [answer] = meter.receive(polled.octets, NOW)
    assert Frame.of(answer).information == bytes.fromhex("e6e70000000003aa")
    with pytest.raises(BadValue, match="do not fit"):
        talk.run(client.Link().send(bytes(126)))


# --- refusals and ends -----------------------------------------------------------------------------------------------
def test_without_connection_the_meter_says_so() -> None:
    meter = station(Echo())
    for kind in (Kind.RR, Kind.I, Kind.DISC):
        [answer] = meter.receive(Frame(Address(1), Address(16), kind | POLL).octets, NOW)
        assert Frame.of(answer).kind is Kind.DM
    with pytest.raises(NoAnswer, match="connect first"):
        next(client.Link().exchange(b"x"))


def test_idle_connections_end() -> None:
    app = Echo()
    talk = Talk([station(app)])
    link = client.Link()
    talk.run(link.connect())
    talk.now += timedelta(seconds=119)
    talk.run(link.exchange(b"x"))
    talk.now += timedelta(seconds=121)
    with pytest.raises(NoAnswer, match="ended the connection"):
        talk.run(link.exchange(b"y"))
    assert app.closed == [(16, 1)]
    assert (len(app.heard), link.connected) == (1, False)
    talk.run(link.connect())
    assert talk.run(link.exchange(b"z")) == Echo.answer(2, b"z")


def test_the_same_client_again_begins_anew() -> None:
    app = Echo()
    talk = Talk([station(app)])
    first, second = client.Link(), client.Link()
    talk.run(first.connect())
    talk.run(first.exchange(b"1"))
    talk.run(second.connect())
    assert app.closed == [(16, 1)]
    assert talk.run(second.exchange(b"2")) == Echo.answer(2, b"2")


def test_a_full_meter_refuses() -> None:
    talk = Talk([station(Echo())])
    for who in range(1, 17):
        talk.run(client.Link(who).connect())
    with pytest.raises(Refused):
        talk.run(client.Link(17).connect())
    talk.now += timedelta(seconds=500)
    talk.run(client.Link(17).connect())


def connected(parameters: Parameters | None = None) -> server.Station:
    meter = station(Echo(), parameters)
    snrm = Frame(Address(1), Address(16), Kind.SNRM | POLL, Parameters(500, 500, 7, 7).octets)
    assert len(list(meter.receive(snrm.octets, NOW))) == 1
    return meter


@pytest.mark.parametrize(
    ("control", "information"),
    [(0x10 | 3 << 5, b"\xe6\xe6\x00x"), (0x10, b"no header"), (0x10, bytes(129)), (0x11 | 1 << 5, b"")],
)
def test_frames_that_break_the_rules_end_the_connection(control: int, information: bytes) -> None:
    meter = connected()
    [answer] = meter.receive(Frame(Address(1), Address(16), control, information).octets, NOW)
    assert Frame.of(answer).kind is Kind.FRMR
    assert not meter.connected(16, 1)


def test_a_message_without_end_is_refused() -> None:
    meter = connected(Parameters(1024, 1024))
    kinds = set[Kind]()
    for number in range(70):
        control = 0x10 | number % 8 << 1
        frame = Frame(Address(1), Address(16), control, bytes(500 * 2), True)
        kinds |= {Frame.of(answer).kind for answer in meter.receive(frame.octets, NOW)}
    assert kinds <= {Kind.RR, Kind.FRMR, Kind.DM}
    assert Kind.FRMR in kinds


def test_answers_of_others_are_passed_over() -> None:
    link = client.Link(16, Address(1, 17))
    dialogue = link.connect()
    next(dialogue)
    for stranger in (Frame(Address(17), Address(1, 17), 0x73), Frame(Address(16), Address(1, 18), 0x73)):
        dialogue.send(stranger.octets)
    assert not link.connected
    with pytest.raises(StopIteration):
        dialogue.send(Frame(Address(16), Address(1, 17), 0x73).octets)
    assert link.connected
    assert link.parameters == Parameters()


def test_a_message_without_header_is_an_error() -> None:
    link = client.Link()
    dialogue = link.connect()
    next(dialogue)
    with pytest.raises(StopIteration):
        dialogue.send(Frame(Address(16), Address(1), 0x73).octets)
    question = link.exchange(b"x")
    next(question)
    with pytest.raises(BadValue, match="begins with"):
        question.send(Frame(Address(16), Address(1), 0x30, b"nonsense").octets)
    assert not link.connected


def test_an_optical_head_enters_by_mode_e() -> None:
    app = Echo()
    meter = Meter(Setup(Identification("MGT", "5", "\\2M1")), lambda now: [], hdlc=station(app))
    talk = Talk([meter])
    link = client.Link(opening=sign_on_hdlc)
    talk.run(link.connect())
    assert (meter.baud, talk.run(link.exchange(b"x"))) == (9600, Echo.answer(1, b"x"))
    talk.run(link.disconnect())
    talk.now += timedelta(seconds=100)
    talk.run(link.connect())
    assert talk.run(link.exchange(b"y")) == Echo.answer(2, b"y")
    with pytest.raises(Unsupported, match="does not offer HDLC"):
        Talk([Meter(Setup(Identification("MGT", "5", "M1")), lambda now: [])]).run(link.connect())


def endured(dialogue: Dialogue[T], babble: bytes) -> int:
    """Bytes of babble that a dialogue took before it gave up."""
    total, step = 0, next(dialogue)
    while True:
        assert isinstance(step, Ask | More)
        total += len(babble)
        try:
            step = dialogue.send(babble)
        except (NoAnswer, BadChecksum):
            return total


def test_a_line_that_never_stops_talking() -> None:
    stranger = Frame(Address(17), Address(1), 0x30, bytes(2000)).octets
    assert endured(client.Link().connect(), stranger) < 1 << 19
    assert endured(client.Link().connect(), b"\xff" * 4096) < 1 << 19
    link = client.Link()
    Talk([station(Echo())]).run(link.connect())
    assert endured(link.exchange(b"x"), stranger) < 1 << 20


def test_what_is_left_of_a_broken_connection_is_waited_out() -> None:
    stale = Frame(Address(16), Address(1), 0x73).octets
    link = client.Link()
    with pytest.raises(NoAnswer):
        Talk([]).run(link.connect())
    dialogue = link.connect()
    assert next(dialogue) == Ask(b"", 2.0)
    assert dialogue.send(stale) == Ask(b"", 2.0)
    step = dialogue.send(b"")
    assert isinstance(step, Ask)
    assert Frame.of(step.data).kind is Kind.SNRM


def test_a_dialogue_that_opens_the_line_comes_first() -> None:
    said = []

    def opening() -> Dialogue[str]:
        said.append((yield Ask(b"/?!\r\n")))
        return "agreed"

    link = client.Link(opening=opening)
    dialogue = link.connect()
    assert next(dialogue) == Ask(b"/?!\r\n")
    step = dialogue.send(b"/ABC")
    assert isinstance(step, Ask)
    assert Frame.of(step.data).kind is Kind.SNRM
    assert said == [b"/ABC"]
