"""Register codes of MGC/1: what the octet `register` of a record means. Values are integers in 10^-3 of the unit."""

from __future__ import annotations

from dataclasses import dataclass

from metergate.model import Medium, Obis, Unit

SCALER = -3


@dataclass(frozen=True, slots=True)
class Known:
    """One register code."""

    code: int
    medium: Medium
    obis: Obis
    quantity: str
    unit: Unit | None


_TABLE = """
10 electricity 1-0:1.8.0 energy kWh
11 electricity 1-0:1.8.1 energy kWh
12 electricity 1-0:1.8.2 energy kWh
13 electricity 1-0:1.8.3 energy kWh
14 electricity 1-0:1.8.4 energy kWh
15 electricity 1-0:2.8.0 energy kWh
16 electricity 1-0:3.8.0 energy kvarh
17 electricity 1-0:4.8.0 energy kvarh
18 electricity 1-0:16.7.0 power kW
19 electricity 1-0:1.6.0 demand kW
1a electricity 1-0:32.7.0 voltage V
1b electricity 1-0:52.7.0 voltage V
1c electricity 1-0:72.7.0 voltage V
1d electricity 1-0:31.7.0 current A
1e electricity 1-0:51.7.0 current A
1f electricity 1-0:71.7.0 current A
20 electricity 1-0:13.7.0 power_factor -
21 electricity 1-0:14.7.0 frequency Hz
30 cold_water 8-0:1.0.0 volume m3
31 cold_water 8-0:9.0.0 volume_flow m3/h
38 hot_water 9-0:1.0.0 volume m3
39 hot_water 9-0:9.0.0 volume_flow m3/h
40 gas 7-0:3.0.0 volume m3
41 gas 7-0:3.1.0 volume m3
42 gas 7-0:9.0.0 volume_flow m3/h
50 heat 6-0:1.0.0 energy kWh
51 heat 6-0:2.0.0 volume m3
52 heat 6-0:8.0.0 power kW
53 heat 6-0:9.0.0 volume_flow m3/h
54 heat 6-0:10.0.0 flow_temperature degC
55 heat 6-0:11.0.0 return_temperature degC
58 cooling_load 5-0:1.0.0 energy kWh
60 heat_cost_allocator 4-0:1.0.0 hca hca
"""


def _known(line: str) -> Known:
    code, medium, obis, quantity, unit = line.split()
    return Known(
        int(code, 16),
        Medium(medium.replace("_", " ")),
        Obis.parse(obis),
        quantity,
        None if unit == "-" else Unit(unit),
    )


REGISTERS: dict[int, Known] = {known.code: known for known in map(_known, _TABLE.strip().splitlines())}
"""By code."""
CODES: dict[Obis, int] = {known.obis: known.code for known in REGISTERS.values()}
"""The inverse."""
