"""Our DLMS server, APDU by APDU: associations, rights, blocks, lists, short names, protection, nonsense."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dlmshome import BANK, SPEC, truth
from dlmsways import KEYS, METER_TITLE, NOW, SECRET, TITLE, admissions, identity
from metergate.model import Obis
from metergate.sim.meters.dlms import Meter
from metergate.wire.dlms import acse
from metergate.wire.dlms import apdu as a
from metergate.wire.dlms.acse import Aare, Aarq, Context, Mechanism, Result, Rlrq
from metergate.wire.dlms.apdu import (
    AccessResult,
    Attribute,
    Conformance,
    ExceptionResponse,
    InitiateRequest,
    InitiateResponse,
    Method,
    Outcome,
    Selector,
)
from metergate.wire.dlms.cosem.classes import Level
from metergate.wire.dlms.data import NULL, Data, encode, i8, i16, octets, structure, u8, u16, u32, u64
from metergate.wire.dlms.security import Channel
from metergate.wire.dlms.server import BY_NAME, Admission, Server
from metergate.wire.dlms.times import DateTime

READER, MANAGER, PASSWORD, SEALED = 20, 30, 31, 55
"""Clients: a reader, a manager without authentication, one by password, one by GMAC and ciphered."""
NAME = Attribute(1, Obis.parse("0-0:42.0.0").octets, 2)
CLOCK = Attribute(8, Obis.parse("0-0:1.0.0").octets, 2)
ENERGY = Attribute(3, Obis.parse("1-0:1.8.0").octets, 2)
SCALE = Attribute(3, Obis.parse("1-0:1.8.0").octets, 3)
BUFFER = Attribute(7, Obis.parse("1-0:99.1.0").octets, 2)
PUSH = Attribute(40, Obis.parse("0-0:25.9.0").octets, 2)
CONTROL = Obis.parse("0-0:96.3.10").octets
ALL = int(BY_NAME)
INVOKE = 0xC1


class Line:
    """A server and one client of it."""

    def __init__(
        self, client: int = MANAGER, conformance: int = ALL, max_pdu: int = 0xFFFF, meter: Meter | None = None
    ):
        self.meter = meter or Meter(SPEC, BANK)
        self.meter.identity.keys, self.meter.identity.title = KEYS, METER_TITLE
        more = [Admission(READER, Level.READER)]
        self.server = Server(self.meter.device, [*admissions(), *more], self.meter.identity)
        self.client = client
        self.conformance, self.max_pdu = conformance, max_pdu

    def raw(self, octets_in: bytes, now: datetime = NOW) -> bytes | None:
        return self.server.on_apdu(self.client, 1, octets_in, now)

    def ask(self, request: object, now: datetime = NOW) -> object:
        answer = self.raw(a.encode(request), now)
        return None if answer is None else a.decode(answer)

    def aarq(self, **more: object) -> bytes:
        told = a.encode(InitiateRequest(self.conformance, self.max_pdu))
        return Aarq(**{"user_information": told, **more}).encode()  # type: ignore[arg-type]

    def associate(self, **more: object) -> Aare:
        answer = self.raw(self.aarq(**more))
        assert answer is not None
        found = acse.decode(answer)
        assert isinstance(found, Aare)
        return found


@pytest.fixture
def line() -> Line:
    found = Line()
    assert found.associate().result is Result.ACCEPTED
    return found


def opened(client: int = MANAGER, conformance: int = ALL, max_pdu: int = 0xFFFF) -> Line:
    found = Line(client, conformance, max_pdu)
    assert found.associate().result is Result.ACCEPTED
    return found


# ---- associations ----
def test_what_a_real_meter_answers() -> None:
    """The request is a recorded one; the answer agrees to no more than was proposed."""
    line = Line(16)
    answer = line.raw(bytes.fromhex("601DA109060760857405080101BE10040E01000000065F1F0400401E5DFFFF"))
    found = acse.decode(answer or b"")
    assert isinstance(found, Aare)
    agreed = a.decode(found.user_information)
    assert isinstance(agreed, InitiateResponse)
    assert agreed.vaa == 7
    assert agreed.conformance & ~0x401E5D == 0
    assert agreed.conformance & Conformance.GET


@pytest.mark.parametrize(
    ("client", "more", "why"),
    [
        (99, {}, acse.NO_REASON),
        (MANAGER, {"context": Context.LN_CIPHERED}, acse.CONTEXT_NOT_SUPPORTED),
        (MANAGER, {"mechanism": Mechanism.LOW, "authentication": SECRET}, acse.MECHANISM_NOT_RECOGNISED),
        (PASSWORD, {}, acse.AUTHENTICATION_REQUIRED),
        (PASSWORD, {"mechanism": Mechanism.LOW, "authentication": b"wrong"}, acse.AUTHENTICATION_FAILURE),
        (PASSWORD, {"mechanism": Mechanism.LOW}, acse.AUTHENTICATION_FAILURE),
        (33, {"mechanism": Mechanism.MD5, "authentication": b"short"}, acse.AUTHENTICATION_FAILURE),
        (35, {"mechanism": Mechanism.GMAC, "authentication": bytes(16)}, acse.AUTHENTICATION_FAILURE),
        (MANAGER, {"user_information": b"nonsense"}, acse.NO_REASON),
        (MANAGER, {"user_information": a.encode(InitiateRequest(ALL, 10))}, acse.NO_REASON),
        (MANAGER, {"user_information": a.encode(InitiateRequest(ALL, version=5))}, acse.NO_REASON),
    ],
)
def test_associations_that_are_refused(client: int, more: dict[str, object], why: acse.Diagnostic) -> None:
    line = Line(client)
    found = line.associate(**more)
    assert (found.result, found.diagnostic) == (Result.REJECTED_PERMANENT, why)
    assert isinstance(line.ask(a.GetRequest(INVOKE, NAME)), ExceptionResponse)


def test_without_association_nothing_is_told() -> None:
    assert Line().ask(a.GetRequest(INVOKE, NAME)) == ExceptionResponse(1, 1)


def test_release_and_disconnect_end_it(line: Line) -> None:
    assert line.raw(Rlrq(0).encode()) == bytes.fromhex("6303800100")
    assert isinstance(line.ask(a.GetRequest(INVOKE, NAME)), ExceptionResponse)
    line.associate()
    assert isinstance(line.ask(a.GetRequest(INVOKE, NAME)), a.GetResponse)
    line.server.on_close(line.client, 1)
    assert isinstance(line.ask(a.GetRequest(INVOKE, NAME)), ExceptionResponse)


def test_before_the_proof_nothing_is_told() -> None:
    line = Line(33)
    found = line.associate(mechanism=Mechanism.MD5, authentication=bytes(16))
    assert (found.result, found.diagnostic) == (Result.ACCEPTED, acse.AUTHENTICATION_REQUIRED)
    assert line.ask(a.GetRequest(INVOKE, NAME)) == ExceptionResponse(1, 1)
    reply = a.ActionRequest(INVOKE, Method(15, Obis.parse("0-0:40.0.0").octets, 1), octets(b"guess"))
    assert isinstance(line.ask(reply), a.ActionResponse)
    assert line.ask(reply) == ExceptionResponse(1, 1), "a wrong proof ends the association"


def test_clients_do_not_share_an_association(line: Line) -> None:
    other = Line(READER, meter=line.meter)
    other.server = line.server
    assert isinstance(other.ask(a.GetRequest(INVOKE, NAME)), ExceptionResponse)
    assert isinstance(line.ask(a.GetRequest(INVOKE, NAME)), a.GetResponse)


# ---- conformance ----
REQUESTS: dict[object, int] = {
    a.GetRequest(INVOKE, NAME): Conformance.GET,
    a.GetRequest(INVOKE, BUFFER, Selector(2, structure(u32(1), u32(1), u16(1), u16(0)))): Conformance.SELECTIVE_ACCESS,
    a.GetRequestList(INVOKE, ((NAME, None), (CLOCK, None))): Conformance.MULTIPLE_REFERENCES,
    a.GetRequestNext(INVOKE, 1): Conformance.BLOCK_GET,
    a.SetRequest(INVOKE, CLOCK, None, octets(bytes(12))): Conformance.SET,
    a.SetRequestFirstBlock(INVOKE, CLOCK, None, False, 1, b"x"): Conformance.BLOCK_SET,
    a.ActionRequest(INVOKE, Method(8, CLOCK.instance, 6), i16(1)): Conformance.ACTION,
    a.ActionRequestNext(INVOKE, 1): Conformance.BLOCK_ACTION,
    a.AccessRequest(1, b"", (a.Access(1, NAME),), (NULL,)): Conformance.ACCESS,
    a.GeneralBlockTransfer(0x81, 1, 0, b"x"): Conformance.GENERAL_BLOCK_TRANSFER,
}


@pytest.mark.parametrize(("request_", "needed"), REQUESTS.items(), ids=lambda one: getattr(one, "name", ""))
def test_what_was_not_negotiated_is_not_served(request_: object, needed: int) -> None:
    assert not isinstance(opened().ask(request_), ExceptionResponse)
    refused = opened(conformance=ALL & ~needed).ask(request_)
    assert isinstance(refused, ExceptionResponse)
    assert refused.error == 2


def test_short_names_are_another_context(line: Line) -> None:
    assert isinstance(line.ask(a.ReadRequest((a.Variable(0xFA00),))), ExceptionResponse)


# ---- rights ----
def get(line: Line, attribute: Attribute, selector: Selector | None = None) -> a.Result:
    answer = line.ask(a.GetRequest(INVOKE, attribute, selector))
    if isinstance(answer, a.GetResponseBlock):
        return octets(answer.result) if isinstance(answer.result, bytes) else answer.result
    assert isinstance(answer, a.GetResponse)
    return answer.result


def act(line: Line, method: Method, parameter: Data | None = None) -> Outcome:
    answer = line.ask(a.ActionRequest(INVOKE, method, parameter))
    assert isinstance(answer, a.ActionResponse)
    return answer.outcome


def put(line: Line, attribute: Attribute, value: Data | None) -> int:
    answer = line.ask(a.SetRequest(INVOKE, attribute, None, value))
    assert isinstance(answer, a.SetResponse)
    return answer.result


def test_each_association_sees_what_it_may() -> None:
    public, reader, manager = opened(16), opened(READER), opened(MANAGER)
    assert all(isinstance(get(line, CLOCK), Data) for line in (public, reader, manager))
    assert get(public, ENERGY) == AccessResult.OBJECT_UNDEFINED
    assert get(reader, ENERGY) == get(manager, ENERGY) == u64(int(truth("1-0:1.8.0") * 10_000))
    firmware = Attribute(18, Obis.parse("0-0:44.0.0").octets, 2)
    assert get(reader, firmware) == AccessResult.OBJECT_UNDEFINED
    assert isinstance(get(manager, firmware), Data)


def test_readers_neither_set_nor_order() -> None:
    reader, manager = opened(READER), opened(MANAGER)
    shown = octets(DateTime.of(NOW).octets)
    shift, trip = Method(8, CLOCK.instance, 6), Method(70, CONTROL, 1)
    for order, parameter in ((shift, i16(5)), (trip, i8(0))):
        assert act(reader, order, parameter).result == AccessResult.READ_WRITE_DENIED
        assert act(manager, order, parameter).result == 0
    assert put(reader, CLOCK, shown) == AccessResult.READ_WRITE_DENIED
    assert put(manager, CLOCK, shown) == 0
    assert put(manager, ENERGY, u64(0)) == AccessResult.READ_WRITE_DENIED
    assert put(manager, CLOCK, None) == AccessResult.TYPE_UNMATCHED


def test_the_object_list_tells_the_rights_that_are_given() -> None:
    for client in (16, READER, MANAGER):
        line = opened(client)
        listed = get(line, Attribute(15, Obis.parse("0-0:40.0.0").octets, 2))
        assert isinstance(listed, Data)
        for number, _, name, rights in (item.items for item in listed.items):
            for row in rights[0].items:
                found = get(line, Attribute(number.number, name.octets, row[0].number))
                denied = found == AccessResult.READ_WRITE_DENIED
                assert denied == (not row[1].number & 1), (client, name.octets.hex(), row)


def test_the_secret_is_never_told(line: Line) -> None:
    assert get(line, Attribute(15, Obis.parse("0-0:40.0.0").octets, 7)) == AccessResult.READ_WRITE_DENIED
    everything = line.raw(a.encode(a.GetRequest(INVOKE, Attribute(15, Obis.parse("0-0:40.0.0").octets, 0))))
    assert everything
    assert SECRET not in everything


@pytest.mark.parametrize(
    ("attribute", "result"),
    [
        (Attribute(3, bytes(6), 2), AccessResult.OBJECT_UNDEFINED),
        (Attribute(1, ENERGY.instance, 2), AccessResult.OBJECT_CLASS_INCONSISTENT),
        (Attribute(3, ENERGY.instance, 9), AccessResult.OBJECT_UNDEFINED),
    ],
)
def test_wrong_places_are_told(line: Line, attribute: Attribute, result: int) -> None:
    assert get(line, attribute) == result


def test_wrong_values_are_told(line: Line) -> None:
    assert put(line, CLOCK, u8(1)) == AccessResult.TYPE_UNMATCHED
    assert put(line, CLOCK, octets(DateTime().octets)) == AccessResult.SCOPE_OF_ACCESS_VIOLATED
    assert act(line, Method(8, CLOCK.instance, 6), i16(901)).result == AccessResult.SCOPE_OF_ACCESS_VIOLATED
    assert act(line, Method(8, CLOCK.instance, 6), octets(b"x")).result == AccessResult.TYPE_UNMATCHED
    assert act(line, Method(8, CLOCK.instance, 9)).result == AccessResult.OBJECT_UNDEFINED


def test_an_unconfirmed_order_is_carried_out_and_not_answered(line: Line) -> None:
    assert line.ask(a.ActionRequest(0x01, Method(70, CONTROL, 1), i8(0))) is None
    assert line.meter.relay.switched == 1


# ---- lists and blocks ----
def test_lists(line: Line) -> None:
    answer = line.ask(a.GetRequestList(INVOKE, ((NAME, None), (Attribute(3, bytes(6), 2), None), (SCALE, None))))
    assert isinstance(answer, a.GetResponseList)
    assert answer.results[0] == octets(b"MGT" + SPEC.id.encode())
    assert answer.results[1] == AccessResult.OBJECT_UNDEFINED
    wanted = ((CLOCK, None), (ENERGY, None))
    told = line.ask(a.SetRequestList(INVOKE, wanted, (octets(DateTime.of(NOW).octets), u64(1))))
    assert told == a.SetResponseList(INVOKE, (0, int(AccessResult.READ_WRITE_DENIED)))
    acted = line.ask(a.ActionRequestList(INVOKE, (Method(70, CONTROL, 1), Method(1, NAME.instance, 1)), (i8(0), NULL)))
    assert isinstance(acted, a.ActionResponseList)
    assert [one.result for one in acted.outcomes] == [0, AccessResult.OBJECT_UNDEFINED]


def test_unified_access(line: Line) -> None:
    trip = a.Access(3, Method(70, CONTROL, 1))
    request = a.AccessRequest(7, b"", (a.Access(1, NAME), trip, a.Access(2, ENERGY)), (NULL, i8(0), u64(1)))
    answer = line.ask(request)
    assert isinstance(answer, a.AccessResponse)
    assert answer.data[0] == octets(b"MGT" + SPEC.id.encode())
    assert answer.results == ((1, 0), (3, 0), (2, AccessResult.READ_WRITE_DENIED))


def blocks(line: Line, request: object) -> Iterator[a.GetResponseBlock]:
    answer = line.ask(request)
    while isinstance(answer, a.GetResponseBlock):
        yield answer
        if answer.last:
            return
        answer = line.ask(a.GetRequestNext(INVOKE, answer.block))


@pytest.mark.parametrize("max_pdu", [64, 200, 1000])
def test_a_long_answer_comes_in_blocks_that_fit(max_pdu: int) -> None:
    line = opened(MANAGER, max_pdu=max_pdu)
    whole = line.meter.profile.read(2, NOW)
    found = list(blocks(line, a.GetRequest(INVOKE, BUFFER)))
    assert [one.block for one in found] == list(range(1, len(found) + 1))
    assert all(len(a.encode(one)) <= max_pdu for one in found)
    assert b"".join(one.result for one in found if isinstance(one.result, bytes)) == encode(whole)


def test_a_block_that_was_lost_is_told_again_and_a_gap_aborts() -> None:
    line = opened(MANAGER, max_pdu=200)
    first = line.ask(a.GetRequest(INVOKE, BUFFER))
    second = line.ask(a.GetRequestNext(INVOKE, 1))
    assert line.ask(a.GetRequestNext(INVOKE, 1)) == second != first
    gap = line.ask(a.GetRequestNext(INVOKE, 5))
    assert isinstance(gap, a.GetResponseBlock)
    assert gap.result == AccessResult.DATA_BLOCK_NUMBER_INVALID
    after = line.ask(a.GetRequestNext(INVOKE, 2))
    assert isinstance(after, a.GetResponseBlock)
    assert after.result == AccessResult.NO_LONG_GET_IN_PROGRESS


def test_without_blocks_a_long_answer_is_too_long() -> None:
    line = opened(MANAGER, int(Conformance.GET), 200)
    assert line.ask(a.GetRequest(INVOKE, BUFFER)) == ExceptionResponse(1, 4)


def list_of(line: Line) -> a.Result:
    return get(line, PUSH)


def test_a_long_value_is_written_in_blocks(line: Line) -> None:
    value = get(line, PUSH)
    assert isinstance(value, Data)
    longer = Data(value.tag, value.items * 10)
    raw = encode(longer)
    pieces = [raw[at : at + 50] for at in range(0, len(raw), 50)]
    answer: object = line.ask(a.SetRequestFirstBlock(INVOKE, PUSH, None, False, 1, pieces[0]))
    for number, piece in enumerate(pieces[1:], 2):
        assert answer == a.SetResponseBlock(INVOKE, number - 1)
        answer = line.ask(a.SetRequestBlock(INVOKE, number == len(pieces), number, piece))
    assert answer == a.SetResponseLastBlock(INVOKE, 0, len(pieces))
    assert list_of(line) == longer


def test_a_gap_in_written_blocks_aborts(line: Line) -> None:
    before = list_of(line)
    line.ask(a.SetRequestFirstBlock(INVOKE, PUSH, None, False, 1, b"\x01"))
    gap = line.ask(a.SetRequestBlock(INVOKE, True, 3, b"\x00"))
    assert gap == a.SetResponse(INVOKE, int(AccessResult.DATA_BLOCK_NUMBER_INVALID))
    late = line.ask(a.SetRequestBlock(INVOKE, True, 2, b"\x00"))
    assert late == a.SetResponse(INVOKE, int(AccessResult.NO_LONG_SET_IN_PROGRESS))
    assert list_of(line) == before


def test_a_long_parameter_comes_in_blocks(line: Line) -> None:
    raw = encode(i16(30))
    method = Method(8, CLOCK.instance, 6)
    first = line.ask(a.ActionRequestFirstBlock(INVOKE, method, False, 1, raw[:1]))
    assert first == a.ActionResponseNext(INVOKE, 1)
    assert line.ask(a.ActionRequestBlock(INVOKE, True, 2, raw[1:])) == a.ActionResponse(INVOKE, Outcome(0))
    assert line.meter.clock.offset == timedelta(seconds=30)


def test_lists_in_blocks(line: Line) -> None:
    values = b"\x02" + encode(octets(DateTime.of(NOW).octets)) + encode(u64(1))
    items = ((CLOCK, None), (ENERGY, None))
    assert line.ask(a.SetRequestListFirstBlock(INVOKE, items, False, 1, values[:7])) == a.SetResponseBlock(INVOKE, 1)
    assert line.ask(a.SetRequestBlock(INVOKE, True, 2, values[7:])) == a.SetResponseLastBlockList(
        INVOKE, (0, int(AccessResult.READ_WRITE_DENIED)), 2
    )
    methods = (Method(70, CONTROL, 1), Method(70, CONTROL, 2))
    parameters = b"\x02" + encode(i8(0)) * 2
    begun = line.ask(a.ActionRequestListFirstBlock(INVOKE, methods, False, 1, parameters[:2]))
    assert begun == a.ActionResponseNext(INVOKE, 1)
    done = line.ask(a.ActionRequestBlock(INVOKE, True, 2, parameters[2:]))
    assert done == a.ActionResponseList(INVOKE, (Outcome(0), Outcome(0)))


def test_general_blocks_both_ways() -> None:
    line = opened(MANAGER, max_pdu=100)
    request = a.encode(a.GetRequest(INVOKE, Attribute(15, Obis.parse("0-0:40.0.0").octets, 2)))
    half = len(request) // 2
    acknowledged = line.ask(a.GeneralBlockTransfer(0x01, 1, 0, request[:half]))
    assert isinstance(acknowledged, a.GeneralBlockTransfer)
    assert acknowledged.acknowledged == 1
    answer = line.ask(a.GeneralBlockTransfer(0x81, 2, 0, request[half:]))
    held, number = b"", 1
    while isinstance(answer, a.GeneralBlockTransfer) and not answer.last:
        assert answer.block == number
        held += answer.raw
        answer = line.ask(a.GeneralBlockTransfer(0x81, number, number, b""))
        number += 1
    assert isinstance(answer, a.GeneralBlockTransfer)
    first = a.decode(held + answer.raw)
    assert isinstance(first, a.GetResponseBlock | a.GetResponse)


# ---- short names ----
def short(client: int = MANAGER) -> Line:
    line = Line(client, int(Conformance.READ | Conformance.WRITE | Conformance.MULTIPLE_REFERENCES))
    assert line.associate(context=Context.SN).result is Result.ACCEPTED
    return line


def test_reading_and_writing_by_short_names() -> None:
    line = short()
    answer = line.ask(a.ReadRequest((a.Variable(0x2008), a.Variable(0x1008), a.Variable(0x7777))))
    assert isinstance(answer, a.ReadResponse)
    assert answer.results[0] == u64(int(truth("1-0:1.8.0") * 10_000))
    assert answer.results[2] == AccessResult.OBJECT_UNDEFINED
    told = line.ask(a.WriteRequest((a.Variable(0x1008),), (octets(DateTime.of(NOW + timedelta(minutes=1)).octets),)))
    assert told == a.WriteResponse((0,))
    assert line.meter.clock.offset == timedelta(minutes=1)


def test_short_names_have_rights_too() -> None:
    answer = short(16).ask(a.ReadRequest((a.Variable(0x2008), a.Variable(0x1008))))
    assert isinstance(answer, a.ReadResponse)
    assert answer.results[0] == AccessResult.OBJECT_UNDEFINED
    assert isinstance(answer.results[1], Data)


def test_the_short_object_list_leads_to_the_objects() -> None:
    line = short()
    answer = line.ask(a.ReadRequest((a.Variable(0xFA08),)))
    assert isinstance(answer, a.ReadResponse)
    listed = answer.results[0]
    assert isinstance(listed, Data)
    for base, _, _, name in (item.items for item in listed.items):
        told = line.ask(a.ReadRequest((a.Variable(base.number & 0xFFFF),)))
        assert told == a.ReadResponse((name,))


# ---- protection ----
def sealed() -> tuple[Line, Channel]:
    """The client's channel in an association that is proved by its keys alone: mechanism none, ciphered."""
    line = Line(50)
    channel = Channel(KEYS, TITLE, METER_TITLE)
    told = channel.seal(a.encode(InitiateRequest(ALL, 0xFFFF)))
    found = line.associate(context=Context.LN_CIPHERED, title=TITLE, user_information=told)
    assert found.result is Result.ACCEPTED
    channel.open(found.user_information)
    return line, channel


def test_what_is_sealed_is_answered_sealed() -> None:
    line, channel = sealed()
    for general in (False, True):
        channel.general = general
        answer = line.raw(channel.seal(a.encode(a.GetRequest(INVOKE, NAME))))
        assert answer
        assert answer[0] == (0xDB if general else 0xCC)
        assert a.decode(channel.open(answer)) == a.GetResponse(INVOKE, octets(b"MGT" + SPEC.id.encode()))


def test_clear_or_weaker_requests_are_refused() -> None:
    line, channel = sealed()
    plain = a.encode(a.GetRequest(INVOKE, NAME))
    assert line.raw(plain) == bytes.fromhex("d80105")
    weak = Channel(KEYS, TITLE, METER_TITLE, counter=channel.counter)
    weak.control = type(weak.control)(encrypted=False)
    assert line.raw(weak.seal(plain)) == bytes.fromhex("d80105")


def test_replays_and_changes_are_refused() -> None:
    line, channel = sealed()
    request = channel.seal(a.encode(a.ActionRequest(INVOKE, Method(70, CONTROL, 1), i8(0))))
    changed = request[:-1] + bytes((request[-1] ^ 1,))
    assert line.raw(changed) == bytes.fromhex("d80105")
    assert line.meter.relay.switched == 0
    line.raw(request)
    assert line.meter.relay.switched == 1
    again = line.raw(request)
    assert again is not None
    assert again[:3] == bytes.fromhex("d80106")
    assert int.from_bytes(again[3:]) == channel.counter.last + 1
    assert line.meter.relay.switched == 1


def test_a_replayed_association_is_refused() -> None:
    line = Line(50)
    told = Channel(KEYS, TITLE, METER_TITLE).seal(a.encode(InitiateRequest(ALL, 0xFFFF)))
    request = line.aarq(context=Context.LN_CIPHERED, title=TITLE, user_information=told)
    assert isinstance(acse.decode(line.raw(request) or b""), Aare)
    assert (line.raw(request) or b"")[:3] == bytes.fromhex("d80106")


def test_counters_outlive_a_loss_of_power() -> None:
    line, channel = sealed()
    request = channel.seal(a.encode(a.GetRequest(INVOKE, NAME)))
    line.raw(request)
    line.server.power_loss()
    again = Server(line.meter.device, admissions(), line.meter.identity)
    line.server = again
    told = Channel(KEYS, TITLE, METER_TITLE).seal(a.encode(InitiateRequest(ALL, 0xFFFF)))
    replayed = line.raw(line.aarq(context=Context.LN_CIPHERED, title=TITLE, user_information=told))
    assert (replayed or b"")[:3] == bytes.fromhex("d80106")


def test_own_title_is_refused() -> None:
    line = Line(50)
    told = Channel(KEYS, METER_TITLE, METER_TITLE).seal(a.encode(InitiateRequest(ALL, 0xFFFF)))
    found = line.associate(context=Context.LN_CIPHERED, title=METER_TITLE, user_information=told)
    assert found.result is Result.REJECTED_PERMANENT


# ---- nonsense ----
@settings(max_examples=200, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=5))
def test_nonsense_is_answered_by_refusals_only(messages: list[bytes]) -> None:
    line = NONSENSE
    line.associate()
    for message in messages:
        line.raw(message)
    line.associate()
    assert isinstance(line.ask(a.GetRequest(INVOKE, NAME)), a.GetResponse)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(REQUESTS)), st.data())
def test_spoilt_requests_raise_nothing(request_: object, data: st.DataObject) -> None:
    line = NONSENSE
    line.associate()
    good = bytearray(a.encode(request_))
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    line.raw(bytes(good[: data.draw(st.integers(1, len(good)))]))


NONSENSE = Line()
assert identity().title == METER_TITLE
