"""Metrics on loopback, and the status that they are made of."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from metergate.errors import LinkError
from metergate.gateway.daemon import Gateway
from metergate.gateway.metrics import MetricsServer
from metergate.gateway.settings import Line, Settings
from metergate.gateway.status import StatusServer, ask_status

pytestmark = pytest.mark.anyio
STATUS: dict[str, Any] = {
    "lines": [
        {
            "name": "roof",
            "state": "open",
            "telegrams": 5,
            "readings": 25,
            "opened": 1,
            "foreign": 0,
            "problems": {"bad_checksum": 2},
        }
    ],
    "meters": [{"id": "m1", "age": 3.5, "state": "ok"}],
    "mqtt": {"state": "online"},
    "spool": {"bytes": 4096, "waiting": 7},
}


async def fetch(port: int) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    data = await reader.read()
    writer.close()
    return data.decode()


async def test_what_prometheus_reads() -> None:
    server = MetricsServer(0, lambda: STATUS)
    await server.start()
    text = await fetch(server.port)
    await server.close()
    assert text.startswith("HTTP/1.0 200 OK")
    for line in (
        'metergate_line_up{line="roof"} 1.0',
        'metergate_line_readings_total{line="roof"} 25.0',
        'metergate_line_problems_total{code="bad_checksum",line="roof"} 2.0',
        'metergate_meter_age_seconds{meter="m1"} 3.5',
        "metergate_spool_waiting 7.0",
        "metergate_mqtt_up 1.0",
    ):
        assert line in text


async def test_the_status_of_a_gateway_makes_metrics(tmp_path: Path) -> None:
    gateway = Gateway(Settings(id="gw1", data=tmp_path))
    gateway._open(Line("/dev/nowhere", "sml"))
    server = MetricsServer(0, gateway.status)
    await server.start()
    assert 'metergate_line_up{line="/dev/nowhere"} 0.0' in await fetch(server.port)
    await server.close()
    await gateway._close("/dev/nowhere")


async def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(LinkError, match=str(port)):
            await MetricsServer(port, dict).start()


async def test_the_status_socket(tmp_path: Path) -> None:
    path = tmp_path / "run" / "status.sock"
    server = StatusServer(path, lambda: {"id": "gw1"})
    await server.start()
    assert path.stat().st_mode & 0o777 == 0o600
    assert await ask_status(path) == {"id": "gw1"}
    await server.close()
    with pytest.raises(LinkError):
        await ask_status(path)


async def test_a_socket_left_by_the_dead_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "status.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    server = StatusServer(path, lambda: {"id": "gw2"})
    await server.start()
    assert await ask_status(path) == {"id": "gw2"}
    await server.close()
