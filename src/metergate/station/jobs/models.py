"""Long work as rows: a job, the orders to meters that it consists of, and the rounds in which what is missing is read
again. Whoever executes them may die at any instant; the rows say how far it came."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from metergate.station.archive.models import Estate, Meter
from metergate.station.archive.ulid import UlidField


class Job(models.Model):
    """Work that takes a while. The counters are those of its orders, brought up to date while it runs."""

    class Kind(models.TextChoices):
        """What is done."""

        READ_NOW = "read-now", _("Read now")
        SET_CLOCK = "set-clock", _("Set clocks")
        REREAD = "reread", _("Read again what is missing")

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting", _("Waiting")
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")

    id = UlidField(primary_key=True)
    kind = models.CharField(max_length=12, choices=Kind)
    title = models.CharField(max_length=200, blank=True)
    reason = models.CharField(max_length=200, blank=True)
    estate = models.ForeignKey(Estate, models.SET_NULL, null=True, blank=True, related_name="jobs")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    made = models.DateTimeField(default=timezone.now)
    started = models.DateTimeField(null=True, blank=True)
    ended = models.DateTimeField(null=True, blank=True, db_index=True)
    cancel_asked = models.DateTimeField(null=True, blank=True)
    whole = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("-made",)

    def __str__(self) -> str:
        return self.title or str(self.get_kind_display())


class Order(models.Model):
    """One order to one meter. Its id goes with it to the gateway, which carries it out once however often it comes.

    `register`, `begin` and `end`: what to fetch of what the meter stored; empty for orders that fetch nothing such.
    """

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting", _("Waiting")
        SENT = "sent", _("Sent")
        DONE = "done", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    id = UlidField(primary_key=True)
    job = models.ForeignKey(Job, models.CASCADE, related_name="orders")
    meter = models.ForeignKey(Meter, models.PROTECT, related_name="orders")
    act = models.CharField(max_length=12)
    register = models.CharField(max_length=48, blank=True)
    begin = models.DateTimeField(null=True, blank=True)
    end = models.DateTimeField(null=True, blank=True)
    gateway = models.CharField(max_length=64, blank=True)
    line = models.CharField(max_length=64, blank=True)
    rank = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    sent = models.DateTimeField(null=True, blank=True)
    told = models.DateTimeField(null=True, blank=True)
    expires = models.DateTimeField(null=True, blank=True)
    ended = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=16, blank=True)
    text = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ("job", "rank")
        constraints = (
            models.UniqueConstraint(fields=("job", "meter"), name="jobs_order_once_a_job"),
            models.UniqueConstraint(fields=("meter",), condition=Q(state="sent"), name="jobs_order_one_under_way"),
        )
        indexes = (models.Index(fields=("state", "gateway", "line")), models.Index(fields=("job", "state")))

    def __str__(self) -> str:
        return f"{self.act} {self.meter_id} {self.state}"


class Round(models.Model):
    """What was missing at one of the times of day when it is read again, and the job that did so (None: no need)."""

    estate = models.ForeignKey(Estate, models.CASCADE, related_name="rounds")
    due = models.DateTimeField()
    looked = models.DateTimeField(default=timezone.now)
    points = models.PositiveIntegerField(default=0)
    quarters = models.PositiveIntegerField(default=0)
    freezes = models.PositiveIntegerField(default=0)
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="rounds")

    class Meta:
        ordering = ("-due",)
        constraints = (models.UniqueConstraint(fields=("estate", "due"), name="jobs_round_once"),)

    def __str__(self) -> str:
        return f"{self.estate_id} {self.due}"
