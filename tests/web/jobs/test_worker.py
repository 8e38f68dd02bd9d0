"""What the worker makes of a task that cannot do its work now."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from largesse.money.errors import Declined, Unavailable
from largesse.web.jobs.worker import leave_to_the_next_run


def context(**arguments: object) -> Any:
    return SimpleNamespace(job=SimpleNamespace(task_name="payouts.sweep", task_kwargs=arguments))


def refuse() -> None:
    raise Unavailable("No payment provider is set up.")


def test_a_periodic_task_leaves_it_to_its_next_run(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert leave_to_the_next_run(refuse, context(timestamp=1), None) is None
    assert caplog.messages == [
        "payouts.sweep waits for its next run: No payment provider is set up."
    ]


def test_any_other_job_fails_so_that_it_is_retried() -> None:
    with pytest.raises(Unavailable):
        leave_to_the_next_run(refuse, context(order="rch_1"), None)


def test_a_decision_is_never_left_out() -> None:
    def decline() -> None:
        raise Declined("No.")

    with pytest.raises(Declined):
        leave_to_the_next_run(decline, context(timestamp=1), None)


def test_what_a_task_returns_is_returned() -> None:
    assert leave_to_the_next_run(lambda: 5, context(timestamp=1), None) == 5
