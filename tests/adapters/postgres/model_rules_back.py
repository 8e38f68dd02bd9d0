"""Rules of the model-based tests: coins that leave a wallet unspent, and the money's other half.

Owns refunds, repayments, expiry, the fans' close and a provider's settlement. Must not compare: the
machine does. Invariant: what is to happen is drawn from the model; the product only carries it out.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import precondition

from largesse.adapters.postgres import closing, expiring, settling
from largesse.adapters.postgres.book import DjangoBook
from largesse.ledger import rules
from largesse.ledger.errors import BadJournal
from largesse.ledger.lots import lot_of
from largesse.money.ids import HolderId
from largesse.recharge.expiry.services import expire_lots
from tests.adapters.postgres.coin_model import UNSPENT, LotModel
from tests.adapters.postgres.ledger_model import fans_bucket
from tests.adapters.postgres.ledger_world import key
from tests.adapters.postgres.model_machine import FANS, Machine, fans, money, picks, step

BUCKETS = sorted({fans_bucket(fan) for fan in FANS})


class BackRules(Machine):
    """Refunds, repayments, expiry; revenue and settlements."""

    def _lot(self, fan: int, pick: int) -> LotModel | None:
        """A paid lot of which not every coin was taken back before; the newest most often."""
        left = [lot for lot in self.street.fans[fan].paid.lots if lot.taken_back < lot.coins]
        return left[-1 - pick % min(3, len(left))] if left else None

    def _take_back(self, fan: int, lot: LotModel, count: int, minor: int, code: str) -> None:
        name, holder = self.name(), HolderId(fan)
        purse, lots = self.driver().wallet(holder).paid, DjangoBook().lots(holder)
        found, amount = lot_of(lots, lot.name), money(minor, code)
        made = rules.refund(key(name), self.now, holder, purse, found, count, amount)
        self.street.refund(fan, lot, count, minor, code)
        self.post(made)

    @step(fan=fans, pick=picks)
    def refund_an_order(self, fan: int, pick: int) -> None:
        """All coins of it, for all that was paid."""
        lot = self._lot(fan, pick)
        if lot is None or lot.taken_back:
            self.post(self.bought(fan, 4, 50, 5, "USD"))
            lot = self.street.fans[fan].paid.lots[-1]
        self._take_back(fan, lot, lot.coins, lot.net + lot.tax, lot.currency)

    @step(fan=fans, pick=picks, count=st.integers(1, 9), minor=st.integers(0, 400))
    def refund_a_part(self, fan: int, pick: int, count: int, minor: int) -> None:
        """Some coins, for less or more than they had cost, sometimes in another currency."""
        lot = self._lot(fan, pick)
        if lot is None:
            self.post(self.bought(fan, 9, 70, 7, "JPY"))
            lot = self.street.fans[fan].paid.lots[-1]
        code = lot.currency if minor % 5 else "EUR"
        self._take_back(fan, lot, min(count, lot.coins - lot.taken_back), minor, code)

    @step(fan=fans, pick=picks)
    def refund_more_than_a_lot_had(self, fan: int, pick: int) -> None:
        lots = DjangoBook().lots(HolderId(fan))
        purse = self.driver().wallet(HolderId(fan)).paid
        lot = lots[pick % len(lots)]
        with pytest.raises(BadJournal):
            rules.refund(
                key(self.name()),
                self.now,
                HolderId(fan),
                purse,
                lot,
                len(lot.serials) + 1,
                money(1, lot.currency),
            )

    def _unpayable(self) -> list[tuple[int, LotModel, int]]:
        """Lots of which more was not taken back than is unspent: a refund of them leaves a debt."""
        return [
            (fan, lot, lot.coins - lot.taken_back)
            for fan, model in self.street.fans.items()
            for lot in model.paid.lots
            if lot.coins - lot.taken_back > model.paid.states.count(UNSPENT, lot.start, lot.stop)
        ]

    @precondition(lambda self: any(m.debt for m in self.street.fans.values()) or self._unpayable())
    @step(pick=picks, is_recharged=st.booleans())
    def repay(self, pick: int, is_recharged: bool) -> None:
        """Out of what there is; mostly a recharge comes first, as in the product."""
        owing = [fan for fan in FANS if self.street.fans[fan].debt]
        if not owing:
            spent = self._unpayable()
            fan, lot, count = spent[pick % len(spent)]
            self._take_back(fan, lot, count, 5, lot.currency)
            owing = [fan]
        fan = owing[pick % len(owing)]
        if is_recharged:
            self.post(self.bought(fan, 1 + pick % 40, 99, 9, "USD"))
        name, holder = self.name(), HolderId(fan)
        wallet, lots = self.driver().wallet(holder), DjangoBook().lots(holder)
        made = rules.debt_repaid(key(name), self.now, holder, wallet.paid, lots, wallet.debt)
        repaid = self.street.repay(fan)
        assert (made is not None) == (repaid > 0)
        if made is not None:
            self.post(made)

    @step(hours=st.integers(0, 30))
    def sweep_lots(self, hours: int) -> None:
        """Let lots lapse whose time has come; where there is none, go on to the next that will."""
        self.now += timedelta(hours=hours)
        lots = [
            lot.expires_at
            for model in self.street.fans.values()
            for lot in (*model.bonus.lots, *model.paid.lots)
            if lot.expires_at is not None
        ]
        if lots:
            self.now = max(self.now, min(lots))
        done = expire_lots(book=DjangoBook(), queue=expiring, now=self.now)
        assert (done.lots, done.coins) == self.street.sweep(self.now)
        self.tally.note("swept", done.lots, done.coins)

    @step(bucket=st.sampled_from(BUCKETS))
    def close_fans(self, bucket: int) -> None:
        """The money behind delivered gifts equals a count coin by coin."""
        name = self.name()
        expected = self.street.close_fans(bucket)
        with transaction.atomic():
            found, upto = closing.delivered(bucket)
            assert found == expected
            closing.mark_closed(bucket, upto)
            if found:
                amounts = [money(minor, code) for code, minor in sorted(found.items())]
                made = rules.revenue_closed(key(name), self.now, bucket, amounts, name)
                [posted] = DjangoBook().post([made])
                self.remember(made, posted.seq)

    @step(bucket=st.sampled_from(BUCKETS), part=st.integers(1, 20))
    def settle_provider(self, bucket: int, part: int) -> None:
        """All that clearing holds, less a fee; the charges that fees count by agree too."""
        expected = {
            code: -held
            for (at, account, code), held in self.street.platform.items()
            if (at, account) == (bucket, "provider_clearing")
        }
        charges = {code: n for (at, code), n in self.street.captured.items() if at == bucket and n}
        made = []
        with transaction.atomic():
            found = settling.unsettled(bucket, self.settled_upto[bucket])
            assert {code: minor for code, minor in found.gross.items() if minor} == {
                code: minor for code, minor in expected.items() if minor
            }
            assert dict(found.charges) == charges
            for code, minor in sorted(expected.items()):
                if minor > 0:
                    name, fee = self.name(), minor // part
                    self.street.settle_provider(bucket, code, minor, fee)
                    amounts = money(minor, code), money(fee, code)
                    made.append(rules.provider_settled(key(name), self.now, bucket, *amounts, name))
            for journal, posted in zip(made, DjangoBook().post(made), strict=True):
                self.remember(journal, posted.seq)
        self.settled_upto[bucket] = found.up_to_seq
        for at, code in list(self.street.captured):
            if at == bucket:
                del self.street.captured[at, code]
