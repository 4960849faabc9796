"""Reading and writing by short names: every attribute has one, base + 8 (n - 1); the association lists the bases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from metergate.errors import BadValue, Unsupported
from metergate.model import Obis
from metergate.wire.base import Dialogue
from metergate.wire.dlms import apdu as a
from metergate.wire.dlms.apdu import BlockNumber, BlockRead, Conformance, Parameterised, Result, Selector, Variable
from metergate.wire.dlms.client.association import LONGEST, Association
from metergate.wire.dlms.client.client import NotDone, NotGiven
from metergate.wire.dlms.cosem.classes import SHORT_STEP, short_method
from metergate.wire.dlms.cosem.objects import elements, rows
from metergate.wire.dlms.data import Data

ASSOCIATION = 0xFA00
"""The base of the association that one is in (u)."""
NO_SELECTOR = 0
"""The selector of a method's call."""


@dataclass(frozen=True, slots=True)
class Base:
    """An object as the association lists it."""

    base: int
    class_id: int
    version: int
    name: Obis

    def attribute(self, index: int) -> int:
        """The short name of an attribute."""
        return self.base + SHORT_STEP * (index - 1)

    def method(self, index: int) -> int:
        """The short name of a method. Unsupported for classes whose methods have none that is known."""
        offset = short_method(self.class_id, index)
        if offset is None:
            raise Unsupported(f"the short names of the methods of class {self.class_id} are not known")
        return self.base + offset


class ShortClient(Association):
    """An association in a context of short names (`Context.SN`, `SN_CIPHERED`), and the services in it."""

    def read(self, name: int, selector: Selector | None = None) -> Dialogue[Data]:
        """The value of a short name. NotGiven; NoAnswer, DecodeError."""
        if selector:
            self.agreed(Conformance.PARAMETERISED_ACCESS)
        place = Parameterised(name, selector.selector, selector.parameter) if selector else Variable(name)
        (found,) = yield from self._read((place,), again=True)
        if isinstance(found, int):
            raise NotGiven(f"short name {name:04X}H", found)
        return found

    def read_list(self, names: Sequence[int]) -> Dialogue[tuple[Result, ...]]:
        """Several short names at once: values, or data-access-results."""
        self.agreed(Conformance.MULTIPLE_REFERENCES)
        return (yield from self._read(tuple(map(Variable, names)), again=True))

    def write(self, name: int, value: Data) -> Dialogue[None]:
        """Write a short name. NotDone; NoAnswer: then nobody knows whether it was written."""
        self.agreed(Conformance.WRITE)
        request = a.WriteRequest((Variable(name),), (value,))
        answer = yield from self.ask(request, lambda found: isinstance(found, a.WriteResponse), again=False)
        (result,) = answer.results if len(answer.results) == 1 else (int(a.AccessResult.OTHER_REASON),)
        if result != 0:
            raise NotDone(f"short name {name:04X}H", result if isinstance(result, int) else 250)

    def tell(self, name: int, value: Data) -> Dialogue[None]:
        """Write a short name, unconfirmed: nobody knows what comes of it."""
        self.agreed(Conformance.UNCONFIRMED_WRITE)
        yield from self.say(a.UnconfirmedWriteRequest((Variable(name),), (value,)))

    def call(self, name: int, parameter: Data) -> Dialogue[Data]:
        """Execute the method of a short name, once; what it returned. NotDone."""
        self.agreed(Conformance.PARAMETERISED_ACCESS)
        (found,) = yield from self._read((Parameterised(name, NO_SELECTOR, parameter),), again=False)
        if isinstance(found, int):
            raise NotDone(f"short name {name:04X}H", found)
        return found

    def objects(self) -> Dialogue[tuple[Base, ...]]:
        """The objects that the association sees, and where they are."""
        found = yield from self.read(ASSOCIATION + SHORT_STEP)
        return tuple(_base(item) for item in rows(found))

    def _read(self, places: tuple[a.VariableAccess, ...], again: bool) -> Dialogue[tuple[Result, ...]]:
        self.agreed(Conformance.READ)
        answer = yield from self.ask(a.ReadRequest(places), lambda found: isinstance(found, a.ReadResponse), again)
        results = answer.results
        if len(results) == 1 and isinstance(results[0], BlockRead):
            raw = yield from self._rest(results[0])
            results = a.decode(b"\x0c" + raw).results
        if len(results) != len(places) or not all(isinstance(one, Data | int) for one in results):
            raise BadValue(f"{len(results)} values where {len(places)} were asked for")
        found: tuple[Result, ...] = results
        return found

    def _rest(self, block: BlockRead) -> Dialogue[bytes]:
        """All blocks of a long answer."""
        held, expected = bytearray(), 1
        while True:
            if block.block != expected or len(held) + len(block.raw) > LONGEST:
                raise BadValue(f"block {block.block} came where {expected} was expected")
            held += block.raw
            if block.last:
                return bytes(held)
            request = a.ReadRequest((BlockNumber(expected),))
            answer = yield from self.ask(request, lambda found: isinstance(found, a.ReadResponse))
            expected += 1
            (told,) = answer.results if len(answer.results) == 1 else (None,)
            if not isinstance(told, BlockRead):
                raise NotGiven("a long answer", told if isinstance(told, int) else 250)
            block = told


def _base(item: Data) -> Base:
    base, number, version, name = elements(item, 4)
    return Base(base.number & 0xFFFF, number.number, version.number, Obis.of(name.octets))
