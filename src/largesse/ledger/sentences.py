"""The words for what the ledger does: events, accounts, and what an event did to an account.

Owns one table of words that the terminal, the console and people's own pages all read from. Must
not know numbers, names or languages: `explain` fills the sentences in, and whoever shows them hands
in the translation. Invariant: every pair of event and account that docs/money-flow.md knows has a
sentence, whichever single transfer of the event is all that happened.

A sentence has placeholders such as `%(bought)s`. Those of `EDGES` stand for what a transfer moved;
the others are facts of the event (see `explain.Told`). Lines follow one another; of the wordings of
a line the first whose facts are all known is said, and a line with none is left out.
"""

from __future__ import annotations

from largesse.ledger.accounts import Account
from largesse.ledger.journals import Event
from largesse.ledger.lots import SpendOrder

Line = tuple[str, ...]
"""Wordings of one line, the most telling first."""


def gettext_noop(text: str) -> str:
    """Mark a text for translators; it is translated where it is shown."""
    return text


_ = gettext_noop

EVENT_TITLES: dict[Event, str] = {
    Event.RECHARGE: _("Coins bought"),
    Event.BONUS: _("Bonus coins received"),
    Event.PROVIDER_SETTLEMENT: _("Payment provider settled"),
    Event.GIFT: _("Gift sent"),
    Event.EARNING: _("Gifts received"),
    Event.MATURITY: _("Hold ended, diamonds available"),
    Event.DAILY_CLOSE: _("Day closed"),
    Event.PAYOUT_REQUESTED: _("Payout requested, diamonds set aside"),
    Event.PAYOUT_SETTLED: _("Payout arrived"),
    Event.PAYOUT_RETURNED: _("Payout came back, diamonds available again"),
    Event.REFUND: _("Recharge refunded, coins taken back"),
    Event.DEBT_REPAID: _("Owed coins repaid"),
    Event.EXPIRY: _("Coins expired"),
}

ACCOUNT_NAMES: dict[Account, str] = {
    Account.FAN_PAID: _("Paid coins"),
    Account.FAN_BONUS: _("Bonus coins"),
    Account.FAN_DEBT: _("Owed coins"),
    Account.CREATOR_PENDING: _("Pending diamonds"),
    Account.CREATOR_AVAILABLE: _("Available diamonds"),
    Account.CREATOR_HELD: _("Diamonds set aside for payout"),
    Account.ISSUED: _("Coins ever issued"),
    Account.GIFT_CLEARING: _("Coins between fan and creator"),
    Account.REDEEMED: _("Coins given away"),
    Account.REVOKED: _("Coins taken back by refunds"),
    Account.EXPIRED: _("Coins that expired"),
    Account.DIAMOND_ISSUED: _("Diamonds ever issued"),
    Account.DIAMOND_CASHED: _("Diamonds paid out"),
    Account.PROVIDER_CLEARING: _("Money that payment providers hold"),
    Account.BANK: _("Money in the bank"),
    Account.PROVIDER_FEES: _("Fees of payment providers"),
    Account.DEFERRED_REVENUE: _("Owed in gifts for coins that were paid"),
    Account.TAX_PAYABLE: _("Tax owed to the state"),
    Account.REVENUE: _("Earned by delivered gifts"),
    Account.CREATOR_COST: _("Cost of creators"),
    Account.CREATOR_PAYABLE: _("Owed to creators"),
    Account.PAYOUT_CLEARING: _("Payouts between their parts"),
    Account.PAYOUT_FEES: _("Payout fees that creators bore"),
    Account.LOSS: _("Lost to refunds of coins that were spent"),
}

SPEND_WORDS = {
    SpendOrder.BONUS_FIRST.value: _("bonus coins first, then paid coins, the oldest first"),
    SpendOrder.PAID_FIRST.value: _("paid coins first, the oldest first, then bonus coins"),
}
"""How gifts take coins."""

UNKNOWN = _("Something that no rule books moved this account: %(title)s.")
"""Said of a pair that the table does not have, which sound books do not hold."""

EDGES: dict[tuple[Account, Account], str] = {
    (Account.ISSUED, Account.FAN_PAID): "bought",
    (Account.PROVIDER_CLEARING, Account.DEFERRED_REVENUE): "net",
    (Account.PROVIDER_CLEARING, Account.TAX_PAYABLE): "tax",
    (Account.ISSUED, Account.FAN_BONUS): "granted",
    (Account.BANK, Account.PROVIDER_CLEARING): "banked",
    (Account.PROVIDER_FEES, Account.PROVIDER_CLEARING): "provider_fee",
    (Account.FAN_BONUS, Account.GIFT_CLEARING): "bonus",
    (Account.FAN_PAID, Account.GIFT_CLEARING): "paid",
    (Account.GIFT_CLEARING, Account.REDEEMED): "redeemed",
    (Account.DIAMOND_ISSUED, Account.CREATOR_PENDING): "diamonds",
    (Account.CREATOR_PENDING, Account.CREATOR_AVAILABLE): "matured",
    (Account.DEFERRED_REVENUE, Account.REVENUE): "delivered",
    (Account.CREATOR_COST, Account.CREATOR_PAYABLE): "accrued",
    (Account.CREATOR_AVAILABLE, Account.CREATOR_HELD): "held",
    (Account.CREATOR_HELD, Account.DIAMOND_CASHED): "cashed",
    (Account.CREATOR_PAYABLE, Account.PAYOUT_CLEARING): "gross",
    (Account.PAYOUT_CLEARING, Account.PAYOUT_FEES): "fee",
    (Account.PAYOUT_CLEARING, Account.BANK): "sent",
    (Account.CREATOR_HELD, Account.CREATOR_AVAILABLE): "released",
    (Account.DIAMOND_CASHED, Account.CREATOR_AVAILABLE): "uncashed",
    (Account.PAYOUT_CLEARING, Account.CREATOR_PAYABLE): "gross_back",
    (Account.PAYOUT_FEES, Account.PAYOUT_CLEARING): "fee_back",
    (Account.BANK, Account.PAYOUT_CLEARING): "sent_back",
    (Account.FAN_PAID, Account.REVOKED): "revoked",
    (Account.FAN_DEBT, Account.REVOKED): "shortfall",
    (Account.DEFERRED_REVENUE, Account.PROVIDER_CLEARING): "deferred_back",
    (Account.TAX_PAYABLE, Account.PROVIDER_CLEARING): "tax_back",
    (Account.LOSS, Account.PROVIDER_CLEARING): "lost",
    (Account.DEFERRED_REVENUE, Account.LOSS): "lessened",
    (Account.FAN_PAID, Account.FAN_DEBT): "repaid",
    (Account.FAN_BONUS, Account.EXPIRED): "expired",
    (Account.FAN_PAID, Account.EXPIRED): "lapsed",
}
"""What the placeholder of a transfer from one account to another is called."""

SUMS: dict[str, tuple[str, ...]] = {
    "price": ("net", "tax"),
    "settled": ("banked", "provider_fee"),
    "coins": ("bonus", "paid", "redeemed"),
    "returned": ("deferred_back", "tax_back", "lost"),
}
"""Placeholders for transfers taken together."""

_BECAUSE = (_("Reason: %(reason)s."),)

_GIFT: tuple[Line, ...] = (
    (
        _("Gave %(gift)s to %(creator)s for %(coins)s under share policy %(policy)s."),
        _("Gave %(gift)s to %(creator)s for %(coins)s."),
    ),
    (
        _("Spent %(bonus)s (%(bonus_serials)s), which had cost nothing."),
        _("Spent %(bonus)s, which had cost nothing."),
    ),
    (
        _("Spent %(paid)s (%(paid_serials)s), which had cost %(cost)s, from %(lots)s."),
        _("Spent %(paid)s (%(paid_serials)s), which had cost %(cost)s."),
        _("Spent %(paid)s."),
    ),
)
_REFUND: tuple[Line, ...] = (
    (
        _("Gave back %(returned)s of recharge %(reference)s."),
        _("Gave back recharge %(reference)s."),
    ),
    _BECAUSE,
    (_("Took back %(revoked)s that nobody had spent."),),
    (_("Short of %(shortfall)s, spent before: they are owed, and gifts wait until then."),),
)
_DEBT_REPAID: tuple[Line, ...] = (
    (_("Set %(repaid)s, bought since, against the coins that a refund had found spent."),),
)
_REQUESTED: tuple[Line, ...] = (
    (_("Set aside %(held)s for payout %(reference)s."), _("Set aside %(held)s for a payout.")),
)
_RETURNED_HELD = (
    _("Payout %(reference)s failed before it settled: %(released)s can be cashed out again."),
    _("A payout failed before it settled: %(released)s can be cashed out again."),
)
_RETURNED_CASHED = (
    _(
        "Payout %(reference)s of %(gross_back)s came back after it had settled: %(uncashed)s can "
        "be cashed out again."
    ),
    _("A payout came back after it had settled: %(uncashed)s can be cashed out again."),
)

SENTENCES: dict[tuple[Event, Account], tuple[Line, ...]] = {
    (Event.RECHARGE, Account.FAN_PAID): (
        (
            _("Bought %(bought)s for %(price)s with recharge %(reference)s."),
            _("Bought %(bought)s for %(price)s."),
            _("Bought %(bought)s."),
        ),
        (_("%(tax)s of the price is tax."),),
    ),
    (Event.RECHARGE, Account.ISSUED): (
        (
            _("Issued %(bought)s to %(holder)s for %(price)s, recharge %(reference)s."),
            _("Issued %(bought)s to %(holder)s."),
        ),
    ),
    (Event.RECHARGE, Account.PROVIDER_CLEARING): (
        (
            _(
                "%(holder)s paid %(price)s for %(bought)s with recharge %(reference)s; the payment "
                "provider holds it."
            ),
            _("%(holder)s paid %(price)s; the payment provider holds it."),
        ),
    ),
    (Event.RECHARGE, Account.DEFERRED_REVENUE): (
        (
            _(
                "%(net)s of recharge %(reference)s, its price without tax, is owed to %(holder)s "
                "until its %(bought)s are given away."
            ),
            _("%(net)s, a price without tax, is owed to %(holder)s until coins are given away."),
        ),
    ),
    (Event.RECHARGE, Account.TAX_PAYABLE): (
        (
            _("%(tax)s inside the price of recharge %(reference)s is owed to the state."),
            _("%(tax)s inside a price is owed to the state."),
        ),
    ),
    (Event.BONUS, Account.FAN_BONUS): (
        (
            _("Received %(granted)s at no price: %(reference)s."),
            _("Received %(granted)s at no price."),
        ),
        (_("What is left of them on %(expires)s expires."),),
    ),
    (Event.BONUS, Account.ISSUED): (
        (
            _("Issued %(granted)s to %(holder)s at no price: %(reference)s."),
            _("Issued %(granted)s to %(holder)s at no price."),
        ),
    ),
    (Event.PROVIDER_SETTLEMENT, Account.BANK): (
        (
            _("The payment provider paid out %(banked)s with settlement %(reference)s."),
            _("The payment provider paid out %(banked)s."),
        ),
    ),
    (Event.PROVIDER_SETTLEMENT, Account.PROVIDER_CLEARING): (
        (
            _("The payment provider settled %(settled)s with settlement %(reference)s."),
            _("The payment provider settled %(settled)s."),
        ),
        (_("It kept %(provider_fee)s of it as its fee."),),
    ),
    (Event.PROVIDER_SETTLEMENT, Account.PROVIDER_FEES): (
        (
            _("The payment provider kept %(provider_fee)s as its fee, settlement %(reference)s."),
            _("The payment provider kept %(provider_fee)s as its fee."),
        ),
    ),
    (Event.GIFT, Account.FAN_PAID): _GIFT,
    (Event.GIFT, Account.FAN_BONUS): _GIFT,
    (Event.GIFT, Account.GIFT_CLEARING): (
        (
            _(
                "%(holder)s gave %(gift)s to %(creator)s under share policy %(policy)s: %(coins)s "
                "are on their way."
            ),
            _("%(holder)s gave %(gift)s to %(creator)s: %(coins)s are on their way."),
        ),
    ),
    (Event.EARNING, Account.CREATOR_PENDING): (
        (
            _("%(gifts)s of %(coins)s became %(diamonds)s under share policy %(policy)s."),
            _("Gifts became %(diamonds)s."),
        ),
        (_("%(remainder)s of a diamond is left over and counts towards the next gifts."),),
    ),
    (Event.EARNING, Account.GIFT_CLEARING): (
        (
            _("%(gifts)s arrived at %(holder)s: %(redeemed)s are no longer on their way."),
            _("Gifts arrived at %(holder)s: %(redeemed)s are no longer on their way."),
        ),
    ),
    (Event.EARNING, Account.REDEEMED): (
        (
            _("%(gifts)s to %(holder)s used up %(redeemed)s."),
            _("Gifts to %(holder)s used up %(redeemed)s."),
        ),
    ),
    (Event.EARNING, Account.DIAMOND_ISSUED): (
        (
            _(
                "Issued %(diamonds)s to %(holder)s for %(gifts)s of %(coins)s under share policy "
                "%(policy)s."
            ),
            _("Issued %(diamonds)s to %(holder)s."),
        ),
    ),
    (Event.MATURITY, Account.CREATOR_PENDING): (
        (
            _("The hold on %(matured)s ended: pending since %(since)s, now available."),
            _("The hold on %(matured)s ended: they are available now."),
        ),
    ),
    (Event.MATURITY, Account.CREATOR_AVAILABLE): (
        (
            _("The hold on %(matured)s ended: pending since %(since)s, now available."),
            _("The hold on %(matured)s ended: they are available now."),
        ),
    ),
    (Event.DAILY_CLOSE, Account.DEFERRED_REVENUE): (
        (
            _("%(delivered)s is no longer owed, since its gifts were delivered: %(reference)s."),
            _("%(delivered)s is no longer owed, since its gifts were delivered."),
        ),
    ),
    (Event.DAILY_CLOSE, Account.REVENUE): (
        (
            _("Earned %(delivered)s by gifts that were delivered: %(reference)s."),
            _("Earned %(delivered)s by gifts that were delivered."),
        ),
    ),
    (Event.DAILY_CLOSE, Account.CREATOR_COST): (
        (
            _("The diamonds that creators earned cost %(accrued)s: %(reference)s."),
            _("The diamonds that creators earned cost %(accrued)s."),
        ),
    ),
    (Event.DAILY_CLOSE, Account.CREATOR_PAYABLE): (
        (
            _("%(accrued)s is owed to creators for their diamonds: %(reference)s."),
            _("%(accrued)s is owed to creators for their diamonds."),
        ),
    ),
    (Event.PAYOUT_REQUESTED, Account.CREATOR_AVAILABLE): _REQUESTED,
    (Event.PAYOUT_REQUESTED, Account.CREATOR_HELD): _REQUESTED,
    (Event.PAYOUT_SETTLED, Account.CREATOR_HELD): (
        (
            _("Payout %(reference)s arrived: %(cashed)s became %(gross)s."),
            _("A payout arrived: %(cashed)s are paid out."),
        ),
        (_("Its fee was %(fee)s, so %(sent)s was sent."),),
    ),
    (Event.PAYOUT_SETTLED, Account.DIAMOND_CASHED): (
        (
            _("Paid out %(cashed)s of %(holder)s as %(gross)s, payout %(reference)s."),
            _("Paid out %(cashed)s of %(holder)s."),
        ),
    ),
    (Event.PAYOUT_SETTLED, Account.CREATOR_PAYABLE): (
        (
            _("Paid %(gross)s that was owed to %(holder)s, payout %(reference)s."),
            _("Paid %(gross)s that was owed to %(holder)s."),
        ),
    ),
    (Event.PAYOUT_SETTLED, Account.PAYOUT_CLEARING): (
        (
            _("Payout %(reference)s takes %(gross)s from what is owed to %(holder)s."),
            _("Takes %(gross)s from what is owed to %(holder)s."),
        ),
        (_("%(fee)s of it is the fee."),),
        (_("The bank sends %(sent)s."),),
    ),
    (Event.PAYOUT_SETTLED, Account.PAYOUT_FEES): (
        (
            _("%(holder)s bore a fee of %(fee)s, payout %(reference)s."),
            _("%(holder)s bore a fee of %(fee)s."),
        ),
    ),
    (Event.PAYOUT_SETTLED, Account.BANK): (
        (
            _("Sent %(sent)s to %(holder)s, payout %(reference)s."),
            _("Sent %(sent)s to %(holder)s."),
        ),
    ),
    (Event.PAYOUT_RETURNED, Account.CREATOR_HELD): (_RETURNED_HELD, _BECAUSE),
    (Event.PAYOUT_RETURNED, Account.CREATOR_AVAILABLE): (
        _RETURNED_HELD,
        _RETURNED_CASHED,
        _BECAUSE,
    ),
    (Event.PAYOUT_RETURNED, Account.DIAMOND_CASHED): (
        (
            _("Payout %(reference)s to %(holder)s came back: %(uncashed)s are no longer paid out."),
            _("A payout to %(holder)s came back: %(uncashed)s are no longer paid out."),
        ),
        _BECAUSE,
    ),
    (Event.PAYOUT_RETURNED, Account.CREATOR_PAYABLE): (
        (
            _("Payout %(reference)s came back: %(gross_back)s is owed to %(holder)s again."),
            _("A payout came back: %(gross_back)s is owed to %(holder)s again."),
        ),
        _BECAUSE,
    ),
    (Event.PAYOUT_RETURNED, Account.PAYOUT_CLEARING): (
        (
            _("Payout %(reference)s came back: %(gross_back)s is owed to %(holder)s again."),
            _("A payout came back: %(gross_back)s is owed to %(holder)s again."),
        ),
        (_("%(fee_back)s of it is the fee given back."),),
        (_("The bank received %(sent_back)s."),),
    ),
    (Event.PAYOUT_RETURNED, Account.PAYOUT_FEES): (
        (
            _("Payout %(reference)s came back: its fee of %(fee_back)s is given back."),
            _("A payout came back: its fee of %(fee_back)s is given back."),
        ),
    ),
    (Event.PAYOUT_RETURNED, Account.BANK): (
        (
            _("Payout %(reference)s to %(holder)s came back: the bank received %(sent_back)s."),
            _("A payout to %(holder)s came back: the bank received %(sent_back)s."),
        ),
        _BECAUSE,
    ),
    (Event.REFUND, Account.FAN_PAID): _REFUND,
    (Event.REFUND, Account.FAN_DEBT): _REFUND,
    (Event.REFUND, Account.REVOKED): (
        (
            _("Gave back recharge %(reference)s of %(holder)s."),
            _("Gave back a recharge of %(holder)s."),
        ),
        _BECAUSE,
        (_("Took back %(revoked)s that nobody had spent."),),
        (_("Short of %(shortfall)s, spent before: %(holder)s owes them."),),
    ),
    (Event.REFUND, Account.DEFERRED_REVENUE): (
        (
            _(
                "%(deferred_back)s is no longer owed to %(holder)s: recharge %(reference)s was "
                "refunded."
            ),
            _("%(deferred_back)s is no longer owed to %(holder)s: a recharge was refunded."),
        ),
        (_("%(lessened)s that the coins taken back had cost beyond the refund lessens the loss."),),
    ),
    (Event.REFUND, Account.PROVIDER_CLEARING): (
        (
            _("The payment provider gave back %(returned)s to %(holder)s, recharge %(reference)s."),
            _("The payment provider gave back %(returned)s to %(holder)s."),
        ),
    ),
    (Event.REFUND, Account.TAX_PAYABLE): (
        (
            _("%(tax_back)s is no longer owed to the state: recharge %(reference)s was refunded."),
            _("%(tax_back)s is no longer owed to the state: a recharge was refunded."),
        ),
    ),
    (Event.REFUND, Account.LOSS): (
        (
            _("Lost %(lost)s: recharge %(reference)s was refunded after its coins were spent."),
            _("Lost %(lost)s: a recharge was refunded after its coins were spent."),
        ),
        (_("%(lessened)s that the coins taken back had cost beyond the refund lessens the loss."),),
    ),
    (Event.DEBT_REPAID, Account.FAN_PAID): _DEBT_REPAID,
    (Event.DEBT_REPAID, Account.FAN_DEBT): _DEBT_REPAID,
    (Event.DEBT_REPAID, Account.DEFERRED_REVENUE): (
        (_("%(lessened)s, paid by %(holder)s for coins set against a debt, is no longer owed."),),
    ),
    (Event.DEBT_REPAID, Account.LOSS): (
        (_("%(lessened)s, paid by %(holder)s for coins set against a debt, lessens the loss."),),
    ),
    (Event.EXPIRY, Account.FAN_BONUS): ((_("Expired unused: %(expired)s."),),),
    (Event.EXPIRY, Account.FAN_PAID): (
        (
            _("Expired unused: %(lapsed)s of recharge %(reference)s."),
            _("Expired unused: %(lapsed)s."),
        ),
    ),
    (Event.EXPIRY, Account.EXPIRED): (
        (
            _("Expired unused: %(expired)s of %(holder)s."),
            _("Expired unused: %(lapsed)s of %(holder)s."),
        ),
    ),
    (Event.EXPIRY, Account.DEFERRED_REVENUE): (
        (_("%(delivered)s is no longer owed to %(holder)s: the coins that it paid for expired."),),
    ),
    (Event.EXPIRY, Account.REVENUE): (
        (_("Earned %(delivered)s: coins that %(holder)s had bought expired unused."),),
    ),
}
