"""COSEM objects by themselves: clock, profile, relay, image, calendar, scripts, limiter, push, keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metergate.crypto import keywrap
from metergate.errors import BadValue
from metergate.model import Obis
from metergate.wire.dlms.apdu import AccessResult, DataNotification, Selector
from metergate.wire.dlms.cosem import classes
from metergate.wire.dlms.cosem.association import AssociationLN, Right, may_execute, right_to
from metergate.wire.dlms.cosem.calendar import ActivityCalendar, SpecialDays
from metergate.wire.dlms.cosem.classes import DATA, REGISTER, InterfaceClass, Level
from metergate.wire.dlms.cosem.clock import Clock
from metergate.wire.dlms.cosem.control import (
    EXECUTE,
    WRITE,
    DisconnectControl,
    Limiter,
    ScriptTable,
    SingleActionSchedule,
    State,
    script_of,
)
from metergate.wire.dlms.cosem.device import Device
from metergate.wire.dlms.cosem.events import EventLog
from metergate.wire.dlms.cosem.image import ImageTransfer, Status
from metergate.wire.dlms.cosem.objects import AccessRefused, CosemObject, Place, scaler_unit
from metergate.wire.dlms.cosem.profile import Layout, ProfileGeneric
from metergate.wire.dlms.cosem.push import PushSetup
from metergate.wire.dlms.cosem.security import SecuritySetup
from metergate.wire.dlms.data import (
    NULL,
    Data,
    array,
    bits,
    boolean,
    encode,
    enum,
    i8,
    i16,
    octets,
    structure,
    u16,
    u32,
)
from metergate.wire.dlms.server import Identity
from metergate.wire.dlms.times import DateTime

NOW = datetime(2026, 11, 20, 12, 7, 30, tzinfo=UTC)
BEGIN = datetime(2026, 11, 20, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
CLASSES = [one for one in vars(classes).values() if isinstance(one, InterfaceClass)]
POWER = Place(3, Obis.parse("1-0:16.7.0"), 2)


def register(value: int = 100, code: str = "1-0:16.7.0") -> CosemObject:
    return CosemObject(REGISTER, code, {"value": u32(value), "scaler_unit": scaler_unit(0, 27)})


def result_of(refused: pytest.ExceptionInfo[AccessRefused]) -> int:
    return refused.value.result


# ---- classes ----
@pytest.mark.parametrize("kind", CLASSES, ids=lambda one: f"{one.number}")
def test_attributes_and_methods_are_found_by_number(kind: InterfaceClass) -> None:
    assert kind.attribute(1) is classes.LOGICAL_NAME
    for at, attribute in enumerate(kind.attributes, 2):
        assert kind.attribute(at) is attribute
        assert kind.number_of(attribute.name) == at
    assert kind.attribute(0) is kind.attribute(len(kind.attributes) + 2) is None
    assert kind.method(0) is kind.method(len(kind.methods) + 1) is None


@pytest.mark.parametrize(
    ("kind", "index", "name"),
    [
        (classes.REGISTER, 3, "scaler_unit"),
        (classes.EXTENDED, 5, "capture_time"),
        (classes.DEMAND, 4, "scaler_unit"),
        (classes.PROFILE, 3, "capture_objects"),
        (classes.PROFILE, 8, "profile_entries"),
        (classes.CLOCK, 9, "clock_base"),
        (classes.IMAGE, 7, "to_activate"),
        (classes.CALENDAR, 10, "activation_time"),
        (classes.PUSH, 7, "repetition_delay"),
        (classes.DISCONNECT, 4, "control_mode"),
        (classes.LIMITER, 11, "actions"),
    ],
)
def test_numbers_of_the_standard(kind: InterfaceClass, index: int, name: str) -> None:
    found = kind.attribute(index)
    assert found is not None
    assert found.name == name


def test_values_may_be_functions_of_the_instant() -> None:
    one = CosemObject(DATA, "0-0:96.1.0", {"value": lambda now: u16(now.minute)})
    assert one.read(2, NOW) == u16(7)
    assert one.read(1, NOW) == octets(bytes((0, 0, 96, 1, 0, 255)))
    with pytest.raises(AccessRefused) as refused:
        one.read(3, NOW)
    assert result_of(refused) == AccessResult.OBJECT_UNDEFINED


def test_another_type_is_not_written() -> None:
    one = CosemObject(classes.PARAMETER, "0-0:96.1.0", {"value": u16(1)})
    one.write(2, u16(2), NOW)
    with pytest.raises(AccessRefused) as refused:
        one.write(2, u32(2), NOW)
    assert result_of(refused) == AccessResult.TYPE_UNMATCHED
    assert one.read(2, NOW) == u16(2)


def test_rights() -> None:
    parameter = CosemObject(classes.PARAMETER, "0-0:96.1.0", {"value": u16(1)}, Level.READER)
    assert [right_to(parameter, 2, level) for level in Level] == [Right.NONE, Right.READ, Right.READ | Right.WRITE]
    relay = DisconnectControl()
    assert [may_execute(relay, 1, level) for level in Level] == [False, False, True]
    assert not may_execute(register(), 1, Level.MANAGER), "a method that does nothing is not offered"


def test_association_lists_what_it_sees() -> None:
    device = Device(register(), DisconnectControl())
    public, manager = (AssociationLN(device, level, 16) for level in (Level.PUBLIC, Level.MANAGER))
    assert [one.name.full for one in public.seen()] == ["0-0:40.0.0*255", "1-0:16.7.0*255"]
    assert len(manager.read_object_list(NOW).items) == 3


# ---- clock ----
def test_the_clock_tells_local_time_with_its_deviation() -> None:
    clock = Clock(timezone(timedelta(hours=1)))
    assert clock.read(2, NOW).octets == bytes.fromhex("07ea0b14050d071e00ffc400")
    assert clock.read(3, NOW) == i16(-60)
    turned = Clock(timezone(timedelta(hours=1)), inverted=True)
    assert turned.read(2, NOW).octets[9:11] == bytes.fromhex("003c")
    assert turned.instant(turned.read(2, NOW)) == NOW


def test_summer_time_is_told() -> None:
    clock = Clock(ZoneInfo("Europe/Berlin"))
    summer = datetime(2026, 7, 1, 12, tzinfo=UTC)
    told = DateTime.parse(clock.read(2, summer).octets)
    assert (told.hour, told.deviation, told.status & 0x80) == (14, -120, 0x80)
    assert clock.read(3, summer) == i16(-60)
    assert clock.read(7, summer) == i8(60)


@given(st.datetimes(datetime(2000, 1, 2), datetime(2098, 12, 30), timezones=st.just(UTC)))
def test_what_is_set_is_shown(at: datetime) -> None:
    at = at.replace(microsecond=0)
    clock = Clock(ZoneInfo("Europe/Berlin"))
    clock.write(2, octets(DateTime.of(at).octets), NOW)
    assert clock.shown(NOW) == at
    assert clock.shown(NOW + timedelta(seconds=7)) == at + timedelta(seconds=7)


@pytest.mark.parametrize(
    ("method", "parameter", "shown"),
    [
        (1, i8(0), "12:15:00"),
        (2, i8(0), "12:15:00"),
        (3, i8(0), "12:08:00"),
        (6, i16(-30), "12:07:00"),
        (6, i16(900), "12:22:30"),
    ],
)
def test_adjusting_and_shifting(method: int, parameter: Data, shown: str) -> None:
    clock = Clock()
    clock.invoke(method, parameter, NOW)
    assert f"{clock.shown(NOW):%H:%M:%S}" == shown
    assert clock.changed == NOW


def test_a_preset_time_is_taken_while_it_is_valid() -> None:
    clock = Clock()
    stamps = [octets(DateTime.of(NOW + timedelta(minutes=at)).octets) for at in (5, 0, 2)]
    with pytest.raises(AccessRefused):
        clock.invoke(4, i8(0), NOW)
    clock.invoke(5, structure(*stamps), NOW)
    with pytest.raises(AccessRefused):
        clock.invoke(4, i8(0), NOW + timedelta(minutes=3))
    clock.invoke(4, i8(0), NOW + timedelta(minutes=1))
    assert clock.shown(NOW + timedelta(minutes=1)) == NOW + timedelta(minutes=5)


# ---- profiles ----
def load(sort: int = 1, compress: bool = False, entries: int = 100) -> tuple[ProfileGeneric, Clock]:
    clock = Clock()
    device = Device(clock, CosemObject(REGISTER, "1-0:1.8.0", {"value": lambda now: u32(int(now.timestamp()) // 900)}))
    places = (Place(8, clock.name, 2), Place(3, Obis.parse("1-0:1.8.0"), 2))
    profile = ProfileGeneric("1-0:99.1.0", places, device.look, clock, BEGIN, Layout(QUARTER, entries, sort, compress))
    return profile, clock


def numbers(data: Data) -> list[int]:
    return [row[-1].number for row in (item.items for item in data.items)]


QUARTERS = [int((BEGIN + at * QUARTER).timestamp()) // 900 for at in range(1, 49)]


def test_rows_are_captured_when_the_clock_passes() -> None:
    profile, _ = load()
    assert profile.read(2, BEGIN) == array()
    assert encode(profile.read(2, BEGIN)) == bytes.fromhex("0100")
    assert numbers(profile.read(2, NOW)) == QUARTERS
    assert profile.read(7, NOW) == u32(48)
    assert profile.read(8, NOW) == u32(100)


def test_old_rows_make_room() -> None:
    profile, _ = load(entries=10)
    assert numbers(profile.read(2, NOW)) == QUARTERS[-10:]
    later = NOW + timedelta(days=1000)
    assert len(numbers(profile.read(2, later))) == 10


def test_newest_first() -> None:
    profile, _ = load(sort=2)
    assert numbers(profile.read(2, NOW)) == QUARTERS[::-1]


def test_clock_columns_that_follow_are_null() -> None:
    profile, _ = load(compress=True)
    rows = profile.read(2, NOW).items
    assert rows[0][0] != NULL
    assert all(row[0] == NULL for row in rows[1:])


def ranged(begin: datetime, end: datetime, *columns: Place) -> Selector:
    clock = Place(8, Obis.parse("0-0:1.0.0"), 2)
    stamps = (octets(DateTime.of(at).octets) for at in (begin, end))
    return Selector(1, structure(clock.data, *stamps, array(*(place.data for place in columns))))


@given(st.integers(-5, 60), st.integers(-5, 60))
def test_ranges(first: int, last: int) -> None:
    profile, _ = load()
    found = profile.read(2, NOW, ranged(BEGIN + first * QUARTER, BEGIN + last * QUARTER))
    assert numbers(found) == [QUARTERS[at - 1] for at in range(max(1, first), min(48, last) + 1)]


def test_a_range_over_the_change_of_summer_time_goes_by_utc() -> None:
    clock = Clock(ZoneInfo("Europe/Berlin"))
    change = datetime(2026, 10, 25, tzinfo=UTC)
    profile = ProfileGeneric("1-0:99.1.0", (Place(8, clock.name, 2),), Device(clock).look, clock, change, Layout())
    rows = profile.read(2, change + timedelta(hours=3), ranged(change, change + timedelta(hours=3)))
    told = [DateTime.parse(row[0].octets) for row in rows.items]
    assert len(told) == 12
    assert [one.instant() for one in told] == [change + at * QUARTER for at in range(1, 13)]


def test_chosen_columns_and_values() -> None:
    profile, _ = load()
    energy = Place(3, Obis.parse("1-0:1.8.0"), 2)
    only = profile.read(2, NOW, ranged(BEGIN, NOW, energy))
    assert all(len(row.items) == 1 for row in only.items)
    by_value = Selector(1, structure(energy.data, u32(QUARTERS[3]), u32(QUARTERS[5]), array()))
    assert numbers(profile.read(2, NOW, by_value)) == QUARTERS[3:6]
    with pytest.raises(AccessRefused):
        profile.read(2, NOW, ranged(BEGIN, NOW, POWER))


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 3), st.integers(0, 3))
def test_entries(first: int, last: int, column: int, to: int) -> None:
    profile, _ = load()
    selector = Selector(2, structure(u32(first), u32(last), u16(column), u16(to)))
    if not first or not column:
        with pytest.raises(AccessRefused):
            profile.read(2, NOW, selector)
        return
    rows = profile.read(2, NOW, selector).items
    assert len(rows) == len(QUARTERS[first - 1 : last or None])
    assert all(len(row.items) == len((1, 2)[column - 1 : to or None]) for row in rows)


def test_setting_the_clock_leaves_gaps_and_doubles() -> None:
    profile, clock = load()
    clock.set(NOW + timedelta(hours=1), NOW)
    clock.set(NOW + timedelta(minutes=1), NOW + timedelta(minutes=20))
    later = NOW + timedelta(hours=2)
    shown = [DateTime.parse(row[0].octets).instant() for row in profile.read(2, later).items]
    assert len(shown) > len(set(shown))
    assert all(at is not None and at.minute % 15 == 0 for at in shown)


def test_new_columns_forget_the_rows() -> None:
    profile, clock = load()
    assert numbers(profile.read(2, NOW))
    profile.write(3, array(Place(8, clock.name, 2).data), NOW)
    assert profile.read(2, NOW) == array()
    with pytest.raises(AccessRefused):
        profile.write(3, array(POWER.data), NOW)
    profile.invoke(2, i8(0), NOW)
    assert len(profile.read(2, NOW).items) == 1
    profile.invoke(1, i8(0), NOW)
    assert profile.read(2, NOW) == array()


def test_events_get_a_row_each() -> None:
    clock = Clock()
    log = EventLog(Device(clock), clock, BEGIN)
    for at in (1, 2):
        log.note(at, NOW + timedelta(minutes=at))
    rows = log.read(2, NOW + timedelta(hours=5)).items
    assert [(DateTime.parse(row[0].octets).instant(), row[1].number) for row in rows] == [
        (NOW + timedelta(minutes=at), at) for at in (1, 2)
    ]


# ---- relay, scripts, schedule, limiter ----
@pytest.mark.parametrize("mode", range(7))
def test_modes_of_the_relay(mode: int) -> None:
    relay = DisconnectControl(mode)
    if mode == 0:
        for method in (1, 2):
            with pytest.raises(AccessRefused):
                relay.invoke(method, i8(0), NOW)
        assert relay.read(2, NOW) == boolean(True)
        return
    relay.invoke(1, i8(0), NOW)
    assert (relay.read(2, NOW), relay.read(3, NOW)) == (boolean(False), enum(0))
    relay.invoke(2, i8(0), NOW)
    direct = mode in (2, 4)
    assert relay.read(3, NOW) == enum(1 if direct else 2)
    assert relay.read(2, NOW) == boolean(direct)
    relay.press(NOW)
    assert relay.state is State.CONNECTED
    assert relay.switched == 2


def test_a_mode_that_there_is_not() -> None:
    relay = DisconnectControl()
    with pytest.raises(AccessRefused):
        relay.write(4, enum(7), NOW)
    relay.write(4, enum(0), NOW)
    assert relay.mode == 0


def scripted() -> tuple[Device, DisconnectControl, ScriptTable]:
    relay, device = DisconnectControl(), Device()
    table = ScriptTable(device)
    trip = (EXECUTE, Place(70, relay.name, 1), i8(0))
    bolt = (WRITE, Place(70, relay.name, 4), enum(0))
    table.values["scripts"] = array(script_of(1, trip), script_of(2, trip, bolt))
    device.add(relay, table)
    return device, relay, table


def test_scripts_do_all_their_actions() -> None:
    _, relay, table = scripted()
    table.invoke(1, u16(2), NOW)
    assert (relay.state, relay.mode) == (State.DISCONNECTED, 0)
    with pytest.raises(AccessRefused):
        table.invoke(1, u16(9), NOW)


def test_scripts_do_not_call_themselves() -> None:
    _, _, table = scripted()
    table.values["scripts"] = array(script_of(1, (EXECUTE, Place(9, table.name, 1), u16(1))))
    with pytest.raises(AccessRefused):
        table.invoke(1, u16(1), NOW)


def reference(table: ScriptTable, number: int) -> Data:
    return structure(octets(table.name.octets), u16(number))


@pytest.mark.parametrize("date", [DateTime(2026, 11, 21), DateTime(), DateTime(weekday=6)])
def test_a_schedule_runs_its_script_when_it_is_due(date: DateTime) -> None:
    device, relay, table = scripted()
    clock = Clock()
    schedule = SingleActionSchedule(device, clock, NOW)
    device.add(schedule)
    schedule.write(2, reference(table, 1), NOW)
    at = structure(octets(DateTime(hour=6, minute=0, second=0, hundredths=0).time), octets(date.date))
    schedule.write(4, array(at), NOW)
    device.advance(datetime(2026, 11, 21, 5, 59, tzinfo=UTC))
    assert relay.switched == 0
    device.advance(datetime(2026, 11, 21, 6, 1, tzinfo=UTC))
    assert relay.state is State.DISCONNECTED
    device.advance(datetime(2026, 11, 21, 6, 2, tzinfo=UTC))
    assert relay.switched == 1


def test_the_limiter_waits_before_it_acts() -> None:
    device, relay, table = scripted()
    power = register(100)
    device.add(power)
    limiter = Limiter(device, POWER, 4000)
    device.add(limiter)
    limiter.write(11, structure(reference(table, 1), structure(octets(bytes(6)), u16(0))), NOW)
    power.values["value"] = u32(5000)
    device.advance(NOW)
    device.advance(NOW + timedelta(seconds=59))
    power.values["value"] = u32(100)
    device.advance(NOW + timedelta(seconds=60))
    power.values["value"] = u32(5000)
    device.advance(NOW + timedelta(seconds=70))
    assert relay.switched == 0
    device.advance(NOW + timedelta(seconds=130))
    assert relay.state is State.DISCONNECTED


# ---- calendar ----
def test_the_passive_calendar_takes_over_at_its_time() -> None:
    clock = Clock(timezone(timedelta(hours=1)))
    calendar = ActivityCalendar(clock)
    calendar.write(6, octets(b"2027"), NOW)
    calendar.write(10, octets(DateTime.of(NOW + timedelta(hours=1)).octets), NOW)
    calendar.advance(NOW)
    assert calendar.read(2, NOW) == octets(b"")
    calendar.advance(NOW + timedelta(hours=1))
    assert calendar.read(2, NOW) == octets(b"2027")
    with pytest.raises(AccessRefused):
        calendar.write(6, u16(1), NOW)


def test_special_days_come_and_go() -> None:
    days = SpecialDays()
    entry = structure(u16(1), octets(DateTime(2026, 12, 24).date), enum(2))
    days.invoke(1, entry, NOW)
    days.invoke(1, structure(u16(1), octets(DateTime(2026, 12, 25).date), enum(2)), NOW)
    assert len(days.read(2, NOW).items) == 1
    days.invoke(2, u16(1), NOW)
    assert days.read(2, NOW) == array()
    with pytest.raises(AccessRefused):
        days.invoke(2, u16(1), NOW)


# ---- image ----
def begun(size: int = 300) -> ImageTransfer:
    image = ImageTransfer(block_size=100, work=timedelta(seconds=5))
    image.invoke(1, structure(octets(b"fw"), u32(size)), NOW)
    return image


def block(image: ImageTransfer, number: int, content: bytes = bytes(100)) -> None:
    image.invoke(2, structure(u32(number), octets(content)), NOW)


def test_blocks_are_counted() -> None:
    image = begun()
    block(image, 0)
    block(image, 2)
    assert (image.read(3, NOW), image.read(4, NOW)) == (bits("101"), u32(1))
    for number, content in ((3, bytes(100)), (1, bytes(99))):
        with pytest.raises(AccessRefused):
            block(image, number, content)
    with pytest.raises(AccessRefused) as refused:
        image.invoke(3, i8(0), NOW)
    assert result_of(refused) == AccessResult.OTHER_REASON


def test_verifying_takes_its_time() -> None:
    image = begun(100)
    block(image, 0, b"\x01" * 100)
    with pytest.raises(AccessRefused) as refused:
        image.invoke(3, i8(0), NOW)
    assert result_of(refused) == AccessResult.TEMPORARY_FAILURE
    assert image.read(6, NOW) == enum(Status.VERIFYING)
    assert image.read(6, NOW + timedelta(seconds=5)) == enum(Status.VERIFIED)
    assert len(image.read(7, NOW).items) == 1


def test_power_loss_keeps_blocks_and_undoes_work() -> None:
    image = begun(100)
    block(image, 0, b"\x01" * 100)
    with pytest.raises(AccessRefused):
        image.invoke(3, i8(0), NOW)
    image.power_loss()
    assert image.read(6, NOW + timedelta(hours=1)) == enum(Status.INITIATED)
    assert image.first_missing == image.count


@pytest.mark.parametrize("size", [0, 1 << 30])
def test_impossible_images_are_refused(size: int) -> None:
    with pytest.raises(AccessRefused):
        begun(size)


def test_a_closed_meter_takes_no_image() -> None:
    image = ImageTransfer()
    image.write(5, boolean(False), NOW)
    with pytest.raises(AccessRefused):
        image.invoke(1, structure(octets(b"fw"), u32(10)), NOW)


# ---- push and keys ----
def test_a_push_carries_the_listed_values() -> None:
    clock, sent = Clock(), list[DataNotification]()
    device = Device(clock, register(1122))
    push = PushSetup(device, clock, [POWER, Place(3, Obis.parse("1-0:99.9.9"), 2)], lambda one, now: sent.append(one))
    push.invoke(1, i8(0), NOW)
    push.invoke(1, i8(0), NOW)
    assert [one.body for one in sent] == [structure(u32(1122), NULL)] * 2
    assert sent[0].time == clock.stamp(NOW).octets
    assert sent[0].invoke != sent[1].invoke
    with pytest.raises(BadValue):
        push.write(2, array(u16(1)), NOW)


MASTER = bytes(range(16))


def test_new_keys_come_wrapped() -> None:
    identity = Identity(heard={b"READER01": 5})
    setup = SecuritySetup(bytes(8), lambda: MASTER, identity.take)
    wrapped = keywrap.wrap(MASTER, b"k" * 16)
    setup.invoke(2, array(structure(enum(2), octets(wrapped))), NOW)
    assert identity.keys.authentication == b"k" * 16
    assert identity.greatest == 5
    setup.invoke(2, array(structure(enum(0), octets(wrapped))), NOW)
    assert identity.keys.encryption == b"k" * 16
    assert identity.greatest == 0


def test_badly_wrapped_keys_change_nothing() -> None:
    identity = Identity()
    setup = SecuritySetup(bytes(8), lambda: MASTER, identity.take)
    good, bad = keywrap.wrap(MASTER, b"k" * 16), keywrap.wrap(bytes(16), b"k" * 16)
    for wrong in (structure(enum(2), octets(bad)), structure(enum(9), octets(good)), structure(enum(2), octets(b""))):
        with pytest.raises(AccessRefused):
            setup.invoke(2, array(structure(enum(0), octets(good)), wrong), NOW)
    assert not identity.keys.encryption


def test_the_policy_only_becomes_stricter() -> None:
    setup = SecuritySetup(bytes(8), lambda: MASTER, lambda fresh: None, policy=1)
    setup.invoke(1, enum(3), NOW)
    with pytest.raises(AccessRefused):
        setup.invoke(1, enum(1), NOW)
    assert setup.read(2, NOW) == enum(3)


# ---- devices ----
def test_short_names() -> None:
    clock, energy = Clock(base=0x1000), CosemObject(REGISTER, "1-0:1.8.0", {"value": u32(7)}, base=0x2000)
    device = Device(clock, energy)
    assert device.short(0x2008) == (energy, 2)
    assert device.short(0x1000) == (clock, 1)
    assert device.short(0x2009) is device.short(0x2018) is device.short(0x0F00) is None


def test_parts_of_structures() -> None:
    device = Device(register())
    place = Place(3, POWER.name, 3, 1)
    assert device.look(place, NOW) == i8(0)
    assert Place.of(place.data) == place
    with pytest.raises(AccessRefused):
        device.look(Place(3, POWER.name, 3, 3), NOW)
