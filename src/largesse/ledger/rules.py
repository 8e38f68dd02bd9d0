"""Posting rules: which journal each event of the street becomes.

Owns the way money flows (docs/money-flow.md shows the same as a table, and a test compares them).
Must not know who calls it or how a journal is stored; ids and times are handed in. Invariant: paid
coins never reach a payout account, and what a fan is short of becomes a debt, never a negative
balance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from largesse.ledger.accounts import Account, AccountRef
from largesse.ledger.errors import BadJournal
from largesse.ledger.journals import Event, Journal, NewLot, NewVoid, Transfer
from largesse.ledger.lots import CoinClass, Lot, Purse, SerialRange, real_cost
from largesse.money.amounts import Amount
from largesse.money.assets import COIN, DIAMOND, asset
from largesse.money.ids import PLATFORM, HolderId, creator_bucket, fan_bucket


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that a provider captured: the gross price in minor units, and the tax inside it."""

    gross: Amount
    tax: Amount
    channel: str
    reference: str

    def __post_init__(self) -> None:
        if self.gross.asset != self.tax.asset or self.tax.minor > self.gross.minor:
            raise BadJournal("The tax must be a part of the price, in the same currency.")


def _move(
    debit: Account, credit: Account, amount: Amount, holder: HolderId = PLATFORM
) -> list[Transfer]:
    """One transfer, or none when the amount is zero. `holder` owns the personal sides."""
    if amount.minor == 0:
        return []
    sides = [AccountRef(side, holder if side.personal else PLATFORM) for side in (debit, credit)]
    return [Transfer(sides[0], sides[1], amount)]


def _coins(count: int) -> Amount:
    return Amount(count, COIN)


def _diamonds(count: int) -> Amount:
    return Amount(count, DIAMOND)


def recharge_captured(
    key: UUID,
    at: datetime,
    fan: HolderId,
    coins: int,
    payment: Payment,
    expires_at: datetime | None = None,
) -> Journal:
    """Coins bought: issued to the fan as one lot; the price becomes deferred revenue and tax.

    They expire only where the policy of the channel says so (`catalog.rules.require_expiry`).
    """
    net = Amount(payment.gross.minor - payment.tax.minor, payment.gross.asset)
    lot = NewLot(
        CoinClass.PAID,
        coins,
        payment.gross.minor,
        payment.tax.minor,
        payment.gross.asset.code,
        payment.channel,
        payment.reference,
        expires_at,
    )
    transfers = [
        *_move(Account.ISSUED, Account.FAN_PAID, _coins(coins), fan),
        *_move(Account.PROVIDER_CLEARING, Account.DEFERRED_REVENUE, net),
        *_move(Account.PROVIDER_CLEARING, Account.TAX_PAYABLE, payment.tax),
    ]
    return Journal(
        key,
        Event.RECHARGE,
        fan_bucket(fan),
        at,
        tuple(transfers),
        reference=payment.reference,
        lots=(lot,),
    )


def bonus_granted(
    key: UUID,
    at: datetime,
    fan: HolderId,
    coins: int,
    reference: str,
    expires_at: datetime | None = None,
) -> Journal:
    """Coins granted by a promotion: a bonus lot at no price."""
    lot = NewLot(CoinClass.BONUS, coins, 0, 0, "", "promotion", reference, expires_at)
    transfers = _move(Account.ISSUED, Account.FAN_BONUS, _coins(coins), fan)
    bucket = fan_bucket(fan)
    return Journal(key, Event.BONUS, bucket, at, tuple(transfers), reference, lots=(lot,))


def provider_settled(
    key: UUID, at: datetime, bucket: int, gross: Amount, fee: Amount, reference: str
) -> Journal:
    """The provider paid out what it had captured (`gross`), less its fee."""
    if fee.asset != gross.asset or fee.minor > gross.minor:
        raise BadJournal("The provider's fee must be a part of the gross, in the same currency.")
    transfers = [
        *_move(Account.BANK, Account.PROVIDER_CLEARING, Amount(gross.minor - fee.minor, fee.asset)),
        *_move(Account.PROVIDER_FEES, Account.PROVIDER_CLEARING, fee),
    ]
    return Journal(key, Event.PROVIDER_SETTLEMENT, bucket, at, tuple(transfers), reference)


def gift_transfers(fan: HolderId, paid: int, bonus: int) -> tuple[Transfer, ...]:
    """The transfers that a gift row stands for: the fan's coins go to the bucket's clearing."""
    return (
        *_move(Account.FAN_BONUS, Account.GIFT_CLEARING, _coins(bonus), fan),
        *_move(Account.FAN_PAID, Account.GIFT_CLEARING, _coins(paid), fan),
    )


def earning(
    key: UUID,
    at: datetime,
    creator: HolderId,
    coins: int,
    diamonds: int,
    detail: Mapping[str, object],
) -> Journal:
    """Committed gifts reach their creator: coins are redeemed, diamonds become pending."""
    transfers = [
        *_move(Account.GIFT_CLEARING, Account.REDEEMED, _coins(coins)),
        *_move(Account.DIAMOND_ISSUED, Account.CREATOR_PENDING, _diamonds(diamonds), creator),
    ]
    bucket = creator_bucket(creator)
    return Journal(key, Event.EARNING, bucket, at, tuple(transfers), detail=detail)


def maturity(key: UUID, at: datetime, creator: HolderId, diamonds: int) -> Journal:
    """The hold on earnings ended: pending diamonds can now be cashed out."""
    transfers = _move(
        Account.CREATOR_PENDING, Account.CREATOR_AVAILABLE, _diamonds(diamonds), creator
    )
    return Journal(key, Event.MATURITY, creator_bucket(creator), at, tuple(transfers))


def revenue_closed(
    key: UUID, at: datetime, bucket: int, delivered: Sequence[Amount], reference: str
) -> Journal:
    """The day's gifts were delivered: what was paid for them stops being a liability."""
    transfers = [
        transfer
        for amount in delivered
        for transfer in _move(Account.DEFERRED_REVENUE, Account.REVENUE, amount)
    ]
    return Journal(key, Event.DAILY_CLOSE, bucket, at, tuple(transfers), reference)


def creator_cost_closed(
    key: UUID, at: datetime, bucket: int, cost: Amount, reference: str
) -> Journal:
    """The day's diamonds are owed to creators in money."""
    transfers = _move(Account.CREATOR_COST, Account.CREATOR_PAYABLE, cost)
    return Journal(key, Event.DAILY_CLOSE, bucket, at, tuple(transfers), reference)


def payout_requested(
    key: UUID, at: datetime, creator: HolderId, diamonds: int, reference: str
) -> Journal:
    """Diamonds are held while their payout is under way."""
    transfers = _move(Account.CREATOR_AVAILABLE, Account.CREATOR_HELD, _diamonds(diamonds), creator)
    bucket = creator_bucket(creator)
    return Journal(key, Event.PAYOUT_REQUESTED, bucket, at, tuple(transfers), reference)


def _payout_cash(gross: Amount, fee: Amount) -> list[Transfer]:
    if fee.asset != gross.asset or fee.minor > gross.minor:
        raise BadJournal("The payout fee must be a part of the payout, in the same currency.")
    return [
        *_move(Account.CREATOR_PAYABLE, Account.PAYOUT_CLEARING, gross),
        *_move(Account.PAYOUT_CLEARING, Account.PAYOUT_FEES, fee),
        *_move(Account.PAYOUT_CLEARING, Account.BANK, Amount(gross.minor - fee.minor, fee.asset)),
    ]


def payout_settled(
    key: UUID,
    at: datetime,
    creator: HolderId,
    diamonds: int,
    gross: Amount,
    fee: Amount,
    reference: str,
) -> Journal:
    """The creator has the money: `gross` less `fee`. Held diamonds are cashed."""
    transfers = [
        *_move(Account.CREATOR_HELD, Account.DIAMOND_CASHED, _diamonds(diamonds), creator),
        *_payout_cash(gross, fee),
    ]
    bucket = creator_bucket(creator)
    return Journal(key, Event.PAYOUT_SETTLED, bucket, at, tuple(transfers), reference)


def payout_returned(
    key: UUID, at: datetime, creator: HolderId, diamonds: int, reference: str, reason: str
) -> Journal:
    """The transfer failed before it settled: held diamonds are available again."""
    transfers = _move(Account.CREATOR_HELD, Account.CREATOR_AVAILABLE, _diamonds(diamonds), creator)
    bucket = creator_bucket(creator)
    return Journal(
        key,
        Event.PAYOUT_RETURNED,
        bucket,
        at,
        tuple(transfers),
        reference,
        detail={"reason": reason},
    )


def payout_bounced(
    key: UUID,
    at: datetime,
    creator: HolderId,
    diamonds: int,
    gross: Amount,
    fee: Amount,
    reference: str,
    reason: str,
) -> Journal:
    """A settled transfer came back from the bank: cash is reversed, diamonds are available."""
    reversed_cash = [Transfer(t.credit, t.debit, t.amount) for t in _payout_cash(gross, fee)]
    transfers = [
        *_move(Account.DIAMOND_CASHED, Account.CREATOR_AVAILABLE, _diamonds(diamonds), creator),
        *reversed_cash,
    ]
    bucket = creator_bucket(creator)
    return Journal(
        key,
        Event.PAYOUT_RETURNED,
        bucket,
        at,
        tuple(transfers),
        reference,
        detail={"reason": reason},
    )


def refund(
    key: UUID, at: datetime, fan: HolderId, purse: Purse, lot: Lot, coins: int, money: Amount
) -> Journal:
    """Take back `coins` of one lot and return `money`; what of them is spent becomes fan debt.

    The lot's own unspent serials leave, its newest first, and no other lot's. What was paid for
    them leaves deferred revenue, with its tax, and is the money returned; the rest of that money,
    for coins that are gone, is a loss. Where less is returned than they had cost, the difference
    lessens the loss, and its tax stays owed. Raises BadJournal for more coins than the lot had.
    """
    if coins > len(lot.serials):
        raise BadJournal(f"{lot.reference} brought {len(lot.serials)} coins, not {coins}.")
    taken = purse.revocable(lot.serials, coins)
    unspent = sum(len(serials) for serials in taken)
    deferred, tax = _deferred_cost(taken, [lot], lot.currency)
    is_same = lot.currency == money.asset.code
    net = min(deferred, money.minor) if is_same else 0
    tax = min(tax, money.minor - net) if is_same else 0
    transfers = [
        *_move(Account.FAN_PAID, Account.REVOKED, _coins(unspent), fan),
        *_move(Account.FAN_DEBT, Account.REVOKED, _coins(coins - unspent), fan),
        *_move(Account.DEFERRED_REVENUE, Account.PROVIDER_CLEARING, Amount(net, money.asset)),
        *_move(Account.TAX_PAYABLE, Account.PROVIDER_CLEARING, Amount(tax, money.asset)),
        *_move(
            Account.LOSS,
            Account.PROVIDER_CLEARING,
            Amount(money.minor - net - tax, money.asset),
        ),
    ]
    if deferred > net:
        kept = Amount(deferred - net, asset(lot.currency))
        transfers += _move(Account.DEFERRED_REVENUE, Account.LOSS, kept)
    voids = tuple(NewVoid(CoinClass.PAID, serials) for serials in taken)
    bucket = fan_bucket(fan)
    return Journal(key, Event.REFUND, bucket, at, tuple(transfers), lot.reference, voids=voids)


def debt_repaid(
    key: UUID, at: datetime, fan: HolderId, purse: Purse, lots: Sequence[Lot], debt: int
) -> Journal | None:
    """Set unspent paid coins, oldest first, against a fan's debt; None when there is nothing."""
    taken: list[SerialRange] = []
    debt = min(debt, purse.balance)
    left = debt
    for live in purse.unspent():
        used = min(left, len(live))
        if used:
            taken.append(SerialRange(live.start, live.start + used))
        left -= used
    if not taken:
        return None
    transfers = _move(Account.FAN_PAID, Account.FAN_DEBT, _coins(debt - left), fan)
    for currency in sorted({lot.currency for lot in lots}):
        net, _ = _deferred_cost(taken, lots, currency)
        transfers += _move(Account.DEFERRED_REVENUE, Account.LOSS, Amount(net, asset(currency)))
    voids = tuple(NewVoid(CoinClass.PAID, serials) for serials in taken)
    return Journal(key, Event.DEBT_REPAID, fan_bucket(fan), at, tuple(transfers), voids=voids)


def expiry(
    key: UUID, at: datetime, fan: HolderId, purse: Purse, lot: SerialRange, reference: str = ""
) -> Journal | None:
    """Bonus coins of a lot that are still unspent expire; None when there are none to take."""
    voids = _lapsed(CoinClass.BONUS, purse, lot)
    if not voids:
        return None
    count = sum(len(void.serials) for void in voids)
    transfers = _move(Account.FAN_BONUS, Account.EXPIRED, _coins(count), fan)
    bucket = fan_bucket(fan)
    return Journal(key, Event.EXPIRY, bucket, at, tuple(transfers), reference, voids=voids)


def paid_expiry(key: UUID, at: datetime, fan: HolderId, purse: Purse, lot: Lot) -> Journal | None:
    """Paid coins of a lot whose channel lets them lapse expire; None when there are none to take.

    What was paid for them, net of tax, is owed to nobody any more: it is revenue. The tax stays
    owed to the state.
    """
    voids = _lapsed(CoinClass.PAID, purse, lot.serials)
    if not voids:
        return None
    taken = [void.serials for void in voids]
    transfers = _move(Account.FAN_PAID, Account.EXPIRED, _coins(sum(map(len, taken))), fan)
    net, _ = _deferred_cost(taken, [lot], lot.currency)
    if net:
        money = Amount(net, asset(lot.currency))
        transfers += _move(Account.DEFERRED_REVENUE, Account.REVENUE, money)
    bucket = fan_bucket(fan)
    return Journal(key, Event.EXPIRY, bucket, at, tuple(transfers), lot.reference, voids=voids)


def _lapsed(coin_class: CoinClass, purse: Purse, lot: SerialRange) -> tuple[NewVoid, ...]:
    """Void what of a lot is unspent and not held, oldest first."""
    parts = purse.revocable(lot, len(lot))
    return tuple(NewVoid(coin_class, part) for part in reversed(parts))


def _deferred_cost(
    ranges: Sequence[SerialRange], lots: Sequence[Lot], currency: str
) -> tuple[int, int]:
    """Return (net of tax, tax) in minor units that `ranges` carry in one currency."""
    nets = [replace(lot, price_minor=lot.price_minor - lot.tax_minor) for lot in lots]
    taxes = [replace(lot, price_minor=lot.tax_minor) for lot in lots]
    net = sum(real_cost(serials, nets).get(currency, 0) for serials in ranges)
    tax = sum(real_cost(serials, taxes).get(currency, 0) for serials in ranges)
    return net, tax
