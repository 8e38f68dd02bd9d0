"""A run of the model-based tests: how long, with which seed, and what is said of it.

Owns the lengths of runs and the figures that a run must reach. Must not know any rule. Invariant:
a run that passed took all its steps, and every rule had its share of them.
"""

from __future__ import annotations

import secrets
from itertools import count

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import get_state_machine_test

from tests.adapters.postgres.ledger_world import AsyncDriver, DjangoDriver
from tests.adapters.postgres.model_machine import Observer, Tally
from tests.adapters.postgres.model_rules_back import BackRules
from tests.adapters.postgres.model_rules_books import BookRules
from tests.adapters.postgres.model_rules_creators import CreatorRules
from tests.adapters.postgres.model_rules_fans import FanRules
from tests.adapters.postgres.model_rules_gifts import GiftRules
from tests.adapters.postgres.model_rules_holds import HoldRules

STEPS = {"nightly": 250_000, "brief": 1_500}
"""Steps of each of the two runs, by Hypothesis's profile."""
STEPS_IN_CI = 15_000
HISTORIES = 11
"""Of one seed, the empty one among them: after ten that are not, Hypothesis would go on with copies
of a history in which it has put one piece elsewhere."""
RULES = 25
FEWEST = 0.01
"""The share of the steps that every rule must have, in a run that is long enough to count it."""


class LedgerMachine(FanRules, GiftRules, BackRules, CreatorRules, HoldRules, BookRules):
    """All rules together."""


def run_model(
    request: pytest.FixtureRequest,
    drivers: tuple[DjangoDriver, AsyncDriver],
    *,
    history: int,
    own_seed: int,
) -> None:
    """Drive histories of so many steps until the profile's steps are done; note the figures."""
    profile = settings.get_current_profile_name()
    steps = STEPS.get(profile, STEPS_IN_CI)
    number = _seed(request.config, profile, own_seed)
    tally, observer = Tally(), Observer()

    class Seeded(LedgerMachine):
        def __init__(self) -> None:
            super().__init__(*drivers, observer, tally)

    try:
        for attempt in count():
            if tally.steps >= steps:
                break
            seed(number + attempt)(Seeded)
            histories = min(HISTORIES, 2 + (steps - tally.steps) // history)
            get_state_machine_test(Seeded, settings=_settings(histories, history))()
    finally:
        observer.close()
        request.node.user_properties.append(("figures", f"{tally}, seed {number}"))
    names = {rule.function.__name__ for rule in Seeded.setup_state().rules} - {"rest"}
    assert RULES <= len(tally.calls) <= len(names)
    if steps >= STEPS_IN_CI:
        assert tally.calls.keys() == names
        rare = {name: calls for name, calls in tally.calls.items() if calls < FEWEST * tally.steps}
        assert rare == {}, f"{rare} of {tally.steps}"


def _settings(histories: int, history: int) -> settings:
    return settings(
        max_examples=histories,
        stateful_step_count=history,
        deadline=None,
        derandomize=False,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


def _seed(config: pytest.Config, profile: str, own_seed: int) -> int:
    """The same in every run of CI; chosen anew every night, and given to repeat one."""
    given = config.getoption("--hypothesis-seed")
    if given is not None:
        return int(given)
    return secrets.randbits(32) if profile == "nightly" else own_seed
