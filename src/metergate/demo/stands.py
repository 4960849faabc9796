"""What stands in the demo's laboratory: a table."""

from __future__ import annotations

from dataclasses import dataclass

from metergate.meters.pollers import POLLERS
from metergate.model import Obis
from metergate.sim.meters import HEAT, HOT_WATER

GAS = 0x30
"""Meter type of CJ/T 188."""
PHASE = "/0.0.1.instantaneous"
"""Behind the code, where a protocol tells phases apart by itself."""
WINTER = "utc_offset = 60"
"""The simulated meters' own clocks, for protocols that tell no time zone."""


COUNTED = ("Wh", "kWh", "m3")
"""Units of counters."""


@dataclass(frozen=True)
class Shown:
    """A register that the archive knows from the beginning. `part` stands behind the code, or for it."""

    obis: str
    unit: str
    scaler: int
    name: str
    part: str = ""
    billing: bool = False

    @property
    def key(self) -> str:
        """As the meter's readings name it."""
        return (Obis.parse(self.obis).full if self.obis else "") + self.part

    @property
    def gauge(self) -> bool:
        """Is it momentary?"""
        return self.unit not in COUNTED


@dataclass(frozen=True)
class Stand:
    """A meter and its line. `protocol` is what gateway and meter both speak; `tcp` the port tried first where it is
    reached over TCP, `stick` the radio receiver that hears it, else it hangs on a pseudo terminal; `keys` the names of
    its secrets; `registers` what it is asked for, `options` the line's; `every` seconds it tells by itself."""

    room: str
    floor: int
    name: str
    protocol: str
    meter: str
    shown: tuple[Shown, ...]
    medium: str = "electricity"
    kind: int = 0
    mode: int = 0
    map: str = ""
    address: str = ""
    keys: tuple[str, ...] = ()
    registers: tuple[str, ...] = ()
    options: str = ""
    tcp: int = 0
    stick: str = ""
    every: float = 10.0
    maker: str = "Simulated"
    model: str = ""

    @property
    def short(self) -> str:
        """Its name without what is special about it."""
        return self.name.partition(",")[0]

    @property
    def line(self) -> str:
        """Name of its line, and of its pseudo terminal."""
        return f"lab-{self.room.lower()}"

    @property
    def asked(self) -> bool:
        """Does it speak only when asked?"""
        return self.protocol in POLLERS


def _electric(
    energy: tuple[str, int] = ("kWh", -3),
    power: tuple[str, int] = ("kW", -3),
    volt: int = -1,
    ampere: int | None = -3,
    part: str = "",
    hertz: int | None = None,
) -> tuple[Shown, ...]:
    """Both energies, power, and what there is of voltage, current and frequency; scalers as the protocol has them."""
    found = [
        Shown("1-0:1.8.0", *energy, "Import", billing=True),
        Shown("1-0:2.8.0", *energy, "Export"),
        Shown("1-0:16.7.0", *power, "Power"),
        Shown("1-0:32.7.0", "V", volt, "Voltage", part),
    ]
    if ampere is not None:
        found.append(Shown("1-0:31.7.0", "A", ampere, "Current", part))
    if hertz is not None:
        found.append(Shown("1-0:14.7.0", "Hz", hertz, "Frequency"))
    return tuple(found)


_P1 = (
    Shown("1-0:1.8.1", "kWh", -3, "Import, tariff 1", billing=True),
    Shown("1-0:1.8.2", "kWh", -3, "Import, tariff 2", billing=True),
    Shown("1-0:2.8.1", "kWh", -3, "Export, tariff 1"),
    Shown("1-0:2.8.2", "kWh", -3, "Export, tariff 2"),
    Shown("1-0:1.7.0", "kW", -3, "Power"),
    Shown("1-0:2.7.0", "kW", -3, "Power, export"),
    Shown("1-0:32.7.0", "V", -1, "Voltage"),
    Shown("1-0:31.7.0", "A", 0, "Current"),
    Shown("7-1:3.0.0", "m3", -3, "Gas"),
    Shown("1-0:21.7.0", "kW", -3, "Power L1"),
    Shown("1-0:22.7.0", "kW", -3, "Power L1, export"),
    Shown("0-0:1.0.0", "", 0, "Time"),
    Shown("1-3:0.2.8", "", 0, "Version"),
    Shown("0-0:96.1.1", "", 0, "Equipment"),
    Shown("0-0:96.14.0", "", 0, "Tariff"),
    Shown("0-0:96.7.21", "", 0, "Power failures"),
    Shown("0-0:96.7.9", "", 0, "Long power failures"),
    Shown("0-1:24.1.0", "", 0, "Channel 1, device type"),
    Shown("0-1:96.1.0", "", 0, "Channel 1, equipment"),
)
_LINKY = (
    Shown("1-0:1.8.0", "Wh", 0, "Import", billing=True),
    Shown("1-0:2.8.0", "Wh", 0, "Export"),
    Shown("1-0:9.7.0", "VA", 0, "Apparent power"),
    Shown("1-0:10.7.0", "VA", 0, "Apparent power, export"),
    Shown("1-0:32.7.0", "V", 0, "Voltage"),
    Shown("1-0:31.7.0", "A", 0, "Current"),
    Shown("1-0:1.8.1", "Wh", 0, "Import, tariff 1"),
    Shown("1-0:1.8.2", "Wh", 0, "Import, tariff 2"),
    Shown("1-0:9.6.0", "VA", 0, "Apparent power, highest today"),
    Shown("0-0:1.0.0", "", 0, "Time"),
    Shown("", "", 0, "Number", "ADSC"),
    Shown("", "", 0, "Version", "VTIC"),
    Shown("", "", 0, "Contract", "NGTF"),
    Shown("", "", 0, "Tariff, name", "LTARF"),
    Shown("", "", 0, "Tariff", "NTARF"),
    Shown("", "kVA", 0, "Reference power", "PREF"),
    Shown("", "kVA", 0, "Cut-off power", "PCOUP"),
    Shown("", "", 0, "Status", "STGE"),
    Shown("", "", 0, "Relays", "RELAIS"),
    Shown("", "", 0, "Delivery point", "PRM"),
)
_DLMS = _electric(("Wh", -1), ("W", 0), hertz=-2)
_HEAT = (
    Shown("6-0:1.0.0", "Wh", 3, "Energy", billing=True),
    Shown("6-0:8.0.0", "W", 0, "Power"),
    Shown("6-0:10.0.0", "degC", 0, "Flow temperature"),
    Shown("6-0:11.0.0", "degC", 0, "Return temperature"),
)
_MODBUS = _electric(("kWh", 0), ("W", 0), volt=0, ampere=0, hertz=0)
_SDM630 = ("voltage_l1", "current_l1", "power", "frequency", "import", "export")


def _eastron(room: str, name: str, protocol: str, meter: str, tcp: int = 0) -> Stand:
    """An Eastron SDM630, asked for a part of what it has."""
    return Stand(
        room, 3, name, protocol, meter, _MODBUS,
        map="eastron_sdm630_modbus", registers=_SDM630, maker="Eastron", model="SDM630", tcp=tcp,
    )  # fmt: skip


STANDS = (
    Stand("IEC-62056", 0, "IEC 62056-21, mode C", "iec62056-21", "10620901", _electric(("kWh", -4))),
    Stand("P1", 0, "P1 (DSMR 5)", "p1", "10620902", _P1, kind=5),
    Stand("LINKY", 0, "Linky, standard mode", "tic", "041062000903", _LINKY, kind=1),
    Stand("DLMS-HDLC", 1, "DLMS over HDLC, password", "dlms-hdlc", "10620904", _DLMS, keys=("password",)),
    Stand("DLMS-TCP", 1, "DLMS over TCP, GMAC and encryption", "dlms-wrapper", "10620905", _DLMS,
          keys=("encryption", "authentication"), tcp=40590),
    Stand("DLMS-PUSH", 1, "DLMS push", "dlms-push", "7359992810620906", _DLMS[:3]),
    Stand("DLT645", 2, "DL/T 645-2007", "dlt645", "261009000907",
          _electric(("kWh", -2), ("kW", -4), part=PHASE), options=WINTER),
    Stand("DLT645-97", 2, "DL/T 645-1997", "dlt645-1997", "261009000908",
          _electric(("kWh", -2), ("kW", -4), 0, -2, PHASE), options=WINTER),
    Stand("DLT698", 2, "DL/T 698.45", "dlt698", "261009000909",
          _electric(("kWh", -2), ("W", -1), part=PHASE, hertz=-2), options=WINTER),
    Stand("GDW376", 2, "Q/GDW 376.1 terminal", "gdw376", "10620910",
          _electric(("kWh", -4), ("kW", -4), part=PHASE), options=WINTER, tcp=40376),
    Stand("CJT188", 2, "CJ/T 188, gas with valve", "cjt188", "55110900000911",
          (Shown("7-0:3.0.0", "m3", -2, "Volume", billing=True),), "gas", GAS, address=f"{GAS:02X}:55110900000911",
          options=WINTER),
    _eastron("MODBUS-RTU", "Modbus RTU", "modbus", "10620912"),
    _eastron("MODBUS-TCP", "Modbus TCP", "modbus-tcp", "10620913", 40502),
    Stand("M-BUS", 3, "M-Bus", "mbus", "62000914", _HEAT, "heat", HEAT),
    Stand("RADIO", 3, "Wireless M-Bus, mode 7", "wmbus", "62000915",
          (Shown("9-0:1.0.0", "m3", -3, "Volume", billing=True),), "hot_water", HOT_WATER, 7, keys=("key",),
          stick="im871a"),
)  # fmt: skip
"""Customers' interfaces on floor 0, DLMS on 1, China on 2, buses and radio on 3."""
