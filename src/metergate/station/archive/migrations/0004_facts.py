import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import metergate.station.archive.ulid


class Migration(migrations.Migration):
    dependencies = [
        ("archive", "0003_constraints"),
    ]

    operations = [
        migrations.CreateModel(
            name="PointFacts",
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
                ("protected_class", models.CharField(blank=True, max_length=24)),
                ("hold_supply", models.BooleanField(default=False)),
            ],
            options={
                "ordering": ("service_point", "valid_from"),
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="RoomFacts",
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
                ("area_m2", models.DecimalField(blank=True, decimal_places=2, max_digits=8, null=True)),
                ("persons", models.PositiveSmallIntegerField(blank=True, null=True)),
            ],
            options={
                "ordering": ("room", "valid_from"),
                "abstract": False,
            },
        ),
        migrations.AddField(
            model_name="pointfacts",
            name="parent",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="children",
                to="archive.servicepoint",
            ),
        ),
        migrations.AddField(
            model_name="pointfacts",
            name="service_point",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="facts", to="archive.servicepoint"
            ),
        ),
        migrations.AddField(
            model_name="roomfacts",
            name="room",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="facts", to="archive.room"
            ),
        ),
        migrations.AddConstraint(
            model_name="pointfacts",
            constraint=models.CheckConstraint(
                condition=models.Q(("valid_to", None), ("valid_to__gt", models.F("valid_from")), _connector="OR"),
                name="archive_pointfacts_ends_after_it_begins",
            ),
        ),
        migrations.AddConstraint(
            model_name="pointfacts",
            constraint=models.CheckConstraint(
                condition=models.Q(("parent", models.F("service_point")), _negated=True),
                name="archive_pointfacts_is_not_its_parent",
            ),
        ),
        migrations.AddConstraint(
            model_name="roomfacts",
            constraint=models.CheckConstraint(
                condition=models.Q(("valid_to", None), ("valid_to__gt", models.F("valid_from")), _connector="OR"),
                name="archive_roomfacts_ends_after_it_begins",
            ),
        ),
    ]
