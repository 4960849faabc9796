from decimal import Decimal

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import metergate.station.archive.ulid


class Migration(migrations.Migration):
    dependencies = [("archive", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Channel",
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
                ("valid_from", models.DateTimeField()),
                ("valid_to", models.DateTimeField(blank=True, null=True)),
                ("recorded_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("superseded_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("number", models.PositiveSmallIntegerField(blank=True, null=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[("meter", "Meter"), ("gas_alarm", "Gas alarm"), ("valve", "Valve")],
                        default="meter",
                        max_length=12,
                    ),
                ),
                (
                    "collector",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="channels",
                        to="archive.collector",
                    ),
                ),
                (
                    "line",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="channels", to="archive.line"
                    ),
                ),
                (
                    "meter",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="channels",
                        to="archive.meter",
                    ),
                ),
            ],
            options={
                "ordering": ("line", "collector", "number"),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Register",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("key", models.CharField(max_length=160, unique=True)),
                ("obis", models.CharField(blank=True, max_length=24)),
                ("name", models.CharField(blank=True, max_length=80)),
                ("unit", models.CharField(blank=True, max_length=12)),
                ("scaler", models.SmallIntegerField(default=0)),
                ("period_s", models.PositiveIntegerField(default=900)),
                (
                    "kind",
                    models.CharField(
                        choices=[("counter", "Counter"), ("gauge", "Momentary value")], default="counter", max_length=8
                    ),
                ),
                ("direction", models.CharField(blank=True, max_length=8)),
                ("digits", models.PositiveSmallIntegerField(blank=True, null=True)),
                (
                    "basis",
                    models.CharField(
                        choices=[("secondary", "Secondary"), ("primary", "Primary")], default="secondary", max_length=10
                    ),
                ),
                ("billing", models.BooleanField(default=False)),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="registers", to="archive.meter"
                    ),
                ),
            ],
            options={
                "ordering": ("meter", "obis", "key"),
            },
        ),
        migrations.CreateModel(
            name="Room",
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
                ("code", models.CharField(max_length=56, unique=True)),
                ("number", models.CharField(max_length=12)),
                (
                    "usage_nature",
                    models.CharField(
                        choices=[
                            ("dwelling", "Dwelling"),
                            ("shop", "Shop"),
                            ("public", "Public"),
                            ("plant", "Plant room"),
                        ],
                        default="dwelling",
                        max_length=12,
                    ),
                ),
                ("area_m2", models.DecimalField(blank=True, decimal_places=2, max_digits=8, null=True)),
                ("persons", models.PositiveSmallIntegerField(blank=True, null=True)),
                (
                    "floor",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="rooms", to="archive.floor"
                    ),
                ),
            ],
            options={
                "ordering": ("code",),
            },
        ),
        migrations.CreateModel(
            name="Occupancy",
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
                ("valid_from", models.DateTimeField()),
                ("valid_to", models.DateTimeField(blank=True, null=True)),
                ("recorded_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("superseded_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("vacant", models.BooleanField(default=False)),
                (
                    "customer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="occupancies", to="archive.customer"
                    ),
                ),
                (
                    "room",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="occupancies", to="archive.room"
                    ),
                ),
            ],
            options={
                "ordering": ("room", "valid_from"),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="ServicePoint",
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
                ("code", models.CharField(max_length=64, unique=True)),
                (
                    "medium",
                    models.CharField(
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
                (
                    "role",
                    models.CharField(
                        choices=[
                            ("sub", "Sub-meter"),
                            ("master", "Master meter"),
                            ("public", "Public supply"),
                            ("check", "Check meter"),
                        ],
                        default="sub",
                        max_length=8,
                    ),
                ),
                ("rating", models.DecimalField(blank=True, decimal_places=3, max_digits=12, null=True)),
                ("max_flow", models.DecimalField(blank=True, decimal_places=3, max_digits=12, null=True)),
                ("protected_class", models.CharField(blank=True, max_length=24)),
                ("hold_supply", models.BooleanField(default=False)),
                (
                    "parent",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="children",
                        to="archive.servicepoint",
                    ),
                ),
                (
                    "room",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="service_points", to="archive.room"
                    ),
                ),
            ],
            options={
                "ordering": ("code",),
            },
        ),
        migrations.CreateModel(
            name="Installation",
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
                ("valid_from", models.DateTimeField()),
                ("valid_to", models.DateTimeField(blank=True, null=True)),
                ("recorded_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("superseded_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("register_role", models.CharField(default="billing", max_length=12)),
                ("start_reading", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("end_reading", models.DecimalField(blank=True, decimal_places=4, max_digits=18, null=True)),
                ("ct", models.DecimalField(decimal_places=4, default=Decimal("1"), max_digits=12)),
                ("pt", models.DecimalField(decimal_places=4, default=Decimal("1"), max_digits=12)),
                ("phase_factor", models.PositiveSmallIntegerField(default=1)),
                ("reason", models.CharField(blank=True, max_length=200)),
                (
                    "meter",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="installations", to="archive.meter"
                    ),
                ),
                (
                    "service_point",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="installations",
                        to="archive.servicepoint",
                    ),
                ),
            ],
            options={
                "ordering": ("service_point", "valid_from"),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Contract",
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
                ("valid_from", models.DateTimeField()),
                ("valid_to", models.DateTimeField(blank=True, null=True)),
                ("recorded_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("superseded_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("tariff_code", models.CharField(max_length=40)),
                ("persons", models.PositiveSmallIntegerField(blank=True, null=True)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="contracts", to="archive.account"
                    ),
                ),
                (
                    "service_point",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="contracts", to="archive.servicepoint"
                    ),
                ),
            ],
            options={
                "ordering": ("service_point", "valid_from"),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Staircase",
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
                ("number", models.PositiveSmallIntegerField()),
                (
                    "building",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="staircases", to="archive.building"
                    ),
                ),
            ],
            options={
                "ordering": ("code",),
            },
        ),
        migrations.AddField(
            model_name="floor",
            name="staircase",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="floors", to="archive.staircase"
            ),
        ),
    ]
