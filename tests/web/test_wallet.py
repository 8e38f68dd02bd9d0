"""Balance, history and export: every entry, safe cells, one's own only."""

from __future__ import annotations

import csv
import io

import pytest

from largesse.adapters import clock
from largesse.adapters.postgres.book import DjangoBook, run
from largesse.adapters.postgres.statements import post_gifts
from largesse.ledger import rules as posting
from largesse.ledger.lots import SpendOrder
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.web.pages.wallet_rows import csv_line, safe_cell
from tests.adapters.postgres.ledger_world import gift
from tests.recharge.counter import new_key
from tests.web.test_store import browser, fan, order, text_of, till  # noqa: F401 - fixtures


def recharge(holder, coins, minor, reference="rch_0000000000001"):
    price = Amount(minor, asset("USD"))
    payment = posting.Payment(price, Amount(0, asset("USD")), "web", reference)
    DjangoBook().post([posting.recharge_captured(new_key(), clock.now(), holder, coins, payment)])


def bonus(holder, coins):
    DjangoBook().post([posting.bonus_granted(new_key(), clock.now(), holder, coins, "promotion")])


def give(holder, coins, name="gift"):
    [result] = run(post_gifts([gift(name, holder, coins)]))
    assert result.outcome == "posted"


def test_an_empty_balance_says_what_to_do_first(browser):  # noqa: F811
    text = text_of(browser.get("/wallet/"))
    assert "Nothing has moved yet" in text
    assert "Recharge" in text
    assert "No entries yet" in text_of(browser.get("/wallet/history/"))


def test_settings_lead_to_balance_and_on_to_recharge(browser, fan):  # noqa: F811
    recharge(fan.holder_key, 1200, 999)
    settings_page = browser.get("/settings/")
    assert b'href="/wallet/"' in settings_page.content
    assert "1,200" in text_of(settings_page)
    assert b'href="/store/"' in browser.get("/wallet/").content


def test_coins_and_what_they_cost_stand_side_by_side(browser, fan):  # noqa: F811
    recharge(fan.holder_key, 1200, 999)
    recharge(fan.holder_key, 500, 499)
    bonus(fan.holder_key, 60)
    text = text_of(browser.get("/wallet/"))
    assert "1,760 coins" in text
    assert "$14.98 paid for them" in text
    assert "cost you nothing" in text
    assert "+1,200" in text


def test_debt_and_a_freeze_are_said_in_words(browser, fan, django_user_model):  # noqa: F811
    holder, book = fan.holder_key, DjangoBook()
    recharge(holder, 200, 258)
    give(holder, 100)
    wallet, [lot] = book.wallet(holder), book.lots(holder)
    price = Amount(258, asset("USD"))
    book.post([posting.refund(new_key(), clock.now(), holder, wallet.paid, lot, 200, price)])
    book.freeze(holder, frozen=True)
    text = text_of(browser.get("/wallet/"))
    assert "You owe 100 coins" in text
    assert "Your coins are blocked for now" in text
    assert "−200" in text


def test_an_order_under_way_is_shown(browser, fan, till):  # noqa: F811
    order(browser)
    text = text_of(browser.get("/wallet/"))
    assert "Not paid yet. Nothing was taken." in text


def test_history_pages_meet_without_gap_or_double(browser, fan):  # noqa: F811
    for number in range(1, 121):
        recharge(fan.holder_key, number, 1)
    seen, address = [], "/wallet/history/"
    while address:
        page = browser.get(address)
        seen += [row.coins for row in page.context["rows"]]
        balances = [row.balance for row in page.context["rows"]]
        assert balances[0] == sum(range(1, seen[-len(balances)] + 1))
        older = page.context["older"]
        address = f"/wallet/history/?before={older}" if older else ""
    assert seen == list(range(120, 0, -1))


def test_a_forged_or_borrowed_page_is_not_there(browser, fan, signed_in, new_person):  # noqa: F811
    for number in range(60):
        recharge(fan.holder_key, number + 1, 1)
    older = browser.get("/wallet/history/").context["older"]
    assert browser.get("/wallet/history/", {"before": older}).status_code == 200
    assert browser.get("/wallet/history/", {"before": older + "x"}).status_code == 404
    assert browser.get("/wallet/history/", {"before": "x"}).status_code == 404
    stranger = signed_in(new_person("stranger"))
    assert stranger.get("/wallet/history/", {"before": older}).status_code == 404


def test_the_export_holds_every_entry_and_its_balance(browser, fan):  # noqa: F811
    recharge(fan.holder_key, 1200, 999, "=HYPERLINK(1)")
    bonus(fan.holder_key, 60)
    answer = browser.get("/wallet/history.csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [row["event"] for row in rows] == ["bonus", "recharge"]
    assert (rows[0]["bonus_change"], rows[0]["bonus_balance"]) == ("60", "60")
    assert (rows[1]["paid_change"], rows[1]["paid_balance"]) == ("1200", "1200")
    assert rows[1]["reference"] == "'=HYPERLINK(1)"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "=cmd|' /C calc'!A0"])
def test_no_text_cell_is_a_formula(text):
    assert safe_cell(text) == f"'{text}"
    [[cell, number]] = csv.reader(io.StringIO(csv_line([text, -5])))
    assert cell.startswith("'")
    assert int(number) == -5


def test_plain_cells_stay_as_they_are():
    assert (
        csv_line(["Mina, the fan", 'said "hi"', -5, 0]) == '"Mina, the fan","said ""hi""",-5,0\r\n'
    )


@pytest.mark.parametrize(
    "address", ["/wallet/", "/wallet/history/", "/wallet/history.csv", "/settings/"]
)
def test_a_stranger_is_asked_to_sign_in(client, db, address):
    assert client.get(address)["Location"].startswith("/accounts/login/")


def test_a_gift_shows_its_real_cost_in_history_and_export(browser, fan):  # noqa: F811
    holder = fan.holder_key
    bonus(holder, 60)
    recharge(holder, 500, 468)
    give(holder, 500)
    give(holder, 10, "small")
    recent, history = text_of(browser.get("/wallet/")), text_of(browser.get("/wallet/history/"))
    assert "−500" in recent
    assert "$4.11 paid" in recent
    assert "$4.11 real cost" in history
    assert "$0.10 real cost" in history
    sent = b"".join(browser.get("/wallet/history.csv").streaming_content).decode()
    lines = list(csv.DictReader(io.StringIO(sent)))
    assert [line["cost"] for line in lines[:2]] == ["0.10 USD", "4.11 USD"]
    assert {line["cost"] for line in lines[2:]} == {""}


def test_a_gift_of_bonus_coins_cost_nothing(browser, fan):  # noqa: F811
    bonus(fan.holder_key, 60)
    give(fan.holder_key, 5)
    assert "cost you nothing" in text_of(browser.get("/wallet/history/"))


def test_the_balance_says_which_coins_go_first(browser, fan):  # noqa: F811
    recharge(fan.holder_key, 500, 468)
    assert "Bonus coins, spent first" in text_of(browser.get("/wallet/"))
    DjangoBook().spend_in_order(fan.holder_key, SpendOrder.PAID_FIRST)
    text = text_of(browser.get("/wallet/"))
    assert "Paid coins, spent first" in text
    assert "spent first" in text
    assert "Bonus coins, spent first" not in text
