"""What can be set of a line by protocol: the `options` of a gateway's line, and the names of a meter's keys.

One list for those who check settings, for `metergate read --option` and for the documentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches

from metergate.errors import ConfigError
from metergate.links.address import Address

WHOLE, NUMBER, TEXT, SWITCH, ANY = "a whole number", "a number", "a text in quotes", "true or false", "anything"
_KINDS: dict[str, tuple[type, ...]] = {
    WHOLE: (int,),
    NUMBER: (int, Decimal),
    TEXT: (str,),
    SWITCH: (bool,),
    ANY: (object,),
}
Table = Mapping[str, tuple[str, str]]
"""Option -> its kind and what it does."""

_LEARN: Table = {"learn": (SWITCH, "false: every telegram is decoded from scratch")}
_OFFSET: Table = {"utc_offset": (WHOLE, "minutes by which the meters' clocks are ahead of UTC (480)")}
_RADIO: Table = {
    "accept_clear": (SWITCH, "true: telegrams in clear count although a key is configured"),
    "replay": (SWITCH, "false: telegrams count although their counter does not grow"),
    "link_crc": (TEXT, "`A`, `B` or `none`: how CRCs stand in what comes; by default found out"),
    "stick": (TEXT, "kind of the radio stick; mostly told in the url"),
    "stick_mode": (TEXT, "radio mode (T1)"),
    "stick_rssi": (SWITCH, "false: the stick appends no field strength"),
    "ccm_tag": (WHOLE, "octets of the tag in security modes of AES-CCM (8)"),
    "ccm_nonce": (TEXT, "what the nonce is made of (`address counter`)"),
    "ccm_derived": (SWITCH, "false: the meter's key is used itself"),
    "ccm_header": (SWITCH, "false: the header is not authenticated"),
}
_645: Table = {**_OFFSET, "operator": (TEXT, "code of the operator, eight hex digits")}
_MODBUS: Table = {
    "map": (TEXT, "map of the meters that name none"),
    "timeout": (NUMBER, "seconds to wait for an answer (1)"),
    "gap": (WHOLE, "up to how many unneeded registers are read to save a question"),
}
_D0: Table = {
    "bcc": (TEXT, '`"lenient"`: readouts whose check character is wrong are read, as suspect'),
    "utc_offset": (WHOLE, "minutes of the meter's winter time (60)"),
}
_DLMS: Table = {
    "authentication": (TEXT, "none, low, md5, sha1, gmac, sha256; by default what the keys are for"),
    "ciphered": (SWITCH, "whether APDUs are ciphered; by default with gmac"),
    "suite": (WHOLE, "security suite 0, 1 or 2 (0)"),
    "title": (TEXT, "our own system title, sixteen hex digits"),
    "general": (SWITCH, "true: general-glo-ciphering in place of the service's own"),
    "dedicated": (SWITCH, "true: a key of its own for every association"),
    "counters": (TEXT, "folder of the invocation counters; by default with the gateway's data"),
    "counter": (TEXT, "the meter's counter of us (0-0:43.1.0)"),
    "timezone": (TEXT, "zone of meters that tell none, as Europe/Berlin"),
    "inverted": (SWITCH, "true: the meter's deviation has the other sign"),
    "profile": (TEXT, "the usual load profile (1-0:99.1.0)"),
    "events": (TEXT, "the event log (0-0:99.98.0)"),
    "timeout": (NUMBER, "seconds to wait for an answer"),
}
OPTIONS: dict[str, Table] = {
    "sml": {
        "crc": (TEXT, "`strict`, or `lenient`: messages of telegrams with a wrong check sum count, as suspect"),
        "kermit": (SWITCH, "false: the check sum of some Holley meters is not tried"),
        "quirks": (ANY, "names of the makers' mistakes to mend"),
        "limit": (WHOLE, "octets of the longest telegram"),
        **_LEARN,
    },
    "mbus": {
        "delay": (NUMBER, "seconds that converters add to every answer"),
        "clock_offset": (WHOLE, "minutes by which the meters' clocks are ahead of UTC (0)"),
        "clock_seconds": (SWITCH, "true: the meters take the time to the second"),
    },
    "wmbus": _RADIO,
    "dlt645": _645,
    "dlt645-1997": _645,
    "cjt188": {
        **_OFFSET,
        "swapped": (SWITCH, "order of the identifier's octets, where it is known"),
        "clock": (TEXT, "identifier that takes date and time (`A015`); without it no clock is set"),
    },
    "dlt698": {
        **_OFFSET,
        "client": (WHOLE, "our address (16)"),
        "connect": (SWITCH, "true: associate first, with the key as password if there is one"),
        "profile": (TEXT, 'object of the load profile (`"5002"`)'),
    },
    "gdw376": {
        **_645,
        "password": (TEXT, "PW of the terminal, 32 hex digits"),
        "density": (WHOLE, "density of curves (1: a quarter of an hour)"),
    },
    "mgc1": {},
    "modbus": _MODBUS,
    "modbus-tcp": _MODBUS,
    "p1": {
        "crc": (TEXT, "`strict`, or `lenient`: telegrams with a wrong check sum count, as suspect"),
        "winter": (WHOLE, "minutes of the meter's winter time (60)"),
        **_LEARN,
    },
    "tic": {"groups": (TEXT, "`lenient`, or `strict`: a frame with one wrong check sum gives no values")},
    "iec62056-21": {
        **_D0,
        "baud": (WHOLE, "speed of the sign-on (300)"),
        "format": (TEXT, "characters of the sign-on (7E1)"),
        "fastest": (TEXT, "the highest baud identification to accept"),
        "stay": (SWITCH, "true: no change of speed"),
        "wake": (SWITCH, "true: zeros first, for meters on battery"),
        "level": (TEXT, "level of the password (1)"),
        "read": (TEXT, "command that reads registers (R1)"),
        "profile": (TEXT, "command that reads profiles (R5)"),
        "count": (TEXT, "lines of a partial block of a profile"),
        "write_clock": (TEXT, "command that sets the clock (W5)"),
        "clock": (TEXT, "address that takes date and time in one"),
    },
    "iec62056-d": {**_D0, **_LEARN, "meter": (TEXT, "number of a meter that tells none")},
    "dlms-push": {
        "layer": (TEXT, "`hdlc`, `mbus`, `wrapper`, `apdu` or `body`; by default found out"),
        "utc_offset": (WHOLE, "minutes east of UTC, where the meter's times tell none"),
        "deviation": (TEXT, "`inverted` for makers that write it against the standard"),
        "meter": (TEXT, "number of a meter that tells none"),
        "system_title": (TEXT, "the sender, where frames do not tell it"),
        **_LEARN,
    },
    "dlms-hdlc": _DLMS,
    "dlms-wrapper": {
        **_DLMS,
        "datagrams": (SWITCH, "true: UDP, so that what is lost is asked again; by default with a udp:// address"),
    },
}
"""Options by protocol; those of a listener and of a poller alike."""

_SEALED = ("encryption", "authentication")
KEYS: dict[str, tuple[str, ...]] = {
    "dlms-hdlc": (*_SEALED, "password", "master", "broadcast"),
    "dlms-wrapper": (*_SEALED, "password", "master", "broadcast"),
    "dlms-push": (*_SEALED, "broadcast", "dedicated", "master"),
    "p1": _SEALED,
}
"""Names of keys by protocol, where one key is not enough."""


EVENTS = ("dlt645", "dlt698", "gdw376", "iec62056-21", "dlms-hdlc", "dlms-wrapper")
"""Protocols whose meters have an event log that can be read."""
BROADCAST = ("dlt645", "dlt645-1997", "dlt698", "mbus")
"""Protocols that can tell the time to all meters of a line at once."""


def address_options(protocol: str, url: str) -> dict[str, object]:
    """Options that follow from a line's address."""
    return {"datagrams": True} if protocol == "dlms-wrapper" and Address.parse(url).scheme == "udp" else {}


def check_option(protocol: str, name: str, value: object) -> None:
    """ConfigError if the protocol has no such option, or the value is of another kind."""
    table = OPTIONS.get(protocol, {})
    if name not in table:
        raise ConfigError(f"{protocol} has no option {name!r}{_likely(name, table)}")
    kind, about = table[name]
    if kind != ANY and (not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != SWITCH)):
        raise ConfigError(f"option {name} = {value!r} is not {kind}: {about}")


def check_key_name(protocol: str, name: str) -> None:
    """ConfigError if the meters of a protocol have no key of that name."""
    names = KEYS.get(protocol, ())
    if name not in names:
        one = "" if names else ": it has one key, give key_file"
        raise ConfigError(f"{protocol} has no key {name!r}{one or _likely(name, names)}")


AES = (16, 24, 32)
"""Octets of a key."""
_ALONE = {"wmbus": (8, 16), "p1": AES, "dlms-push": AES}
"""Octets of the one key of a protocol, where it is always one (8: DES, in M-Bus modes of old)."""
_SECRETS = ("password",)


def check_key(protocol: str, name: str, key: bytes) -> None:
    """ConfigError, without telling the key, if it cannot be the protocol's key `name` ("" for the one key)."""
    sizes = _ALONE.get(protocol, ()) if not name else () if name in _SECRETS else AES
    if sizes and len(key) not in sizes:
        there = " or ".join(map(str, sizes))
        raise ConfigError(f"a key of {protocol} has {there} octets, two hex digits each; this one has {len(key)}")


def _likely(word: str, words: Iterable[str]) -> str:
    there = list(words)
    near = get_close_matches(word.lower().replace("-", "_"), there, 1, 0.6)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(there)}" if there else "; it has none"
