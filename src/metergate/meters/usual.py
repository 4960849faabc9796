"""How serial lines of a protocol usually run, so that a port's name is enough."""

from __future__ import annotations

from metergate.links.address import Address

USUAL = {
    "sml": {"baud": "9600", "format": "8N1"},
    "mbus": {"baud": "2400", "format": "8E1"},
    "dlt645": {"baud": "2400", "format": "8E1"},
    "dlt645-1997": {"baud": "1200", "format": "8E1"},
    "cjt188": {"baud": "2400", "format": "8E1"},
    "dlt698": {"baud": "9600", "format": "8E1"},
    "gdw376": {"baud": "9600", "format": "8E1"},
    "dlms-hdlc": {"baud": "9600", "format": "8N1"},
    "dlms-push": {"baud": "2400", "format": "8E1"},
    "modbus": {"baud": "9600", "format": "8N1"},
    "p1": {"baud": "115200", "format": "8N1"},
    "tic": {"baud": "1200", "format": "7E1"},
    "iec62056-21": {"baud": "300", "format": "7E1"},
    "iec62056-d": {"baud": "9600", "format": "7E1"},
    "mgc1": {"baud": "9600", "format": "8N1"},
}
"""Settings of a serial line by protocol."""


def usual_address(url: str, protocol: str | None) -> str:
    """The line's address, with the protocol's usual settings where a serial address says nothing."""
    parsed = Address.parse(url)
    usual = USUAL.get(protocol or "", {})
    missing = "&".join(f"{name}={value}" for name, value in usual.items() if name not in parsed.settings)
    if parsed.scheme != "serial" or not missing:
        return url
    return url + ("&" if "?" in url else "?") + missing
