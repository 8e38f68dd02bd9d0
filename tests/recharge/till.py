"""A till for tests: takes money in memory, and misbehaves as it is told.

Owns checkouts, charges and refunds. Must not know the product's tables. Invariant: like a real
provider it keeps one checkout and one refund for a key, whatever it answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from largesse.money.amounts import Amount
from largesse.money.errors import Declined, OutcomeUnknown, ProviderError, Unavailable
from largesse.recharge.ports import Checkout, CheckoutState, RefundState


class Till:
    """Implements `recharge.ports.Checkouts`; `troubles` are the next calls' misfortunes."""

    def __init__(self) -> None:
        self.checkouts: dict[str, CheckoutState] = {}
        self.by_key: dict[UUID, str] = {}
        self.refunds: dict[UUID, RefundState] = {}
        self.return_urls: list[str] = []
        self.creations = 0
        self.fetches = 0
        self.troubles: deque[ProviderError | None] = deque()
        self.before_fetch: Callable[[], None] = lambda: None

    def create(
        self, *, order: str, amount: Amount, description: str, return_url: str, key: UUID
    ) -> Checkout:
        """Keep the first wish of a key; an unknown outcome keeps it too."""
        self.creations += 1
        self.return_urls.append(return_url)
        trouble = self._trouble()
        if isinstance(trouble, Unavailable):
            raise trouble
        name = self.by_key.setdefault(key, f"chk_{order}_{len(self.by_key)}")
        self.checkouts.setdefault(name, CheckoutState(name, order, "open", None, amount, None))
        if trouble is not None:
            raise trouble
        return Checkout(name, f"https://till.example/{name}")

    def fetch(self, checkout_id: str) -> CheckoutState:
        """Return how a checkout stood before `before_fetch` was called: answers travel slowly."""
        self.fetches += 1
        trouble = self._trouble()
        if trouble is not None:
            raise trouble
        state = self.checkouts[checkout_id]
        self.before_fetch()
        return state

    def refund(self, *, charge_id: str, amount: Amount, key: UUID) -> RefundState:
        """Give a charge back once."""
        trouble = self._trouble()
        if isinstance(trouble, Declined | Unavailable):
            raise trouble
        state = next(s for s in self.checkouts.values() if s.charge_id == charge_id)
        self.checkouts[state.id] = replace(state, status="refunded")
        refund = RefundState(f"rfd_{charge_id}", charge_id, "refunded", amount)
        refund = self.refunds.setdefault(key, refund)
        if isinstance(trouble, OutcomeUnknown):
            raise trouble
        return refund

    def set(self, checkout_id: str, **facts: object) -> CheckoutState:
        """Change what the till says of a checkout; a capture brings its charge."""
        state = self.checkouts[checkout_id]
        if facts.get("status") == "captured":
            facts.setdefault("charge_id", checkout_id.replace("chk_", "chg_"))
        self.checkouts[checkout_id] = replace(state, **facts)  # type: ignore[arg-type]
        return self.checkouts[checkout_id]

    def _trouble(self) -> ProviderError | None:
        return self.troubles.popleft() if self.troubles else None
