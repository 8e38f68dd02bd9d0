"""What coins cost, in words that are never kinder than the truth."""

from __future__ import annotations

from largesse.web.pages.costs import cost_of_coins


def test_coins_that_cost_less_than_a_cent_were_not_free() -> None:
    cost = cost_of_coins(1, 0, {"EUR": 0})
    assert cost.money == "under €0.01"
    assert cost.words == "1 coin = under €0.01 you paid"
    assert cost.document["cost"] == [{"minor": 0, "currency": "EUR"}]


def test_bonus_coins_cost_nothing() -> None:
    cost = cost_of_coins(2, 2, {})
    assert cost.money == ""
    assert cost.words == "2 coins = 2 bonus coins at no cost"


def test_a_trifle_beside_money_is_left_out() -> None:
    assert cost_of_coins(9, 0, {"EUR": 0, "USD": 8}).money == "$0.08"


def test_coins_without_a_price_say_so() -> None:
    assert cost_of_coins(5, 0, {"": 0}).words == "5 coins = nothing paid"
