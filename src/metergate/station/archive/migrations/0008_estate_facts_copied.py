"""What an estate was called is what it has been called ever since."""

from datetime import UTC, datetime

from django.db import migrations

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def copy(apps, schema_editor):
    """A row of facts for each estate."""
    facts = apps.get_model("archive", "EstateFacts")
    facts.objects.bulk_create(
        facts(estate_id=row.pk, valid_from=LONG_AGO, name=row.name)
        for row in apps.get_model("archive", "Estate").objects.iterator()
    )


class Migration(migrations.Migration):
    dependencies = [("archive", "0007_estate_facts")]

    operations = [migrations.RunPython(copy, migrations.RunPython.noop)]
