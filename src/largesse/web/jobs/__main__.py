"""`python -m largesse.web.jobs`: all background work of the product, in one process.

Owns the process's start, its readiness line and its end. Must not know single tasks. Invariant: on
SIGTERM what has begun is finished before the process ends; the database is needed until then.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading

GRACE_SECONDS = 10.0


async def run() -> None:
    """Work until SIGTERM or SIGINT."""
    from django.conf import settings

    from largesse.web.jobs.rollup import RollUpLoop
    from largesse.web.jobs.worker import work

    stopping = asyncio.Event()

    def stop() -> None:
        stopping.set()
        _end_at_last(GRACE_SECONDS)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    config = settings.CONFIG
    rollup = RollUpLoop(os.environ["DATABASE_URL"], is_sandbox=config.sandbox)
    tasks = [asyncio.create_task(work(stopping)), asyncio.create_task(rollup.run(stopping))]
    announcing = asyncio.create_task(_announce(rollup.ticked))
    await asyncio.gather(*tasks)
    announcing.cancel()


async def _announce(reached: asyncio.Event) -> None:
    """Say the word that a supervisor waits for, once the database was reached."""
    await reached.wait()
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def _end_at_last(seconds: float) -> None:
    """End the process even when a job, or a database that is gone, holds it up.

    Every job may be cut: it is taken up again by the next process.
    """
    timer = threading.Timer(seconds, os._exit, [1])
    timer.daemon = True
    timer.start()


def main() -> int:
    """Load Django and run; returns the exit code."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "largesse.web.settings")
    if not os.environ.get("DATABASE_URL"):
        sys.stderr.write("Set DATABASE_URL, or start everything with: largesse up\n")
        return 2
    import django

    django.setup()
    logging.getLogger("procrastinate").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(run())
    return 0


if __name__ == "__main__":
    sys.exit(main())
