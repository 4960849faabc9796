import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import metergate.model.event
import metergate.model.reading
import metergate.station.archive.ulid


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("archive", "0003_constraints"),
    ]

    operations = [
        migrations.CreateModel(
            name="Event",
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
                ("time", models.DateTimeField()),
                ("received", models.DateTimeField(default=django.utils.timezone.now)),
                ("source", models.CharField(max_length=64)),
                ("code", models.CharField(max_length=40)),
                (
                    "severity",
                    models.PositiveSmallIntegerField(
                        choices=[(0, "Info"), (1, "Notice"), (2, "Warning"), (3, "Fault"), (4, "Alarm")],
                        default=metergate.model.event.Severity["NOTICE"],
                    ),
                ),
                ("args", models.JSONField(blank=True, default=dict)),
                ("acknowledged_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ("-time", "-id"),
            },
        ),
        migrations.CreateModel(
            name="Intake",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("gateway", models.CharField(max_length=64, unique=True)),
                ("cursor", models.BigIntegerField(default=0)),
                ("batches", models.BigIntegerField(default=0)),
                ("readings", models.BigIntegerField(default=0)),
                ("newest", models.DateTimeField(blank=True, null=True)),
                ("stored_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name="Latest",
            fields=[
                (
                    "register",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="latest",
                        serialize=False,
                        to="archive.register",
                    ),
                ),
                ("value", models.DecimalField(decimal_places=6, max_digits=24, null=True)),
                ("text", models.CharField(blank=True, max_length=120)),
                ("quality", models.PositiveSmallIntegerField(default=metergate.model.reading.Quality["GOOD"])),
                ("reason", models.CharField(blank=True, max_length=120)),
                ("meter_time", models.DateTimeField()),
                ("received", models.DateTimeField()),
                ("changed_ms", models.BigIntegerField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="Presence",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("gateway", "Gateway"),
                            ("line", "Line"),
                            ("collector", "Collector"),
                            ("meter", "Meter"),
                            ("loop", "Alarm loop"),
                        ],
                        max_length=10,
                    ),
                ),
                ("code", models.CharField(max_length=64)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("ok", "Answers"),
                            ("late", "Late"),
                            ("suspect", "Suspect"),
                            ("down", "Down"),
                            ("unreachable", "Unreachable"),
                            ("loop_open", "Loop open"),
                            ("loop_short", "Loop short"),
                        ],
                        default="ok",
                        max_length=12,
                    ),
                ),
                ("since", models.DateTimeField(default=django.utils.timezone.now)),
                ("last_seen", models.DateTimeField(blank=True, null=True)),
                ("period_s", models.PositiveIntegerField(default=60)),
                ("round_ms", models.PositiveIntegerField(blank=True, null=True)),
                ("told_dead", models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name="Quarter",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("gateway", "Gateway"),
                            ("line", "Line"),
                            ("collector", "Collector"),
                            ("meter", "Meter"),
                            ("loop", "Alarm loop"),
                        ],
                        max_length=10,
                    ),
                ),
                ("code", models.CharField(max_length=64)),
                ("start", models.DateTimeField()),
                ("asked", models.PositiveIntegerField(default=0)),
                ("answered", models.PositiveIntegerField(default=0)),
                ("errors", models.JSONField(blank=True, default=dict)),
            ],
        ),
        migrations.CreateModel(
            name="Trace",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("line", models.CharField(db_index=True, max_length=64)),
                ("at", models.DateTimeField()),
                ("direction", models.CharField(choices=[("rx", "RX"), ("tx", "TX")], max_length=2)),
                ("data", models.BinaryField(max_length=4096)),
                ("protocol", models.CharField(blank=True, max_length=24)),
                ("text", models.CharField(blank=True, max_length=240)),
            ],
            options={
                "ordering": ("-id",),
            },
        ),
    ]
