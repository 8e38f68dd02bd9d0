"""The roll-up: committed gifts reach their creators, exactly once.

Owns the second hop of a gift: coins leave the clearing account, diamonds become pending and start
to mature. Must not run on the gift path; it reads the fans' buckets by their gapless sequences and
writes the creators' buckets only. Invariant: the coins rolled up of a fans' bucket are those of its
gifts up to the mark that is kept with the creators, so a crash loses and doubles nothing.

Like `statements`, it is a conversation without I/O. One call is one transaction; on one database
it takes all creators' buckets that have news, in ascending order.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from largesse.adapters.postgres.statements import Query, Steps, post_journals
from largesse.earnings.rules import SharePolicy, diamonds_for, release_at
from largesse.ledger import rules
from largesse.ledger.journals import Journal
from largesse.money.ids import HolderId, creator_bucket, uuid7

_ROLLUP_LOCK = 0x6C617267
_IDLE_LAG = 10_000
"""Marks of creators' buckets without news are moved when they are this many gifts behind."""


@dataclass(frozen=True, slots=True)
class RollUp:
    """What one roll-up did: creators credited, gifts, coins and diamonds."""

    creators: int = 0
    gifts: int = 0
    coins: int = 0
    diamonds: int = 0


@dataclass(frozen=True, slots=True)
class _News:
    """The new gifts of one creator under one policy."""

    creator: HolderId
    policy: int
    gifts: int
    coins: int


@dataclass(frozen=True, slots=True)
class _Credit:
    """News turned into diamonds; `remainder` is what the creator carries on."""

    news: _News
    diamonds: int
    remainder: int
    journal: Journal


def roll_up(now: datetime, policies: Mapping[int, SharePolicy]) -> Steps[RollUp | None]:
    """Credit all committed gifts to their creators; None when another roll-up is at work.

    Runs in one transaction of the caller. `policies` maps the number in a gift to its policy; an
    unknown number is a bug (KeyError), since policies are never deleted.
    """
    rows = yield Query("SELECT pg_try_advisory_xact_lock(%s)", (_ROLLUP_LOCK,))
    if not rows[0][0]:
        return None
    rows = yield Query(
        "SELECT array_agg(last_seq ORDER BY bucket) FROM ledger_bucket WHERE bucket < 64"
    )
    upto: list[int] = rows[0][0]
    rows = yield Query("SELECT bucket, seen, tick FROM ledger_rollup ORDER BY bucket")
    marks = {bucket: (seen, tick) for bucket, seen, tick in rows}
    floor = [min(seen) for seen in zip(*(seen for seen, _ in marks.values()), strict=True)]
    news = yield from _read_news(floor, upto)
    by_bucket: dict[int, list[_News]] = defaultdict(list)
    for item in news:
        by_bucket[creator_bucket(item.creator)].append(item)
    targets = sorted(by_bucket)
    credited: list[_Credit] = []
    if targets:
        yield Query(
            "SELECT 1 FROM ledger_bucket WHERE bucket = ANY (%s) ORDER BY bucket FOR UPDATE",
            (targets,),
        )
        ticks = {bucket: marks[bucket][1] + 1 for bucket in targets}
        credited = yield from _decide(now, policies, by_bucket, ticks)
        yield from _write(now, policies, credited, ticks)
        yield from _advance(now, targets, upto)
    idle = [b for b, (seen, _) in marks.items() if sum(upto) - sum(seen) > _IDLE_LAG]
    if idle:
        yield Query("UPDATE ledger_rollup SET seen = %s WHERE bucket = ANY (%s)", (upto, idle))
    return RollUp(
        len({c.news.creator for c in credited}),
        sum(c.news.gifts for c in credited),
        sum(c.news.coins for c in credited),
        sum(c.diamonds for c in credited),
    )


def earning_key(at: datetime, creator: HolderId, tick: int, policy: int) -> UUID:
    """Return the id of the journal in which a roll-up credits a creator under a policy."""
    name = f"{creator}:{tick}:{policy}".encode()
    return uuid7(int(at.timestamp() * 1000), hashlib.sha256(name).digest())


def _read_news(floor: Sequence[int], upto: Sequence[int]) -> Steps[list[_News]]:
    moved = [i for i in range(len(upto)) if floor[i] < upto[i]]
    if not moved:
        return []
    rows = yield Query(
        """
        SELECT g.creator, g.policy, count(*), sum(g.coins)::bigint
        FROM unnest(%s::smallint[], %s::bigint[], %s::bigint[]) s (source, floor, upto)
        JOIN ledger_gift g ON g.bucket = s.source AND g.seq > s.floor AND g.seq <= s.upto
        JOIN ledger_rollup m ON m.bucket = 64 + (g.creator & 63) AND g.seq > m.seen[s.source + 1]
        GROUP BY g.creator, g.policy ORDER BY g.creator, g.policy
        """,
        (moved, [floor[i] for i in moved], [upto[i] for i in moved]),
    )
    return [_News(*row) for row in rows]


def _decide(
    now: datetime,
    policies: Mapping[int, SharePolicy],
    by_bucket: Mapping[int, Sequence[_News]],
    ticks: Mapping[int, int],
) -> Steps[list[_Credit]]:
    """Turn news into journals, carrying each creator's remainder."""
    rows = yield Query(
        "SELECT e.holder, e.remainder FROM unnest(%s::smallint[], %s::bigint[]) u (bucket, holder) "
        "JOIN ledger_earner e ON e.bucket = u.bucket AND e.holder = u.holder",
        (
            [bucket for bucket, items in by_bucket.items() for _ in items],
            [item.creator for items in by_bucket.values() for item in items],
        ),
    )
    remainders: dict[HolderId, int] = {row[0]: row[1] for row in rows}
    credited = []
    for bucket in sorted(by_bucket):
        for item in by_bucket[bucket]:
            policy = policies[item.policy]
            diamonds, remainder = diamonds_for(
                item.coins, policy.share_bp, remainders.get(item.creator, 0)
            )
            remainders[item.creator] = remainder
            key = earning_key(now, item.creator, ticks[bucket], item.policy)
            detail = {"gifts": item.gifts, "policy": policy.version}
            journal = rules.earning(key, now, item.creator, item.coins, diamonds, detail)
            credited.append(_Credit(item, diamonds, remainder, journal))
    return credited


def _write(
    now: datetime,
    policies: Mapping[int, SharePolicy],
    credited: Sequence[_Credit],
    ticks: Mapping[int, int],
) -> Steps[None]:
    posted = yield from post_journals([c.journal for c in credited])
    yield Query(
        "INSERT INTO ledger_earning (bucket, seq, creator, gifts, coins, diamonds, tick, policy, "
        "remainder) SELECT * FROM unnest(%s::smallint[], %s::bigint[], %s::bigint[], %s::bigint[], "
        "%s::bigint[], %s::bigint[], %s::bigint[], %s::integer[], %s::integer[])",
        (
            [p.bucket for p in posted],
            [p.seq for p in posted],
            [c.news.creator for c in credited],
            [c.news.gifts for c in credited],
            [c.news.coins for c in credited],
            [c.diamonds for c in credited],
            [ticks[p.bucket] for p in posted],
            [c.news.policy for c in credited],
            [c.remainder for c in credited],
        ),
    )
    last = {c.news.creator: c.remainder for c in credited}
    yield Query(
        "INSERT INTO ledger_earner (bucket, holder, remainder) "
        "SELECT * FROM unnest(%s::smallint[], %s::bigint[], %s::integer[]) "
        "ON CONFLICT (bucket, holder) DO UPDATE SET remainder = excluded.remainder",
        ([creator_bucket(creator) for creator in last], list(last), list(last.values())),
    )
    queue: dict[tuple[HolderId, datetime], int] = defaultdict(int)
    for c in credited:
        if c.diamonds:
            due = release_at(now, policies[c.news.policy].hold_days)
            queue[c.news.creator, due] += c.diamonds
    yield Query(
        "INSERT INTO ledger_maturing (bucket, holder, release_at, diamonds) "
        "SELECT * FROM unnest(%s::smallint[], %s::bigint[], %s::timestamptz[], %s::bigint[]) "
        "ON CONFLICT (bucket, release_at, holder) "
        "DO UPDATE SET diamonds = ledger_maturing.diamonds + excluded.diamonds",
        (
            [creator_bucket(creator) for creator, _ in queue],
            [creator for creator, _ in queue],
            [due for _, due in queue],
            list(queue.values()),
        ),
    )


def _advance(now: datetime, targets: Sequence[int], upto: Sequence[int]) -> Steps[None]:
    yield Query(
        "INSERT INTO ledger_tick (bucket, tick, at, from_seq, to_seq) "
        "SELECT bucket, tick + 1, %s, seen, %s FROM ledger_rollup WHERE bucket = ANY (%s)",
        (now, list(upto), list(targets)),
    )
    yield Query(
        "UPDATE ledger_rollup SET seen = %s, tick = tick + 1 WHERE bucket = ANY (%s)",
        (list(upto), list(targets)),
    )
