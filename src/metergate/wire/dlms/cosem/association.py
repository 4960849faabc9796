"""Associations as objects (classes 15 and 12), and the rights that they give."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import IntFlag

from metergate.wire.dlms.acse import Context, Mechanism
from metergate.wire.dlms.apdu.items import AccessResult
from metergate.wire.dlms.cosem.classes import ASSOCIATION, ASSOCIATION_SN, Level
from metergate.wire.dlms.cosem.objects import AccessRefused, CosemObject
from metergate.wire.dlms.data import NULL, Data, array, bits, enum, i8, i16, octets, structure, u8, u16

CURRENT = "0-0:40.0.0"
"""The name of the association that one is in."""
SHORT_NAME = 0xFA00
REPLY_TO_HLS = 1
_OBJECT_NAME = bytes.fromhex("60857405 08")
ASSOCIATED = 2
SETUP = bytes((0, 0, 43, 0, 0, 255))


class Right(IntFlag):
    """What may be done with an attribute, as the object list tells it."""

    NONE = 0
    READ = 1
    WRITE = 2


def visible(one: CosemObject, level: Level) -> bool:
    """Whether an association of `level` sees an object at all."""
    return level >= one.level


def right_to(one: CosemObject, index: int, level: Level) -> Right:
    """What an association of `level` may do with attribute `index`."""
    attribute = one.kind.attribute(index)
    if attribute is None or not visible(one, level):
        return Right.NONE
    read = attribute.read is not None and level >= attribute.read
    write = attribute.write is not None and level >= attribute.write
    return (Right.READ if read else Right.NONE) | (Right.WRITE if write else Right.NONE)


def may_execute(one: CosemObject, index: int, level: Level) -> bool:
    """Whether an association of `level` may execute method `index`: managers may, where there is one."""
    return visible(one, level) and level >= Level.MANAGER and one.has_method(index)


class AssociationLN(CosemObject):
    """An association by logical names; `objects` is what it can see."""

    def __init__(self, objects: Iterable[CosemObject], level: Level, client: int, name: str = CURRENT) -> None:
        values: dict[str, Data] = {
            "partners": structure(i8(client), u16(1)),
            "context_name": octets(_OBJECT_NAME + bytes((1, Context.LN))),
            "mechanism_name": octets(_OBJECT_NAME + bytes((2, Mechanism.NONE))),
            "status": enum(ASSOCIATED),
            "security_setup": octets(b""),
        }
        super().__init__(ASSOCIATION, name, dict(values), Level.PUBLIC)
        self._objects, self.rights = objects, level
        self.secret: bytes | None = None
        """The secret that `change_secret` set."""

    def tell(self, context: Context, mechanism: Mechanism, conformance: int, max_pdu: int, own_pdu: int) -> None:
        """What was negotiated, for the attributes that say so."""
        self.values["context_name"] = octets(_OBJECT_NAME + bytes((1, context)))
        self.values["mechanism_name"] = octets(_OBJECT_NAME + bytes((2, mechanism)))
        self.values["security_setup"] = octets(SETUP if context.ciphered else b"")
        self.values["context_info"] = structure(
            bits(f"{conformance:024b}"), u16(max_pdu), u16(own_pdu), u8(6), i8(0), octets(b"")
        )

    def seen(self) -> list[CosemObject]:
        """The objects that this association sees, itself among them."""
        return [self, *(one for one in self._objects if visible(one, self.rights) and one.name != self.name)]

    def read_object_list(self, now: datetime) -> Data:
        """Attribute 2: array of structure{class, version, logical name, access rights}."""
        return array(*(self._entry(one) for one in self.seen()))

    def _entry(self, one: CosemObject) -> Data:
        attributes = (
            structure(i8(at), enum(right_to(one, at, self.rights)), _selectors(one, at))
            for at in range(1, len(one.kind.attributes) + 2)
        )
        methods = (
            structure(i8(at), enum(int(may_execute(one, at, self.rights) or (one is self and at == REPLY_TO_HLS))))
            for at in range(1, len(one.kind.methods) + 1)
        )
        rights = structure(array(*attributes), array(*methods))
        return structure(u16(one.kind.number), u8(one.kind.version), octets(one.name.octets), rights)

    def write_secret(self, data: Data, now: datetime) -> None:
        """Attribute 7, which nobody reads: the new password."""
        self.do_change_secret(data, now)

    def do_change_secret(self, parameter: Data, now: datetime) -> None:
        """Method 2: the new password or secret."""
        if not parameter.octets:
            raise AccessRefused(AccessResult.SCOPE_OF_ACCESS_VIOLATED)
        self.secret = parameter.octets


class AssociationSN(CosemObject):
    """An association by short names."""

    def __init__(self, objects: Iterable[CosemObject], level: Level) -> None:
        super().__init__(ASSOCIATION_SN, CURRENT, base=SHORT_NAME)
        self._objects, self.rights = objects, level

    def read_object_list(self, now: datetime) -> Data:
        """Attribute 2: array of structure{base name, class, version, logical name}."""
        seen = [self, *(one for one in self._objects if one.base is not None and visible(one, self.rights))]
        return array(
            *(
                structure(_short(one.base or 0), u16(one.kind.number), u8(one.kind.version), octets(one.name.octets))
                for one in seen
            )
        )


def _short(base: int) -> Data:
    return i16(base - 0x10000 if base >= 0x8000 else base)


def _selectors(one: CosemObject, index: int) -> Data:
    attribute = one.kind.attribute(index)
    return array(*map(i8, attribute.selectors)) if attribute and attribute.selectors else NULL
