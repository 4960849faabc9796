"""What stood at rooms and service points is what held of them ever since."""

from datetime import UTC, datetime

from django.db import migrations

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def copy(apps, schema_editor):
    """A row of facts for each place."""
    room, point = apps.get_model("archive", "Room"), apps.get_model("archive", "ServicePoint")
    facts, point_facts = apps.get_model("archive", "RoomFacts"), apps.get_model("archive", "PointFacts")
    facts.objects.bulk_create(
        (
            facts(room_id=row.pk, valid_from=LONG_AGO, area_m2=row.area_m2, persons=row.persons)
            for row in room.objects.iterator()
        ),
        batch_size=500,
    )
    point_facts.objects.bulk_create(
        (
            point_facts(
                service_point_id=row.pk,
                valid_from=LONG_AGO,
                role=row.role,
                parent_id=row.parent_id,
                protected_class=row.protected_class,
                hold_supply=row.hold_supply,
            )
            for row in point.objects.iterator()
        ),
        batch_size=500,
    )


class Migration(migrations.Migration):
    dependencies = [("archive", "0004_facts")]

    operations = [migrations.RunPython(copy, migrations.RunPython.noop)]
