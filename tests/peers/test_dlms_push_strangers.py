"""amshan, gurux-dlms and dlms-cosem read the pushes that we write, with the values that we put in."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from dlmspush import AT, only, reading, values
from metergate.model import Obis, Unit
from metergate.wire.dlms.data import DateTime
from metergate.wire.dlms.push.writer import hdlc_frames, notification, pairs, positional, self_describing

WHEN = datetime(2026, 3, 1, 12, 0, 10)
CLOCK = DateTime(2026, 3, 1, 7, 12, 0, 10, 0xFF, -0x8000, 0).octets
Table = dict[str, int | str]
POWERS: Table = {"1-0:1.7.0": 9745, "1-0:2.7.0": 0, "1-0:3.7.0": 12, "1-0:4.7.0": 435}
CURRENTS: Table = {"1-0:31.7.0": "33.8", "1-0:51.7.0": "28.1", "1-0:71.7.0": "-1.2"}
VOLTAGES: Table = {"1-0:32.7.0": "216.8", "1-0:52.7.0": "230.1", "1-0:72.7.0": "218.8"}
ENERGIES: Table = {"1-0:1.8.0": 79591140, "1-0:2.8.0": 10, "1-0:3.8.0": 889390, "1-0:4.8.0": 3210930}
_WAYS = (("active", "import"), ("active", "export"), ("reactive", "import"), ("reactive", "export"))
AMSHAN = {
    **{code: f"{kind}_power_{way}" for code, (kind, way) in zip(POWERS, _WAYS, strict=True)},
    **{code: f"{kind}_power_{way}_total" for code, (kind, way) in zip(ENERGIES, _WAYS, strict=True)},
    **{code: f"current_l{phase}" for phase, code in enumerate(CURRENTS, 1)},
    **{code: f"voltage_l{phase}" for phase, code in enumerate(VOLTAGES, 1)},
}


def aidon() -> bytes:
    """List 3: scaler and unit of every value stand in it."""
    texts = (("1-1:0.2.129", "AIDON_V0001"), ("0-0:96.1.0", "7359992892587665"), ("0-0:96.1.7", "6525"))
    readings = [reading(code, text) for code, text in texts]
    for place, (code, value) in enumerate(POWERS.items()):
        readings.append(reading(code, Decimal(value), Unit.W if place < 2 else Unit.VAR))
    for table, unit in ((CURRENTS, Unit.A), (VOLTAGES, Unit.V)):
        readings += [reading(code, Decimal(value), unit, -1) for code, value in table.items()]
    readings.append(reading("0-0:1.0.0", CLOCK))
    for place, (code, value) in enumerate(ENERGIES.items()):
        readings.append(reading(code, Decimal(value), Unit.WH if place < 2 else Unit.VARH, 1))
    return notification(self_describing(readings))


def kaifa() -> bytes:
    """18 items by position."""
    held: dict[str, Any] = {"1-1:0.2.129": "KFM_001", "0-0:96.1.0": "6970631402614476", "0-0:96.1.7": "MA304H3E"}
    held |= {"0-0:1.0.0": CLOCK}
    held |= {
        code: abs(Decimal(value)) for table in (POWERS, CURRENTS, VOLTAGES, ENERGIES) for code, value in table.items()
    }
    return notification(positional({Obis.parse(code): value for code, value in held.items()}), CLOCK, tagged=True)


def kamstrup() -> bytes:
    """OBIS and value in turn; the codes have group B 1, voltages are whole numbers."""
    readings = [reading("1-1:0.0.5", "5705705705705702"), reading("1-1:96.1.1", "6841131BN243101040")]
    for place, (code, value) in enumerate(POWERS.items()):
        readings.append(reading(code.replace("-0:", "-1:"), Decimal(value), Unit.W if place < 2 else Unit.VAR))
    for code, value in CURRENTS.items():
        readings.append(reading(code.replace("-0:", "-1:"), abs(Decimal(value)), Unit.A))
    for code, value in VOLTAGES.items():
        readings.append(reading(code.replace("-0:", "-1:"), Decimal(value).to_integral_value(), Unit.V))
    readings.append(reading("0-1:1.0.0", CLOCK))
    for place, (code, value) in enumerate(ENERGIES.items()):
        readings.append(reading(code.replace("-0:", "-1:"), Decimal(value), Unit.WH if place < 2 else Unit.VARH))
    return notification(pairs("Kamstrup_V0001", readings), CLOCK)


LISTS = {"aidon": aidon, "kaifa": kaifa, "kamstrup": kamstrup}


@pytest.mark.parametrize("maker", LISTS)
def test_amshan(maker: str) -> None:
    """From our HDLC frames, found by its own reader, to its named values."""
    pytest.importorskip("han")
    from han.autodecoder import AutoDecoder
    from han.hdlc import HdlcFrameReader

    octets = LISTS[maker]()
    (frame,) = HdlcFrameReader(False).read(b"".join(hdlc_frames(octets)))
    theirs = AutoDecoder().decode_message(frame)
    assert theirs is not None
    ours = {str(one.obis).replace("-1:", "-0:"): one.value for one in only(octets).readings}
    shared = {code: name for code, name in AMSHAN.items() if code in ours}
    assert len(shared) == 14
    assert {name: Decimal(str(theirs[name])) for name in shared.values()} == {
        name: ours[code] for code, name in shared.items()
    }
    assert theirs["meter_id"] == only(octets).readings[0].meter
    told = theirs["meter_datetime"]
    assert isinstance(told, datetime)
    assert told.replace(tzinfo=None) == WHEN


def _leaves(node: ET.Element) -> list[object]:
    found = [_typed(node)] if "Value" in node.attrib else []
    return found + [leaf for child in node for leaf in _leaves(child)]


def _typed(node: ET.Element) -> object:
    """A value of the XML: numbers stand there in hex of their width, octets in hex, text as it is."""
    text = node.attrib["Value"]
    if node.tag == "String":
        return text
    held = bytes.fromhex(text)
    return held if node.tag == "OctetString" else int.from_bytes(held, "big", signed=node.tag.startswith("Int"))


@pytest.mark.parametrize("maker", LISTS)
def test_gurux_translator(maker: str) -> None:
    """Its XML has the same values in the same order as our tree."""
    pytest.importorskip("gurux_dlms")
    from gurux_dlms import GXDLMSTranslator

    found = only(LISTS[maker]())
    octets = LISTS[maker]() if maker != "kaifa" else notification(*_untagged())
    xml = GXDLMSTranslator().pduToXml(octets)
    tree = ET.fromstring(xml[xml.index("<") :])
    body = next(node for node in tree.iter() if node.tag == "NotificationBody")
    assert _leaves(body) == _flat(found.frame["data"])


def _untagged() -> tuple[Any, bytes]:
    """The translator knows the time only as the standard writes it."""
    from metergate.wire.dlms import apdu

    found = apdu.decode(kaifa())
    return found.body, found.time


def _flat(data: object) -> list[object]:
    return [leaf for item in data for leaf in _flat(item)] if isinstance(data, list) else [data]


def test_dlms_cosem() -> None:
    """It reads no visible strings, so only the list whose texts are octets; the time as the standard writes it."""
    pytest.importorskip("dlms_cosem")
    from dlms_cosem import utils
    from dlms_cosem.protocol.xdlms import DataNotification

    body, time = _untagged()
    octets = notification(body, time)
    parsed = DataNotification.from_bytes(octets)
    assert parsed.date_time == WHEN
    theirs = utils.parse_as_dlms_data(parsed.body)
    ours = only(octets).frame["data"]
    assert isinstance(ours, list)
    assert [bytes(item) if isinstance(item, bytearray) else item for item in theirs] == ours
    assert values(only(octets))["1-0:1.7.0"] == Decimal(9745)
    assert AT.year == parsed.date_time.year
