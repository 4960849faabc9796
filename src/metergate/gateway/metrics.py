"""Prometheus metrics, on this machine's loopback only. Made from the status when they are fetched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from metergate.errors import LinkError

if TYPE_CHECKING:
    from prometheus_client.core import Metric

Json = dict[str, Any]
HOST = "127.0.0.1"
HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: "
COUNTERS = {
    "telegrams": "Telegrams received",
    "readings": "Readings received",
    "opened": "How often the line was opened",
    "foreign": "Telegrams of meters that are not ours",
}
GAUGES = {
    "waiting": "Appends that the station has not acknowledged",
    "bytes": "Size of the spool on disk",
}


def families(status: Json) -> Iterator[Metric]:
    """The status as metric families."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    up = GaugeMetricFamily("metergate_line_up", "Is the line open", labels=["line"])
    counters = {
        name: CounterMetricFamily(f"metergate_line_{name}", text, labels=["line"]) for name, text in COUNTERS.items()
    }
    problems = CounterMetricFamily("metergate_line_problems", "What gave no reading", labels=["line", "code"])
    for line in status["lines"]:
        up.add_metric([line["name"]], line["state"] == "open")
        for name, family in counters.items():
            family.add_metric([line["name"]], line[name])
        for code, count in line["problems"].items():
            problems.add_metric([line["name"], code], count)
    age = GaugeMetricFamily("metergate_meter_age_seconds", "Since the meter was heard", labels=["meter"])
    silent = GaugeMetricFamily("metergate_meter_silent", "Is the meter missed", labels=["meter"])
    for meter in status["meters"]:
        age.add_metric([meter["id"]], meter["age"])
        silent.add_metric([meter["id"]], meter["state"] == "silent")
    yield from (up, *counters.values(), problems, age, silent)
    for name, text in GAUGES.items():
        if status["spool"]:
            yield GaugeMetricFamily(f"metergate_spool_{name}", text, status["spool"][name])
    yield GaugeMetricFamily("metergate_mqtt_up", "Is the broker connected", status["mqtt"].get("state") == "online")


def exposition(status: Json) -> bytes:
    """The text that Prometheus reads."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.registry import Collector

    class Once(Collector):
        def collect(self) -> Iterator[Metric]:
            return families(status)

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Once())
    return generate_latest(registry)


class MetricsServer:
    """Answers every GET with the metrics. `port` 0: any free one, then in `port`."""

    def __init__(self, port: int, status: Callable[[], Json]) -> None:
        self.port = port
        self._status = status
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on loopback. LinkError if the port is taken."""
        try:
            self._server = await asyncio.start_server(self._serve, HOST, self.port)
        except OSError as error:
            raise LinkError(f"metrics: port {self.port} cannot be used: {error.strerror}") from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(5):
                await reader.readuntil(b"\r\n\r\n")
                body = exposition(self._status())
                head = (
                    f"HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {len(body)}\r\n\r\n"
                )
                writer.write(head.encode() + body)
                await writer.drain()
        writer.close()

    async def close(self) -> None:
        """Stop."""
        if self._server:
            self._server.close()
