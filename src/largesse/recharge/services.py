"""The commands of recharges.

Owns how an order is placed, paid, credited and refunded. Must not know a provider, pages or the
clock: ports, ids and times come in as arguments. Invariant: a provider is never called inside a
transaction, and an order's move and its journal commit together, under the lock of the order's row.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection, transaction

from largesse.catalog.rules import Basket, tax_within
from largesse.catalog.selectors import find_basket, spend_order_of
from largesse.ledger import rules as posting
from largesse.ledger.errors import KeyReused
from largesse.ledger.keys import require_fresh
from largesse.ledger.lots import lot_of
from largesse.ledger.ports import Book
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.errors import Declined, InvariantViolation, ProviderError, TransientError
from largesse.money.ids import HolderId, OrderId
from largesse.recharge import rules
from largesse.recharge.errors import NotRefundable, QuoteExpired, UnknownOrder
from largesse.recharge.models import Notification, Order, OrderEvent
from largesse.recharge.ports import Checkouts, CheckoutState
from largesse.recharge.rules import Move, Status, Step

_log = logging.getLogger(__name__)

SWEEP_LIMIT = 200
"""Orders that one sweep asks about; the next sweep takes the next ones."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a fan came from: the room and the gift to go back to, as they stand in addresses."""

    room: str = ""
    gift: str = ""


@transaction.atomic
def place_order(
    *,
    order_id: OrderId,
    key: UUID,
    holder: HolderId,
    counts: Mapping[int, int],
    provider: str,
    origin: Origin,
    now: datetime,
) -> Order:
    """Hold the price of some packages for a fan; runs in one transaction, takes no money.

    `counts` says how many of each package id. The same `key` of the same fan returns the order that
    it placed before, however old it is; with other packages it raises KeyReused. Two requests at
    once with one key place one order: the later waits at the unique index. Raises StaleKey for a
    key that may begin nothing any more, and UnknownPackage and PriceChanged of the catalogue (a
    retry helps only with other packages).
    """
    placed = Order.objects.filter(holder=holder, key=key).first()
    if placed is not None:
        return _require_same_wish(placed, counts)
    require_fresh(key, now=now)
    offer, basket = find_basket(counts, now)
    order, is_new = Order.objects.get_or_create(
        holder=holder,
        key=key,
        defaults={
            "id": order_id,
            "region": offer.region,
            "channel": offer.channel,
            "price_book": offer.version,
            "packages": _packages(counts),
            "description": describe(basket),
            "coins": basket.coins,
            "price_minor": basket.price_minor,
            "tax_minor": tax_within(basket.price_minor, offer.tax_basis_points),
            "coins_expire_days": offer.coins_expire_days,
            "currency": offer.currency,
            "room": origin.room,
            "gift": origin.gift,
            "provider": provider,
            "created_at": now,
            "expires_at": now + rules.PRICE_LOCK,
            "next_check_at": now + rules.PRICE_LOCK,
        },
    )
    if not is_new:
        return _require_same_wish(order, counts)
    _note(order, now, "placed")
    return order


def describe(basket: Basket) -> str:
    """Return what an order holds in words, for the checkout and receipts."""
    return " + ".join(
        f"{pick.count} × {pick.package.coins:,} coins"
        if pick.count > 1
        else f"{pick.package.coins:,} coins"
        for pick in basket.picks
    )


def open_checkout(
    order_id: OrderId, *, checkouts: Checkouts, return_url: str, now: datetime
) -> Order:
    """Return the order with the address of its hosted checkout, which is opened at most once.

    The provider is called outside any transaction. Raises QuoteExpired; Unavailable and
    OutcomeUnknown, after which the same call is safe to repeat: its key never changes.
    """
    order = _get(order_id)
    if order.checkout_id or order.state is not Status.QUOTED:
        return order
    if order.expires_at <= now:
        _expire_unopened(order_id, now)
        raise QuoteExpired("The price was held for 15 minutes. Look at the prices of now.")
    checkout = checkouts.create(
        order=order.public_id,
        amount=order.price,
        description=order.description,
        return_url=return_url,
        key=rules.step_key(order_id, order.key, Step.CHECKOUT),
    )
    with transaction.atomic():
        order = _lock(order_id)
        if not order.checkout_id and order.state is Status.QUOTED:
            order.checkout_id = checkout.id
            order.checkout_url = checkout.url
            order.next_check_at = now + rules.next_check(now - order.created_at)
            order.save(update_fields=["checkout_id", "checkout_url", "next_check_at"])
            _note(order, now, "checkout_opened")
    return order


def refresh_order(order_id: OrderId, *, checkouts: Checkouts, book: Book, now: datetime) -> Order:
    """Read the provider's state and move the order by it; every caller may, at any time.

    The return page, the janitor and notifications all come here, and the order's row lock lets one
    of them credit. Raises UnknownOrder, Unavailable and OutcomeUnknown (repeat it later).
    """
    order = _get(order_id)
    if not order.checkout_id:
        return order
    state = checkouts.fetch(order.checkout_id)
    return _apply_state(order_id, state, book=book, now=now)


@transaction.atomic
def _apply_state(order_id: OrderId, state: CheckoutState, *, book: Book, now: datetime) -> Order:
    order = _lock(order_id)
    decision = rules.decide(_facts(order, state), state)
    match decision.move:
        case Move.STAY:
            pass
        case Move.AUTHORIZE:
            _move(order, Status.AUTHORIZED, now)
        case Move.DECLINE:
            order.decline_code = state.decline_code or "refused_by_bank"
            _move(order, Status.DECLINED, now, order.decline_code)
        case Move.EXPIRE:
            _move(order, Status.EXPIRED, now)
        case Move.CREDIT:
            capture_recharge(order, state, book=book, now=now)
        case Move.CANCEL:
            _move(order, Status.REFUNDED, now)
        case Move.TAKE_BACK:
            _take_coins_back(order, book=book, now=now)
        case Move.PARK:
            _park(order, state, decision.reason, now)
    return order


def capture_recharge(order: Order, state: CheckoutState, *, book: Book, now: datetime) -> None:
    """Give the coins of a captured order; runs in the caller's transaction, on a locked order.

    Posts the recharge and, when the fan owes coins, the repayment out of them; the wallet takes
    over the spend order of the order's region. The state's amount must have been compared with
    the order (`rules.decide`).
    """
    if not connection.in_atomic_block:
        raise InvariantViolation("Coins are credited inside the order's transaction only.")
    fan = HolderId(order.holder)
    order_id = OrderId(order.id)
    payment = posting.Payment(order.price, order.tax, order.channel, order.public_id)
    key = rules.step_key(order_id, order.key, Step.CREDIT)
    expires_at = order.coins_expire_at(now)
    book.post([posting.recharge_captured(key, now, fan, order.coins, payment, expires_at)])
    book.spend_in_order(fan, spend_order_of(order.region))
    wallet = book.wallet(fan, lock=True)
    if wallet.debt:
        key = rules.step_key(order_id, order.key, Step.DEBT)
        repaid = posting.debt_repaid(key, now, fan, wallet.paid, book.lots(fan), wallet.debt)
        if repaid is not None:
            book.post([repaid])
    order.charge_id = state.charge_id or ""
    order.captured_minor = state.amount.minor
    order.captured_currency = state.amount.asset.code
    _note(order, now, "captured")
    _move(order, Status.CREDITED, now)


def _take_coins_back(order: Order, *, book: Book, now: datetime) -> None:
    """Revoke the coins of a refunded order's lot: those unspent leave, the rest becomes a debt."""
    fan = HolderId(order.holder)
    wallet = book.wallet(fan, lock=True)
    key = rules.step_key(OrderId(order.id), order.key, Step.TAKE_BACK)
    lot = lot_of(book.lots(fan), order.public_id)
    journal = posting.refund(key, now, fan, wallet.paid, lot, order.coins, order.price)
    book.post([journal])
    _move(order, Status.REFUNDED, now)


def refund_order(
    order_id: OrderId, *, key: UUID, reason: str, checkouts: Checkouts, book: Book, now: datetime
) -> Order:
    """Give the whole price back and take the coins; a shortfall becomes the fan's debt.

    Three persisted steps: the wish (one transaction), the provider's refund (none), the journal
    (one). A crash between them is taken up by the janitor with the first wish's key. Raises
    NotRefundable; Declined (the wish is withdrawn); Unavailable and OutcomeUnknown (the janitor
    repeats it, and so may the caller).
    """
    with transaction.atomic():
        order = _lock(order_id)
        if order.state not in rules.PAID_STATUSES or not order.charge_id:
            raise NotRefundable("This order holds no money.", status=order.status)
        if order.refund_key is None:
            order.refund_key = key
            order.refund_reason = reason[:80]
            order.next_check_at = now + rules.next_check(timedelta(0))
            order.save(update_fields=["refund_key", "refund_reason", "next_check_at"])
            _note(order, now, "refund_requested", order.refund_reason)
    return _finish_refund(order, checkouts=checkouts, book=book, now=now)


def _finish_refund(order: Order, *, checkouts: Checkouts, book: Book, now: datetime) -> Order:
    order_id = OrderId(order.id)
    assert order.refund_key is not None
    assert order.captured_minor is not None
    captured = Amount(order.captured_minor, asset(order.captured_currency))
    try:
        checkouts.refund(charge_id=order.charge_id, amount=captured, key=order.refund_key)
    except Declined:
        with transaction.atomic():
            order = _lock(order_id)
            order.refund_key = None
            order.next_check_at = None
            order.save(update_fields=["refund_key", "next_check_at"])
            _note(order, now, "refund_declined")
        raise
    return refresh_order(order_id, checkouts=checkouts, book=book, now=now)


# --- The janitor ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a sweep did: orders asked about, orders that moved, and orders it could not reach."""

    asked: int
    moved: int
    failed: int


def sweep_orders(*, checkouts: Checkouts, book: Book, now: datetime) -> Sweep:
    """Ask the provider about every order that should have moved by now, and move it.

    Safe to run at any time, by many: each takes orders of its own. A provider that does not answer
    costs one order its turn, never the sweep.
    """
    asked = moved = failed = 0
    for order in _claim_due_orders(now):
        asked += 1
        try:
            after = _settle(order, checkouts=checkouts, book=book, now=now)
            moved += after.status != order.status
        except (ProviderError, TransientError) as error:
            failed += 1
            _log.warning("%s could not be settled yet: %s", order.public_id, error.code)
    return Sweep(asked, moved, failed)


@transaction.atomic
def _claim_due_orders(now: datetime) -> list[Order]:
    due = Order.objects.filter(next_check_at__lte=now).order_by("next_check_at")
    orders = list(due.select_for_update(skip_locked=True)[:SWEEP_LIMIT])
    for order in orders:
        order.next_check_at = now + rules.next_check(now - order.created_at)
    Order.objects.bulk_update(orders, ["next_check_at"])
    return orders


def _settle(order: Order, *, checkouts: Checkouts, book: Book, now: datetime) -> Order:
    order_id = OrderId(order.id)
    if order.refund_key is not None and order.state in rules.PAID_STATUSES:
        return _finish_refund(order, checkouts=checkouts, book=book, now=now)
    if not order.checkout_id:
        return _expire_unopened(order_id, now)
    return refresh_order(order_id, checkouts=checkouts, book=book, now=now)


@transaction.atomic
def _expire_unopened(order_id: OrderId, now: datetime) -> Order:
    """End an order whose checkout nobody was ever shown, so that nobody can pay it."""
    order = _lock(order_id)
    if not order.checkout_id and order.state is Status.QUOTED and order.expires_at <= now:
        _move(order, Status.EXPIRED, now)
    return order


# --- Notifications -------------------------------------------------------------------------------

Applier = Callable[[str], bool]
"""Re-reads the object with this id and moves what depends on it; False: nobody knows it yet."""


def store_notification(
    *, provider: str, event_id: str, kind: str, object_id: str, body: str, now: datetime
) -> Notification:
    """Keep a provider's call whose signature was verified; repeats return the first one's row.

    Commits before it returns, so that the provider is answered only after.
    """
    notification, _ = Notification.objects.get_or_create(
        provider=provider,
        event_id=event_id,
        defaults={
            "kind": kind,
            "object_id": object_id,
            "body": body,
            "received_at": now,
            "next_attempt_at": now,
        },
    )
    return notification


def apply_notification(
    notification_id: int, *, appliers: Mapping[str, Applier], now: datetime
) -> bool:
    """Apply a stored notification by its kind's applier; returns whether it is applied now.

    One whose object nobody knows, or whose provider does not answer, is kept and tried again
    later. The next attempt is written before this one begins, so that a notification that breaks
    its applier every time goes to the back of the queue instead of blocking it.
    """
    with transaction.atomic():
        notification = Notification.objects.select_for_update().get(pk=notification_id)
        if notification.applied_at is not None:
            return True
        notification.attempts += 1
        notification.next_attempt_at = now + rules.next_attempt(notification.attempts)
        notification.last_error = "unfinished"
        notification.save(update_fields=["attempts", "next_attempt_at", "last_error"])
    applier = appliers.get(notification.kind)
    try:
        is_known = applier is not None and applier(notification.object_id)
        error = "" if is_known else "unknown_object"
    except (ProviderError, TransientError) as refusal:
        error = refusal.code
    Notification.objects.filter(pk=notification_id).update(
        last_error=error, applied_at=None if error else now
    )
    return not error


def apply_due_notifications(*, appliers: Mapping[str, Applier], now: datetime) -> Sweep:
    """Apply the stored notifications whose next attempt is due, oldest first."""
    due = Notification.objects.filter(applied_at__isnull=True, next_attempt_at__lte=now)
    ids = list(due.order_by("next_attempt_at").values_list("pk", flat=True)[:SWEEP_LIMIT])
    applied = sum(apply_notification(pk, appliers=appliers, now=now) for pk in ids)
    return Sweep(asked=len(ids), moved=applied, failed=len(ids) - applied)


def refresh_by_checkout(
    provider: str, checkout_id: str, *, checkouts: Checkouts, book: Book, now: datetime
) -> bool:
    """Refresh the order of a checkout; False: no order has it yet. Raises as refresh_order."""
    order = Order.objects.filter(provider=provider, checkout_id=checkout_id).first()
    if order is None:
        return False
    refresh_order(OrderId(order.pk), checkouts=checkouts, book=book, now=now)
    return True


# --- Rows ----------------------------------------------------------------------------------------


def _get(order_id: OrderId) -> Order:
    order = Order.objects.filter(pk=order_id).first()
    if order is None:
        raise UnknownOrder("There is no order with this number.")
    return order


def _lock(order_id: OrderId) -> Order:
    order = Order.objects.select_for_update().filter(pk=order_id).first()
    if order is None:
        raise UnknownOrder("There is no order with this number.")
    return order


def _facts(order: Order, state: CheckoutState) -> rules.OrderFacts:
    return rules.OrderFacts(
        public_id=order.public_id,
        checkout_id=order.checkout_id,
        status=order.state,
        amount=order.price,
        charge_is_taken=_is_taken(order, state.charge_id),
        is_parked=bool(order.park_reason),
    )


def _is_taken(order: Order, charge_id: str | None) -> bool:
    """Tell whether another order was paid by this charge."""
    if not charge_id:
        return False
    paid = Order.objects.filter(provider=order.provider, charge_id=charge_id)
    return paid.exclude(pk=order.pk).exists()


def _move(order: Order, status: Status, now: datetime, detail: str = "") -> None:
    order.status = status
    is_open = status in rules.OPEN_STATUSES
    order.next_check_at = now + rules.next_check(now - order.created_at) if is_open else None
    order.save()
    _note(order, now, status.value, detail)


def _park(order: Order, state: CheckoutState, reason: str, now: datetime) -> None:
    """Keep what does not fit for a person; repeats of the same finding change nothing."""
    if order.park_reason == reason:
        return
    order.park_reason = reason
    _note(order, now, "parked", reason)
    _log.error("%s is parked: %s", order.public_id, reason)
    is_own_capture = state.status == "captured" and state.order == order.public_id
    if is_own_capture and order.state not in rules.PAID_STATUSES:
        order.captured_minor = state.amount.minor
        order.captured_currency = state.amount.asset.code
        if not _is_taken(order, state.charge_id):
            order.charge_id = state.charge_id or ""
        _move(order, Status.CAPTURED, now)
    else:
        order.next_check_at = None
        order.save(update_fields=["park_reason", "next_check_at"])


def _note(order: Order, now: datetime, step: str, detail: str = "") -> None:
    OrderEvent.objects.create(order=order, at=now, step=step, detail=detail)


def _packages(counts: Mapping[int, int]) -> dict[str, int]:
    return {str(package): count for package, count in sorted(counts.items())}


def _require_same_wish(order: Order, counts: Mapping[int, int]) -> Order:
    if order.packages != _packages(counts):
        raise KeyReused("This order was placed with other packages. Start again from the store.")
    return order
