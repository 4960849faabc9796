"""What comes in: latest values, presence of devices, events, and how well each line answers."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from metergate.model import Quality, Severity
from metergate.station.archive.models import Estate, Register, Room
from metergate.station.archive.ulid import UlidField


class Latest(models.Model):
    """The newest value of a register. `value` None: there is none, and `reason` says why."""

    register = models.OneToOneField(Register, models.CASCADE, primary_key=True, related_name="latest")
    value = models.DecimalField(max_digits=24, decimal_places=6, null=True)
    text = models.CharField(max_length=120, blank=True)
    quality = models.PositiveSmallIntegerField(default=Quality.GOOD)
    reason = models.CharField(max_length=120, blank=True)
    meter_time = models.DateTimeField()
    received = models.DateTimeField()
    changed_ms = models.BigIntegerField(db_index=True)

    def __str__(self) -> str:
        return f"{self.register_id} = {self.value}"

    @property
    def age(self) -> timedelta:
        """Time since the value was true."""
        return timezone.now() - self.meter_time


class Presence(models.Model):
    """Whether a gateway, line, collector or meter answers."""

    class Kind(models.TextChoices):
        """What it is."""

        GATEWAY = "gateway", _("Gateway")
        LINE = "line", _("Line")
        COLLECTOR = "collector", _("Collector")
        METER = "meter", _("Meter")
        LOOP = "loop", _("Alarm loop")

    class State(models.TextChoices):
        """OK, then LATE (1 missed), SUSPECT (3 missed), DOWN (15 min or 10 missed); UNREACHABLE under a parent."""

        OK = "ok", _("Answers")
        LATE = "late", _("Late")
        SUSPECT = "suspect", _("Suspect")
        DOWN = "down", _("Down")
        UNREACHABLE = "unreachable", _("Unreachable")
        LOOP_OPEN = "loop_open", _("Loop open")
        LOOP_SHORT = "loop_short", _("Loop short")

    kind = models.CharField(max_length=10, choices=Kind)
    code = models.CharField(max_length=64)
    state = models.CharField(max_length=12, choices=State, default=State.OK)
    since = models.DateTimeField(default=timezone.now)
    last_seen = models.DateTimeField(null=True, blank=True)
    period_s = models.PositiveIntegerField(default=60)
    round_ms = models.PositiveIntegerField(null=True, blank=True)
    told_dead = models.BooleanField(default=False)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("kind", "code"), name="collect_presence_is_one"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.code} {self.state}"


class Event(models.Model):
    """Something that happened and that somebody may have to know; acknowledging leaves it in place."""

    SEVERITIES = [(int(severity), severity.name.capitalize()) for severity in Severity]

    id = UlidField(primary_key=True)
    time = models.DateTimeField()
    received = models.DateTimeField(default=timezone.now)
    source = models.CharField(max_length=64)
    code = models.CharField(max_length=40)
    severity = models.PositiveSmallIntegerField(choices=SEVERITIES, default=Severity.NOTICE)
    args = models.JSONField(default=dict, blank=True)
    estate = models.ForeignKey(Estate, models.SET_NULL, null=True, blank=True, related_name="events")
    room = models.ForeignKey(Room, models.SET_NULL, null=True, blank=True, related_name="events")
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ("-time", "-id")
        constraints = (models.UniqueConstraint(fields=("source", "code", "time"), name="collect_event_is_told_once"),)
        indexes = (models.Index(fields=("-time",)), models.Index(fields=("acknowledged_at", "severity")))

    def __str__(self) -> str:
        return f"{self.time} {self.source} {self.code}"


class Quarter(models.Model):
    """How a line or collector answered in one quarter of an hour."""

    kind = models.CharField(max_length=10, choices=Presence.Kind)
    code = models.CharField(max_length=64)
    start = models.DateTimeField()
    asked = models.PositiveIntegerField(default=0)
    answered = models.PositiveIntegerField(default=0)
    errors = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=("kind", "code", "start"), name="collect_quarter_is_one"),)

    def __str__(self) -> str:
        return f"{self.code} {self.start} {self.answered}/{self.asked}"


class Trace(models.Model):
    """One message seen on a line; only the last ones are kept."""

    line = models.CharField(max_length=64, db_index=True)
    at = models.DateTimeField()
    direction = models.CharField(max_length=2, choices=[("rx", "RX"), ("tx", "TX")])
    data = models.BinaryField(max_length=4096)
    protocol = models.CharField(max_length=24, blank=True)
    text = models.CharField(max_length=240, blank=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.line} {self.direction} {self.at}"


class Watch(models.Model):
    """Somebody has a line's page open: until then its gateway is asked to show what it sees."""

    line = models.CharField(max_length=64, primary_key=True)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.line} until {self.until}"


class Intake(models.Model):
    """How far the record lane of a gateway is read: its cursor as acknowledged, and when."""

    gateway = models.CharField(max_length=64, unique=True)
    cursor = models.BigIntegerField(default=0)
    batches = models.BigIntegerField(default=0)
    readings = models.BigIntegerField(default=0)
    newest = models.DateTimeField(null=True, blank=True)
    stored_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.gateway} {self.cursor}"
