"""The sealer: every posting once, cut anywhere, twice at once; proofs, links and the audit."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from django.db import connection, transaction

from largesse.adapters.postgres import auditing
from largesse.adapters.postgres import book as django_book
from largesse.adapters.postgres.proofs import Altered, NotSealed, UnknownPosting
from largesse.adapters.postgres.sealed_rows import Run, read_entries
from largesse.adapters.postgres.sealing import WrongReceiptKey, seal, sign_head
from largesse.ledger.checkpoints import Links, SigningKey, open_note
from largesse.ledger.merkle import BadProof, Edge
from largesse.ledger.receipts import Receipt, Salts
from largesse.money.errors import InvariantViolation
from tests.adapters.postgres.ledger_world import (
    COMMITTED,
    START,
    DjangoDriver,
    database_url,
    gift,
    recharge,
    roll_up_now,
    rows,
)
from tests.adapters.postgres.sealed_world import (
    FAN,
    KEY,
    OTHER,
    checkpoint,
    gift_id,
    links,
    prove,
    receipt,
    run,
    seal_all,
    tell_story,
)

pytestmark = COMMITTED
VERIFIER = SigningKey(KEY.suggested_origin, KEY.seed).verifier


class Cut(Exception):
    """The process died here."""


def postings() -> int:
    return int(rows("SELECT sum(last_seq)::bigint FROM ledger_bucket")[0][0])


def order() -> list[tuple[int, int]]:
    """The places in the order of their leaves, by the ranges alone."""
    ranges = rows("SELECT bucket, from_seq, to_seq FROM ledger_log_range ORDER BY first")
    return [place for found in ranges for place in Run(*found).places()]


def rebuilt_root() -> bytes:
    """The root over entries that are read one by one, in the order of the ranges."""
    leaves = []
    for bucket, seq in order():
        found = run(read_entries([Run(bucket, seq - 1, seq)], KEY.salts))
        leaves.append(found[bucket, seq].leaf)
    return Edge().grown(leaves)[0].root


# --- Exactly once ---------------------------------------------------------------------------------


def test_every_posting_has_one_leaf_in_order_of_bucket_and_sequence(ledger: DjangoDriver) -> None:
    tell_story(ledger)
    assert seal_all() == postings()
    assert order() == sorted(order())
    assert len(set(order())) == postings()
    assert open_note(checkpoint(), VERIFIER).root == rebuilt_root()
    assert seal_all() == 0


def test_small_steps_seal_all_too(ledger: DjangoDriver) -> None:
    """Each step takes its share of each bucket; what was sealed is never moved."""
    tell_story(ledger)
    before: list[tuple[int, int]] = []
    while run(seal(KEY, limit=3)):
        assert order()[: len(before)] == before
        before = order()
    assert sorted(before) == sorted(set(before))
    assert len(before) == postings()
    assert open_note(checkpoint(), VERIFIER).root == rebuilt_root()


def test_a_great_backlog_of_one_bucket_keeps_no_other_waiting(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", FAN, 1_000), recharge("o", OTHER, 1_000)])
    ledger.post_gifts([gift(f"{i}", FAN, 1) for i in range(40)])
    assert run(seal(KEY, limit=10)) == 10
    assert {bucket for bucket, _ in order()} == {FAN & 63, OTHER & 63}
    assert run(seal(KEY, limit=100)) == postings() - 10 < 100


def test_cut_between_any_two_statements_nothing_is_lost_doubled_or_reordered(
    ledger: DjangoDriver,
) -> None:
    ledger.post([recharge("r", FAN, 1_000_000), recharge("o", OTHER, 1_000_000)])
    ledger.post_gifts([gift(f"first {i}", FAN, 1) for i in range(250)])
    seal_all()
    cuts = 0
    for stop in range(100):
        ledger.post_gifts([gift(f"{stop}/{i}", fan, 1) for i in range(5) for fan in (FAN, OTHER)])
        ledger.post([recharge(f"more {stop}", FAN, 1)])
        before, root = order(), open_note(checkpoint(), VERIFIER).root
        if not seal_until(stop):
            break
        cuts += 1
        assert order() == before
        assert open_note(checkpoint(), VERIFIER).root == root
        assert seal_all() == 11
        assert order()[: len(before)] == before
        assert len(set(order())) == len(order()) == postings()
    assert cuts >= 7
    assert open_note(checkpoint(), VERIFIER).root == rebuilt_root()
    assert rows("SELECT count(*) > 0 FROM ledger_log_tile") == [(True,)]
    assert run(auditing.audit(KEY)).findings == []


def seal_until(stop: int) -> bool:
    """Seal and die before statement number `stop`; false when there is no such statement."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            steps, sent = seal(KEY), None
            for _ in range(stop):
                query = steps.send(sent)  # type: ignore[arg-type]
                cursor.execute(query.sql, query.params)
                sent = cursor.fetchall() if cursor.description else []
            steps.send(sent)  # type: ignore[arg-type]
            raise Cut
    except Cut:
        return True
    except StopIteration:
        return False


def test_two_sealers_at_once_seal_each_posting_once(ledger: DjangoDriver) -> None:
    stop, failed = threading.Event(), list[BaseException]()

    def keep_sealing(wait: bool) -> None:
        try:
            while not stop.is_set():
                run(seal(KEY, wait=wait, limit=7))
        except BaseException as error:  # noqa: BLE001 - told to the test
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=keep_sealing, args=(wait,)) for wait in (True, True, False)]
    for thread in threads:
        thread.start()
    ledger.post([recharge("r", FAN, 10_000), recharge("o", OTHER, 10_000)])
    for i in range(60):
        ledger.post_gifts([gift(f"{i}/{fan}", fan, 3) for fan in (FAN, OTHER)])
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    seal_all()
    assert len(set(order())) == len(order()) == postings() == 122
    assert run(auditing.audit(KEY)).findings == []


def test_a_sealer_that_does_not_wait_stands_back(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", FAN, 100)])
    with psycopg.connect(database_url()) as other:
        other.execute("SELECT 1 FROM ledger_log FOR UPDATE")
        assert run(seal(KEY, wait=False)) is None
        other.rollback()
    assert run(seal(KEY, wait=False)) == 1


def test_gifts_do_not_wait_for_an_open_step(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", FAN, 100)])
    with psycopg.connect(database_url()) as gifts, transaction.atomic():
        assert django_book.run(seal(KEY)) == 1
        gifts.execute("SET lock_timeout = '1s'")
        gifts.execute("SELECT 1 FROM ledger_bucket ORDER BY bucket FOR UPDATE")
        gifts.rollback()


def test_the_sealer_writes_its_own_tables_only() -> None:
    """No trigger and no index of the log stands on a table of the ledger."""
    assert (
        rows(
            "SELECT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal "
            "AND tgrelid::regclass::text LIKE 'ledger_%%'"
        )
        == []
    )
    indexes = rows("SELECT indexname FROM pg_indexes WHERE tablename = 'ledger_gift'")
    assert len(indexes) == 2


def test_another_key_is_refused(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", FAN, 100)])
    seal_all()
    ledger.post([recharge("s", FAN, 100)])
    with pytest.raises(WrongReceiptKey, match="receipt-key"):
        run(seal(replace(KEY, salts=Salts(b"other"))))
    assert seal_all() == 1


def test_a_log_keeps_the_name_under_which_it_was_first_signed(ledger: DjangoDriver) -> None:
    """Also when it was empty then, and the product has moved since."""
    moved = replace(KEY, suggested_origin="moved.example/ledger")
    checkpoint()
    ledger.post([recharge("r", FAN, 100)])
    assert run(seal(moved)) == 1
    assert run(sign_head(moved, START)).startswith(KEY.suggested_origin)
    assert run(auditing.audit(KEY)).findings == []


def test_books_that_were_cut_are_not_sealed_over(ledger: DjangoDriver) -> None:
    ledger.post([recharge("r", FAN, 100), recharge("s", FAN, 100)])
    seal_all()
    rows("UPDATE ledger_bucket SET last_seq = 1 WHERE bucket = %s", FAN & 63)
    with pytest.raises(InvariantViolation, match="are gone"):
        run(seal(KEY))
    rows("UPDATE ledger_bucket SET last_seq = 3 WHERE bucket = %s", FAN & 63)
    with pytest.raises(InvariantViolation, match="no posting 3"):
        run(seal(KEY))


# --- Receipts -------------------------------------------------------------------------------------


def test_both_sides_of_a_gift_prove_the_same_leaf_and_name_themselves_only(
    ledger: DjangoDriver,
) -> None:
    tell_story(ledger)
    seal_all()
    note = checkpoint()
    fan, creator = receipt(gift_id("a"), "fan"), receipt(gift_id("a"), "creator")
    for one in (fan, creator):
        assert one.verify(VERIFIER) == open_note(note, VERIFIER)
        assert one.verify_against(Links(note, {})).size == postings()
    assert (fan.leaf, fan.index, fan.entry) == (creator.leaf, creator.index, creator.entry)
    assert fan.entry["coins"] == 200
    usr = "usr_0000000000005", "usr_00000000000z9"
    assert [fan.opening["holder"], creator.opening["holder"]] == list(usr)
    assert usr[1] not in fan.text
    assert usr[0] not in creator.text
    assert "room" not in fan.text
    assert '"bonus"' not in creator.text


@pytest.mark.parametrize(
    ("name", "side", "kind", "holder"),
    [
        ("rch_one", "fan", "recharge", "usr_0000000000005"),
        ("rch_two", "fan", "recharge", "usr_0000000000026"),
        ("pay_one", "creator", "payout_returned", "usr_00000000000z9"),
        ("pay_two", "creator", "payout_returned", "usr_00000000000z9"),
    ],
)
def test_recharges_and_ended_payouts_are_found_by_their_public_id(
    ledger: DjangoDriver, name: str, side: str, kind: str, holder: str
) -> None:
    tell_story(ledger)
    seal_all()
    checkpoint()
    one = receipt(name, side)
    one.verify(VERIFIER)
    assert (one.entry["id"], one.entry["kind"]) == (name, kind)
    assert one.opening["holder"] == holder
    assert holder not in str(one.entry)
    with pytest.raises(UnknownPosting, match="no side 'platform'"):
        receipt(name, "platform")


def test_a_recharge_says_what_was_paid(ledger: DjangoDriver) -> None:
    tell_story(ledger)
    seal_all()
    checkpoint()
    entry = receipt("rch_one", "fan").entry
    assert list(entry["transfers"]) == [  # type: ignore[arg-type]
        ("issued", "fan_paid:owner", "COIN", 1000),
        ("provider_clearing", "deferred_revenue", "USD", 1800),
        ("provider_clearing", "tax_payable", "USD", 200),
    ]
    assert entry["lots"] == (("paid", 0, 1000, 2000, 200, "USD", "web", "rch_one", ""),)


def test_what_is_unknown_or_not_sealed_yet_says_so(ledger: DjangoDriver) -> None:
    tell_story(ledger)
    with pytest.raises(NotSealed, match="within a minute"):
        prove(gift_id("a"))
    for name in ("rch_one", "gft_5", "gft_", gift_id("z"), "", "usr_1"):
        with pytest.raises(UnknownPosting):
            prove(name)
    seal_all()
    with pytest.raises(NotSealed, match="within a minute"):
        prove(gift_id("a"))
    checkpoint()
    assert prove(gift_id("a")).index >= 0
    with pytest.raises(NotSealed, match="of 3 leaves"):
        prove(gift_id("a"), at_size=3)


def test_no_receipt_is_made_of_a_posting_that_was_changed(ledger: DjangoDriver) -> None:
    tell_story(ledger)
    seal_all()
    checkpoint()
    rows("UPDATE ledger_gift SET coins = 201 WHERE coins = 200")
    with pytest.raises(Altered):
        prove(gift_id("a"))
    assert prove(gift_id("b", OTHER)).index >= 0


def test_receipts_prefer_the_checkpoint_that_others_hold(ledger: DjangoDriver) -> None:
    tell_story(ledger)
    seal_all()
    published = checkpoint(publish=True)
    ledger.post_gifts([gift("later", FAN, 3)])
    seal_all()
    newest = checkpoint()
    assert receipt(gift_id("a"), "fan").note == published
    assert receipt(gift_id("later"), "fan").note == newest
    assert prove(gift_id("a"), int(newest.split("\n")[1])).head.note == newest


def test_a_receipt_holds_against_every_later_checkpoint(ledger: DjangoDriver) -> None:
    """Over tiles and portions: each old checkpoint is linked to the newest, and none is free."""
    ledger.post([recharge("r", FAN, 1_000_000)])
    notes = []
    for i in range(12):
        ledger.post_gifts([gift(f"{i}/{n}", FAN, 1) for n in range(1 + 17 * i)])
        seal_all()
        notes.append(checkpoint(START + timedelta(minutes=i), publish=True))
    newest = links(notes[-1])
    assert sorted(newest.proofs) == [int(note.split("\n")[1]) for note in notes[:-1]]
    again = Links.parse(newest.text)
    for i, note in enumerate(notes):
        size = int(note.split("\n")[1])
        one = prove(gift_id(f"{i}/0"), size).receipt("fan")
        assert one.note == note
        assert one.verify_against(again, VERIFIER).size == postings()
        if note != notes[-1]:
            with pytest.raises(BadProof, match="nothing links") as bad:
                one.verify_against(Links(notes[-1], {}))
            assert bad.value.part == "consistency"
    late = prove(gift_id("11/0"), postings()).receipt("fan")
    with pytest.raises(BadProof, match="Ask for one at this checkpoint"):
        late.verify_against(links(notes[0]))
    assert links(notes[-1], 2).proofs.keys() == {2}


def test_a_fork_and_a_cut_tail_are_told(ledger: DjangoDriver) -> None:
    """The operator removes a sealed gift, or changes one, and signs again with the true key."""
    ledger.post([recharge("r", FAN, 1_000_000)])
    ledger.post_gifts([gift(f"g{n}", FAN, 1) for n in range(40)])
    seal_all()
    held = receipt_at_head("g39")
    rows("UPDATE ledger_gift SET coins = 2 WHERE seq = 5")
    forget_log()
    seal_all()
    with pytest.raises(BadProof, match="fork") as bad:
        held.verify_against(Links(checkpoint(), {}), VERIFIER)
    assert bad.value.part == "root"
    ledger.post_gifts([gift(f"h{n}", FAN, 1) for n in range(9)])
    seal_all()
    with pytest.raises(BadProof, match="cut or forked") as bad:
        held.verify_against(links(checkpoint(), 41), VERIFIER)
    assert bad.value.part == "consistency"
    rows("DELETE FROM ledger_gift WHERE seq > 30")
    rows("UPDATE ledger_bucket SET last_seq = 30 WHERE last_seq > 30")
    forget_log()
    seal_all()
    with pytest.raises(BadProof, match="30 leaves"):
        held.verify_against(Links(checkpoint(), {}), VERIFIER)


def receipt_at_head(name: str) -> Receipt:
    checkpoint()
    return receipt(gift_id(name), "fan")


def forget_log() -> None:
    rows("DELETE FROM ledger_log_range")
    rows("DELETE FROM ledger_log_tile")
    rows("DELETE FROM ledger_log_reference")
    rows("DELETE FROM ledger_log_checkpoint")
    rows("UPDATE ledger_log SET size = 0, edge = '', seen = array_fill(0::bigint, ARRAY[128])")


# --- Audit ----------------------------------------------------------------------------------------


def test_the_audit_finds_nothing_in_books_that_were_left_alone(ledger: DjangoDriver) -> None:
    tell_story(ledger)
    seal_all(limit=4)
    checkpoint()
    roll_up_now()
    ledger.post_gifts([gift(f"g{n}", FAN, 1) for n in range(300)])
    seal_all()
    checkpoint()
    done = run(auditing.audit(KEY))
    assert done.findings == []
    assert (done.leaves, done.checkpoints) == (postings(), 2)


GIFT_COLUMNS = (
    *("fan", "creator", "room", "coins", "bonus", "gift", "count", "policy"),
    *("paid_from", "paid_to", "bonus_from", "bonus_to", "prev_seq", "streak_seq"),
)
TAMPERINGS = [
    *(
        (f"UPDATE ledger_gift SET {column} = {column} # 2 WHERE id = '{gift_id('a')[4:]}'", "gft_")
        for column in GIFT_COLUMNS
    ),
    ("UPDATE ledger_gift SET at = at + interval '1 us' WHERE coins = 7", gift_id("c")),
    ("UPDATE ledger_gift SET seq = 1000 WHERE coins = 7", "bucket 5, sequence 4"),
    ("DELETE FROM ledger_gift WHERE coins = 7", "bucket 5, sequence 4"),
    ("UPDATE ledger_journal SET holder = holder # 1 WHERE reference = 'rch_two'", "rch_two"),
    ("UPDATE ledger_journal SET event = 'bonus' WHERE reference = 'rch_two'", "rch_two"),
    ("UPDATE ledger_journal SET reference = 'rch_2' WHERE reference = 'rch_two'", "rch_2"),
    ("UPDATE ledger_journal SET at = at + interval '1 us' WHERE reference = 'promo'", "promo"),
    ("UPDATE ledger_journal SET detail = '{\"a\": 1}' WHERE reference = 'promo'", "promo"),
    ("UPDATE ledger_transfer SET amount = amount # 1 WHERE credit = 'tax_payable'", "rch_one"),
    ("UPDATE ledger_transfer SET credit = 'loss' WHERE credit = 'tax_payable'", "rch_one"),
    ("UPDATE ledger_transfer SET debit = 'loss' WHERE credit = 'tax_payable'", "rch_one"),
    ("UPDATE ledger_transfer SET asset = 'EUR' WHERE credit = 'tax_payable'", "rch_one"),
    ("UPDATE ledger_transfer SET credit_holder = 7 WHERE credit = 'fan_paid'", "rch_one"),
    ("DELETE FROM ledger_transfer WHERE credit = 'tax_payable'", "rch_one"),
    ("UPDATE ledger_lot SET price_minor = price_minor + 1 WHERE class = 'paid'", "rch_one"),
    ("UPDATE ledger_lot SET stop = stop # 2 WHERE class = 'paid'", "rch_one"),
    ("UPDATE ledger_lot SET expires_at = '2027-01-01' WHERE class = 'bonus'", "promo"),
    ("UPDATE ledger_void SET start = start + 1", "rch_one"),
    ("DELETE FROM ledger_void", "rch_one"),
    ("UPDATE ledger_log_tile SET hashes = set_byte(hashes, 99, 1 # get_byte(hashes, 99))", ""),
    ("DELETE FROM ledger_log_tile", "log"),
    ("DELETE FROM ledger_log_range WHERE first > 0", "log"),
    ("UPDATE ledger_log_checkpoint SET note = replace(note, 'A', 'B')", "checkpoint"),
]


@pytest.mark.parametrize(("tampering", "subject"), TAMPERINGS)
def test_the_audit_names_what_was_changed_since(
    ledger: DjangoDriver, tampering: str, subject: str
) -> None:
    tell_story(ledger)
    ledger.post_gifts([gift(f"g{n}", FAN, 1) for n in range(260)])
    seal_all()
    checkpoint()
    rows(tampering.replace("%", "%%"))
    findings = run(auditing.audit(KEY)).findings
    assert any(found.subject.startswith(subject) for found in findings), findings
    assert findings


def test_an_audit_of_many_chunks_is_the_same(
    ledger: DjangoDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "CHUNK", 3)
    tell_story(ledger)
    told: list[int] = []
    while run(seal(KEY, limit=2)):
        checkpoint()
    done = run(auditing.audit(KEY, told.append))
    assert (done.leaves, done.findings) == (postings(), [])
    assert sum(told) == postings()
    assert done.checkpoints > 3
