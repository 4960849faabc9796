from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("archive", "0002_more_tables")]

    operations = [
        migrations.AddConstraint(
            model_name="collector",
            constraint=models.UniqueConstraint(fields=("line", "address"), name="archive_collector_address_is_its_own"),
        ),
        migrations.AddConstraint(
            model_name="collector",
            constraint=models.CheckConstraint(
                condition=models.Q(("address__gte", 1), ("address__lte", 65534)),
                name="archive_collector_address_is_possible",
            ),
        ),
        migrations.AddIndex(
            model_name="channel",
            index=models.Index(fields=["meter", "superseded_at"], name="archive_cha_meter_i_580e76_idx"),
        ),
        migrations.AddConstraint(
            model_name="channel",
            constraint=models.CheckConstraint(
                condition=models.Q(("valid_to", None), ("valid_to__gt", models.F("valid_from")), _connector="OR"),
                name="archive_channel_ends_after_it_begins",
            ),
        ),
        migrations.AddConstraint(
            model_name="register",
            constraint=models.CheckConstraint(
                condition=models.Q(("period_s__gt", 0)), name="archive_register_period_is_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="occupancy",
            constraint=models.CheckConstraint(
                condition=models.Q(("valid_to", None), ("valid_to__gt", models.F("valid_from")), _connector="OR"),
                name="archive_occupancy_ends_after_it_begins",
            ),
        ),
        migrations.AddConstraint(
            model_name="servicepoint",
            constraint=models.CheckConstraint(
                condition=models.Q(("medium__in", ["electricity", "cold_water", "hot_water", "gas", "heat"])),
                name="archive_servicepoint_medium_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="servicepoint",
            constraint=models.CheckConstraint(
                condition=models.Q(("parent", models.F("id")), _negated=True),
                name="archive_servicepoint_is_not_its_parent",
            ),
        ),
        migrations.AddIndex(
            model_name="installation",
            index=models.Index(fields=["service_point", "superseded_at"], name="archive_ins_service_bc603f_idx"),
        ),
        migrations.AddIndex(
            model_name="installation",
            index=models.Index(fields=["meter", "superseded_at"], name="archive_ins_meter_i_38ede9_idx"),
        ),
        migrations.AddConstraint(
            model_name="installation",
            constraint=models.CheckConstraint(
                condition=models.Q(("valid_to", None), ("valid_to__gt", models.F("valid_from")), _connector="OR"),
                name="archive_installation_ends_after_it_begins",
            ),
        ),
        migrations.AddConstraint(
            model_name="installation",
            constraint=models.CheckConstraint(
                condition=models.Q(("phase_factor__in", (1, 3))), name="archive_installation_phase_is_1_or_3"
            ),
        ),
        migrations.AddConstraint(
            model_name="installation",
            constraint=models.CheckConstraint(
                condition=models.Q(("ct__gt", 0), ("pt__gt", 0)), name="archive_installation_ratio_is_positive"
            ),
        ),
        migrations.AddConstraint(
            model_name="contract",
            constraint=models.CheckConstraint(
                condition=models.Q(("valid_to", None), ("valid_to__gt", models.F("valid_from")), _connector="OR"),
                name="archive_contract_ends_after_it_begins",
            ),
        ),
    ]
