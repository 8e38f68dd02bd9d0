"""The command that runs the live service: `python -m largesse.live --host 127.0.0.1 --port 8001`.

Owns its arguments, its server and its signals. Must not know rooms. Invariant: on SIGTERM every
gift that was taken in is posted and answered before the process ends.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys

from granian.constants import Interfaces
from granian.server.embed import Server

from largesse.adapters.config import Config, ConfigError
from largesse.live.service import LiveService

BACKPRESSURE = 20_000
"""Open streams count as requests in progress."""

GRACE_SECONDS = 1
"""Every gift is answered by then; what is still open is a connection that nobody uses."""


async def serve(service: LiveService, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await service.start()
    server = Server(
        service,
        address=host,
        port=port,
        interface=Interfaces.ASGINL,
        websockets=False,
        backlog=2048,
        backpressure=BACKPRESSURE,
        log_enabled=False,
    )
    serving = asyncio.create_task(server.serve())
    ended = asyncio.create_task(stopping.wait())
    await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
    await service.stop()
    server.stop()  # type: ignore[no-untyped-call]
    await asyncio.wait({serving}, timeout=GRACE_SECONDS)
    logging.shutdown()
    # The server's threads abort the process when the loop is taken from under open connections.
    os._exit(0)


def main() -> int:
    """Read arguments and environment, and serve; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m largesse.live", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    try:
        config = Config.from_env(os.environ)
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if config.database_url is None:
        sys.stderr.write("Set DATABASE_URL, or start everything with: largesse up\n")
        return 2
    asyncio.run(serve(LiveService(config, config.database_url), arguments.host, arguments.port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
