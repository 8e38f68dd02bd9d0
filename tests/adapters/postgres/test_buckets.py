"""Nothing on the gift path crosses buckets, proved from the catalogue and from outside.

`tools/bucket_check.py` proves it from the text of the statements; what a text cannot show is shown
here: the keys that a migrated database really has, and that a batch over many buckets is nothing
but its parts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bucket_check
from bucket_rules.catalogue import CATALOGUE, findings_of
from largesse.adapters.postgres import statements
from largesse.adapters.postgres.book import DjangoBook, run
from largesse.ledger.accounts import Account, AccountRef
from largesse.ledger.gifts import GiftPosting, GiftResult
from largesse.ledger.journals import Event, Journal, NewVoid, Transfer
from largesse.ledger.lots import CoinClass, SerialRange
from largesse.money.amounts import Amount
from largesse.money.assets import COIN
from largesse.money.ids import HolderId, RoomId, fan_bucket, keyed_id
from tests.adapters.postgres.ledger_world import bonus, key, recharge, rows

pytestmark = pytest.mark.django_db

TABLES = ("ledger_bucket", "ledger_gift", "ledger_void", "ledger_wallet")
FANS = [HolderId(bucket + 64 * turn) for turn in (1, 2, 3) for bucket in (0, 1, 7, 8, 63)]
"""Three fans in each of five buckets."""
AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def catalogue_findings(tables: set[str]) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(CATALOGUE, {"tables": sorted(tables)})
        return findings_of(tables, cursor.fetchall())


def test_every_key_of_the_gift_path_begins_with_the_bucket() -> None:
    found = bucket_check.check_product().tables
    assert {table for table in found if table.startswith("ledger_")} == {*TABLES}
    assert catalogue_findings({*TABLES}) == []


@pytest.mark.parametrize(
    ("poison", "finding"),
    [
        ("CREATE UNIQUE INDEX poison ON ledger_gift (id)", "key poison begins with id"),
        ("CREATE UNIQUE INDEX poison ON ledger_gift (id, bucket)", "key poison begins with id"),
        ("CREATE UNIQUE INDEX poison ON ledger_gift ((bucket + 1))", "begins with an expression"),
        ("ALTER TABLE ledger_wallet ADD CONSTRAINT poison UNIQUE (holder)", "begins with holder"),
        (
            (
                "ALTER TABLE ledger_gift ADD CONSTRAINT poison FOREIGN KEY (bucket, fan) "
                "REFERENCES ledger_wallet"
            ),
            "foreign key poison",
        ),
        (
            (
                "CREATE TRIGGER poison BEFORE INSERT ON ledger_gift FOR EACH ROW "
                "EXECUTE FUNCTION suppress_redundant_updates_trigger()"
            ),
            "trigger poison",
        ),
        ("CREATE RULE poison AS ON DELETE TO ledger_void DO INSTEAD NOTHING", "rule poison"),
        ("ALTER TABLE ledger_void ADD poison bigint GENERATED ALWAYS AS IDENTITY", "identity"),
        ("ALTER TABLE ledger_void ADD poison bigserial", "default poison"),
        ("ALTER TABLE ledger_wallet ALTER bucket DROP NOT NULL", "never null"),
        ("ALTER TABLE ledger_gift RENAME TO ledger_present", "no such table"),
    ],
)
def test_a_poisoned_table_is_found(poison: str, finding: str) -> None:
    with connection.cursor() as cursor:
        if "DROP NOT NULL" in poison:
            cursor.execute("ALTER TABLE ledger_wallet DROP CONSTRAINT ledger_wallet_pkey")
        cursor.execute(poison)
    found = catalogue_findings({*TABLES})
    assert any(finding in one for one in found), found


# -- A batch is nothing but its parts ------------------------------------------------------------

wallets = st.fixed_dictionaries(
    {
        "paid": st.integers(0, 30),
        "bonus": st.integers(0, 15),
        "void": st.sampled_from([None, None, None, (0, 3), (2, 7)]),
        "frozen": st.sampled_from([False] * 9 + [True]),
        "paid_first": st.booleans(),
    }
)
orders = st.tuples(st.sampled_from(FANS), st.integers(1, 12), st.integers(0, 11), st.integers(1, 3))


def prepare(worlds: list[dict[str, Any]]) -> None:
    """Give each fan a wallet as drawn; what cannot be spent has been refunded."""
    journals = []
    for fan, world in zip(FANS, worlds, strict=True):
        if world["paid"]:
            journals.append(recharge(f"paid {fan}", fan, world["paid"]))
        if world["bonus"]:
            journals.append(bonus(f"bonus {fan}", fan, world["bonus"]))
        if world["void"] and world["void"][1] <= world["paid"]:
            journals.append(refund(fan, SerialRange(*world["void"])))
    DjangoBook().post(journals)
    for name in ("frozen", "paid_first"):
        chosen = [fan for fan, world in zip(FANS, worlds, strict=True) if world[name]]
        rows(f"UPDATE ledger_wallet SET {name} = true WHERE holder = ANY (%s)", chosen)


def refund(fan: HolderId, serials: SerialRange) -> Journal:
    transfer = Transfer(
        AccountRef(Account.FAN_PAID, fan), AccountRef(Account.REVOKED), Amount(len(serials), COIN)
    )
    voids = (NewVoid(CoinClass.PAID, serials),)
    name = f"refund {fan}"
    return Journal(key(name), Event.REFUND, fan_bucket(fan), AT, (transfer,), name, voids=voids)


def posting(fan: HolderId, coins: int, number: int, count: int) -> GiftPosting:
    """A gift; few keys and many gifts, so that keys come again with the same wish and another."""
    return GiftPosting(
        id=keyed_id(fan, key(f"gift {number}")),
        fan=fan,
        creator=HolderId(1001 + number % 2),
        room=RoomId(5),
        gift=1 + number % 3,
        count=count,
        coins=coins,
        policy=1,
        streak_seq=0,
        at=AT,
    )


@dataclass(frozen=True)
class Books:
    """What gifts were written to, and what each fan was answered.

    Within a call of some size, fans of one bucket may be numbered in another order than that of
    arrival; the sequence has no gap all the same. So a sequence is compared as "this fan's nth".
    """

    numbers: list[tuple[Any, ...]]
    gifts: list[tuple[Any, ...]]
    others: list[tuple[Any, ...]]
    answers: dict[HolderId, list[tuple[Any, ...]]]


def books(answers: dict[HolderId, list[GiftResult]]) -> Books:
    """Return every row of the tables that gifts are written to, and the answers."""
    given = rows(
        "SELECT bucket, seq, prev_seq, fan, (to_jsonb(g) - '{seq,prev_seq}'::text[])::text "
        "FROM ledger_gift g ORDER BY bucket, seq"
    )
    nth: Counter[int] = Counter()
    place: dict[tuple[int, int], Any] = {}
    for bucket, seq, _, fan, _ in given:
        nth[fan] += 1
        place[bucket, seq] = (fan, nth[fan])
    wallets = rows(
        "SELECT bucket, head_seq, (to_jsonb(w) - 'head_seq')::text FROM ledger_wallet w "
        "ORDER BY bucket, holder"
    )
    return Books(
        numbers=[row[:2] for row in given],
        gifts=sorted(
            (place[bucket, seq], str(place.get((bucket, before))), rest)
            for bucket, seq, before, _, rest in given
        ),
        others=[
            *((place.get((bucket, head)), rest) for bucket, head, rest in wallets),
            *rows("SELECT b::text FROM ledger_bucket b ORDER BY bucket"),
            *rows("SELECT v::text FROM ledger_void v ORDER BY bucket, holder, start"),
        ],
        answers={
            fan: [
                (r.outcome, place.get((fan_bucket(fan), r.seq)), r.bonus, r.balance) for r in all_
            ]
            for fan, all_ in answers.items()
        },
    )


class Undo(Exception):
    """Takes back what a call wrote, so that the other way begins where this one did."""


def books_after(calls: list[list[GiftPosting]]) -> Books:
    """Post call after call, and take it back; returns the books as they were then."""
    answers: dict[HolderId, list[GiftResult]] = defaultdict(list)
    found: Books | None = None
    try:
        with transaction.atomic():
            for gifts in calls:
                results = run(statements.post_gifts(gifts))
                for gift, result in zip(gifts, results, strict=True):
                    answers[gift.fan].append(result)
            found = books(answers)
            raise Undo
    except Undo:
        assert found is not None
        return found


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(wallets, min_size=len(FANS), max_size=len(FANS)), st.lists(orders, max_size=60))
def test_a_batch_over_many_buckets_is_one_call_for_each(
    db: None, worlds: list[dict[str, Any]], drawn: list[tuple[HolderId, int, int, int]]
) -> None:
    gifts = [posting(*order) for order in drawn]
    parts: dict[int, list[GiftPosting]] = defaultdict(list)
    for gift in gifts:
        parts[fan_bucket(gift.fan)].append(gift)
    try:
        with transaction.atomic():
            prepare(worlds)
            together = books_after([gifts])
            assert books_after(list(parts.values())) == together
            assert books_after(list(reversed(parts.values()))) == together
            raise Undo
    except Undo:
        return
