"""`python -m largesse.commands.preparation MODE [--world]`: a database made ready, in one process.

Owns the order: schema, catalogue, then the demo world. Must not start anything that stays.
Invariant: repeats change nothing, so a preparation that was cut is simply run again.
"""

from __future__ import annotations

import os
import sys

from largesse.commands.database import prepare
from largesse.commands.failures import explain


def main() -> int:
    """Prepare the database of DATABASE_URL; returns the exit code."""
    mode, world = sys.argv[1], "--world" in sys.argv[2:]
    try:
        prepare(os.environ["DATABASE_URL"], mode=mode)
        if world:
            _make_world()
    except Exception as error:
        failure = explain(error)
        if failure is None:
            raise
        sys.stderr.write(f"{failure}\n")
        return int(failure.code)
    return 0


def _make_world() -> None:
    from largesse.adapters import clock
    from largesse.adapters.config import Config
    from largesse.commands import schema
    from largesse.simulator.world import make_world

    make_world(Config.from_env(os.environ).secret, now=clock.now())
    schema.write_world_mark(os.environ["DATABASE_URL"])


if __name__ == "__main__":
    sys.exit(main())
