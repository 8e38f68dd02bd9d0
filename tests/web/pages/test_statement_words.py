"""The same sentence about the same journal: on one's own pages, in the console, on a terminal."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from largesse.adapters.postgres import explaining
from largesse.catalog.services import load_launch_catalogue
from largesse.ledger import rules
from largesse.ledger.accounts import Account
from largesse.ledger.explain import sentence
from largesse.ledger.journals import Event
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.ids import public_id
from largesse.people.models import User
from largesse.recharge.models import Order
from largesse.web.pages import statement_words
from tests.conftest import RegisterPerson, SignIn
from tests.earnings.street import Street
from tests.web.pages.signed_in_world import mature_until_now, operator_browser, street_of_today

pytestmark = pytest.mark.django_db


@pytest.fixture
def street() -> Street:
    return street_of_today()


@pytest.fixture
def mara(new_person: RegisterPerson) -> User:
    return new_person("mara", creator=True)


@pytest.fixture
def operator(new_person: RegisterPerson) -> Client:
    return operator_browser(new_person)


def words(client: Client, path: str) -> str:
    """The page's text, without tags and on one line."""
    content = unescape(client.get(path).content.decode())
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", content))


def sentences(person: User, *accounts: Account) -> list[str]:
    """What the chain of the person's accounts says, as the terminal prints it."""
    targets = [t for t in explaining.accounts_of(person.holder_key) if t.account in accounts]
    return [
        sentence(link.told, target.account, target.asset)
        for target in targets
        for link in explaining.chain(target).links
    ]


def test_a_fan_and_support_read_the_same(
    street: Street, mara: User, operator: Client, new_person: RegisterPerson, signed_in: SignIn
) -> None:
    load_launch_catalogue(street.now)
    fan = new_person("mina")
    street.recharge(fan.holder_key, 100, 129, 9)
    street.gift(fan.holder_key, mara.holder_key, 30)
    said = sentences(fan, Account.FAN_PAID)
    assert len(said) == 2
    pages = [
        words(signed_in(fan), "/wallet/"),
        words(signed_in(fan), "/wallet/history/"),
        words(operator, f"/console/holders/{fan.holder.public_id}/"),
    ]
    for page in pages:
        for one in said:
            assert one in page
    assert "30 paid coins (serials 0 to 29), which had cost 0.38 USD, from rch_test." in said[1]
    assert re.match(r"Gave .+ to .+ for 30 coins under share policy \S+ \(50 %\)\. ", said[1])
    assert "Gave a gift" not in said[1]


def test_a_creator_and_support_read_the_same(
    street: Street, mara: User, operator: Client, signed_in: SignIn
) -> None:
    street.earn(mara.holder_key, 101)
    mature_until_now(street)
    said = sentences(mara, Account.CREATOR_PENDING, Account.CREATOR_AVAILABLE)
    assert len(said) == 3
    for page in (
        words(signed_in(mara), "/studio/statement/"),
        words(operator, f"/console/holders/{mara.holder.public_id}/"),
    ):
        for one in said:
            assert one in page


def test_a_refund_names_its_reason_and_its_shortfall(
    street: Street, operator: Client, new_person: RegisterPerson, mara: User, signed_in: SignIn
) -> None:
    fan = new_person("mina")
    order = Order.objects.create(
        id=street.new_id(),
        holder=fan.pk,
        key=street.key(),
        status="refunded",
        coins=100,
        price_minor=129,
        tax_minor=0,
        currency="USD",
        region="US",
        channel="web",
        price_book=1,
        packages={},
        provider="sandbox",
        created_at=street.now,
        expires_at=street.now,
        refund_reason="bought by a child <b>",
    )
    reference = public_id("rch", order.pk)
    price, nothing = Amount(129, asset("USD")), Amount(0, asset("USD"))
    payment = rules.Payment(price, nothing, "web", reference)
    with transaction.atomic():
        journal = rules.recharge_captured(street.key(), street.now, fan.holder_key, 100, payment)
        street.book.post([journal])
    street.gift(fan.holder_key, mara.holder_key, 30)
    wallet, [lot] = street.book.wallet(fan.holder_key), street.book.lots(fan.holder_key)
    with transaction.atomic():
        journal = rules.refund(
            street.key(), street.now, fan.holder_key, wallet.paid, lot, 100, price
        )
        street.book.post([journal])
    wanted = (
        f"Gave back 1.29 USD of recharge {reference}. Reason: bought by a child <b>. Took back 70 "
        "coins that nobody had spent. Short of 30 coins, spent before: they are owed, and gifts "
        "wait until then."
    )
    assert wanted in sentences(fan, Account.FAN_DEBT)
    page = operator.get(f"/console/holders/{fan.holder.public_id}/").content.decode()
    assert "bought by a child &lt;b&gt;" in page
    assert f">{reference}</a>" in page
    escaped = signed_in(fan).get("/wallet/").content.decode()
    assert "bought by a child &lt;b&gt;" in escaped


def test_pages_ask_the_database_the_same_number_of_questions_however_many_lines(
    street: Street, mara: User, new_person: RegisterPerson, signed_in: SignIn
) -> None:
    fan = new_person("mina")
    street.recharge(fan.holder_key, 1_000, 1_000)
    street.gift(fan.holder_key, mara.holder_key, 2)
    browser = signed_in(fan)
    browser.get("/wallet/history/")

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert browser.get("/wallet/history/").status_code == 200
        return len(queries)

    few = asked()
    for _ in range(40):
        street.gift(fan.holder_key, mara.holder_key, 2)
    assert asked() == few


def test_words_of_a_page_are_in_its_language_and_zone() -> None:
    with translation.override("en"), timezone.override("Asia/Tokyo"):
        assert statement_words.event_title(Event.GIFT) == "Gift sent"
        assert statement_words.account_name("fan_debt") == "Owed coins"
        assert str(statement_words.reader_speech().zone) == "Asia/Tokyo"
