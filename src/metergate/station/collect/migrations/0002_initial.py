import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("archive", "0003_constraints"),
        ("collect", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="event",
            name="acknowledged_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="event",
            name="estate",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="events",
                to="archive.estate",
            ),
        ),
        migrations.AddField(
            model_name="event",
            name="room",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="events",
                to="archive.room",
            ),
        ),
        migrations.AddConstraint(
            model_name="presence",
            constraint=models.UniqueConstraint(fields=("kind", "code"), name="collect_presence_is_one"),
        ),
        migrations.AddConstraint(
            model_name="quarter",
            constraint=models.UniqueConstraint(fields=("kind", "code", "start"), name="collect_quarter_is_one"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["-time"], name="collect_eve_time_ce31b4_idx"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["acknowledged_at", "severity"], name="collect_eve_acknowl_11c470_idx"),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(fields=("source", "code", "time"), name="collect_event_is_told_once"),
        ),
    ]
