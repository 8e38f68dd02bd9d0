"""PostgreSQL and a model that knows every coin, driven together and compared after each step.

Here in many short histories, in `test_model_long` in fewer long ones: 15,000 steps each, and with
`--hypothesis-profile=nightly` 250,000 each. A run is repeated with `--hypothesis-seed=N`.
"""

from __future__ import annotations

import pytest

from tests.adapters.postgres.ledger_world import COMMITTED, AsyncDriver, DjangoDriver
from tests.adapters.postgres.model_run import run_model

pytestmark = [COMMITTED, pytest.mark.slow]


def test_short_histories_are_what_a_count_of_every_coin_says(
    request: pytest.FixtureRequest, ledger: DjangoDriver, async_ledger: AsyncDriver
) -> None:
    run_model(request, (ledger, async_ledger), history=80, own_seed=1)
