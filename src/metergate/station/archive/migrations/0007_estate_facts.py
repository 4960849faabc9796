import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import metergate.station.archive.ulid


class Migration(migrations.Migration):
    dependencies = [("archive", "0006_facts_moved")]

    operations = [
        migrations.CreateModel(
            name="EstateFacts",
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
                ("name", models.CharField(max_length=120)),
                (
                    "estate",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="facts", to="archive.estate"
                    ),
                ),
            ],
            options={"ordering": ("estate", "valid_from"), "abstract": False},
        ),
        migrations.AddConstraint(
            model_name="estatefacts",
            constraint=models.CheckConstraint(
                condition=models.Q(("valid_to", None), ("valid_to__gt", models.F("valid_from")), _connector="OR"),
                name="archive_estatefacts_ends_after_it_begins",
            ),
        ),
    ]
