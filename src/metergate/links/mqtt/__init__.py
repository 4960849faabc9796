"""MQTT for everybody who speaks it: a client that stays connected, topic filters, addresses and TLS."""

from metergate.links.mqtt.address import BrokerAddress, Tls, read_password
from metergate.links.mqtt.client import MqttClient, Outlet, State
from metergate.links.mqtt.message import Message, Will
from metergate.links.mqtt.session import REASONS
from metergate.links.mqtt.subscription import Handler, Subscription
from metergate.links.mqtt.topics import check_filter, check_topic, matches, unshared

__all__ = [
    "REASONS",
    "BrokerAddress",
    "Handler",
    "Message",
    "MqttClient",
    "Outlet",
    "State",
    "Subscription",
    "Tls",
    "Will",
    "check_filter",
    "check_topic",
    "matches",
    "read_password",
    "unshared",
]
