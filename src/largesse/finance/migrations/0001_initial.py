"""Closed days and booked settlements."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="DayClose",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField()),
                ("bucket", models.PositiveSmallIntegerField()),
                ("amounts", models.JSONField(default=dict)),
                ("up_to_seq", models.BigIntegerField()),
                ("posted_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "closed day",
                "ordering": ["-day", "bucket"],
                "constraints": [
                    models.UniqueConstraint(fields=("day", "bucket"), name="finance_dayclose_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Settlement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("provider", models.CharField(max_length=20)),
                ("reference", models.CharField(max_length=80)),
                ("bucket", models.PositiveSmallIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("gross_minor", models.BigIntegerField()),
                ("fee_minor", models.BigIntegerField()),
                ("charges", models.PositiveIntegerField()),
                ("up_to_seq", models.BigIntegerField()),
                ("booked_at", models.DateTimeField()),
            ],
            options={
                "ordering": ["-booked_at", "bucket"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("provider", "reference", "bucket", "currency"),
                        name="finance_settlement_once",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("fee_minor__gte", 0),
                            ("fee_minor__lte", models.F("gross_minor")),
                            ("gross_minor__gt", 0),
                        ),
                        name="finance_settlement_amounts",
                    ),
                ],
            },
        ),
    ]
