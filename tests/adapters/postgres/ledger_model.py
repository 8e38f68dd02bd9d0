"""What the ledger should be, as plain Python that knows every single coin.

Owns an independent account of the street for the model-based tests. Must not use the product's
purses, rules, splits or SQL: two answers by one method would prove nothing. Invariant: it is so
simple that one can see that it is right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.adapters.postgres.coin_model import (
    DELIVERED,
    SPENT,
    UNSPENT,
    VOID,
    Coins,
    LotModel,
)

Where = tuple[str, str]
"""An account and its asset."""
Changes = dict[Where, int]
Line = tuple[str, str, int]
"""What a posting changes for the platform: account, asset, credits minus debits."""


@dataclass
class FanModel:
    """A fan: every coin ever issued to them, and what keeps them from spending."""

    paid: Coins = field(default_factory=Coins)
    bonus: Coins = field(default_factory=Coins)
    debt: int = 0
    frozen: bool = False
    paid_first: bool = False

    @property
    def balance(self) -> int:
        return self.paid.balance + self.bonus.balance

    @property
    def blocked(self) -> bool:
        return self.frozen or self.debt > 0


@dataclass
class PendingModel:
    """A journal that is pending: what it reserves of its holder's coins or diamonds, until when."""

    holder: int
    expires_at: datetime
    paid: int = 0
    bonus: int = 0
    diamonds: int = 0
    state: str = "pending"


@dataclass(frozen=True)
class GiftModel:
    """A gift that was posted: its size, and from where to where it spent serials."""

    fan: int
    creator: int
    coins: int
    bonus: int
    paid_range: tuple[int, int]
    bonus_range: tuple[int, int]


@dataclass
class CreatorModel:
    """A creator: coins of gifts not rolled up, by policy, and diamonds by state."""

    waiting: Counter[int] = field(default_factory=Counter)
    share: int = 0
    """Of all coins rolled up, in ten-thousandths of a diamond."""
    issued: Counter[int] = field(default_factory=Counter)
    maturing: Counter[datetime] = field(default_factory=Counter)
    available: int = 0
    held: int = 0
    reserved: int = 0
    """Of the available ones, those that a pending journal reserves."""

    @property
    def free(self) -> int:
        return self.available - self.reserved


@dataclass(frozen=True)
class Terms:
    """A share policy: basis points of the coins, days of hold, and millionths a diamond."""

    share_bp: int
    hold_days: int
    diamond_micro: int


def fans_bucket(holder: int) -> int:
    return holder % 64


def creators_bucket(holder: int) -> int:
    return 64 + holder % 64


class Street:
    """The whole street: people by what they have, the platform's accounts as signed sums.

    `platform` is credits minus debits by bucket, `history` what each half of a person's statement
    says, oldest first, and `postings` counts what each bucket was posted.
    """

    def __init__(
        self, fans: Iterable[int], creators: Iterable[int], terms: Mapping[int, Terms]
    ) -> None:
        self.fans = {fan: FanModel() for fan in fans}
        self.creators = {creator: CreatorModel() for creator in creators}
        self.terms = terms
        self.platform: Counter[tuple[int, str, str]] = Counter()
        self.history: dict[tuple[int, int], list[tuple[str, Changes]]] = {}
        self.postings: Counter[int] = Counter()
        self.captured: Counter[tuple[int, str]] = Counter()
        """Recharges of a bucket since the provider settled, by currency."""

    # -- What was posted ---------------------------------------------------------------------------

    def _post(
        self, bucket: int, holder: int, event: str, own: Changes, platform: Sequence[Line] = ()
    ) -> None:
        """Write down one posting: what it changed for its holder and for the platform."""
        self.postings[bucket] += 1
        own = {where: change for where, change in own.items() if change}
        if own:
            self.history.setdefault((holder, bucket), []).append((event, own))
        for account, asset, change in platform:
            self.platform[bucket, account, asset] += change

    def balances(self) -> dict[tuple[int, int, str, str], int]:
        """Every balance that is not zero, by (bucket, holder, account, asset)."""
        found = {(bucket, 0, code, asset): n for (bucket, code, asset), n in self.platform.items()}
        for fan, model in self.fans.items():
            bucket = fans_bucket(fan)
            found[bucket, fan, "fan_paid", "COIN"] = model.paid.states.count(UNSPENT)
            found[bucket, fan, "fan_bonus", "COIN"] = model.bonus.states.count(UNSPENT)
            found[bucket, fan, "fan_debt", "COIN"] = -model.debt
        for creator, books in self.creators.items():
            bucket = creators_bucket(creator)
            found[bucket, creator, "creator_pending", "DIAMOND"] = books.maturing.total()
            found[bucket, creator, "creator_available", "DIAMOND"] = books.available
            found[bucket, creator, "creator_held", "DIAMOND"] = books.held
        return {where: held for where, held in found.items() if held}

    def is_frozen(self, holder: int) -> bool:
        """A freeze stops a person's gifts and their payouts."""
        return holder in self.fans and self.fans[holder].frozen

    # -- Money in ----------------------------------------------------------------------------------

    def recharge(
        self,
        name: str,
        fan: int,
        coins: int,
        price: int,
        tax: int,
        currency: str,
        expires_at: datetime | None = None,
    ) -> None:
        lot = LotModel(name, 0, coins, price - tax, tax, currency, expires_at)
        self.fans[fan].paid.add(lot)
        bucket = fans_bucket(fan)
        if price > tax:
            self.captured[bucket, currency] += 1
        self._post(
            bucket,
            fan,
            "recharge",
            {("fan_paid", "COIN"): coins},
            [
                ("issued", "COIN", -coins),
                ("provider_clearing", currency, -price),
                ("deferred_revenue", currency, price - tax),
                ("tax_payable", currency, tax),
            ],
        )

    def grant(self, name: str, fan: int, coins: int, expires_at: datetime | None = None) -> None:
        self.fans[fan].bonus.add(LotModel(name, 0, coins, expires_at=expires_at))
        own = {("fan_bonus", "COIN"): coins}
        self._post(fans_bucket(fan), fan, "bonus", own, [("issued", "COIN", -coins)])

    def settle_provider(self, bucket: int, currency: str, gross: int, fee: int) -> None:
        self._post(
            bucket,
            0,
            "provider_settlement",
            {},
            [
                ("bank", currency, fee - gross),
                ("provider_fees", currency, -fee),
                ("provider_clearing", currency, gross),
            ],
        )

    # -- Gifts -------------------------------------------------------------------------------------

    def give(
        self, fan: int, creator: int, coins: int, policy: int = 1
    ) -> tuple[str, GiftModel | None]:
        """Decide a new gift: its outcome, and what was posted."""
        model = self.fans[fan]
        if model.blocked:
            return "blocked", None
        if coins > model.balance:
            return "insufficient", None
        first, second = model.bonus, model.paid
        if model.paid_first:
            first, second = second, first
        from_first = min(coins, first.balance)
        starts = model.paid.next, model.bonus.next
        first.mark(first.unspent[:from_first], SPENT)
        second.mark(second.unspent[: coins - from_first], SPENT)
        bonus = coins - from_first if model.paid_first else from_first
        self.creators[creator].waiting[policy] += coins
        self._post(
            fans_bucket(fan),
            fan,
            "gift",
            {("fan_paid", "COIN"): bonus - coins, ("fan_bonus", "COIN"): -bonus},
            [("gift_clearing", "COIN", coins)],
        )
        ranges = (starts[0], model.paid.next), (starts[1], model.bonus.next)
        return "posted", GiftModel(fan, creator, coins, bonus, *ranges)

    # -- Coins back --------------------------------------------------------------------------------

    def refund(self, fan: int, lot: LotModel, coins: int, minor: int, currency: str) -> None:
        """Take coins of one lot back, its newest first; what is missing becomes a debt."""
        paid = self.fans[fan].paid
        own = [serial for serial in paid.unspent if lot.start <= serial < lot.stop]
        taken = own[::-1][: min(coins, paid.balance)]
        missing = coins - len(taken)
        was_paid = paid.price(taken)[lot.currency]
        was_tax = sum(lot.part(lot.tax, serial) for serial in taken)
        paid.mark(taken, VOID)
        lot.taken_back += coins
        self.fans[fan].debt += missing
        net = min(was_paid, minor) if currency == lot.currency else 0
        tax = min(was_tax, minor - net) if currency == lot.currency else 0
        self._post(
            fans_bucket(fan),
            fan,
            "refund",
            {("fan_paid", "COIN"): -len(taken), ("fan_debt", "COIN"): -missing},
            [
                ("revoked", "COIN", coins),
                ("provider_clearing", currency, minor),
                ("tax_payable", currency, -tax),
                ("loss", currency, net + tax - minor),
                ("deferred_revenue", lot.currency, -was_paid),
                ("loss", lot.currency, was_paid - net),
            ],
        )

    def repay(self, fan: int) -> int:
        """Set unspent paid coins, the oldest first, against the debt; returns how many."""
        model = self.fans[fan]
        taken = model.paid.unspent[: min(model.debt, model.paid.balance)]
        if taken:
            lines: list[Line] = []
            for currency, minor in model.paid.price(taken).items():
                lines.append(("deferred_revenue", currency, -minor))
                lines.append(("loss", currency, minor))
            model.paid.mark(taken, VOID)
            model.debt -= len(taken)
            own = {("fan_paid", "COIN"): -len(taken), ("fan_debt", "COIN"): len(taken)}
            self._post(fans_bucket(fan), fan, "debt_repaid", own, lines)
        return len(taken)

    def sweep(self, now: datetime) -> tuple[int, int]:
        """Let lots lapse whose time has come, but no class of which coins are held."""
        due = [
            (fans_bucket(fan), lot.expires_at, fan, kind, lot.start, lot)
            for fan, model in self.fans.items()
            for kind, coins in (("bonus", model.bonus), ("paid", model.paid))
            for lot in coins.lots
            if lot.expires_at is not None and lot.expires_at <= now and not coins.held
        ]
        lapsed = 0
        for _, _, fan, kind, _, lot in sorted(due, key=lambda row: row[:5]):
            lot.expires_at = None
            lapsed += self._expire(fan, kind, lot)
        return len(due), lapsed

    def _expire(self, fan: int, kind: str, lot: LotModel) -> int:
        """Take what is left of a lot; what was paid for it is earned."""
        coins = self.fans[fan].paid if kind == "paid" else self.fans[fan].bonus
        taken = [serial for serial in coins.unspent if lot.start <= serial < lot.stop]
        if taken:
            minor = coins.price(taken)[lot.currency]
            coins.mark(taken, VOID)
            lines = [("expired", "COIN", len(taken))]
            lines += [("deferred_revenue", lot.currency, -minor), ("revenue", lot.currency, minor)]
            own = {(f"fan_{kind}", "COIN"): -len(taken)}
            self._post(fans_bucket(fan), fan, "expiry", own, lines)
        return len(taken)

    # -- Holds -------------------------------------------------------------------------------------

    def hold(self, wish: PendingModel) -> str:
        """Reserve what a pending journal will debit, or say why not."""
        if wish.paid or wish.bonus:
            fan = self.fans[wish.holder]
            if fan.frozen:
                return "frozen"
            if fan.debt:
                return "in_debt"
            if wish.paid > fan.paid.balance or wish.bonus > fan.bonus.balance:
                return "insufficient"
        if wish.diamonds:
            if self.is_frozen(wish.holder):
                return "frozen"
            if wish.diamonds > self.creators[wish.holder].free:
                return "insufficient"
        self._reserve(wish, 1)
        return "pending"

    def end_hold(self, pending: PendingModel, state: str) -> None:
        """Release what a pending journal reserved."""
        pending.state = state
        self._reserve(pending, -1)

    def _reserve(self, pending: PendingModel, sign: int) -> None:
        if pending.paid or pending.bonus:
            self.fans[pending.holder].paid.held += sign * pending.paid
            self.fans[pending.holder].bonus.held += sign * pending.bonus
        if pending.diamonds:
            self.creators[pending.holder].reserved += sign * pending.diamonds

    # -- The close ---------------------------------------------------------------------------------

    def close_fans(self, bucket: int) -> dict[str, int]:
        """Deliver what was spent and not delivered, coin by coin; returns money per currency."""
        earned: Counter[str] = Counter()
        for fan, model in self.fans.items():
            if fans_bucket(fan) == bucket:
                spent = [i for i, state in enumerate(model.paid.states) if state == SPENT]
                earned += model.paid.price(spent)
                model.paid.mark(spent, DELIVERED)
        earned = +earned
        if earned:
            lines: list[Line] = []
            for currency, minor in earned.items():
                lines.append(("deferred_revenue", currency, -minor))
                lines.append(("revenue", currency, minor))
            self._post(bucket, 0, "daily_close", {}, lines)
        return dict(earned)

    def close_creators(self, bucket: int) -> int:
        """Owe creators what their diamonds are worth and was not owed yet, in cents."""
        issued = self.issued(bucket)
        worth = sum(
            count * self.terms[policy].diamond_micro // 10_000 for policy, count in issued.items()
        )
        cost = worth + self.platform[bucket, "creator_cost", "USD"]
        if cost:
            lines = [("creator_cost", "USD", -cost), ("creator_payable", "USD", cost)]
            self._post(bucket, 0, "daily_close", {}, lines)
        return cost

    def issued(self, bucket: int) -> Counter[int]:
        """Diamonds that a creators' bucket ever issued, by policy."""
        total: Counter[int] = Counter()
        for creator, books in self.creators.items():
            if creators_bucket(creator) == bucket:
                total += books.issued
        return total

    # -- The creators' side ------------------------------------------------------------------------

    def roll_up(self, now: datetime) -> tuple[int, int]:
        """Credit every creator with the share of their coins; returns coins and diamonds."""
        coins = diamonds = 0
        for creator, books in self.creators.items():
            for policy in sorted(books.waiting):
                terms = self.terms[policy]
                books.share += books.waiting[policy] * terms.share_bp
                new = books.share // 10_000 - books.issued.total()
                books.issued[policy] += new
                if new:
                    books.maturing[self._release(now, terms)] += new
                lines = [
                    ("gift_clearing", "COIN", -books.waiting[policy]),
                    ("redeemed", "COIN", books.waiting[policy]),
                    ("diamond_issued", "DIAMOND", -new),
                ]
                own = {("creator_pending", "DIAMOND"): new}
                self._post(creators_bucket(creator), creator, "earning", own, lines)
                coins += books.waiting[policy]
                diamonds += new
            books.waiting.clear()
        return coins, diamonds

    @staticmethod
    def _release(now: datetime, terms: Terms) -> datetime:
        """The end of the hold, up to a full hour."""
        seconds = int((now + timedelta(days=terms.hold_days)).timestamp())
        return datetime.fromtimestamp(-(-seconds // 3600) * 3600, UTC)

    def mature(self, now: datetime) -> int:
        total = 0
        for creator, books in self.creators.items():
            due = [release for release in books.maturing if release <= now]
            count = sum(books.maturing.pop(release) for release in due)
            if count:
                self._states(creator, "maturity", pending=-count, available=count)
            books.available += count
            total += count
        return total

    def request(self, creator: int, diamonds: int) -> None:
        self.creators[creator].available -= diamonds
        self.creators[creator].held += diamonds
        self._states(creator, "payout_requested", available=-diamonds, held=diamonds)

    def return_payout(self, creator: int, diamonds: int) -> None:
        self.creators[creator].held -= diamonds
        self.creators[creator].available += diamonds
        self._states(creator, "payout_returned", available=diamonds, held=-diamonds)

    def settle(self, creator: int, diamonds: int, gross: int, fee: int) -> None:
        self.creators[creator].held -= diamonds
        lines = self._cash(diamonds, gross, fee)
        self._states(creator, "payout_settled", lines, held=-diamonds)

    def bounce(self, creator: int, diamonds: int, gross: int, fee: int) -> None:
        self.creators[creator].available += diamonds
        lines = self._cash(-diamonds, -gross, -fee)
        self._states(creator, "payout_returned", lines, available=diamonds)

    def _states(self, creator: int, event: str, lines: Sequence[Line] = (), **moved: int) -> None:
        own = {(f"creator_{state}", "DIAMOND"): change for state, change in moved.items()}
        self._post(creators_bucket(creator), creator, event, own, lines)

    @staticmethod
    def _cash(diamonds: int, gross: int, fee: int) -> list[Line]:
        return [
            ("diamond_cashed", "DIAMOND", diamonds),
            ("creator_payable", "USD", -gross),
            ("payout_fees", "USD", fee),
            ("bank", "USD", gross - fee),
        ]
