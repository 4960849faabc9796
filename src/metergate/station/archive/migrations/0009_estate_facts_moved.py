from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("archive", "0008_estate_facts_copied")]

    operations = [migrations.RemoveField(model_name="estate", name="name")]
