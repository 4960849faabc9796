"""Notifications that meters push by themselves: HAN ports and customer interfaces of Europe."""

from __future__ import annotations

from metergate.wire.dlms.push.receiver import PushReceiver

__all__ = ["PushReceiver"]
