"""The demo world: people, rooms, and twelve days that lead up to now.

Owns what a visitor finds at the first start. Must not invent balances: coins, gifts, diamonds and
payouts come to be by the rules and services that the product itself uses. Invariant: everything has
an id that follows from its name and day, so making the world again, whole or after a cut, adds
nothing.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from largesse.adapters.postgres import statements
from largesse.adapters.postgres.book import DjangoBook, run
from largesse.catalog.rules import Package, smallest_cover, tax_within
from largesse.catalog.selectors import Offer, gift_catalogue, packages_for
from largesse.earnings.selectors import current_policy
from largesse.gifting.services import close_room, open_room
from largesse.ledger.accounts import Account
from largesse.ledger.gifts import GiftPosting
from largesse.ledger.journals import Journal
from largesse.ledger.rules import Payment, recharge_captured
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.errors import InvariantViolation
from largesse.money.ids import HolderId, PayoutId, RoomId, id_from_name, keyed_id, uuid7
from largesse.payouts.models import DestinationKind
from largesse.payouts.ports import TransferState
from largesse.payouts.selectors import destinations_of
from largesse.payouts.services import (
    SEAL_PURPOSE,
    add_destination,
    request_payout,
    send_payout,
)
from largesse.people.models import Holder, User
from largesse.people.rules import suggest_handle
from largesse.people.sealing import Seal
from largesse.people.services import (
    HolderRow,
    become_creator,
    grant_staff,
    import_holders,
    register_person,
)
from largesse.simulator.cast import (
    FANS,
    HOSTS,
    NAMESPACE,
    OPERATOR,
    VISITOR,
    Host,
    Player,
    SignIn,
    sign_ins,
)
from largesse.simulator.replay.services import credit_creators, mature
from largesse.simulator.shape import Offered, choose_act, choose_fan

DAYS = 12
ACTS_A_DAY = 36
ACTS_TODAY = 60
_SEED = 20_261_122
_REGIONS = ("US", "EU", "JP", "INTL")
_PAYOUT_DAYS_AGO = 2
_VISITOR_COINS = 3_000
_BOOK = DjangoBook()


def make_world(secret: str, *, now: datetime) -> None:
    """Make the world as of `now`, or finish one that was begun; each step is committed by itself.

    Runs outside a transaction, on Django's connection. Raises TransientError: run it again.
    """
    begun = Holder.objects.filter(pk=VISITOR.id).values_list("created_at", flat=True).first()
    anchor = begun or now
    signed_in = sign_ins(secret)
    for one in signed_in:
        _register(one, anchor)
    rows = [_row(fan, is_creator=False) for fan in FANS]
    import_holders([*rows, *(_row(host.player, is_creator=True) for host in HOSTS)], anchor)
    _make_staff(signed_in[2])
    _History(anchor, _offers(now), _catalogue()).make(Seal(secret, SEAL_PURPOSE))


# --- People --------------------------------------------------------------------------------------


def _register(one: SignIn, at: datetime) -> None:
    if User.objects.filter(pk=one.player.id).exists():
        return
    register_person(
        holder_id=one.player.id,
        email=one.email,
        password=one.password,
        at=at,
        display_name=one.player.name,
        email_verified=True,
    )


def _make_staff(one: SignIn) -> None:
    from allauth.mfa.models import Authenticator
    from allauth.mfa.totp.internal.auth import TOTP

    user = grant_staff(OPERATOR.id, all_permissions=True)
    if not Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists():
        TOTP.activate(user, one.totp_secret)
    become_creator(HOSTS[0].player.id)


def _row(player: Player, *, is_creator: bool) -> HolderRow:
    return HolderRow(player.id, suggest_handle(player.name, player.id), player.name, is_creator)


# --- Catalogue -----------------------------------------------------------------------------------


def _offers(now: datetime) -> list[Offer]:
    return [packages_for(region, "web", now) for region in _REGIONS]


def _catalogue() -> list[Offered]:
    return [Offered(gift.code, gift.slug, gift.coins, gift.streakable) for gift in gift_catalogue()]


# --- History -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Day:
    """What happens on one day, in the order in which it is posted."""

    recharges: list[Journal] = field(default_factory=list)
    gifts: list[GiftPosting] = field(default_factory=list)


class _History:
    """Twelve days, each posted and rolled up as of itself."""

    def __init__(self, anchor: datetime, offers: list[Offer], gifts: list[Offered]) -> None:
        self._anchor = anchor
        self._offers = offers
        self._gifts = gifts
        self._chance = Random(_SEED)  # noqa: S311 - a reproducible world, not a secret
        self._policy = current_policy(anchor)
        self._coins: dict[HolderId, int] = defaultdict(int)
        self._bought = 0

    def make(self, seal: Seal) -> None:
        """Post it day by day."""
        for days_ago in range(DAYS, 0, -1):
            end = self._anchor - timedelta(days=days_ago)
            self._live_through(end - timedelta(hours=3), end, ACTS_A_DAY, days_ago)
            if days_ago == _PAYOUT_DAYS_AGO:
                mature(end)
                self._pay_out(HOSTS[0], seal, end, is_settled=True)
                self._pay_out(HOSTS[1], seal, end, is_settled=False)
        begin = self._anchor - timedelta(minutes=90)
        self._live_through(begin, self._anchor, ACTS_TODAY, days_ago=0)

    def _live_through(self, begin: datetime, end: datetime, acts: int, days_ago: int) -> None:
        rooms = {host: _room(host, days_ago) for host in HOSTS}
        for host, room in rooms.items():
            open_room(room_id=room, creator=host.player.id, title=host.title, now=begin)
        day = self._plan(begin, end, acts, rooms)
        if days_ago == 0:
            self._buy(day, VISITOR, _VISITOR_COINS, begin)
        run(statements.post_journals(day.recharges))
        results = run(statements.post_gifts(day.gifts))
        refused = [one.outcome for one in results if one.outcome not in ("posted", "replayed")]
        if refused:
            raise InvariantViolation(f"Gifts of the demo world were refused: {refused}.")
        credit_creators(end)
        if days_ago:
            for host, room in rooms.items():
                close_room(room, creator=host.player.id, now=end)

    def _plan(self, begin: datetime, end: datetime, acts: int, rooms: dict[Host, RoomId]) -> _Day:
        """Decide who gives what and when; whoever runs out recharges first."""
        day = _Day()
        step = (end - begin) / (acts * len(HOSTS) + 1)
        for number in range(acts * len(HOSTS)):
            host = HOSTS[number % len(HOSTS)]
            fan = choose_fan(self._chance, FANS)
            act = choose_act(self._chance, self._gifts)
            at = begin + step * (number + 1)
            if self._coins[fan.id] < act.coins:
                self._buy(day, fan, act.coins - self._coins[fan.id], begin)
            self._coins[fan.id] -= act.coins
            key = _key(f"gift {number} {begin.date()}", at)
            day.gifts.append(
                GiftPosting(
                    id=keyed_id(fan.id, key),
                    fan=fan.id,
                    creator=host.player.id,
                    room=rooms[host],
                    gift=act.gift.code,
                    count=act.pieces,
                    coins=act.coins,
                    policy=self._policy.number,
                    streak_seq=0,
                    at=at,
                )
            )
        return day

    def _buy(self, day: _Day, fan: Player, coins: int, at: datetime) -> None:
        """Recharge the smallest package that covers `coins`, or several of the largest."""
        offer = self._offers[fan.id % len(self._offers)]
        while coins > 0:
            largest = max(offer.packages, key=lambda package: package.coins)
            package: Package = smallest_cover(offer.packages, coins) or largest
            self._bought += 1
            currency = asset(offer.currency)
            tax = tax_within(package.price_minor, offer.tax_basis_points)
            payment = Payment(
                Amount(package.price_minor, currency),
                Amount(tax, currency),
                offer.channel,
                f"demo-{self._bought:05}",
            )
            key = _key(f"recharge {self._bought}", at)
            day.recharges.append(recharge_captured(key, at, fan.id, package.coins, payment))
            self._coins[fan.id] += package.coins
            coins -= package.coins

    def _pay_out(self, host: Host, seal: Seal, at: datetime, *, is_settled: bool) -> None:
        """Cash out what has matured: one creator gets it, the other one's bank sends it back."""
        creator = host.player.id
        if not destinations_of(creator):
            add_destination(
                seal=seal,
                holder=creator,
                kind=DestinationKind.SANDBOX,
                account=f"sandbox-{host.player.name.split()[0].lower()}",
                destination_id=id_from_name(NAMESPACE, f"destination of {host.player.name}"),
                now=at,
            )
        payout_id = PayoutId(id_from_name(NAMESPACE, f"payout of {host.player.name}"))
        key = _key(f"payout of {host.player.name}", at)
        diamonds = _asked_before(payout_id) or _BOOK.balance(creator, Account.CREATOR_AVAILABLE)
        payout = request_payout(
            book=_BOOK,
            policy=self._policy,
            holder=creator,
            destination_id=destinations_of(creator)[-1].pk,
            diamonds=diamonds,
            payout_id=payout_id,
            key=key,
            now=at,
        )
        send_payout(
            payout.payout_id,
            book=_BOOK,
            transfers=_Bank(is_settled=is_settled),
            seal=seal,
            now=at + timedelta(minutes=5),
        )


def _asked_before(payout_id: PayoutId) -> int | None:
    from largesse.payouts.models import Payout

    rows = Payout.objects.filter(pk=payout_id).values_list("asked_diamonds", flat=True)
    return rows.first()


class _Bank:
    """The bank of the past: it settles everything, or returns it as an account that was closed."""

    def __init__(self, *, is_settled: bool) -> None:
        self._is_settled = is_settled

    def send(self, *, payout: str, amount: Amount, destination: str, key: UUID) -> TransferState:
        """Answer at once, always the same for a key."""
        number = f"demo-{payout}"
        if self._is_settled:
            return TransferState(number, payout, "settled", amount, None)
        return TransferState(number, payout, "returned", amount, "account_closed")

    def fetch(self, *, key: UUID) -> TransferState | None:
        """It keeps no records: what was cut is sent again, and answered the same."""
        return None


def _room(host: Host, days_ago: int) -> RoomId:
    if days_ago == 0:
        return host.room
    return RoomId(id_from_name(NAMESPACE, f"room of {host.player.name}, {days_ago} days ago"))


def _key(name: str, at: datetime) -> UUID:
    """The idempotency key that a thing of the demo always gets."""
    digest = hashlib.sha256(f"{NAMESPACE}\x00{name}".encode()).digest()
    return uuid7(int(at.timestamp() * 1000), digest)
