"""What a card provider is sent and says, against its published rules written a second time."""

from __future__ import annotations

from random import Random

import pytest

from largesse.money.amounts import MAX_MINOR, Amount, BadAmount
from largesse.money.assets import COIN, asset
from largesse.money.provider_units import STRIPE, CurrencyNotTaken, NotCountable
from tests.money.iso4217 import (
    MINOR_UNITS,
    NOT_MONEY_OF_CARDS,
    NOT_PUBLISHED,
    PUBLISHED_THREE_DECIMAL,
    PUBLISHED_ZERO_DECIMAL,
    published_rule,
)

EDGES = (0, 1, 5, 10, 99, 100, 101, 1000, 5124, 80_045, 2**53 + 1, MAX_MINOR // 100, MAX_MINOR)
AMOUNTS = 10_000
TAKEN = [code for code in MINOR_UNITS if published_rule(code, is_payout=False)]


def expected(code: str, minor: int, *, is_payout: bool) -> int | None:
    """The number of the published rule, or None where there is none."""
    rule = published_rule(code, is_payout=is_payout)
    assert rule is not None
    places, step = rule
    number, rest = divmod(minor * 10**places, 10 ** MINOR_UNITS[code])
    return None if rest or number % step or number > MAX_MINOR else number


def amounts(code: str) -> list[int]:
    """Amounts of all sizes, every other one a round one, the same in every run."""
    random = Random(code)
    drawn = [random.getrandbits(random.randint(1, 63)) for _ in range(AMOUNTS - len(EDGES))]
    return [*EDGES, *(m - m % 100 if i % 2 else m for i, m in enumerate(drawn))]


def test_the_lists_are_as_long_as_published() -> None:
    assert len(PUBLISHED_ZERO_DECIMAL) == 16
    assert len(PUBLISHED_THREE_DECIMAL) == 5
    assert set(STRIPE.countings) == set(TAKEN)
    assert len(TAKEN) + len(NOT_MONEY_OF_CARDS) + len(NOT_PUBLISHED) == len(MINOR_UNITS)


@pytest.mark.parametrize("code", TAKEN)
def test_charges_agree_with_the_published_rules_in_both_directions(code: str) -> None:
    unit = asset(code)
    for minor in amounts(code):
        amount, number = Amount(minor, unit), expected(code, minor, is_payout=False)
        if number is None:
            with pytest.raises(BadAmount):
                STRIPE.to_charge(amount)
        else:
            assert STRIPE.to_charge(amount) == number
            assert STRIPE.amount(number, unit).minor == minor


@pytest.mark.parametrize("code", TAKEN)
def test_payouts_agree_with_the_published_rules(code: str) -> None:
    unit = asset(code)
    for minor in amounts(code)[:1_000]:
        number = expected(code, minor, is_payout=True)
        payable = STRIPE.payable(Amount(minor, unit))
        assert 0 <= minor - payable.minor < 100
        if number is not None:
            assert STRIPE.to_payout(Amount(minor, unit)) == number
            assert payable.minor == minor
            continue
        with pytest.raises(BadAmount):
            STRIPE.to_payout(Amount(minor, unit))
        rounded = expected(code, payable.minor, is_payout=True)
        assert rounded is None or STRIPE.to_payout(payable) == rounded


@pytest.mark.parametrize("code", TAKEN)
def test_what_a_provider_says_is_ours_exactly_or_not_understood(code: str) -> None:
    unit, rule = asset(code), published_rule(code, is_payout=False)
    assert rule is not None
    for number in amounts(code)[:1_000]:
        minor, rest = divmod(number * 10 ** MINOR_UNITS[code], 10 ** rule[0])
        if rest or minor > MAX_MINOR:
            with pytest.raises(BadAmount):
                STRIPE.amount(number, unit)
        else:
            assert STRIPE.amount(number, unit) == Amount(minor, unit)


@pytest.mark.parametrize(
    ("code", "minor", "number"),
    [
        ("USD", 1000, 1000),  # 10 USD
        ("JPY", 500, 500),  # ¥500
        ("ISK", 5, 500),  # 5 ISK
        ("UGX", 5, 500),  # 5 UGX: in both lists of the page, and the special case holds
        ("MGA", 500, 5),  # 5 MGA, whose minor unit (a fifth, by ISO a hundredth) is not used
        ("KWD", 5120, 5120),  # 5.12 KWD
        ("HUF", 1045, 1045),  # charges have two places
    ],
)
def test_examples_of_the_page(code: str, minor: int, number: int) -> None:
    assert STRIPE.to_charge(Amount(minor, asset(code))) == number
    assert STRIPE.amount(number, asset(code)).minor == minor


def test_amounts_between_two_steps_name_both_neighbours() -> None:
    with pytest.raises(NotCountable) as caught:
        STRIPE.to_charge(Amount(5124, asset("KWD")))
    assert (caught.value.data["below"], caught.value.data["above"]) == (5120, 5130)
    with pytest.raises(NotCountable):
        STRIPE.to_charge(Amount(150, asset("MGA")))


@pytest.mark.parametrize("code", ["HUF", "TWD"])
def test_payouts_in_whole_units_leave_the_rest_waiting(code: str) -> None:
    unit = asset(code)
    with pytest.raises(NotCountable):
        STRIPE.to_payout(Amount(80_045, unit))
    assert STRIPE.payable(Amount(80_045, unit)) == Amount(80_000, unit)
    assert STRIPE.to_payout(Amount(80_000, unit)) == 80_000
    assert STRIPE.to_charge(Amount(80_045, unit)) == 80_045


@pytest.mark.parametrize("code", ["ISK", "UGX"])
def test_an_answer_in_fractions_of_what_has_none_is_not_understood(code: str) -> None:
    with pytest.raises(BadAmount):
        STRIPE.amount(550, asset(code))


@pytest.mark.parametrize("code", sorted(NOT_MONEY_OF_CARDS | NOT_PUBLISHED))
def test_no_rule_is_guessed(code: str) -> None:
    with pytest.raises(CurrencyNotTaken):
        STRIPE.to_charge(Amount(100, asset(code)))
    with pytest.raises(CurrencyNotTaken):
        STRIPE.amount(100, asset(code))
    with pytest.raises(CurrencyNotTaken):
        STRIPE.to_charge(Amount(100, COIN))


@pytest.mark.parametrize("number", [1.0, "500", None, True, -1, 2**63, float("nan")])
def test_a_number_that_is_none_is_refused(number: object) -> None:
    with pytest.raises(BadAmount):
        STRIPE.amount(number, asset("USD"))  # type: ignore[arg-type]
