"""Consumer ports of simulated electricity meters, each as its maker writes and carries it.

Kinds: 0 of no maker, 1 Aidon, 2 Kaifa, 3 Kamstrup, 4 Landis+Gyr, 5 Iskraemeco, 6 Sagemcom, 7 Kaifa in Austria (wired
M-Bus). With a key (hex: encryption, and behind it authentication) the notification goes in general ciphering.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from decimal import ROUND_DOWN, Decimal
from itertools import count

from metergate.errors import ConfigError
from metergate.model import Obis, Reading, Register, Unit
from metergate.sim.meters.base import LOCAL, Frames, source
from metergate.sim.source import HouseholdSource
from metergate.sim.specs import Bank, MeterSpec
from metergate.wire.dlms.data import Data, DateTime, octets, structure, u32, visible
from metergate.wire.dlms.push import writer
from metergate.wire.dlms.security import KeySet, seal
from metergate.wire.hdlc.address import Address

KEY = 16
SIZE = 120
"""Octets of a segment where a maker sends several."""
_SHOWN = (
    ("1-0:1.7.0", Unit.W, 0),
    ("1-0:2.7.0", Unit.W, 0),
    ("1-0:3.7.0", Unit.VAR, 0),
    ("1-0:4.7.0", Unit.VAR, 0),
    ("1-0:31.7.0", Unit.A, -1),
    ("1-0:51.7.0", Unit.A, -1),
    ("1-0:71.7.0", Unit.A, -1),
    ("1-0:32.7.0", Unit.V, -1),
    ("1-0:52.7.0", Unit.V, -1),
    ("1-0:72.7.0", Unit.V, -1),
    ("1-0:1.8.0", Unit.WH, 1),
    ("1-0:2.8.0", Unit.WH, 1),
    ("1-0:3.8.0", Unit.VARH, 1),
    ("1-0:4.8.0", Unit.VARH, 1),
)
"""What the lists hold, and the least place that they show."""
_PLAIN = (("1-0:1.8.0", Unit.WH, -1), ("1-0:2.8.0", Unit.WH, -1), ("1-0:16.7.0", Unit.W, 0))
_KILO = (Unit.W, Unit.VAR, Unit.WH, Unit.VARH)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a meter tells at an instant: its number, its clock's octets, its registers."""

    number: str
    clock: bytes
    readings: tuple[Reading, ...]
    plain: tuple[Reading, ...] = ()
    """Both energies and the net power, as exact as the household is."""

    def values(self) -> dict[Obis, Decimal | str | bytes]:
        """The registers by code."""
        return {one.obis: one.value for one in self.readings if one.obis and isinstance(one.value, Decimal)}


Write = Callable[[Shown], bytes]
Carry = Callable[[bytes], list[bytes]]


def _reading(code: str, value: Decimal | str | bytes, unit: Unit | None = None, scaler: int = 0) -> Reading:
    return Reading(Register("", Obis.parse(code), unit=unit, scaler=scaler), value)


def _look(show: HouseholdSource, number: str, now: datetime) -> Shown:
    told = []
    for code, unit, scaler in _SHOWN:
        found = (show(Obis.parse(code), now) or Decimal(0)) * (1000 if unit in _KILO else 1)
        told.append(_reading(code, found.quantize(Decimal(1).scaleb(scaler)), unit, scaler))
    plain = []
    for code, unit, scaler in _PLAIN:
        exact = (show(Obis.parse(code), now) or Decimal(0)) * 1000
        plain.append(_reading(code, exact.quantize(Decimal(1).scaleb(scaler), ROUND_DOWN), unit, scaler))
    return Shown(number, DateTime.of(now.astimezone(timezone(LOCAL))).octets, tuple(told), tuple(plain))


def _plain(shown: Shown) -> bytes:
    return writer.notification(
        writer.self_describing([_reading("0-0:96.1.0", shown.number), *shown.plain]), shown.clock
    )


# ---- lists -----------------------------------------------------------------------------------------------------------
def _aidon(shown: Shown) -> bytes:
    named = (("1-1:0.2.129", "AIDON_V0001"), ("0-0:96.1.0", shown.number), ("0-0:96.1.7", "6525"))
    texts = [_reading(code, text) for code, text in named]
    return writer.notification(writer.self_describing([*texts, *shown.readings]), shown.clock)


def _kaifa(shown: Shown) -> bytes:
    held = {Obis.parse("1-1:0.2.129"): "KFM_001", Obis.parse("0-0:96.1.0"): shown.number}
    held |= {Obis.parse("0-0:96.1.7"): "MA304H3E"}
    values = {**held, Obis.parse("0-0:1.0.0"): shown.clock, **shown.values()}
    return writer.notification(writer.positional(values), shown.clock, tagged=True)


def _kamstrup(shown: Shown) -> bytes:
    texts = [_reading("1-1:0.0.5", shown.number), _reading("1-1:96.1.1", "6841131BN243101040")]
    told = []
    for one in shown.readings:
        value = one.value if isinstance(one.value, Decimal) else Decimal(0)
        whole = value.to_integral_value() if one.unit is Unit.V else value
        told.append(_reading(str(one.obis).replace("-0:", "-1:"), whole, one.unit))
    clock = _reading("0-1:1.0.0", shown.clock)
    return writer.notification(writer.pairs("Kamstrup_V0001", [*texts, *told, clock]), shown.clock)


def _object_list(shown: Shown) -> bytes:
    """The list of objects, then their values."""
    names = [(1, Obis.parse("0-0:96.1.0").octets), *((3, one.obis.octets) for one in shown.readings if one.obis)]
    values = [octets(shown.number.encode()), *(_number(one, 0) for one in shown.readings)]
    return writer.notification(writer.push_object_list(names, values), shown.clock)


def _named_values(shown: Shown) -> bytes:
    """One structure of code and value in turn, scalers and units told behind each."""
    items: list[Data] = [octets(Obis.parse("0-0:96.1.0").octets), visible(shown.number)]
    for one in shown.readings:
        item = writer.self_describing([one]).items[0]
        items += item.items
    return writer.notification(structure(*items), shown.clock)


def _number(one: Reading, scaler: int) -> Data:
    value = one.value if isinstance(one.value, Decimal) else Decimal(0)
    return u32(int(value.scaleb(-scaler)))


# ---- carriers --------------------------------------------------------------------------------------------------------
def _hdlc(told: bytes) -> list[bytes]:
    return writer.hdlc_frames(told)


def _segments(told: bytes) -> list[bytes]:
    return writer.hdlc_frames(told, Address(103), Address(1, 1), SIZE)


KINDS: dict[str, tuple[int, Write, Carry]] = {
    "plain": (0, _plain, _hdlc),
    "aidon": (1, _aidon, _hdlc),
    "kaifa": (2, _kaifa, _hdlc),
    "kamstrup": (3, _kamstrup, _hdlc),
    "landis+gyr": (4, _object_list, _segments),
    "iskra": (5, _named_values, _segments),
    "sagemcom": (6, _named_values, writer.mbus_frames),
    "kaifa-mbus": (7, _kaifa, writer.mbus_frames),
}
"""Kind by name: its number, its list, what carries it."""


def pusher(spec: MeterSpec, bank: Bank) -> Frames:
    """The meter as its consumer port pushes. ConfigError for a kind that there is not."""
    known: Sequence[tuple[int, Write, Carry]] = [row for row in KINDS.values() if row[0] == spec.kind]
    if not known:
        raise ConfigError(f"dlms-push has no kind {spec.kind}; there are {', '.join(KINDS)}")
    _, write, carry = known[0]
    show, counter = source(spec, bank), count(1)
    key = bytes.fromhex(spec.key)
    keys, title = KeySet(key[:KEY], key[KEY:] or key[:KEY]), b"MGT" + spec.id.encode().rjust(5, b"0")[-5:]

    def frames(now: datetime) -> list[bytes]:
        told = write(_look(show, spec.id, now))
        return carry(seal(told, keys, title, next(counter), general=True).encode() if key else told)

    return frames
