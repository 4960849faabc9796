"""Security setup from the client's side (class 64): new keys for a meter, and a stricter policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from metergate.crypto import keywrap
from metergate.errors import BadValue, ConfigError, DecodeError, NoAnswer, Refused
from metergate.model.command import Outcome
from metergate.wire.base import Dialogue
from metergate.wire.dlms.apdu import Attribute, Method
from metergate.wire.dlms.client.client import Client
from metergate.wire.dlms.client.entrance import Entrance
from metergate.wire.dlms.data import array, enum, octets, structure
from metergate.wire.dlms.security import Counter, Heard
from metergate.wire.dlms.security.control import KEY_SIZES

SETUP = bytes((0, 0, 43, 0, 0, 255))
POLICY, ACTIVATE, TRANSFER = 2, 1, 2
IDS = {"encryption": 0, "broadcast": 1, "authentication": 2}


def transfer(client: Client, fresh: Mapping[str, bytes], name: bytes = SETUP) -> Dialogue[Outcome]:
    """New keys by name (`encryption`, `broadcast`, `authentication`), wrapped by the entrance's master key, once.

    They count from the next association on: then it is opened by `renewed` and shows whether the meter took them.
    DONE if it opens; UNSURE if it opens neither so nor (checked last) by the old ones; REFUSED.
    """
    door = client.entrance
    size = KEY_SIZES[door.control.suite]
    if not fresh or not set(fresh) <= set(IDS) or any(len(key) != size for key in fresh.values()):
        raise BadValue(f"keys for transfer are {', '.join(IDS)}, of {size} octets each")
    if not door.keys.master:
        raise ConfigError("new keys are wrapped by the master key, which is not configured")
    rows = (structure(enum(IDS[key]), octets(keywrap.wrap(door.keys.master, fresh[key]))) for key in fresh)
    try:
        yield from client.act(Method(64, name, TRANSFER), array(*rows))
    except Refused:
        return Outcome.REFUSED
    except NoAnswer:
        pass  # the meter may have them: trying tells
    yield from client.release()
    client.enter(renewed(door, fresh))
    if (yield from _opens(client)):
        return Outcome.DONE
    client.enter(door)
    return Outcome.REFUSED if (yield from _opens(client)) else Outcome.UNSURE


def _opens(client: Client) -> Dialogue[bool]:
    try:
        yield from client.associate()
    except (NoAnswer, Refused, DecodeError):
        return False
    return True


def renewed(door: Entrance, fresh: Mapping[str, bytes]) -> Entrance:
    """The entrance with new keys; under a new encryption key all counters begin anew."""
    keys = replace(door.keys, **fresh)
    if "encryption" not in fresh:
        return replace(door, keys=keys)
    return replace(door, keys=keys, counter=Counter(), heard=Heard())


def policy(client: Client, name: bytes = SETUP) -> Dialogue[int]:
    """What the meter asks of all protected messages: 0 nothing, 1 authentication, 2 encryption, 3 both."""
    return (yield from client.get(Attribute(64, name, POLICY))).number


def activate(client: Client, wanted: int, name: bytes = SETUP) -> Dialogue[Outcome]:
    """A stricter policy, read back. REFUSED, UNSURE."""
    try:
        yield from client.act(Method(64, name, ACTIVATE), enum(wanted))
    except Refused:
        return Outcome.REFUSED
    except NoAnswer:
        yield from client.associate()
    return Outcome.DONE if (yield from policy(client, name)) == wanted else Outcome.UNSURE
