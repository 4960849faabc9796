from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("collect", "0002_initial")]

    operations = [
        migrations.CreateModel(
            name="Watch",
            fields=[
                ("line", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("until", models.DateTimeField()),
            ],
        ),
    ]
