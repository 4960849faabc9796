from decimal import Decimal

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import metergate.station.archive.ulid


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Customer",
            fields=[
                (
                    "id",
                    metergate.station.archive.ulid.UlidField(
                        default=metergate.station.archive.ulid.new_ulid,
                        editable=False,
                        max_length=26,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("code", models.CharField(max_length=24, unique=True)),
                ("name", models.CharField(max_length=160)),
                ("phone", models.CharField(blank=True, max_length=32)),
                ("email", models.EmailField(blank=True, max_length=254)),
            ],
            options={
                "ordering": ("code",),
            },
        ),
        migrations.CreateModel(
            name="Estate",
            fields=[
                (
                    "id",
                    metergate.station.archive.ulid.UlidField(
                        default=metergate.station.archive.ulid.new_ulid,
                        editable=False,
                        max_length=26,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("code", models.CharField(max_length=16, unique=True)),
                ("name", models.CharField(max_length=120)),
                ("tz", models.CharField(default="Europe/Berlin", max_length=64)),
                ("currency", models.CharField(default="EUR", max_length=3)),
                ("locale", models.CharField(default="en", max_length=16)),
                ("holiday_calendar", models.CharField(blank=True, max_length=16)),
            ],
            options={
                "ordering": ("code",),
            },
        ),
        migrations.CreateModel(
            name="Floor",
            fields=[
                (
                    "id",
                    metergate.station.archive.ulid.UlidField(
                        default=metergate.station.archive.ulid.new_ulid,
                        editable=False,
                        max_length=26,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("code", models.CharField(max_length=40, unique=True)),
                ("number", models.SmallIntegerField()),
            ],
            options={
                "ordering": ("staircase", "-number"),
            },
        ),
        migrations.CreateModel(
            name="Meter",
            fields=[
                (
                    "id",
                    metergate.station.archive.ulid.UlidField(
                        default=metergate.station.archive.ulid.new_ulid,
                        editable=False,
                        max_length=26,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("identity", models.CharField(max_length=64, unique=True)),
                ("serial", models.CharField(max_length=64)),
                ("maker", models.CharField(blank=True, max_length=64)),
                ("model", models.CharField(blank=True, max_length=64)),
                ("year", models.PositiveSmallIntegerField(blank=True, null=True)),
                (
                    "medium",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("electricity", "Electricity"),
                            ("cold_water", "Cold water"),
                            ("hot_water", "Hot water"),
                            ("gas", "Gas"),
                            ("heat", "Heat"),
                        ],
                        max_length=12,
                    ),
                ),
                ("protocol", models.CharField(blank=True, max_length=24)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("direct", "Direct"),
                            ("ct", "Current transformer"),
                            ("prepaid", "Prepaid"),
                            ("ic_card", "IC card"),
                            ("multiuser", "Multi-user"),
                        ],
                        default="direct",
                        max_length=12,
                    ),
                ),
                ("calibration_valid_to", models.DateField(blank=True, null=True)),
                ("first_seen", models.DateTimeField(blank=True, null=True)),
                ("first_gateway", models.CharField(blank=True, max_length=64)),
            ],
            options={
                "ordering": ("identity",),
            },
        ),
        migrations.CreateModel(
            name="Account",
            fields=[
                (
                    "id",
                    metergate.station.archive.ulid.UlidField(
                        default=metergate.station.archive.ulid.new_ulid,
                        editable=False,
                        max_length=26,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("code", models.CharField(max_length=24, unique=True)),
                ("billing_cycle", models.CharField(default="month", max_length=16)),
                (
                    "mode",
                    models.CharField(
                        choices=[("postpay", "Pay after use"), ("prepay", "Pay before use")],
                        default="postpay",
                        max_length=8,
                    ),
                ),
                ("payment_method", models.CharField(blank=True, max_length=24)),
                ("deposit", models.DecimalField(decimal_places=2, default=Decimal("0"), max_digits=14)),
                ("credit_level", models.DecimalField(decimal_places=2, default=Decimal("0"), max_digits=14)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="accounts", to="archive.customer"
                    ),
                ),
            ],
            options={
                "ordering": ("code",),
            },
        ),
        migrations.CreateModel(
            name="Building",
            fields=[
                (
                    "id",
                    metergate.station.archive.ulid.UlidField(
                        default=metergate.station.archive.ulid.new_ulid,
                        editable=False,
                        max_length=26,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("code", models.CharField(max_length=24, unique=True)),
                ("number", models.PositiveSmallIntegerField()),
                ("name", models.CharField(blank=True, max_length=120)),
                (
                    "estate",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="buildings", to="archive.estate"
                    ),
                ),
            ],
            options={
                "ordering": ("code",),
            },
        ),
        migrations.CreateModel(
            name="Gateway",
            fields=[
                (
                    "id",
                    metergate.station.archive.ulid.UlidField(
                        default=metergate.station.archive.ulid.new_ulid,
                        editable=False,
                        max_length=26,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("name", models.CharField(max_length=64, unique=True)),
                ("title", models.CharField(blank=True, max_length=120)),
                (
                    "estate",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="gateways",
                        to="archive.estate",
                    ),
                ),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="Line",
            fields=[
                (
                    "id",
                    metergate.station.archive.ulid.UlidField(
                        default=metergate.station.archive.ulid.new_ulid,
                        editable=False,
                        max_length=26,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("code", models.CharField(max_length=32, unique=True)),
                ("name", models.CharField(blank=True, max_length=120)),
                ("port", models.CharField(max_length=120)),
                ("protocol", models.CharField(blank=True, max_length=24)),
                ("baud", models.PositiveIntegerField(default=9600)),
                ("format", models.CharField(default="8E1", max_length=3)),
                (
                    "estate",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="lines", to="archive.estate"
                    ),
                ),
                (
                    "gateway",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="lines",
                        to="archive.gateway",
                    ),
                ),
            ],
            options={
                "ordering": ("code",),
            },
        ),
        migrations.CreateModel(
            name="Collector",
            fields=[
                (
                    "id",
                    metergate.station.archive.ulid.UlidField(
                        default=metergate.station.archive.ulid.new_ulid,
                        editable=False,
                        max_length=26,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("code", models.CharField(max_length=40, unique=True)),
                ("address", models.PositiveIntegerField()),
                ("serial", models.CharField(blank=True, max_length=32)),
                (
                    "power",
                    models.CharField(
                        choices=[("mains", "Mains"), ("ups", "Mains with battery")], default="mains", max_length=8
                    ),
                ),
                (
                    "line",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="collectors", to="archive.line"
                    ),
                ),
            ],
            options={
                "ordering": ("line", "address"),
            },
        ),
    ]
