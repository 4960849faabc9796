"""`metergate serve-meter`: a simulated meter for other people's tools."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from pathlib import Path


def serve_meter(
    protocol: str,
    /,
    *,
    port: str = "tcp://127.0.0.1:0",
    id: str = "",
    kind: str = "0",
    key_file: Path | None = None,
    mode: int = 5,
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

    Parameters
    ----------
    protocol
        What it speaks; `?` lists what there is.
    port
        Where: `tcp://host:port` listens (port 0: any free one); a path becomes a pseudo terminal; any other
        line address is opened.
    id
        The meter's number, in the form that the protocol has.
    kind
        CJ/T 188: meter type (hex, 10 cold water ... 30 gas); M-Bus: device type (hex, 04 heat, 06 warm water).
    key_file
        A file with a key in hex: telegrams are then encrypted.
    mode
        Security mode of wireless M-Bus telegrams with a key.
    every
        Seconds between pushed telegrams.
    speed
        How many times faster than real time it counts.
    seed
        Another number, another household.
    """
    from metergate.meters.pollers import read_key
    from metergate.sim import serve

    if protocol == "?":
        print("\n".join(serve.served()))
        return
    key = read_key(key_file).hex() if key_file else ""
    spec = serve.meter_of(protocol, id, int(kind, 16), key, mode, every)
    bank = serve.bank_of(spec, datetime.now(UTC), speed, seed)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve.serve(spec, bank, port, lambda address: _told(protocol, spec.id, address)))


def _told(protocol: str, number: str, address: str) -> None:
    print(f"{protocol} meter {number} at {address}; end with Ctrl-C", flush=True)
    print(f"read it: metergate read {address} --protocol {protocol} --address {number}", flush=True)
