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


async def run() -> None:
    """Work until SIGTERM or SIGINT."""
    from django.conf import settings

    from largesse.web.jobs.rollup import RollUpLoop
    from largesse.web.jobs.worker import work

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    rollup = RollUpLoop(settings.CONFIG.database_url, is_sandbox=settings.CONFIG.sandbox)
    tasks = [asyncio.create_task(work(stopping)), asyncio.create_task(rollup.run(stopping))]
    await rollup.ticked.wait()
    # The supervisor waits for this word.
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.gather(*tasks)


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
