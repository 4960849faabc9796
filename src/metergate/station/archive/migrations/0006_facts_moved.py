from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("archive", "0005_facts_copied")]

    operations = [
        migrations.RemoveConstraint(
            model_name="servicepoint",
            name="archive_servicepoint_is_not_its_parent",
        ),
        migrations.RemoveField(
            model_name="room",
            name="area_m2",
        ),
        migrations.RemoveField(
            model_name="room",
            name="persons",
        ),
        migrations.RemoveField(
            model_name="servicepoint",
            name="hold_supply",
        ),
        migrations.RemoveField(
            model_name="servicepoint",
            name="parent",
        ),
        migrations.RemoveField(
            model_name="servicepoint",
            name="protected_class",
        ),
        migrations.RemoveField(
            model_name="servicepoint",
            name="role",
        ),
    ]
