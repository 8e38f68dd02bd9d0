"""Fixtures of the live service: one world and one process for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.live.world import LiveProcess, World


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """Return a committed world, and remove it afterwards."""
    with django_db_blocker.unblock():
        made = World()
        yield made
        made.clear()


@pytest.fixture(scope="module")
def live(world: World) -> Iterator[LiveProcess]:
    """Return a running live service; it must end cleanly when asked to."""
    process = LiveProcess()
    yield process
    assert process.stop() == 0
