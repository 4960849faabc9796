"""The spool: what was read, durable before it is acknowledged, until the station has it."""

from metergate.profiles.spool.spool import Spool

__all__ = ["Spool"]
