"""`metergate serve-meter`: a simulated meter for other people's tools."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from metergate.cli.usage import LIST, Usage, meant

if TYPE_CHECKING:
    from metergate.sim.specs import MeterSpec

HEXADECIMAL = ("cjt188", "mbus", "wmbus")
"""Protocols whose kinds of meters are known by hex numbers."""
RADIO_MODE = 5
WORDS = ("dlms-hdlc", "dlms-push", "dlms-wrapper", "iec62056-21", "iec62056-d", "p1", "sml", "tic")
"""Protocols whose meters' numbers may have letters."""


def serve_meter(
    protocol: str,
    /,
    *,
    port: str = "tcp://127.0.0.1:0",
    id: str = "",
    kind: str = "0",
    key_file: Annotated[list[str] | None, Parameter(name="--key-file")] = None,
    mode: int | None = None,
    map: str = "",
    every: float = 2.0,
    speed: float = 1.0,
    seed: int = 1,
) -> None:
    """Be a meter: answer, or push, on a port until stopped.

    The meter counts a believable household. Everything it says comes from the same code that reads meters, so any tool
    of yours can be tried against it.

    Examples:

        metergate serve-meter dlt645 --port tcp://127.0.0.1:10001

        metergate serve-meter sml --port /tmp/optical-head --every 1

        metergate serve-meter dlms-wrapper --key-file encryption=ek.hex --key-file authentication=ak.hex

    Parameters
    ----------
    protocol
        What it speaks; `list` shows what there is.
    port
        Where: `tcp://host:port` listens (port 0: any free one), `udp://:port` takes datagrams; a path becomes a
        pseudo terminal; any other line address is opened.
    id
        The meter's number, in the form that the protocol has.
    kind
        CJ/T 188: meter type (hex, 10 cold water ... 30 gas); M-Bus: device type (hex, 04 heat, 06 warm water);
        P1: version 2 to 5 or telephone code of the country (43, 352 ...); TIC: 0 historical, 1 standard mode;
        dlms-push: aidon, kaifa, kamstrup, landis+gyr, iskra, sagemcom, kaifa-mbus.
    key_file
        A file with a key in hex: telegrams are then encrypted, or a password wanted. DLMS takes `encryption=file` and
        `authentication=file` (client 1 then proves itself by GMAC; client 17 has the password 12345678, client 16
        none).
    mode
        Security mode of wireless M-Bus telegrams with a key (5); P1: every n-th telegram has a wrong check sum.
    map
        The model of a Modbus meter.
    every
        Seconds between pushed telegrams.
    speed
        How many times faster than real time it counts.
    seed
        Another number, another household.
    """
    from metergate.sim import serve

    if protocol in LIST:
        print("\n".join(serve.served()))
        return
    if protocol not in serve.served():
        raise Usage(f"{protocol!r} has no simulated meter; {meant(protocol, serve.served())}")
    if protocol not in WORDS and id and not id.isdecimal():
        raise Usage(f"--id {id}: a meter of {protocol} has a number of digits only")
    usual = RADIO_MODE if protocol == "wmbus" else 0
    key = _key(key_file or [], protocol)
    spec = serve.meter_of(protocol, id, _kind(protocol, kind), key, usual if mode is None else mode, every, map)
    bank = serve.bank_of(spec, datetime.now(UTC), speed, seed)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve.serve(spec, bank, port, lambda address: _told(spec, address, key_file or [])))


def _kind(protocol: str, text: str) -> int:
    from metergate.sim import serve

    names = serve.kinds(protocol)
    if text in names:
        return names[text]
    try:
        return int(text, 16 if protocol in HEXADECIMAL else 10)
    except ValueError:
        raise Usage(f"--kind {text!r} is no number; see `metergate serve-meter --help`") from None


def _key(files: list[str], protocol: str) -> str:
    """The key in hex; of several the encryption key and behind it the authentication key."""
    from metergate.cli.reach import keys_of

    key, keys = keys_of(files, protocol)
    return (key or keys.get("encryption", b"") + keys.get("authentication", b"")).hex()


def _told(spec: MeterSpec, address: str, files: list[str]) -> None:
    from metergate.sim.meters import PUSHERS
    from metergate.sim.meters.base import reader_options
    from metergate.sim.serve import address_of, map_of

    words = [f"metergate read {address} --protocol {spec.protocol}"]
    words += [] if spec.protocol in PUSHERS else [f"--address {address_of(spec)}"]
    words += [f"--map {map_of(spec)}"] if map_of(spec) else []
    words += [f"--key-file {file}" for file in files]
    words += [f"--option {name}={value}" for name, value in reader_options(spec.protocol).items()]
    print(f"{spec.protocol} meter {spec.id} at {address}; end with Ctrl-C", flush=True)
    print("read it: " + " ".join(words), flush=True)
