"""Telegrams to readings: the general decoder, which knows nothing of the meter but its key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

from metergate.bits import Cursor
from metergate.errors import ApplicationError, BadChecksum, DecodeError, Unsupported
from metergate.model import Medium, MeterIdentity, Reading, Register
from metergate.model.reading import Value
from metergate.wire.base import Problem, Telegram
from metergate.wire.mbus.names import MEDIA
from metergate.wire.mbus.quick import quick_telegram
from metergate.wire.mbus.records import Records, decode_records, split_records
from metergate.wire.mbus.security import CHECK
from metergate.wire.wmbus import makers
from metergate.wire.wmbus.compact import Formats
from metergate.wire.wmbus.fast import Known, Shortcuts
from metergate.wire.wmbus.layers import (
    AFL,
    ALARMS,
    COMMANDS,
    COMPACT,
    ELL,
    ERRORS,
    LINK_MANAGEMENT,
    MAKER,
    Afl,
    Ell,
    Tpl,
)
from metergate.wire.wmbus.link import FIRST, Address, Format, Link, on_line
from metergate.wire.wmbus.models import STRAY, STRAY_BYTES, amend, behind_adapter, renames
from metergate.wire.wmbus.peel import Context, Layers, peel

NAME = "wmbus"
_EMPTY = Records((), ())
LAST_MODE = 13
"""Security modes above this are a maker's own use of the field: the payload is taken as it is."""


class Frame(Mapping[str, object]):
    """The header fields of a telegram, made out when somebody asks for them."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], dict[str, object]]) -> None:
        self._make = make
        self._made: dict[str, object] | None = None

    def _all(self) -> dict[str, object]:
        if self._made is None:
            self._made = self._make()
        return self._made

    def __getitem__(self, name: str) -> object:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return repr(self._all())

    def __reduce__(self) -> tuple[type[dict[str, object]], tuple[dict[str, object]]]:
        return dict, (self._all(),)


class Decoder:
    """Decodes the telegrams of any number of meters. `context`: keys and what was heard; `formats`: compact layouts.

    `learn`: read what a meter repeats by its learnt layout; the readings are the same either way.
    """

    def __init__(self, context: Context | None = None, formats: Formats | None = None, *, learn: bool = True) -> None:
        self.context = context or Context()
        self.formats = formats or Formats()
        self._shortcuts = Shortcuts(self.context, self.formats) if learn else None

    def decode(self, telegram: bytes, offset: int, form: Format, frame: bytes, at: datetime | None) -> Telegram:
        """The telegram of a frame that stood at `offset` and arrived at `at`. Errors become its problems."""
        short = self._shortcuts.read(telegram, at) if self._shortcuts else None
        if short is None:
            return self._decode(telegram, offset, form, frame, at)
        known, payload, readings = short
        shown = Frame(partial(describe_opened, telegram, form, known, payload))
        return quick_telegram(NAME, offset, frame, known.identity, shown, readings)

    def values(self, telegram: bytes) -> tuple[tuple[Register, ...], Sequence[Value]] | None:
        """Registers and values of a telegram (without link CRCs) whose meter and layout are known: the fastest way.

        Keys, CRCs, MACs and counters are looked at as ever. None: `decode` it, which learns the layout.
        """
        return self._shortcuts.values(telegram) if self._shortcuts else None

    def _decode(self, telegram: bytes, offset: int, form: Format, frame: bytes, at: datetime | None) -> Telegram:
        layers = Layers(Link.of(telegram))
        readings: tuple[Reading, ...] = ()
        problems: tuple[Problem, ...] = ()
        try:
            peel(telegram, layers, self.context, at)
            readings = self._readings(telegram, layers, at)
        except DecodeError as error:
            place = min(on_line(error.offset, form), len(frame))
            problems = (Problem(error.code, offset + place, error.reason),)
        valid = not any(problem.code == BadChecksum.code for problem in problems)
        shown = Frame(partial(describe, telegram, form, layers))
        return Telegram(NAME, offset, len(frame), valid, frame, _who(layers), shown, readings, problems)

    def _readings(self, telegram: bytes, layers: Layers, at: datetime | None) -> tuple[Reading, ...]:
        """What an opened telegram says. Only telegrams of the plain standard are read the short way next time."""
        own = makers.payload(layers.address, layers.tpl.ci) if layers.tpl else None
        if own is not None and layers.payload is not None:
            key = self.context.keys.of(layers.address, layers.link.address)
            block = makers.Block(layers.payload, layers.link.address, layers.tpl.ci if layers.tpl else 0, telegram, key)
            return _made(own.decode, block, layers, at)
        records = self._records(layers, at)
        more = _tail(records, layers, at)
        if not records.readings and not more and records.manufacturer_data:
            raise Unsupported("the payload is in the maker's own format", layers.base)
        amended = amend(records, layers.address)
        names = renames(records, amended)
        plain = names is not None and not more and layers.named is None and not layers.stray
        if self._shortcuts and plain:
            self._shortcuts.learn(telegram, layers, identity(layers.address), records, names)
        return amended.readings + more

    def _records(self, layers: Layers, at: datetime | None) -> Records:
        """The records in the payload of an opened telegram; the layout for compact frames is remembered."""
        tpl, payload = layers.tpl, layers.payload
        if tpl is None or payload is None or tpl.ci in LINK_MANAGEMENT or tpl.ci in COMMANDS or tpl.ci in ALARMS:
            return _EMPTY
        if tpl.ci in MAKER:
            raise Unsupported(f"CI {tpl.ci:02X}H: the payload is in the maker's own format", layers.base)
        if tpl.ci in ERRORS:
            raise ApplicationError(_complaint(payload), layers.base)
        if tpl.ci in COMPACT:
            layers.payload = payload = self.formats.rebuild(payload.removeprefix(CHECK), layers.base)
        found = _decoded(payload, layers, at)
        if tpl.ci not in COMPACT:
            self.formats.learn(record.dif + record.vif for record in found.raw)
        return found


def _made(decode: makers.Decode, block: makers.Block, layers: Layers, at: datetime | None) -> tuple[Reading, ...]:
    """The readings of a maker's block at the end of the payload; its errors point into the telegram."""
    try:
        items = decode(block)
    except DecodeError as error:
        start = layers.base + len(layers.payload or b"") - len(block.data)
        raise type(error)(error.reason, start + error.offset) from error
    return makers.readings(items, layers.address.id, at, layers.tpl.status if layers.tpl else None)


def _tail(records: Records, layers: Layers, at: datetime | None) -> tuple[Reading, ...]:
    """The readings in what stands behind DIF 0F, where it is known how such a meter fills it."""
    decode = makers.tail(layers.address)
    if decode is None or not records.manufacturer_data:
        return ()
    return _made(decode, makers.Block(records.manufacturer_data, layers.address), layers, at)


def _decoded(payload: bytes, layers: Layers, at: datetime | None) -> Records:
    try:
        found = split(payload, layers, at)
        layers.named = behind_adapter(found, layers.address)
        return found if layers.named is None else split(payload, layers, at)
    except DecodeError as error:
        if layers.tpl and layers.tpl.mode > LAST_MODE:
            raise Unsupported(f"security mode {layers.tpl.mode} is not known", layers.base) from error
        raise


def split(payload: bytes, layers: Layers, at: datetime | None = None) -> Records:
    """The records, without the octets that some models put behind them."""
    address, status = layers.address, layers.tpl.status if layers.tpl else None
    read = partial(decode_records, meter=address.id, base=layers.base, at=at, status=status)
    try:
        return read(payload)
    except DecodeError:
        if (address.manufacturer, address.version, address.device) not in STRAY:
            raise
        layers.stray, layers.payload = True, payload[:-STRAY_BYTES]
        return read(layers.payload)


_COMPLAINTS = {
    0: "unspecified error",
    1: "CI field not known",
    2: "buffer too long",
    3: "too many records",
    4: "premature end of a record",
    5: "more than 10 DIFEs",
    6: "more than 10 VIFEs",
    8: "application busy",
    9: "too many readouts",
}


def _complaint(payload: bytes) -> str:
    code = payload[0] if payload else 0
    return f"the meter reports error {code:02X}H: {_COMPLAINTS.get(code, 'unknown')}"


def identity(address: Address, medium: Medium | None = None) -> MeterIdentity:
    """Who the meter is; `medium` where its device type does not tell that."""
    medium = medium or makers.MEDIA.get((address.manufacturer, address.device)) or MEDIA.get(address.device)
    return MeterIdentity(address.id, address.manufacturer, medium, address.version)


def _who(layers: Layers) -> MeterIdentity:
    own = makers.payload(layers.address, layers.tpl.ci) if layers.tpl else None
    return identity(layers.address, own.medium if own else None)


def describe(telegram: bytes, form: Format, layers: Layers) -> dict[str, object]:
    """The header fields by the names of the decode contract, and the raw records."""
    found: dict[str, object] = {
        "telegram": telegram.hex(),
        "link_crc": form.value,
        "control": f"{layers.link.control:02x}",
        "sender": layers.link.address.octets.hex(),
    }
    if layers.ell:
        found |= _ell(layers.ell)
    if layers.afl:
        found |= {"fragment": layers.afl.fragment, "message_counter": layers.afl.counter}
    if layers.tpl:
        found |= _tpl(layers.tpl)
        found["protected"] = layers.protected
    if layers.payload is not None and layers.tpl:
        own = makers.payload(layers.address, layers.tpl.ci)
        found |= {"manufacturer_data": layers.payload.hex()} if own else _payload(layers.payload, layers.tpl.ci)
    return found


def describe_opened(telegram: bytes, form: Format, known: Known, payload: bytes) -> dict[str, object]:
    """As `describe`, for a telegram of a known meter whose payload was opened already."""
    layers = Layers(Link.of(telegram), payload=payload, protected=known.protected)
    cursor = Cursor(telegram, FIRST)
    ci = cursor.byte()
    if ci in ELL:
        layers.ell = Ell.parse(ci, cursor)
        ci = ci if layers.ell.encryption else cursor.byte()
    if ci == AFL:
        layers.afl = Afl.parse(cursor)
    transport = known.opener.transport(telegram)
    layers.tpl = Tpl.parse(transport[0], Cursor(transport, 1))
    return describe(telegram, form, layers)


def _ell(ell: Ell) -> dict[str, object]:
    found: dict[str, object] = {"ell_ci": f"{ell.ci:02x}", "ell_control": ell.control, "ell_access_number": ell.access}
    if ell.session is not None:
        found["session"] = ell.session
    if ell.receiver:
        found["receiver"] = ell.receiver.hex()
    return found


def _tpl(tpl: Tpl) -> dict[str, object]:
    found: dict[str, object] = {"ci": f"{tpl.ci:02x}"}
    if tpl.access is None:
        return found
    return found | {
        "access_number": tpl.access,
        "status": tpl.status,
        "configuration": tpl.configuration,
        "security_mode": tpl.mode,
    }


def _payload(payload: bytes, ci: int) -> dict[str, object]:
    if ci in MAKER:
        return {"manufacturer_data": payload.hex()}
    if ci in COMMANDS:
        return {"payload": payload.removeprefix(CHECK).hex()}
    try:
        raw, maker, more = split_records(payload)
    except DecodeError:
        return {"payload": payload.hex()}
    shown = [{"dif": one.dif.hex(), "vif": one.vif.hex(), "data": one.data.hex()} for one in raw]
    return {"records": shown, "manufacturer_data": maker.hex(), "more_records_follow": more}
