"""Rules of the model-based tests: gifts.

Owns single gifts, batches, streaks, replays and refusals. Must not compare: the machine does, with
every answer. Invariant: a batch is drawn as it arrives, so that order matters.
"""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from largesse.ledger.gifts import GiftPosting
from tests.adapters.postgres.model_machine import (
    FANS,
    Given,
    Machine,
    creators,
    fans,
    picks,
    step,
)

sizes = st.integers(1, 15)
batches = st.lists(st.tuples(fans, creators, sizes), min_size=2, max_size=8)
policies = st.sampled_from((1, 2))


class GiftRules(Machine):
    """Gifts, one by one and together."""

    def _free(self, pick: int) -> int:
        """A fan who may spend, as far as there is one."""
        able = [fan for fan in FANS if not self.street.fans[fan].blocked] or FANS
        return able[pick % len(able)]

    def _given(self, pick: int) -> Given:
        given = list(self.given.values())
        return given[pick % len(given)]

    @step(fan=fans, creator=creators, count=sizes)
    def give(self, fan: int, creator: int, count: int) -> None:
        self.send([self.present(fan, creator, count)])

    @step(batch=batches)
    def give_a_batch(self, batch: list[tuple[int, int, int]]) -> None:
        self.send([self.present(fan, creator, count) for fan, creator, count in batch])

    @step(batch=batches, repeats=st.lists(picks, min_size=1, max_size=3))
    def give_a_batch_with_copies(
        self, batch: list[tuple[int, int, int]], repeats: list[int]
    ) -> None:
        """New gifts with old ones and copies of their own among them."""
        sent = [self.present(fan, creator, count) for fan, creator, count in batch]
        known = [(given.name, given.posting) for given in self.given.values()] + sent
        for repeat in repeats:
            sent.insert(repeat % (len(sent) + 1), known[repeat % len(known)])
        self.send(sent)

    @step(pick=picks, creator=creators, count=sizes)
    def give_under_a_new_policy(self, pick: int, creator: int, count: int) -> None:
        self.send([self.present(self._free(pick), creator, count, policy=2)])

    @step(pick=picks, creator=creators, pieces=st.integers(1, 4), policy=policies)
    def give_a_streak(self, pick: int, creator: int, pieces: int, policy: int) -> None:
        """Each piece names the first; they travel one by one."""
        fan, first = self._free(pick), 0
        for _ in range(pieces):
            [answer] = self.send([self.present(fan, creator, 2, policy, first)])
            first = first or answer.seq

    @step(pick=picks, creator=creators, beyond=st.integers(1, 30))
    def give_more_than_there_is(self, pick: int, creator: int, beyond: int) -> None:
        """Missing one coin or many; the answer says what there was."""
        fan = self._free(pick)
        size = self.street.fans[fan].balance + beyond
        [answer] = self.send([self.present(fan, creator, size)])
        assert answer.outcome in ("insufficient", "blocked")

    @step(pick=picks, creator=creators, keep=st.integers(0, 3))
    def give_nearly_everything(self, pick: int, creator: int, keep: int) -> None:
        """Down to the last coins; then one that fits only what is left."""
        fan = self._free(pick)
        had = self.street.fans[fan].balance
        if had > keep:
            self.send([self.present(fan, creator, had - keep)])
        self.send([self.present(fan, creator, 2), self.present(fan, creator, 1)])

    @step(pick=picks, creator=creators, batch=batches)
    def give_while_blocked(
        self, pick: int, creator: int, batch: list[tuple[int, int, int]]
    ) -> None:
        """A freeze or a debt stops that fan's gifts and nobody else's."""
        blocked = [fan for fan in FANS if self.street.fans[fan].blocked]
        fan = blocked[pick % len(blocked)] if blocked else FANS[pick % 3]
        if not blocked:
            self.freeze_now(fan, frozen=True)
        sent = [self.present(fan, creator, 1)]
        sent += [self.present(other, to, count) for other, to, count in batch]
        assert self.send(sent)[0].outcome == "blocked"
        if not blocked:
            self.freeze_now(fan, frozen=False)

    @precondition(lambda self: self.given)
    @step(pick=picks)
    def replay_a_gift(self, pick: int) -> None:
        given = self._given(pick)
        [answer] = self.send([(given.name, given.posting)])
        assert answer.outcome == "replayed"

    @precondition(lambda self: self.given)
    @step(pick=picks, fan=fans, change=st.sampled_from(("coins", "creator", "count", "gift")))
    def reuse_the_key_of_a_gift(self, pick: int, fan: int, change: str) -> None:
        """Another body under a known key is refused; the gift beside it is posted."""
        given = self._given(pick)
        wrong: GiftPosting = replace(given.posting, **{change: getattr(given.posting, change) + 1})
        first, _ = self.send([(given.name, wrong), self.present(fan, 1001, 1)])
        assert first.outcome == "key_reused"
