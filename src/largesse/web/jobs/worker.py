"""The worker of the job queue, which also keeps the periodic tasks.

Owns which task modules are loaded and how the worker outlives the database. Must not know what a
task does. Invariant: a database that restarts costs a pause, never the process.
"""

from __future__ import annotations

import asyncio
import logging
import pkgutil
from asyncio import FIRST_COMPLETED
from collections.abc import Callable
from importlib import import_module
from typing import Any

from procrastinate import JobContext
from procrastinate.contrib.django import app
from procrastinate.contrib.django.db_cleanup import close_db_connections

from largesse.money.errors import TransientError, Unavailable
from largesse.web import jobs

_log = logging.getLogger(__name__)
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
_POLL_SECONDS = 2.0
_CONCURRENCY = 4
_GRACE_SECONDS = 6.0
_OPEN_SECONDS = 2.0


def load_tasks() -> None:
    """Import every module of `web.jobs`, which registers its tasks."""
    for found in pkgutil.iter_modules(jobs.__path__):
        if not found.name.startswith("_"):
            import_module(f"{jobs.__name__}.{found.name}")


async def work(stopping: asyncio.Event) -> None:
    """Run jobs until `stopping` is set; jobs that have begun get six seconds to end."""
    load_tasks()
    pause = _FIRST_PAUSE_SECONDS
    while not stopping.is_set():
        opened = asyncio.Event()
        worker = asyncio.create_task(_run_worker(opened))
        ended = asyncio.create_task(stopping.wait())
        await asyncio.wait({worker, ended}, return_when=FIRST_COMPLETED)
        if ended.done():
            await _end(worker, opened)
            return
        ended.cancel()
        _log.warning("The job worker stopped (%s); it starts again.", worker.exception())
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


async def _end(worker: asyncio.Task[None], opened: asyncio.Event) -> None:
    """Let the worker end, but not while it connects: its pool would swallow the request."""
    opening = asyncio.create_task(opened.wait())
    await asyncio.wait({worker, opening}, timeout=_OPEN_SECONDS, return_when=FIRST_COMPLETED)
    opening.cancel()
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)


async def _run_worker(opened: asyncio.Event) -> None:
    connector = app.connector.get_worker_connector()  # type: ignore[attr-defined]
    with app.replace_connector(connector) as worker_app:
        async with worker_app.open_async():
            opened.set()
            await worker_app.run_worker_async(
                concurrency=_CONCURRENCY,
                fetch_job_polling_interval=_POLL_SECONDS,
                install_signal_handlers=False,
                shutdown_graceful_timeout=_GRACE_SECONDS,
                delete_jobs="successful",
                task_middleware=[close_db_connections, leave_to_the_next_run],
            )


def leave_to_the_next_run(call_next: Callable[[], Any], context: JobContext, _worker: Any) -> Any:
    """Say in one line that a periodic task could not do its work now: its next run will.

    Any other job that is refused fails, so that its own retries take it up.
    """
    try:
        return call_next()
    except (Unavailable, TransientError) as error:
        if "timestamp" not in context.job.task_kwargs:
            raise
        _log.warning("%s waits for its next run: %s", context.job.task_name, error.message)
        return None
