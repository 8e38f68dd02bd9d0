"""A small committed ledger in which everything happened once, for tests of exports and checks.

Owns the story. Must not know formats. Protects one invariant: every event and four currencies, with
none, two and three decimals, stand in it.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from largesse.adapters.postgres import maturing
from largesse.adapters.postgres.book import DjangoBook
from largesse.earnings.services import mature_earnings
from largesse.ledger import rules
from largesse.ledger.lots import SerialRange, lot_of
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import HolderId, creator_bucket, fan_bucket
from tests.adapters.postgres.ledger_world import (
    START,
    DjangoDriver,
    bonus,
    gift,
    key,
    recharge,
    roll_up_now,
    usd,
)

ANN, BEN, CAI, DEE = HolderId(70), HolderId(71), HolderId(135), HolderId(72)
CREATOR = HolderId(1001)
LATER = START + timedelta(days=20)
FORMULA = "=cmd|' /C calc'!A0; drop, \"quoted\" \\ \u2028 next\n2026-01-01 * nothing"
"""A reference that a stranger chose."""


def tell_story(book: DjangoDriver) -> None:
    """Post it all."""
    _give(book)
    _refund(book)
    _pay_out(book)
    _close(book)


def _give(book: DjangoDriver) -> None:
    """Four fans recharge in four currencies, and give; promotional coins expire."""
    book.post([recharge("rch_ann", ANN, 500, usd(499), usd(0))])
    book.post([recharge("rch_ben", BEN, 1200, Amount(1600, asset("JPY")))])
    book.post([recharge("rch_cai", CAI, 300, Amount(2_155, asset("KWD")))])
    book.post([recharge(FORMULA, DEE, 100, Amount(119, asset("EUR")))])
    book.post([bonus("promo", ANN, 50)])
    names = (ANN, BEN, ANN, CAI, BEN, ANN)
    book.post_gifts([gift(f"gift {n}", fan, 7 + n, minutes=n) for n, fan in enumerate(names)])
    book.post_gifts([gift("dear", CAI, 250, minutes=60 * 30)])
    book.post_gifts([gift("spree", BEN, 1100, minutes=60 * 40)])
    roll_up_now(START + timedelta(days=2))
    expired = rules.expiry(key("expiry"), LATER, ANN, book.wallet(ANN).bonus, SerialRange(0, 50))
    assert expired is not None
    book.post([expired])


def _refund(book: DjangoDriver) -> None:
    """A refund after most coins were spent becomes a debt, which the next recharge repays."""
    purse, lot = book.wallet(BEN).paid, lot_of(DjangoBook().lots(BEN), "rch_ben")
    money = Amount(1600, asset("JPY"))
    book.post([rules.refund(key("refund"), LATER, BEN, purse, lot, 1200, money)])
    book.post([recharge("rch_ben_2", BEN, 2000, Amount(2600, asset("JPY")), at=LATER)])
    wallet = book.wallet(BEN)
    assert wallet.debt > 0
    lots = DjangoBook().lots(BEN)
    repaid = rules.debt_repaid(key("repaid"), LATER, BEN, wallet.paid, lots, wallet.debt)
    assert repaid is not None
    book.post([repaid])


def _pay_out(book: DjangoDriver) -> None:
    """Diamonds mature; one payout settles and bounces, one is returned before it settled."""
    numbers = count(1)
    mature_earnings(
        DjangoBook(), maturing, now=LATER, new_key=lambda: key(f"maturity {next(numbers)}")
    )
    book.post(
        [
            rules.payout_requested(key("ask 1"), LATER, CREATOR, 400, "pay_1"),
            rules.payout_settled(key("paid 1"), LATER, CREATOR, 400, usd(356), usd(25), "pay_1"),
            rules.payout_requested(key("ask 2"), LATER, CREATOR, 100, "pay_2"),
            rules.payout_returned(key("back 2"), LATER, CREATOR, 100, "pay_2", "closed"),
            rules.payout_bounced(
                key("bounce 1"), LATER, CREATOR, 400, usd(356), usd(25), "pay_1", "closed"
            ),
            rules.payout_requested(key("ask 3"), LATER, CREATOR, 50, "pay_3"),
        ]
    )


def _close(book: DjangoDriver) -> None:
    """The provider settles; the day is closed."""
    fans, creators = fan_bucket(ANN), creator_bucket(CREATOR)
    book.post(
        [
            rules.provider_settled(key("settled"), LATER, fans, usd(499), usd(21), "stl_1"),
            rules.revenue_closed(key("revenue"), LATER, fans, [usd(33)], "day"),
            rules.creator_cost_closed(key("cost"), LATER, creators, usd(600), "day"),
        ]
    )
