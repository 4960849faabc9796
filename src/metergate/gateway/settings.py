"""What can be set of a gateway. Every class is a table of its TOML file, every field a key; all have defaults but
the address of a line and its protocol."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from metergate.model import Obis
from metergate.toml import Seconds


def default_id() -> str:
    """The host's name."""
    return socket.gethostname().partition(".")[0] or "gateway"


def default_data() -> Path:
    """Where the spool is kept: STATE_DIRECTORY of the service manager, /var/lib/metergate for root, else at home."""
    given = os.environ.get("STATE_DIRECTORY")
    home = Path(os.environ.get("XDG_STATE_HOME", Path.home() / ".local/state"))
    return Path(given) if given else Path("/var/lib/metergate") if os.geteuid() == 0 else home / "metergate"


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter on a line. On lines that talk by themselves it is only needed for a key, a name or a map."""

    id: str = ""
    """The number as printed on the device; on a line with one talking meter it may be left out."""
    address: str = ""
    """Its address on the bus, where that is not the id."""
    name: str = ""
    map: str = ""
    """The name of its map (`metergate meters list`), where it is not found by itself."""
    key_file: Path | None = None
    """A file with the meter's key in hex."""
    key_files: dict[str, Path] = field(default_factory=dict)
    """Files with further keys and secrets in hex by name: DLMS has `encryption`, `authentication`, `password`."""
    period: Seconds | None = None
    mpan: str = ""
    """The supply number that Glow shows."""
    supplier: str = ""
    unit_rate: Decimal | None = None
    """Price per kWh, for publishers that show it."""
    standing_charge: Decimal | None = None
    """Price per day."""
    currency: str = "EUR"
    kwh_per_m3: Decimal | None = None
    """Calorific value that turns gas volume into energy."""
    registers: tuple[str, ...] = ()
    """Which registers to ask for (DL/T 645 identifiers in hex); empty: the usual ones."""
    sensors: dict[str, Obis] = field(default_factory=dict)
    """Further values to publish by OBIS code: sensor name = code."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line with meters."""

    url: str
    """`/dev/ttyUSB0`, `tcp://host:port` ...; what is left out of it (baud, format) is the protocol's usual."""
    protocol: str
    name: str = ""
    meter: tuple[Meter, ...] = ()
    period: Seconds = field(default=Seconds(900))
    """Between two questions to a meter that has to be asked."""
    jitter: Decimal = Decimal("0.1")
    """Over which part of the period the meters are spread, 0..1."""
    gap: Seconds = field(default=Seconds(0.2))
    """Silence that ends a telegram."""
    echo: bool = False
    """The adapter repeats what is sent."""
    spare: Seconds = field(default=Seconds(0))
    """Granted on top of every time limit, for slow converters."""
    others: bool | None = None
    """Also keep meters that are not listed. By default only where none is listed."""
    maps: Path | None = None
    """A folder with meter maps of one's own, besides the shipped ones."""
    events: bool = False
    """Read the event logs of the meters once an hour, where the protocol has them."""
    broadcast_clock: bool = False
    """Tell all meters of the line the time once a day, where the protocol has a broadcast."""
    trace: bool = False
    """Log every byte (debug level)."""
    options: dict[str, object] = field(default_factory=dict, repr=False)
    """For the protocol, as `crc = "lenient"`; every protocol has its own."""

    def __post_init__(self) -> None:
        ids = [meter.id for meter in self.meter if meter.id]
        for one in ids:
            if ids.count(one) > 1:
                raise ValueError(f"meter {one!r} is listed twice")


@dataclass(frozen=True, slots=True)
class Mqtt:
    """The broker."""

    url: str
    password_file: Path | None = None
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    plain: bool = False
    """Allow an unencrypted connection to another machine."""
    keepalive: int = 30
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class Station:
    """The master station that gets every reading."""

    group: str = "metergate"
    batch: int = 1000
    """Readings in a message at most."""
    delay: Seconds = field(default=Seconds(10))
    """How long a reading may wait for others to travel with."""
    resend: Seconds = field(default=Seconds(60))
    """When a batch is sent again that nobody acknowledged."""
    sparkplug: bool = True
    """Live values and commands by Sparkplug B."""
    primary: str | None = None
    """The Sparkplug host without which nothing is said live."""
    key_file: Path | None = None
    """The station's public key (Ed25519, hex) by which orders to valves and relays are signed."""


@dataclass(frozen=True, slots=True)
class Native:
    """Our own topics `metergate/<gateway>/meter/<id>/...`."""

    enabled: bool = True
    interval: Seconds = field(default=Seconds(5))
    """Least time between two states of a meter."""
    totals: Seconds = field(default=Seconds(60))
    """Least time between two messages with the totals of day, week, month and year."""


@dataclass(frozen=True, slots=True)
class HomeAssistant:
    """Home Assistant finds the meters by itself."""

    enabled: bool = True
    prefix: str = "homeassistant"
    mode: str = "entity"
    """`entity` (all versions) or `device` (one document a meter)."""


@dataclass(frozen=True, slots=True)
class Glow:
    """Look like a Glow in-home display."""

    enabled: bool = True
    prefix: str = "glow"
    id: str = ""
    """Twelve hex digits; by default made from the gateway's id."""
    dialect: str = "v2.0"
    cycle: Seconds = field(default=Seconds(10))
    calendar: str = "utc"
    electricity: str = ""
    """The meter that is shown; by default the first."""
    gas: str = ""


@dataclass(frozen=True, slots=True)
class Publish:
    """Who gets the values, besides the station."""

    native: Native = field(default_factory=Native)
    homeassistant: HomeAssistant = field(default_factory=HomeAssistant)
    glow: Glow | None = None


@dataclass(frozen=True, slots=True)
class Metrics:
    """Prometheus metrics, on this machine's loopback only."""

    port: int = 9109


@dataclass(frozen=True, slots=True)
class Spool:
    """The disk buffer."""

    size_mb: int = 100
    age: Seconds = field(default=Seconds(30 * 86400))
    sync: Seconds = field(default=Seconds(1))
    """Readings of this long are made safe in one go."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A gateway's file."""

    line: tuple[Line, ...] = ()
    mqtt: Mqtt | None = None
    id: str = field(default_factory=default_id)
    data: Path = field(default_factory=default_data)
    timezone: str = "UTC"
    station: Station | None = None
    publish: Publish = field(default_factory=Publish)
    metrics: Metrics | None = None
    spool: Spool = field(default_factory=Spool)
    log: str = "info"

    def __post_init__(self) -> None:
        if any(sign in self.id for sign in "+/#\0") or not self.id:
            raise ValueError(f"id {self.id!r} cannot be part of a topic: no + / # and not empty")
        if self.station and not self.mqtt:
            raise ValueError("a station is reached over MQTT: give [mqtt] with its url")
        seen: set[str] = set()
        for line in self.line:
            if line.url in seen:
                raise ValueError(f"two lines use {line.url}")
            seen.add(line.url)

    @property
    def socket(self) -> Path:
        """Where the status is told."""
        return self.data / "status.sock"
