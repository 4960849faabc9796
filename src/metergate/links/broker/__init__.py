"""The embedded broker: nats-server as a supervised child, its users, certificates and the stream of records."""

from metergate.links.broker.authority import Authority
from metergate.links.broker.records import RecordBatch, RecordSource, ensure_stream, record_source
from metergate.links.broker.server import Broker, find_server, free_port
from metergate.links.broker.settings import BrokerSettings, Secrets
from metergate.links.broker.users import BrokerUser, gateway_user, household_user, station_user, subjects

__all__ = [
    "Authority",
    "Broker",
    "BrokerSettings",
    "BrokerUser",
    "RecordBatch",
    "RecordSource",
    "Secrets",
    "ensure_stream",
    "find_server",
    "free_port",
    "gateway_user",
    "household_user",
    "record_source",
    "station_user",
    "subjects",
]
