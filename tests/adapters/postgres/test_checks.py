"""The checks of the books can fail: for each, rows are tampered with and the break is named."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import transaction

from largesse.adapters.postgres import checks
from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.postgres.holding import hold_journal
from largesse.ledger import rules
from largesse.ledger.holds import Hold, held_gift
from largesse.money.ids import HolderId
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    START,
    DjangoDriver,
    bonus,
    gift,
    key,
    recharge,
    roll_up_now,
    rows,
    usd,
)

pytestmark = COMMITTED

FAN, CREATOR = HolderId(5), HolderId(1001)

NO_LIMITS = (
    "ALTER TABLE ledger_account DROP CONSTRAINT ledger_account_floor;"
    "ALTER TABLE ledger_wallet DROP CONSTRAINT ledger_wallet_paid,"
    " DROP CONSTRAINT ledger_wallet_debt_check;"
)

# A part of the check's title: (what somebody did to the rows, the account that is named)
TAMPERINGS: list[tuple[str, str, str]] = [
    (
        "debits equal credits",
        "UPDATE ledger_account SET balance = balance + 1 WHERE code = 'tax_payable'",
        "bucket 5 USD",
    ),
    (
        "every journal has transfers",
        "DELETE FROM ledger_transfer WHERE bucket = 5 AND seq = 1",
        "bucket 5",
    ),
    (
        "every journal has transfers",
        "DELETE FROM ledger_journal WHERE bucket = 5 AND seq = 1",
        "bucket 5",
    ),
    (
        "sum of its entries",
        "UPDATE ledger_account SET balance = balance + 1 WHERE code = 'creator_pending'",
        "creator_pending:1001 in bucket 105",
    ),
    (
        "sum of its entries",
        "UPDATE ledger_wallet SET paid_next = paid_next - 1 WHERE holder = 5",
        "fan_paid:5 in bucket 5",
    ),
    (
        "sum of its entries",
        "UPDATE ledger_wallet SET debt = 0 WHERE holder = 6",
        "fan_debt:6 in bucket 6",
    ),
    (
        "sum of its entries",
        "UPDATE ledger_transfer SET amount = amount + 1 WHERE credit = 'revoked'",
        "revoked:0 in bucket 6",
    ),
    (
        "what pending journals reserve",
        "UPDATE ledger_wallet SET paid_held = 0 WHERE holder = 7",
        "fan_paid:7 in bucket 7",
    ),
    (
        "what pending journals reserve",
        "UPDATE ledger_account SET held = held + 1 WHERE code = 'creator_pending'",
        "creator_pending:1001 in bucket 105",
    ),
    (
        "what pending journals reserve",
        "UPDATE ledger_reserved SET amount = amount + 1 WHERE holder = 7",
        "fan_paid:7 in bucket 7",
    ),
    ("what pending journals reserve", "DELETE FROM ledger_reserved", "fan_paid:7 in bucket 7"),
    (
        "what pending journals reserve",
        "UPDATE ledger_pending SET state = 'voided', resolved_at = at WHERE holder = 7",
        "fan_paid:7 in bucket 7",
    ),
    (
        "exactly when it was posted",
        "UPDATE ledger_pending SET state = 'posted', resolved_at = at WHERE holder = 7",
        "hold of 7",
    ),
    (
        "exactly when it was posted",
        "UPDATE ledger_pending SET id = j.id FROM ledger_journal j WHERE j.bucket = 7 AND seq = 1",
        "hold of 7",
    ),
    (
        "below zero",
        NO_LIMITS + "UPDATE ledger_account SET balance = -1 WHERE code = 'creator_pending'",
        "creator_pending:1001",
    ),
    (
        "below zero",
        NO_LIMITS + "UPDATE ledger_wallet SET paid_issued = 0 WHERE holder = 5",
        "fan_paid:5",
    ),
    ("below zero", NO_LIMITS + "UPDATE ledger_wallet SET debt = -3 WHERE holder = 5", "fan_debt:5"),
    (
        "exactly one lot",
        "UPDATE ledger_lot SET price_minor = price_minor + 1 WHERE holder = 5 AND class = 'paid'",
        "fan_paid:5",
    ),
    ("exactly one lot", "DELETE FROM ledger_lot WHERE holder = 5 AND class = 'paid'", "fan_paid:5"),
    (
        "exactly one lot",
        "UPDATE ledger_lot SET stop = stop + 1 WHERE holder = 5 AND class = 'paid'",
        "fan_paid:5",
    ),
    (
        "without gap or overlap",
        "UPDATE ledger_lot SET start = start - 1, stop = stop - 1 WHERE holder = 7 AND start = 10",
        "paid coins of fan 7",
    ),
    (
        "without gap or overlap",
        "UPDATE ledger_lot SET stop = stop + 1 WHERE holder = 5 AND class = 'bonus'",
        "bonus coins of fan 5",
    ),
    (
        "without gap or overlap",
        "UPDATE ledger_lot SET holder = 8, bucket = 8 WHERE holder = 5 AND class = 'paid'",
        "paid coins of fan 8",
    ),
    ("no gap and no double", "DELETE FROM ledger_gift WHERE bucket = 5 AND seq = 3", "bucket 5"),
    (
        "no gap and no double",
        "UPDATE ledger_bucket SET last_seq = last_seq + 1 WHERE bucket = 9",
        "bucket 9",
    ),
    (
        "no gap and no double",
        "UPDATE ledger_journal SET seq = 3 WHERE bucket = 5 AND seq = 1",
        "bucket 5",
    ),
    (
        "one after the other",
        "UPDATE ledger_gift SET paid_from = paid_from + 1 WHERE bucket = 5 AND seq = 4",
        "fan 5",
    ),
    (
        "one after the other",
        "UPDATE ledger_gift SET prev_seq = 1 WHERE bucket = 5 AND seq = 4",
        "fan 5",
    ),
    (
        "less void ones",
        "UPDATE ledger_gift SET coins = coins + 1 WHERE bucket = 5 AND seq = 4",
        "fan 5",
    ),
    ("less void ones", "DELETE FROM ledger_void WHERE holder = 7", "fan 7"),
    (
        "coins in clearing",
        "UPDATE ledger_bucket SET gift_clearing = gift_clearing - 1 WHERE bucket = 5",
        "gift_clearing",
    ),
    (
        "coins in clearing",
        "UPDATE ledger_rollup SET seen[6] = seen[6] + 1 WHERE bucket = 105",
        "gift_clearing",
    ),
    (
        "credited the coins of their gifts",
        "UPDATE ledger_rollup SET seen[6] = 0 WHERE bucket = 105",
        "creator_pending:1001",
    ),
    (
        "credited the coins of their gifts",
        "UPDATE ledger_gift SET creator = 1002 WHERE bucket = 5 AND seq = 4",
        "creator_pending:1001",
    ),
    (
        "to the last ten-thousandth",
        "UPDATE ledger_earner SET remainder = 4999 WHERE holder = 1001",
        "creator_pending:1001",
    ),
    ("to the last ten-thousandth", "DELETE FROM ledger_earner", "creator_pending:1001"),
    (
        "to the last ten-thousandth",
        "UPDATE ledger_earning SET policy = 99 WHERE creator = 1001",
        "creator_pending:1001",
    ),
    (
        "what its roll-up decided",
        "UPDATE ledger_earning SET diamonds = diamonds + 1 WHERE creator = 1001",
        "creator_pending:1001",
    ),
    ("what its roll-up decided", "DELETE FROM ledger_earning", "creator_pending:1001"),
    ("wait to mature", "DELETE FROM ledger_maturing WHERE holder = 1001", "creator_pending:1001"),
    (
        "a bonus is free",
        "UPDATE ledger_lot SET price_minor = 1 WHERE class = 'bonus'",
        "bonus coins of fan 5",
    ),
    (
        "void or unspent",
        "UPDATE ledger_gift SET paid_from = 3 WHERE fan = 7",
        "paid coins of fan 7",
    ),
    (
        "void or unspent",
        "UPDATE ledger_gift SET bonus_to = bonus_to - 1 WHERE fan = 5 AND bonus > 0",
        "bonus coins of fan 5",
    ),
    (
        "counts the void serials",
        "UPDATE ledger_wallet SET paid_void = paid_void + 1 WHERE holder = 5",
        "paid coins of fan 5",
    ),
    (
        "counts the void serials",
        "INSERT INTO ledger_void VALUES (7, 21, 22, 1, 7, 'paid')",
        "paid coins of fan 7",
    ),
    (
        "in the order that was decided for",
        "UPDATE ledger_gift SET bonus = bonus - 1 WHERE fan = 5 AND bonus > 0",
        "fan 5",
    ),
    (
        "in the order that was decided for",
        "INSERT INTO ledger_spend_order VALUES (5, 2, 5, true)",
        "fan 5",
    ),
    (
        "decided last",
        "UPDATE ledger_wallet SET paid_first = true WHERE holder = 6",
        "fan 6",
    ),
    (
        "wait to mature",
        "UPDATE ledger_maturing SET diamonds = diamonds + 1 WHERE holder = 1001",
        "creator_pending:1001",
    ),
]


@pytest.fixture(autouse=True)
def _small_world(ledger: DjangoDriver) -> Iterator[None]:
    """Three fans: one gives, one owes, one has void coins; a creator has diamonds in each state."""
    ledger.post([recharge("r5", 5, 100), bonus("b5", 5, 11), recharge("r6", 6, 10)])
    ledger.post([recharge("r7", 7, 10), recharge("r7b", 7, 10), recharge("r7c", 7, 10)])
    for fan, coins in ((6, 10), (7, 10)):
        if fan == 6:
            ledger.post_gifts([gift("g6", 6, coins)])
        wallet = ledger.wallet(HolderId(fan))
        lot = DjangoBook().lots(HolderId(fan))[-1]
        back = rules.refund(key(f"back{fan}"), START, HolderId(fan), wallet.paid, lot, 10, usd(20))
        ledger.post([back])
    ledger.post([recharge("r7d", 7, 5)])
    ledger.post_gifts([gift("g1", 5, 20), gift("g2", 5, 31), gift("g7", 7, 24)])
    roll_up_now()
    ledger.post_gifts([gift("g3", 5, 3)])
    coin = held_gift(key("h7"), START, HolderId(7), 1, 0)
    ledger.run(hold_journal(Hold(coin, "undo window", START + timedelta(minutes=1))))
    assert checks.run_checks() == []
    yield
    assert checks.run_checks() == []


@pytest.mark.parametrize(
    ("title", "tampering", "account"),
    TAMPERINGS,
    ids=[f"{t}-{i}" for i, (t, *_) in enumerate(TAMPERINGS)],
)
def test_a_break_is_found_and_its_account_named(title: str, tampering: str, account: str) -> None:
    [check] = [one for one in checks.CHECKS if title in one.title]
    with transaction.atomic():
        rows(tampering)
        found = checks.check(check)
        assert account in {finding.account for finding in found}
        assert {finding.invariant for finding in found} == {check.invariant}
        assert set(found) <= set(checks.run_checks())
        transaction.set_rollback(True)


def test_every_check_has_a_row_that_makes_it_fail() -> None:
    for check in checks.CHECKS:
        assert [title for title, *_ in TAMPERINGS if title in check.title], check.title


def test_findings_are_limited(ledger: DjangoDriver) -> None:
    with transaction.atomic():
        rows("UPDATE ledger_bucket SET last_seq = last_seq + 1")
        [check] = [one for one in checks.CHECKS if "no gap" in one.title]
        assert len(checks.check(check, limit=7)) == 7
        transaction.set_rollback(True)


def test_all_checks_see_one_moment(ledger: DjangoDriver) -> None:
    """A gift that commits between two checks is seen by neither."""
    from tests.adapters.postgres.ledger_world import AsyncDriver

    driver = AsyncDriver()
    try:
        with checks.snapshot():
            before = rows("SELECT sum(last_seq) FROM ledger_bucket")
            driver.post_gifts([gift("late", 5, 1)])
            assert rows("SELECT sum(last_seq) FROM ledger_bucket") == before
            assert [finding for one in checks.CHECKS for finding in checks.check(one)] == []
    finally:
        driver.close()
    assert rows("SELECT sum(last_seq) FROM ledger_bucket") != before
