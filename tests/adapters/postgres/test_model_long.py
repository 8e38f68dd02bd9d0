"""The other half of the steps of `test_model`: long histories, in a process of their own."""

from __future__ import annotations

import pytest

from tests.adapters.postgres.ledger_world import COMMITTED, AsyncDriver, DjangoDriver
from tests.adapters.postgres.model_run import run_model

pytestmark = [COMMITTED, pytest.mark.slow]


def test_long_histories_are_what_a_count_of_every_coin_says(
    request: pytest.FixtureRequest, ledger: DjangoDriver, async_ledger: AsyncDriver
) -> None:
    run_model(request, (ledger, async_ledger), history=160, own_seed=2)
