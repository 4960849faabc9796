"""A port's name is enough; what is said is kept."""

import pytest

from metergate.meters.usual import usual_address


@pytest.mark.parametrize(
    ("url", "protocol", "expected"),
    [
        ("/dev/ttyUSB0", "sml", "/dev/ttyUSB0?baud=9600&format=8N1"),
        ("/dev/ttyUSB0", "mbus", "/dev/ttyUSB0?baud=2400&format=8E1"),
        ("/dev/ttyUSB0?baud=300", "mbus", "/dev/ttyUSB0?baud=300&format=8E1"),
        ("serial:///dev/ttyS0?baud=300&format=7E1", "mbus", "serial:///dev/ttyS0?baud=300&format=7E1"),
        ("tcp://127.0.0.1:5000", "mbus", "tcp://127.0.0.1:5000"),
        ("/dev/ttyUSB0", "wmbus", "/dev/ttyUSB0"),
        ("/dev/ttyUSB0", None, "/dev/ttyUSB0"),
    ],
)
def test_usual_settings(url: str, protocol: str | None, expected: str) -> None:
    assert usual_address(url, protocol) == expected
