"""COSEM interface classes as declared tables: what attributes and methods an object of a class has, who may use them.

Attribute 1 of every class is its logical name and stands in no table; the first of a table is attribute 2. Levels are
the least right of an association that may do it; None: nobody. An object may ask for more (DLMS §2.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Level(IntEnum):
    """What an association may: see what is public, read all, set and order."""

    PUBLIC = 0
    READER = 1
    MANAGER = 2


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute: who may read and write it, and which selectors its reading knows."""

    name: str
    write: Level | None = None
    read: Level | None = Level.PUBLIC
    selectors: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class InterfaceClass:
    """A class of objects. `attributes` from number 2, `methods` from number 1; None keeps a number free."""

    number: int
    name: str
    attributes: tuple[Attribute, ...]
    methods: tuple[str, ...] = ()
    version: int = 0

    def attribute(self, index: int) -> Attribute | None:
        """Attribute `index`; None if the class has none of that number."""
        if index == 1:
            return LOGICAL_NAME
        return self.attributes[index - 2] if 2 <= index < len(self.attributes) + 2 else None

    def method(self, index: int) -> str | None:
        """The name of method `index`; None if the class has none of that number."""
        return self.methods[index - 1] if 1 <= index <= len(self.methods) else None

    def number_of(self, name: str) -> int:
        """The number of the attribute `name`. KeyError."""
        return {attribute.name: at for at, attribute in enumerate(self.attributes, 2)}[name]


LOGICAL_NAME = Attribute("logical_name")


def _table(*rows: str) -> tuple[Attribute, ...]:
    """Attributes from their names; a trailing `!` may be written by a manager, a leading `-` read by nobody."""
    return tuple(
        Attribute(
            row.strip("-!"), Level.MANAGER if row.endswith("!") else None, None if row[0] == "-" else Level.PUBLIC
        )
        for row in rows
    )


def _class(number: int, name: str, attributes: str, methods: str = "", version: int = 0) -> InterfaceClass:
    return InterfaceClass(number, name, _table(*attributes.split()), tuple(methods.split()), version)


SHORT_STEP = 8
"""Attribute n has the short name base + 8(n - 1)."""
_SHORT_METHODS = {
    3: (0x28,),
    4: (0x38,),
    5: (0x48, 0x50),
    7: (0x58, 0x60),
    8: (0x60, 0x68, 0x70, 0x78, 0x80, 0x88),
    9: (0x20,),
    12: (0x20, 0x28, 0x30, 0x38, 0x40, 0x48, 0x50, 0x58),
    18: (0x40, 0x48, 0x50, 0x58),
    40: (0x38,),
    64: (0x30, 0x38),
    70: (0x20, 0x28),
}
"""Where the short names of a class's methods are, counted from the base (u)."""


def short_method(number: int, index: int) -> int | None:
    """The offset of the short name of method `index` of a class; None if it is not known."""
    known = _SHORT_METHODS.get(number, ())
    return known[index - 1] if 1 <= index <= len(known) else None


DATA = _class(1, "Data", "value")
PARAMETER = _class(1, "Data", "value!")
"""A Data object that a manager may write."""
REGISTER = _class(3, "Register", "value scaler_unit", "reset")
EXTENDED = _class(4, "Extended register", "value scaler_unit status capture_time", "reset")
DEMAND = _class(
    5,
    "Demand register",
    "current_average last_average scaler_unit status capture_time start_time period! number_of_periods!",
    "reset next_period",
)
PROFILE = InterfaceClass(
    7,
    "Profile generic",
    (
        Attribute("buffer", selectors=(1, 2)),
        *_table(
            "capture_objects!", "capture_period!", "sort_method", "sort_object", "entries_in_use", "profile_entries"
        ),
    ),
    ("reset", "capture"),
    1,
)
CLOCK = _class(
    8,
    "Clock",
    "time! time_zone! status dst_begin! dst_end! dst_deviation! dst_enabled! clock_base",
    "adjust_to_quarter adjust_to_measuring_period adjust_to_minute adjust_to_preset_time preset_adjusting_time"
    " shift_time",
)
SCRIPTS = _class(9, "Script table", "scripts!", "execute")
SPECIAL_DAYS = _class(11, "Special days table", "entries!", "insert delete")
ASSOCIATION_SN = _class(
    12,
    "Association SN",
    "object_list",
    "get_attributes get_services read_by_name reserved change_secret reserved_2 reserved_3 reply_to_hls",
)
ASSOCIATION = _class(
    15,
    "Association LN",
    "object_list partners context_name context_info mechanism_name -secret! status security_setup",
    "reply_to_hls change_secret",
    1,
)
IMAGE = _class(
    18,
    "Image transfer",
    "block_size blocks_status first_missing_block enabled! status to_activate",
    "initiate block_transfer verify activate",
)
CALENDAR = _class(
    20,
    "Activity calendar",
    "name_active season_active week_active day_active name_passive! season_passive! week_passive! day_passive!"
    " activation_time!",
    "activate_passive",
)
SCHEDULE = _class(22, "Single action schedule", "executed_script! type! execution_time!")
HDLC_SETUP = _class(
    23,
    "IEC HDLC setup",
    "speed window_transmit window_receive info_transmit info_receive inter_octet_timeout inactivity_timeout address",
    "",
    1,
)
PUSH = _class(
    40,
    "Push setup",
    "object_list! destination! communication_window! randomisation_interval! retries! repetition_delay!",
    "push",
)
TCP_SETUP = _class(41, "TCP-UDP setup", "port ip_reference mss connections inactivity_timeout")
SECURITY = _class(64, "Security setup", "policy suite client_title server_title", "activate key_transfer")
DISCONNECT = _class(
    70, "Disconnect control", "output_state control_state control_mode!", "remote_disconnect remote_reconnect"
)
LIMITER = _class(
    71,
    "Limiter",
    "monitored_value threshold_active threshold_normal! threshold_emergency! min_over_duration! min_under_duration!"
    " emergency_profile! emergency_groups! emergency_active actions!",
)
