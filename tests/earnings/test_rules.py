"""The arithmetic of share policies: nothing is lost to rounding, nothing is paid uncovered."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from largesse.earnings import rules
from largesse.earnings.errors import BadPolicy
from largesse.money.errors import DomainError

POLICY = rules.SharePolicy(
    number=1,
    version="share-2026-11",
    share_bp=5_000,
    hold_days=7,
    currency="USD",
    coin_gross_micro=9_980,
    tax_bp=600,
    fee_bp=500,
)
COINS = st.integers(0, 10**9)
BASIS_POINTS = st.integers(0, 10_000)
POLICIES = st.builds(
    rules.SharePolicy,
    number=st.just(1),
    version=st.just("any"),
    share_bp=BASIS_POINTS,
    hold_days=st.integers(0, 365),
    currency=st.sampled_from(["USD", "JPY", "KWD", "CLF"]),
    coin_gross_micro=st.integers(1_000, 10**8),
    tax_bp=st.integers(0, 5_000),
    fee_bp=st.integers(0, 5_000),
)


@given(gifts=st.lists(COINS, max_size=40), share_bp=BASIS_POINTS)
def test_diamonds_of_any_stream_are_the_floor_of_the_share(gifts: list[int], share_bp: int) -> None:
    total = remainder = 0
    for coins in gifts:
        diamonds, remainder = rules.diamonds_for(coins, share_bp, remainder)
        total += diamonds
    assert total == sum(gifts) * share_bp // 10_000


def test_one_coin_gifts_add_up_to_half() -> None:
    total = remainder = 0
    for _ in range(7):
        diamonds, remainder = rules.diamonds_for(1, 5_000, remainder)
        total += diamonds
    assert (total, remainder) == (3, 5_000)


@given(diamonds=COINS, policy=POLICIES)
def test_money_is_never_more_than_the_diamonds_are_worth(
    diamonds: int, policy: rules.SharePolicy
) -> None:
    money, used = rules.money_for(diamonds, policy)
    assert 0 <= used <= diamonds
    assert money.minor * policy.minor_micro <= used * policy.diamond_micro
    one_more = (money.minor + 1) * policy.minor_micro
    assert one_more > diamonds * policy.diamond_micro
    if used:
        assert money.minor * policy.minor_micro > (used - 1) * policy.diamond_micro


@given(diamonds=COINS, policy=POLICIES)
def test_what_a_payout_does_not_need_counts_towards_the_next(
    diamonds: int, policy: rules.SharePolicy
) -> None:
    money, used = rules.money_for(diamonds, policy)
    assert rules.money_for(used, policy) == (money, used)
    left = diamonds - used
    assert left * policy.diamond_micro < policy.minor_micro + policy.diamond_micro


@given(coins=COINS, policy=POLICIES)
def test_a_waterfall_sums_to_its_gross(coins: int, policy: rules.SharePolicy) -> None:
    fall = rules.waterfall(coins, policy)
    assert fall.tax + fall.fee + fall.platform + fall.creator == fall.gross
    assert fall.diamonds == coins * policy.share_bp // 10_000


def test_the_first_policy_in_figures() -> None:
    assert POLICY.coin_tax_micro == 599
    assert POLICY.coin_fee_micro == 470
    assert POLICY.coin_net_micro == 8_911
    fall = rules.waterfall(1_000, POLICY)
    minor = [part.minor for part in (fall.gross, fall.tax, fall.fee, fall.platform, fall.creator)]
    assert minor == [998, 60, 47, 446, 445]
    money, used = rules.money_for(10_000, POLICY)
    assert (money.minor, used) == (8_911, 10_000)
    assert rules.money_for(1, POLICY)[1] == 0


@given(seconds=st.integers(0, 10**9), days=st.integers(0, 365))
def test_release_is_the_first_full_hour_after_the_hold(seconds: int, days: int) -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    release = rules.release_at(at, days)
    end = at + timedelta(days=days)
    assert end <= release < end + timedelta(hours=1)
    assert (release.minute, release.second, release.microsecond) == (0, 0, 0)


def test_release_counts_in_utc_whatever_the_zone() -> None:
    kathmandu = timezone(timedelta(hours=5, minutes=45))
    at = datetime(2026, 11, 22, 12, 0, tzinfo=kathmandu)
    assert rules.release_at(at, 7) == datetime(2026, 11, 29, 7, 0, tzinfo=UTC)
    exact = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    assert rules.release_at(exact, 0) == exact


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", 0),
        ("share_bp", -1),
        ("share_bp", 10_001),
        ("tax_bp", 10_001),
        ("fee_bp", -1),
        ("hold_days", -1),
        ("hold_days", 366),
        ("currency", "COIN"),
        ("currency", "XXX"),
        ("coin_gross_micro", 0),
    ],
)
def test_numbers_that_make_no_policy_are_refused(field: str, value: object) -> None:
    with pytest.raises(DomainError):
        replace(POLICY, **{field: value})  # type: ignore[arg-type]


def test_a_policy_that_takes_everything_is_refused() -> None:
    with pytest.raises(BadPolicy):
        replace(POLICY, tax_bp=10_000)
