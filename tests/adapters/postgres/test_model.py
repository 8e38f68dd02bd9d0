"""PostgreSQL and a model that knows every coin, driven together and compared after each step.

A longer run: `pytest tests/adapters/postgres/test_model.py --hypothesis-profile=nightly`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from largesse.adapters.postgres import checks, closing, maturing
from largesse.adapters.postgres.book import DjangoBook
from largesse.adapters.postgres.reading import balances, full_statement, platform_balances
from largesse.earnings.rules import release_at
from largesse.ledger import rules
from largesse.ledger.accounts import Account
from largesse.ledger.errors import InsufficientBalance, KeyReused
from largesse.ledger.gifts import GiftPosting
from largesse.ledger.journals import Journal
from largesse.ledger.lots import Purse, SerialRange
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import HolderId, fan_bucket
from tests.adapters.postgres.ledger_model import Street
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    POLICY,
    START,
    AsyncDriver,
    DjangoDriver,
    Driver,
    bonus,
    empty_ledger,
    gift,
    key,
    recharge,
    roll_up_now,
    usd,
)

pytestmark = COMMITTED

FANS = (5, 6, 5 + 64)
"""Two of them share a bucket; the first is a creator as well."""
CREATORS = (1001, 1002, 5)
CHECKED_EVERY = 10

fans = st.sampled_from(FANS)
creators = st.sampled_from(CREATORS)
coins = st.integers(1, 25)
gift_batches = st.lists(st.tuples(fans, creators, st.integers(1, 15)), min_size=1, max_size=8)


class LedgerMachine(RuleBasedStateMachine):
    """Each rule acts on both; the invariants compare them."""

    def __init__(self, django: DjangoDriver, live: AsyncDriver) -> None:
        super().__init__()
        self.drivers: tuple[Driver, Driver] = (django, live)
        self.street = Street(FANS, CREATORS)
        self.now: datetime = START
        self.steps = 0
        self.journals: list[Journal] = []
        self.gifts: dict[str, tuple[GiftPosting, int, int]] = {}
        self.payouts: list[tuple[int, int, str]] = []

    @initialize(matured=st.booleans())
    def start(self, matured: bool) -> None:
        """Begin where every rule has something to act on."""
        empty_ledger()
        for fan in FANS:
            self.recharge(fan, 20, 199, "USD")
            self.recharge(fan, 20, 77, "JPY")
            self.grant(fan, 5)
        self.give([(fan, creator, 7) for fan in FANS for creator in CREATORS], [])
        self.roll_up(0)
        if matured:
            self.mature(15)

    # -- Small things -----------------------------------------------------------------------------

    def _name(self) -> str:
        self.steps += 1
        return f"step {self.steps}"

    def _driver(self) -> Driver:
        return self.drivers[self.steps % 2]

    def _post(self, journal: Journal) -> None:
        [posted] = self._driver().post([journal])
        assert not posted.replayed
        self.journals.append(journal)

    def _wallet(self, fan: int) -> tuple[Purse, int]:
        wallet = self._driver().wallet(HolderId(fan))
        return wallet.paid, wallet.debt

    # -- Money in ---------------------------------------------------------------------------------

    @rule(fan=fans, count=coins, price=st.integers(0, 300), code=st.sampled_from(["USD", "JPY"]))
    def recharge(self, fan: int, count: int, price: int, code: str) -> None:
        amount, tax = Amount(price, asset(code)), Amount(price // 7, asset(code))
        self._post(recharge(self._name(), fan, count, amount, tax, self.now))
        self.street.recharge(fan, count, price, price // 7, code)

    @rule(fan=fans, count=coins)
    def grant(self, fan: int, count: int) -> None:
        self._post(bonus(self._name(), fan, count))
        self.street.grant(fan, count)

    @rule(fan=fans, count=coins, other=fans)
    def recharge_two_in_one_call(self, fan: int, count: int, other: int) -> None:
        names = self._name(), self._name()
        batch = [
            recharge(names[0], fan, count, usd(7), usd(0)),
            recharge(names[1], other, 3, usd(5), usd(0)),
        ]
        assert [p.replayed for p in self._driver().post(batch)] == [False, False]
        self.journals += batch
        self.street.recharge(fan, count, 7, 0, "USD")
        self.street.recharge(other, 3, 5, 0, "USD")

    # -- Gifts ------------------------------------------------------------------------------------

    @rule(batch=gift_batches, repeats=st.lists(st.integers(0, 99), max_size=3))
    def give(self, batch: list[tuple[int, int, int]], repeats: list[int]) -> None:
        """A batch of new gifts, with old ones and copies of its own among them."""
        named = [(self._name(), *sizes) for sizes in batch]
        sent = [(name, gift(name, f, c, creator=to)) for name, f, to, c in named]
        known = [(name, posting) for name, (posting, _, _) in self.gifts.items()] + sent
        for repeat in repeats:
            sent.insert(repeat % (len(sent) + 1), known[repeat % len(known)])
        answers = self._driver().post_gifts([posting for _, posting in sent])
        for (name, posting), answer in zip(sent, answers, strict=True):
            model = self.street.fans[posting.fan]
            if name in self.gifts:
                _, seq, free = self.gifts[name]
                assert (answer.outcome, answer.seq) == ("replayed", seq)
                assert (answer.bonus, answer.balance) == (free, model.balance)
                continue
            outcome, free, left = self.street.give(posting.fan, posting.creator, posting.coins)
            assert (answer.outcome, answer.bonus, answer.balance) == (outcome, free, left)
            if outcome == "posted":
                self.gifts[name] = posting, answer.seq, free

    @precondition(lambda self: self.gifts)
    @rule(pick=st.integers(0, 999), fan=fans)
    def reuse_the_key_of_a_gift(self, pick: int, fan: int) -> None:
        name, (posting, _, _) = list(self.gifts.items())[pick % len(self.gifts)]
        other = gift(name, posting.fan, posting.coins + 1, creator=posting.creator)
        fresh = self._name()
        first, second = self._driver().post_gifts([other, gift(fresh, fan, 1)])
        assert first.outcome == "key_reused"
        outcome, free, left = self.street.give(fan, 1001, 1)
        assert (second.outcome, second.balance) == (outcome, left)
        if outcome == "posted":
            self.gifts[fresh] = gift(fresh, fan, 1), second.seq, free

    @rule(fan=fans, frozen=st.sampled_from((False, False, True)))
    def freeze(self, fan: int, frozen: bool) -> None:
        self._name()
        with transaction.atomic():
            DjangoBook().freeze(HolderId(fan), frozen=frozen)
        self.street.fans[fan].frozen = frozen

    # -- Keys -------------------------------------------------------------------------------------

    @precondition(lambda self: self.journals)
    @rule(pick=st.integers(0, 999))
    def replay_a_journal(self, pick: int) -> None:
        self._name()
        [posted] = self._driver().post([self.journals[pick % len(self.journals)]])
        assert posted.replayed

    @precondition(lambda self: self.journals)
    @rule(pick=st.integers(0, 999), fan=fans)
    def reuse_the_key_of_a_journal(self, pick: int, fan: int) -> None:
        old = self.journals[pick % len(self.journals)]
        name = self._name()
        fresh = recharge(name, fan, 1)
        wrong = rules.provider_settled(old.id, self.now, old.bucket, usd(1), usd(0), name)
        with pytest.raises(KeyReused):
            self._driver().post([fresh, wrong])

    # -- Coins back -------------------------------------------------------------------------------

    @rule(
        fan=fans,
        pick=st.integers(0, 99),
        count=coins,
        minor=st.integers(0, 400),
        code=st.sampled_from(["USD", "JPY"]),
        is_covered=st.sampled_from((True, True, True, False)),
    )
    def refund(
        self, fan: int, pick: int, count: int, minor: int, code: str, is_covered: bool
    ) -> None:
        """Give coins of one lot back: those that nobody spent, or more."""
        name = self._name()
        purse, _ = self._wallet(fan)
        lots = DjangoBook().lots(HolderId(fan))
        number = pick % len(lots)
        lot = lots[number]
        unspent = sum(len(part) for part in purse.revocable(lot.serials, len(lot.serials)))
        count = 1 + count % (unspent if is_covered and unspent else len(lot.serials))
        money = Amount(minor, asset(code))
        made = rules.refund(key(name), self.now, HolderId(fan), purse, lot, count, money)
        self._post(made)
        self.street.refund(fan, number, count, minor, code)

    @precondition(lambda self: any(model.debt for model in self.street.fans.values()))
    @rule(pick=st.integers(0, 2))
    def repay(self, pick: int) -> None:
        name = self._name()
        owing = [fan for fan, model in self.street.fans.items() if model.debt]
        fan = owing[pick % len(owing)]
        purse, debt = self._wallet(fan)
        lots = DjangoBook().lots(HolderId(fan))
        made = rules.debt_repaid(key(name), self.now, HolderId(fan), purse, lots, debt)
        if made is not None:
            self._post(made)
        self.street.repay(fan)

    @precondition(lambda self: any(model.bonus_ranges for model in self.street.fans.values()))
    @rule(fan=fans, pick=st.integers(0, 99))
    def expire(self, fan: int, pick: int) -> None:
        name = self._name()
        granted = self.street.fans[fan].bonus_ranges
        if not granted:
            return
        start, stop = granted[pick % len(granted)]
        purse = self._driver().wallet(HolderId(fan)).bonus
        made = rules.expiry(key(name), self.now, HolderId(fan), purse, SerialRange(start, stop))
        if made is not None:
            self._post(made)
        lapsed = -made.change(Account.FAN_BONUS) if made is not None else 0
        assert self.street.expire(fan, start, stop) == lapsed

    # -- The creators' side -----------------------------------------------------------------------

    @rule(hours=st.integers(0, 100))
    def roll_up(self, hours: int) -> None:
        self._name()
        self.now += timedelta(hours=hours)
        done = roll_up_now(self.now)
        assert done is not None
        expected = self.street.roll_up(release_at(self.now, POLICY.hold_days))
        assert (done.coins, done.diamonds) == expected

    @rule(days=st.integers(0, 20))
    def mature(self, days: int) -> None:
        self.now += timedelta(days=days)
        for creator in CREATORS:
            name = self._name()
            due = self.street.mature(creator, self.now)
            with transaction.atomic():
                rows = maturing.due(self.now, 1000)
                taken = sum(maturing.take(h, at) or 0 for h, at, _ in rows if h == creator)
                assert taken == due
                if due:
                    self._remember(rules.maturity(key(name), self.now, HolderId(creator), due))

    def _remember(self, journal: Journal) -> None:
        """Post inside the caller's transaction."""
        DjangoBook().post([journal])
        self.journals.append(journal)

    @precondition(lambda self: any(model.available for model in self.street.creators.values()))
    @rule(
        pick=st.integers(0, 2),
        share=st.integers(1, 3),
        ends=st.lists(st.booleans(), max_size=2),
    )
    def request_payout(self, pick: int, share: int, ends: list[bool]) -> None:
        """Request one, and perhaps let it end at once: settled (then bounced) or returned."""
        name = self._name()
        able = [holder for holder, model in self.street.creators.items() if model.available]
        creator = able[pick % len(able)]
        model = self.street.creators[creator]
        diamonds = -(-model.available // share)
        self._post(rules.payout_requested(key(name), self.now, HolderId(creator), diamonds, name))
        model.available -= diamonds
        model.held += diamonds
        self.payouts.append((creator, diamonds, "held"))
        for ends_well in ends:
            if self.payouts:
                self.end_payout(len(self.payouts) - 1, ends_well)

    @rule(creator=creators, beyond=st.integers(1, 60))
    def request_more_than_there_is(self, creator: int, beyond: int) -> None:
        name = self._name()
        diamonds = self.street.creators[creator].available + beyond
        made = rules.payout_requested(key(name), self.now, HolderId(creator), diamonds, name)
        with pytest.raises(InsufficientBalance):
            self._driver().post([recharge(f"{name}, not", 5, 1), made])

    @precondition(lambda self: self.payouts)
    @rule(pick=st.integers(0, 99), ends_well=st.booleans())
    def end_payout(self, pick: int, ends_well: bool) -> None:
        name = self._name()
        at = pick % len(self.payouts)
        creator, diamonds, state = self.payouts[at]
        holder, gross, fee = HolderId(creator), usd(diamonds * 3), usd(diamonds)
        if state == "held" and ends_well:
            self._post(
                rules.payout_settled(key(name), self.now, holder, diamonds, gross, fee, name)
            )
            self.street.settle(creator, diamonds, gross.minor, fee.minor)
            self.payouts[at] = creator, diamonds, "settled"
        elif state == "held":
            self._post(rules.payout_returned(key(name), self.now, holder, diamonds, name, "no"))
            self.street.creators[creator].held -= diamonds
            self.street.creators[creator].available += diamonds
            del self.payouts[at]
        else:
            self._post(
                rules.payout_bounced(key(name), self.now, holder, diamonds, gross, fee, name, "no")
            )
            self.street.bounce(creator, diamonds, gross.minor, fee.minor)
            del self.payouts[at]

    # -- The close --------------------------------------------------------------------------------

    @rule(fan=fans)
    def close(self, fan: int) -> None:
        """The money behind delivered gifts equals a count coin by coin."""
        name = self._name()
        bucket = fan_bucket(HolderId(fan))
        expected = self.street.close([f for f in FANS if fan_bucket(HolderId(f)) == bucket])
        with transaction.atomic():
            found, upto = closing.delivered(bucket)
            assert found == expected
            closing.mark_closed(bucket, upto)
            if found:
                amounts = [Amount(minor, asset(code)) for code, minor in found.items()]
                self._remember(rules.revenue_closed(key(name), self.now, bucket, amounts, name))

    # -- What must agree --------------------------------------------------------------------------

    @invariant()
    def wallets_agree(self) -> None:
        for fan, model in self.street.fans.items():
            wallet = self._driver().wallet(HolderId(fan))
            assert (wallet.debt, wallet.frozen) == (model.debt, model.frozen)
            for purse, known in ((wallet.paid, model.paid), (wallet.bonus, model.bonus)):
                assert purse.issued == len(known)
                assert purse.next == model.next_serial(known)
                assert purse.balance == len(model.unspent(known))
                void = {s for part in purse.voids for s in range(part.start, part.stop)}
                assert void == model.void_serials(known)

    @invariant()
    def creators_agree(self) -> None:
        for creator, model in self.street.creators.items():
            held = balances(HolderId(creator))
            assert [
                held.get((f"creator_{state}", "DIAMOND"), 0)
                for state in ("pending", "available", "held")
            ] == [sum(model.maturing.values()), model.available, model.held]

    @invariant()
    def platform_agrees(self) -> None:
        found = {where: value for where, value in platform_balances().items() if value}
        assert found == {where: value for where, value in self.street.platform.items() if value}

    @invariant()
    def books_hold(self) -> None:
        if self.steps % CHECKED_EVERY == 0:
            assert checks.run_checks() == []

    def teardown(self) -> None:
        assert checks.run_checks() == []
        for holder in {*FANS, *CREATORS}:
            moved: dict[tuple[str, str], int] = {}
            for entry in full_statement(HolderId(holder), page=7):
                for change in entry.changes:
                    where = change.account, change.asset
                    moved[where] = moved.get(where, 0) + change.change
            standing = {
                where: value for where, value in balances(HolderId(holder)).items() if value
            }
            assert {where: value for where, value in moved.items() if value} == standing


def test_ledger_does_what_a_count_of_every_coin_says(
    ledger: DjangoDriver, async_ledger: AsyncDriver
) -> None:
    class Machine(LedgerMachine):
        def __init__(self) -> None:
            super().__init__(ledger, async_ledger)

    is_nightly = settings.get_current_profile_name() == "nightly"
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=1_000 if is_nightly else 50,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
