"""The services by short names: read and write of attributes at base + 8 (n - 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from metergate.errors import DecodeError
from metergate.wire.dlms import apdu as a
from metergate.wire.dlms.apdu import AccessResult, Apdu, Conformance, Method, Outcome, Selector
from metergate.wire.dlms.cosem.association import SHORT_NAME, AssociationSN
from metergate.wire.dlms.cosem.classes import ASSOCIATION_SN, SHORT_STEP, short_method
from metergate.wire.dlms.cosem.objects import AccessRefused, CosemObject
from metergate.wire.dlms.data import NULL, Data
from metergate.wire.dlms.server.blocks import Outgoing
from metergate.wire.dlms.server.objects import View, why
from metergate.wire.dlms.server.services import BLOCK_HEAD, NotAgreed

_C = Conformance
REPLY = SHORT_NAME + (short_method(ASSOCIATION_SN.number, len(ASSOCIATION_SN.methods)) or 0)
"""The short name of the method that takes the client's proof (u)."""


@dataclass(slots=True)
class ShortNames:
    """The services of one association."""

    view: View
    conformance: int
    limit: int
    prove: Callable[[Data | None], Outcome]
    outgoing: Outgoing | None = None

    def answer(self, request: Apdu, now: datetime) -> Apdu | None:
        """The answer; none to an unconfirmed write. NotAgreed."""
        if isinstance(request, a.ReadRequest) and self.conformance & _C.READ:
            return self._read(request, now)
        if isinstance(request, a.WriteRequest) and self.conformance & _C.WRITE:
            return a.WriteResponse(self._write(request, now))
        if isinstance(request, a.UnconfirmedWriteRequest) and self.conformance & _C.UNCONFIRMED_WRITE:
            self._write(request, now)
            return None
        raise NotAgreed

    def _several(self, variables: tuple[a.VariableAccess, ...]) -> None:
        if len(variables) > 1 and not self.conformance & _C.MULTIPLE_REFERENCES:
            raise NotAgreed

    def _read(self, request: a.ReadRequest, now: datetime) -> Apdu:
        self._several(request.variables)
        if len(request.variables) == 1 and isinstance(request.variables[0], a.BlockNumber):
            return self._next(request.variables[0].block)
        answer = a.ReadResponse(tuple(self._one(variable, now) for variable in request.variables))
        octets = a.encode(answer)
        if len(octets) <= self.limit or not self.conformance & _C.BLOCK_GET:
            return answer
        self.outgoing = Outgoing(octets[1:], max(1, self.limit - BLOCK_HEAD))
        return self._block(self.outgoing)

    def _next(self, block: int) -> Apdu:
        """The block after the one that the client has received."""
        out = self.outgoing
        if out is None or block not in (out.block, out.block - 1) or (out.last and block == out.block):
            self.outgoing = None
            return a.ReadResponse((int(AccessResult.LONG_GET_ABORTED),))
        out.block = block + 1
        return self._block(out)

    def _block(self, out: Outgoing) -> Apdu:
        return a.ReadResponse((a.BlockRead(out.last, out.block, out.piece),))

    def _find(self, variable: a.VariableAccess) -> tuple[CosemObject, int, Selector | None]:
        if not isinstance(variable, a.Variable | a.Parameterised):
            raise AccessRefused(AccessResult.OTHER_REASON)
        selector = None
        if isinstance(variable, a.Parameterised):
            if not self.conformance & _C.PARAMETERISED_ACCESS:
                raise NotAgreed
            selector = Selector(variable.selector, variable.parameter)
        name = variable.name & 0xFFFF
        if SHORT_NAME <= name <= SHORT_NAME + SHORT_STEP:
            index = (name - SHORT_NAME) // SHORT_STEP + 1
            return AssociationSN(self.view.device, self.view.level), index, selector
        found = self.view.device.short(name)
        if found is None or self.view.level < found[0].level:
            raise AccessRefused(AccessResult.OBJECT_UNDEFINED)
        return *found, selector

    def _called(self, variable: a.Parameterised, now: datetime) -> a.Result | None:
        """What came of a method; None if the name is no method's. NotAgreed."""
        name = variable.name & 0xFFFF
        found = self.view.device.short_method(name)
        if name != REPLY and found is None:
            return None
        if not self.conformance & _C.PARAMETERISED_ACCESS:
            raise NotAgreed
        outcome = self.prove(variable.parameter) if name == REPLY or found is None else self._act(*found, variable, now)
        if outcome.result:
            return outcome.result
        return NULL if outcome.returned is None else outcome.returned

    def _act(self, one: CosemObject, index: int, variable: a.Parameterised, now: datetime) -> Outcome:
        return self.view.act(Method(one.kind.number, one.name.octets, index), variable.parameter, now)

    def _one(self, variable: a.VariableAccess, now: datetime) -> a.Result:
        called = self._called(variable, now) if isinstance(variable, a.Parameterised) else None
        if called is not None:
            return called
        try:
            one, index, selector = self._find(variable)
            return self.view.read(one, index, selector, now)
        except (AccessRefused, DecodeError) as error:
            return why(error)

    def _write(self, request: a.WriteRequest | a.UnconfirmedWriteRequest, now: datetime) -> tuple[int, ...]:
        self._several(request.variables)
        if len(request.variables) != len(request.values):
            return (int(AccessResult.OTHER_REASON),) * len(request.variables)
        return tuple(self._put(*pair, now) for pair in zip(request.variables, request.values, strict=True))

    def _put(self, variable: a.VariableAccess, value: Data, now: datetime) -> int:
        try:
            one, index, selector = self._find(variable)
            self.view.write(one, index, selector, value, now)
        except (AccessRefused, DecodeError) as error:
            return why(error)
        return int(AccessResult.SUCCESS)
