"""The table of share policies, and the first one.

Owns `earnings_sharepolicy`. Must not change a policy that was published. Invariant: a policy is in
force at every time, so imported history has one too.
"""

from datetime import UTC, datetime
from typing import ClassVar

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def seed_first_policy(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Publish half of the net value, held for seven days.

    The reference value of a coin is that of the smallest package of the web price book
    ($4.99 for 500). Tax and fee are blended over regions and payment methods.
    """
    apps.get_model("earnings", "SharePolicy").objects.using(schema_editor.connection.alias).create(
        number=1,
        version="share-2026-11",
        share_bp=5_000,
        hold_days=7,
        currency="USD",
        coin_gross_micro=9_980,
        tax_bp=600,
        fee_bp=500,
        effective_at=datetime(2000, 1, 1, tzinfo=UTC),
        created_at=datetime(2026, 11, 1, tzinfo=UTC),
    )


class Migration(migrations.Migration):
    """Creates the table and its first row."""

    initial = True
    dependencies: ClassVar = []
    operations: ClassVar = [
        migrations.CreateModel(
            name="SharePolicy",
            fields=[
                ("number", models.PositiveIntegerField(primary_key=True, serialize=False)),
                ("version", models.CharField(max_length=40, unique=True)),
                ("share_bp", models.PositiveIntegerField()),
                ("hold_days", models.PositiveIntegerField()),
                ("currency", models.CharField(max_length=3)),
                ("coin_gross_micro", models.PositiveBigIntegerField()),
                ("tax_bp", models.PositiveIntegerField()),
                ("fee_bp", models.PositiveIntegerField()),
                ("effective_at", models.DateTimeField()),
                ("created_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "share policies",
                "ordering": ["-effective_at", "-number"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("fee_bp__lte", 10000),
                            ("share_bp__lte", 10000),
                            ("tax_bp__lte", 10000),
                        ),
                        name="earnings_sharepolicy_basis_points",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("hold_days__lte", 365), ("number__gte", 1)),
                        name="earnings_sharepolicy_range",
                    ),
                ],
            },
        ),
        migrations.RunPython(seed_first_policy, migrations.RunPython.noop),
    ]
