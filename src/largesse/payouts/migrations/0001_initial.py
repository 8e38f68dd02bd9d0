"""Destinations, payouts and their timelines."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Destination",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("holder", models.BigIntegerField(db_index=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[("bank", "Bank account (IBAN)"), ("sandbox", "Sandbox account")],
                        max_length=8,
                    ),
                ),
                ("masked", models.CharField(max_length=40)),
                ("sealed", models.TextField()),
                ("created_at", models.DateTimeField()),
                ("removed_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "ordering": ["-created_at"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["bank", "sandbox"])),
                        name="payouts_destination_kind",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Payout",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("holder", models.BigIntegerField(db_index=True)),
                ("key", models.UUIDField(unique=True)),
                ("asked_diamonds", models.BigIntegerField()),
                ("diamonds", models.BigIntegerField()),
                ("gross_minor", models.BigIntegerField()),
                ("fee_minor", models.BigIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("policy_version", models.CharField(max_length=40)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("requested", "Requested"),
                            ("unknown", "Unknown"),
                            ("sent", "Sent"),
                            ("settled", "Settled"),
                            ("returned", "Returned"),
                        ],
                        max_length=10,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=60)),
                ("parked", models.CharField(blank=True, max_length=60)),
                (
                    "transfer_id",
                    models.CharField(blank=True, max_length=120, null=True, unique=True),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
                ("updated_at", models.DateTimeField()),
                (
                    "destination",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="payouts.destination"
                    ),
                ),
            ],
            options={
                "ordering": ["-created_at", "-id"],
            },
        ),
        migrations.CreateModel(
            name="PayoutEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("status", models.CharField(max_length=10)),
                ("answer", models.CharField(max_length=20)),
                ("reason", models.CharField(blank=True, max_length=60)),
                ("note", models.CharField(blank=True, max_length=500)),
                (
                    "payout",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="payouts.payout",
                    ),
                ),
            ],
            options={
                "ordering": ["id"],
            },
        ),
        migrations.AddIndex(
            model_name="payout",
            index=models.Index(
                condition=models.Q(
                    ("parked", ""), ("status__in", ["requested", "unknown", "sent"])
                ),
                fields=["next_attempt_at"],
                name="payouts_payout_due",
            ),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("asked_diamonds__gte", models.F("diamonds")),
                    ("diamonds__gt", 0),
                    ("gross_minor__gt", 0),
                ),
                name="payouts_payout_positive",
            ),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("fee_minor__gte", 0), ("fee_minor__lte", models.F("gross_minor"))
                ),
                name="payouts_payout_fee_within",
            ),
        ),
        migrations.AddConstraint(
            model_name="payout",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["requested", "unknown", "sent", "settled", "returned"])
                ),
                name="payouts_payout_status",
            ),
        ),
    ]
