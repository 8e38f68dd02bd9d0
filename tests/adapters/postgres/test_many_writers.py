"""Several processes post to one creator at once, others roll up, and some of them are killed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import pytest

from largesse.adapters.postgres import checks
from largesse.adapters.postgres.reading import balances
from largesse.money.ids import HolderId
from tests.adapters.postgres.batch_writer import FANS, HOT, batch_of
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    DjangoDriver,
    database_url,
    recharge,
    roll_up_now,
    rows,
)
from tests.adapters.postgres.supervised import wait_until

pytestmark = [COMMITTED, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
_PROGRAM = "tests.adapters.postgres.batch_writer"
WRITERS, BATCHES = 4, 120
FILLED = 100_000


@contextmanager
def process(path: Path, *words: object) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process of `batch_writer`; at the end it is dead."""
    path.touch()
    command = [sys.executable, "-m", _PROGRAM, database_url(), str(path), *map(str, words)]
    with subprocess.Popen(command, cwd=ROOT) as running:
        try:
            yield running
        finally:
            running.kill()


def told(path: Path) -> list[list[int]]:
    """What a process was told; a line that was cut off was not."""
    lines = path.read_text(encoding="ascii").splitlines(keepends=True)
    return [[int(word) for word in line.split()] for line in lines if line.endswith("\n")]


def in_books() -> dict[object, int]:
    return dict(rows("SELECT id, seq FROM ledger_gift WHERE creator = %s", HOT))


def gapless() -> bool:
    """Whether each bucket's sequence runs from 1 to its last, without a hole."""
    found = rows(
        "SELECT b.last_seq, count(e.seq), coalesce(max(e.seq), 0), coalesce(min(e.seq), 1) "
        "FROM ledger_bucket b LEFT JOIN (SELECT bucket, seq FROM ledger_gift "
        "UNION ALL SELECT bucket, seq FROM ledger_journal) e ON e.bucket = b.bucket "
        "GROUP BY b.bucket, b.last_seq"
    )
    return all(last == count == most and first == 1 for last, count, most, first in found)


def test_overlapping_batches_of_four_processes_are_exact_and_two_roll_up(
    ledger: DjangoDriver, tmp_path: Path
) -> None:
    random = Random(20261122)
    ledger.post([recharge(f"r{fan}", fan, FILLED) for fan in FANS])
    writers = [tmp_path / f"writer-{number}" for number in range(WRITERS)]
    rollers = [tmp_path / f"roller-{number}" for number in range(3)]
    with ExitStack() as stack:
        rolling = [stack.enter_context(process(path, "roll")) for path in rollers[:2]]
        running = [
            stack.enter_context(process(path, "write", number, BATCHES))
            for number, path in enumerate(writers)
        ]
        # One writer dies in the middle of a batch, one roller wherever it is, and is replaced.
        assert wait_until(lambda: len(told(writers[0])) > BATCHES // 4, 60)
        running[0].kill()
        assert wait_until(lambda: len(told(rollers[0])) > random.randint(2, 5), 60)
        rolling[0].kill()
        stack.enter_context(process(rollers[2], "roll"))
        for one in running[1:]:
            assert one.wait(120) == 0
        assert all(one.poll() is None for one in rolling[1:]), "a roller ended by itself"
        # Its client knows what it was told, and sends all of the rest again.
        with process(tmp_path / "again", "write", 0, BATCHES) as again:
            assert again.wait(120) == 0

    wanted = {
        posting.id: posting
        for writer in range(WRITERS)
        for number in range(BATCHES)
        for posting in batch_of(writer, number)
    }
    found = in_books()
    assert found.keys() == wanted.keys()
    for writer, path in [*enumerate(writers), (0, tmp_path / "again")]:
        for number, *seqs in told(path):
            assert seqs == [found[posting.id] for posting in batch_of(writer, number)]
    assert gapless()

    rolled_up = [line for path in rollers for line in told(path)]
    assert sum(gifts for gifts, _ in rolled_up) <= len(wanted)
    roll_up_now()
    coins = sum(posting.coins for posting in wanted.values())
    assert rows("SELECT sum(gifts), sum(coins) FROM ledger_earning") == [(len(wanted), coins)]
    assert balances(HOT)["creator_pending", "DIAMOND"] == coins // 2
    spent = sum(FILLED - ledger.wallet(HolderId(fan)).spendable for fan in FANS)
    assert spent == coins
    assert rows("SELECT sum(gift_clearing) FROM ledger_bucket") == [(0,)]
    assert checks.run_checks() == []
