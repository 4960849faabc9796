"""What the operating system says of a line, in words that tell people what to do."""

from __future__ import annotations

import errno
import grp
import os
import re
import ssl
from pathlib import Path

PORTS = ("ttyUSB*", "ttyACM*", "ttyAMA*", "ttyS[0-9]", "serial/by-id/*")
"""Where serial ports of this machine have their names under /dev."""
_NUMBER = re.compile(r"Errno (\d+)")


def reason(error: BaseException) -> str:
    """The words for an error: no numbers, no address that is told anyway."""
    if not isinstance(error, OSError) or isinstance(error, ssl.SSLError):
        return str(error) or type(error).__name__
    found = _NUMBER.search(str(error))
    number = error.errno or (int(found[1]) if found else 0)
    if number == errno.ECONNREFUSED:
        return "connection refused: nothing listens there"
    if number == errno.EADDRINUSE:
        return "the port is in use by another program"
    return os.strerror(number) if number > 0 else error.strerror or str(error)


def serial_reason(path: str, error: BaseException) -> str:
    """As `reason`, of a serial port."""
    match getattr(error, "errno", None):
        case errno.ENOENT:
            return f"there is no such port; {_ports()}"
        case errno.EACCES | errno.EPERM:
            return (
                f"not permitted; users of the port are in group {_group(path)}: sudo usermod -aG {_group(path)} $USER"
            )
        case errno.ENOTTY | errno.EISDIR | errno.EINVAL:
            return "this is no serial port"
        case errno.EBUSY:
            return "another program has the port open"
        case _:
            return reason(error)


def _ports(device: Path = Path("/dev")) -> str:
    there = [f"{device}/{port.relative_to(device)}" for pattern in PORTS for port in sorted(device.glob(pattern))]
    return f"there are {', '.join(there)}" if there else "this machine has none"


def _group(path: str) -> str:
    try:
        return grp.getgrgid(os.stat(path).st_gid).gr_name
    except (OSError, KeyError):
        return "dialout"
