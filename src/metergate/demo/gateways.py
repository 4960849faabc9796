"""The settings files of the demo's three gateways, as a user would write them."""

from __future__ import annotations

from pathlib import Path

from metergate.demo.laboratory import GATEWAY, Laboratory
from metergate.demo.plan import CAPTURED_METER, GROUP, HOUSE_GATEWAY, SML_METER, STREET_GATEWAY
from metergate.sim.street import COLLECTORS, Street

_HEAD = """\
id = "{id}"
data = "{data}"

[mqtt]
url = "mqtt://{id}@{host}:{port}"
password_file = "{password}"

[station]
group = "{group}"
delay = 2

[publish.homeassistant]
enabled = {household}

"""


def head(gateway: str, data: Path, broker: tuple[str, int], password: Path, household: bool) -> str:
    """What every gateway has: its name, its folder, the broker, the station."""
    host, port = broker
    return _HEAD.format(
        id=gateway, data=data, host=host, port=port, password=password, group=GROUP, household=str(household).lower()
    )


def street_file(street: Street, ports: Path, data: Path, broker: tuple[str, int], password: Path, key: Path) -> str:
    """The gateway of the two buildings: collectors on RS485, and a radio receiver."""
    text = head(STREET_GATEWAY, data, broker, password, household=False)
    text += f'[[line]]\nname = "rs485"\nurl = "{ports / "rs485"}"\nprotocol = "mgc1"\nperiod = 30\n'
    for dwelling in street.dwellings:
        collector = COLLECTORS[dwelling.building]
        for place, meter in enumerate((dwelling.electricity, dwelling.cold_water, dwelling.gas)):
            if meter:
                address = f"{collector}/{dwelling.channel + place}"
                text += f'[[line.meter]]\nid = "{meter}"\naddress = "{address}"\n'
    text += (
        f'\n[[line]]\nname = "radio"\nurl = "{ports / "radio"}"\nprotocol = "wmbus"\noptions = {{ link_crc = "A" }}\n'
    )
    for dwelling in street.dwellings:
        for meter in filter(None, (dwelling.hot_water, dwelling.heat)):
            text += f'[[line.meter]]\nid = "{meter}"\nkey_file = "{key}"\n'
    return text


def laboratory_file(laboratory: Laboratory, data: Path, broker: tuple[str, int], password: Path) -> str:
    """The gateway of the laboratory: a line for every protocol."""
    return head(GATEWAY, data, broker, password, household=False) + laboratory.settings()


def house_file(ports: Path, data: Path, broker: tuple[str, int], password: Path) -> str:
    """The gateway of the house: an optical head, and a second one that replays a recording."""
    text = head(HOUSE_GATEWAY, data, broker, password, household=True)
    text += '[publish.glow]\nid = "BCDDC2A70007"\n'
    for name, meter in (("house", SML_METER), ("ehz", CAPTURED_METER)):
        text += f'\n[[line]]\nname = "{name}"\nurl = "{ports / name}"\nprotocol = "sml"\n'
        text += f'[[line.meter]]\nid = "{meter}"\nname = "{name}"\n'
        if meter == SML_METER:
            text += 'mpan = "1023497978063"\nsupplier = "Stadtwerke"\nunit_rate = 0.2847\nstanding_charge = 0.32\n'
    return text
