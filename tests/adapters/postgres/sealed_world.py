"""A sealed ledger for tests: its key, and the log's conversations run on Django's connection.

Owns the key of the test world and what one call of the sealer is. Must not know what is asserted.
Protects one invariant: each call is a transaction of its own, as in the product.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from django.db import transaction

from largesse.adapters.postgres import book as django_book
from largesse.adapters.postgres import proofs, sealing
from largesse.adapters.postgres.proofs import Proved
from largesse.adapters.postgres.statements import Steps
from largesse.adapters.receipt_key import ReceiptKey
from largesse.ledger import rules
from largesse.ledger.checkpoints import Links
from largesse.ledger.receipts import Receipt, Salts
from largesse.money.ids import HolderId, keyed_id
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

T = TypeVar("T")

KEY = ReceiptKey("tests.example/ledger", b"s" * 32, Salts(b"k" * 32))
FAN, OTHER, ANNA, BEN = HolderId(5), HolderId(70), HolderId(1001), HolderId(1002)


@transaction.atomic
def run(steps: Steps[T]) -> T:
    return django_book.run(steps)


def seal_all(limit: int = sealing.STEP_LEAVES) -> int:
    """Seal until nothing is left; returns the leaves added."""
    added = 0
    while step := run(sealing.seal(KEY, limit=limit)):
        added += step
    return added


def checkpoint(at: datetime = START, *, publish: bool = False) -> str:
    """Sign the log as it stands."""
    note = run(sealing.sign_head(KEY, at))
    if publish:
        run(sealing.publish(int(note.split("\n")[1]), at))
    return note


def prove(name: str, at_size: int | None = None) -> Proved:
    return run(proofs.prove(run(proofs.find_place(name)), KEY, at_size=at_size))


def receipt(name: str, side: str) -> Receipt:
    return prove(name).receipt(side)


def links(note: str, *sizes: int) -> Links:
    return run(proofs.links_to(note, KEY, sizes=sizes))


def gift_id(name: str, fan: int = FAN) -> str:
    return f"gft_{keyed_id(fan, key(name))}"


def tell_story(ledger: DjangoDriver) -> None:
    """Recharges, a bonus, gifts, their roll-up, maturity, a payout that settles and one back."""
    ledger.post([recharge("rch_one", FAN, 1_000), recharge("rch_two", OTHER, 500)])
    ledger.post([bonus("promo", FAN, 50)])
    ledger.post_gifts([gift("a", FAN, 200), gift("b", OTHER, 90, creator=BEN), gift("c", FAN, 7)])
    roll_up_now()
    ledger.post([rules.maturity(key("m"), START, ANNA, 100)])
    for name in ("pay_one", "pay_two"):
        ledger.post([rules.payout_requested(key(name), START, ANNA, 40, name)])
    paid = usd(90), usd(10)
    ledger.post(
        [
            rules.payout_settled(key("s"), START, ANNA, 40, *paid, "pay_one"),
            rules.payout_returned(key("r"), START, ANNA, 40, "pay_two", "account_closed"),
            rules.payout_bounced(key("x"), START, ANNA, 40, *paid, "pay_one", "recalled"),
        ]
    )
    wallet, [lot] = ledger.wallet(FAN), django_book.DjangoBook().lots(FAN)
    ledger.post([rules.refund(key("f"), START, FAN, wallet.paid, lot, 300, usd(600))])
