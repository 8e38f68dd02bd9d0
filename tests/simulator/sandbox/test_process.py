"""The sandbox as a real process: its API, its page, its notifications, its memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from uuid import UUID

import httpx
import pytest

from largesse.adapters.providers.sandbox import (
    BadNotification,
    Notice,
    NotificationCheck,
    derive_credentials,
)
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.errors import Declined
from tests.recharge.counter import new_key
from tests.simulator.sandbox.conftest import SECRET, RunningSandbox, free_port, running, wait_until

pytestmark = pytest.mark.django_db(
    transaction=True, available_apps=["largesse.adapters.postgres", "largesse.recharge"]
)

USD = asset("USD")
PRICE = Amount(999, USD)


class Ear:
    """A product that only listens: verifies notifications, and answers as told."""

    def __init__(self, port: int) -> None:
        self.heard: list[Notice] = []
        self.forged = 0
        self.refusals = 0
        self.url = f"http://127.0.0.1:{port}"
        ear, check = self, NotificationCheck(derive_credentials(SECRET).signing_secret)

        class Listener(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    ear.heard.append(check.verify(body, dict(self.headers)))
                except BadNotification:
                    ear.forged += 1
                status = 503 if ear.refusals else 202
                ear.refusals = max(0, ear.refusals - 1)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *words: object) -> None:
                """Say nothing: the tests look at what was heard."""

        self.server = HTTPServer(("127.0.0.1", port), Listener)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)

    def objects(self) -> list[str]:
        return [notice.object_id for notice in self.heard]


@pytest.fixture
def ear() -> Iterator[Ear]:
    listening = Ear(free_port())
    yield listening
    listening.close()


@pytest.fixture
def sandbox(transactional_db: None, ear: Ear, tmp_path) -> Iterator[RunningSandbox]:
    with running(tmp_path, ear.url) as process:
        yield process


def open_checkout(sandbox: RunningSandbox, order: str, key: UUID | None = None, minor: int = 999):
    return sandbox.checkouts.create(
        order=order,
        amount=Amount(minor, USD),
        description="<b>1,200</b> coins",
        return_url="http://127.0.0.1:1/store/orders/x/?a=1&b=2",
        key=key or new_key(),
    )


def test_a_checkout_from_opening_to_refund(sandbox, ear, order_name):
    key = new_key()
    checkout = open_checkout(sandbox, order_name, key)
    assert open_checkout(sandbox, order_name, key) == checkout
    with pytest.raises(Declined):
        open_checkout(sandbox, order_name, key, minor=1)

    page = httpx.get(checkout.url)
    assert "Sandbox: no real money." in page.text
    assert "$9.99" in page.text
    assert "<b>" not in page.text
    assert "script-src" not in page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]

    assert sandbox.press(checkout.id, action="dance").status_code == 422
    answer = sandbox.press(checkout.id, action="pay")
    assert (answer.status_code, answer.headers["location"][-8:]) == (303, "?a=1&b=2")
    assert sandbox.press(checkout.id, action="decline").status_code == 303

    state = sandbox.checkouts.fetch(checkout.id)
    assert (state.order, state.status, state.amount) == (order_name, "captured", PRICE)
    assert "This payment is made." in httpx.get(checkout.url).text
    wait_until(lambda: ear.objects() == [checkout.id])
    assert ear.forged == 0

    with pytest.raises(Declined):
        sandbox.checkouts.refund(charge_id=state.charge_id, amount=Amount(1, USD), key=new_key())
    refund_key = new_key()
    for _ in range(2):
        refund = sandbox.checkouts.refund(charge_id=state.charge_id, amount=PRICE, key=refund_key)
        assert refund.status == "refunded"
    with pytest.raises(Declined):
        sandbox.checkouts.refund(charge_id=state.charge_id, amount=PRICE, key=new_key())
    assert sandbox.checkouts.fetch(checkout.id).status == "refunded"
    wait_until(lambda: ear.objects() == [checkout.id] * 2)


def test_decline_and_delayed_confirmation(sandbox, ear, order_name):
    declined = open_checkout(sandbox, order_name)
    sandbox.press(declined.id, action="decline", decline_code="card_expired")
    state = sandbox.checkouts.fetch(declined.id)
    assert (state.status, state.decline_code, state.charge_id) == ("declined", "card_expired", None)

    later = open_checkout(sandbox, f"{order_name}-later")
    sandbox.press(later.id, action="later", delay_seconds="1")
    assert sandbox.checkouts.fetch(later.id).status == "pending"
    wait_until(lambda: sandbox.checkouts.fetch(later.id).status == "captured")
    wait_until(lambda: ear.objects().count(later.id) == 2)


def test_notifications_are_sent_until_heard_and_after_a_restart(ear, tmp_path, order_name):
    ear.refusals = 1
    with running(tmp_path, ear.url) as sandbox:
        first = open_checkout(sandbox, f"{order_name}-1")
        sandbox.press(first.id, action="pay")
        wait_until(lambda: len(ear.heard) >= 2)
        assert {notice.event_id for notice in ear.heard} == {ear.heard[0].event_id}
        ear.close()
        second = open_checkout(sandbox, f"{order_name}-2")
        sandbox.press(second.id, action="pay")

    again = Ear(free_port())
    try:
        with running(tmp_path, again.url) as sandbox:
            assert sandbox.checkouts.fetch(second.id).status == "captured"
            wait_until(lambda: again.objects() == [second.id])
    finally:
        again.close()


def test_transfers_settle_return_or_take_their_time(sandbox, ear):
    ends = {}
    for account in ("DE89RETURN", "DE89SLOW", "DE89"):
        key = new_key()
        sent = [
            sandbox.transfers.send(
                payout=f"pay_{account}", amount=PRICE, destination=account, key=key
            )
            for _ in range(2)
        ]
        assert sent[0].id == sent[1].id
        assert (sent[0].status, sent[0].reason) == ("pending", None)
        ends[account] = key
    wait_until(lambda: sandbox.transfers.fetch(key=ends["DE89"]).status == "settled")
    returned = sandbox.transfers.fetch(key=ends["DE89RETURN"])
    assert (returned.status, returned.reason) == ("returned", "account closed")
    assert sandbox.transfers.fetch(key=ends["DE89SLOW"]).status == "pending"
    assert sandbox.transfers.fetch(key=new_key()) is None
    wait_until(lambda: set(ear.objects()) == {"pay_DE89", "pay_DE89RETURN"})


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [
        ("GET", "/nowhere", {}, b"", 404),
        ("GET", "/checkout/chk_none", {}, b"", 404),
        ("GET", "/api/checkouts/chk_none", {}, b"", 404),
        ("DELETE", "/api/checkouts/chk_none", {}, b"", 404),
        ("GET", "/api/transfers/not-a-key", {}, b"", 400),
        ("GET", "/api/checkouts/chk_none", {"Authorization": "Bearer x"}, b"", 401),
        ("POST", "/api/checkouts", {}, b"{}", 400),
        ("POST", "/api/checkouts", {"Idempotency-Key": str(UUID(int=1))}, b"{", 400),
        ("POST", "/api/checkouts", {"Idempotency-Key": str(UUID(int=1))}, b"{}", 422),
        ("POST", "/api/checkouts", {"Idempotency-Key": str(UUID(int=1))}, b"x" * 20_000, 413),
    ],
)
def test_bad_requests_are_problems(sandbox, method, path, headers, body, status):
    key = derive_credentials(SECRET).api_key
    answer = httpx.request(
        method,
        sandbox.url + path,
        headers={"Authorization": f"Bearer {key}", **headers},
        content=body,
    )
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


@pytest.mark.parametrize(
    "change",
    [
        {"amount_minor": 0},
        {"amount_minor": -1},
        {"amount_minor": 9.99},
        {"amount_minor": 2**63},
        {"amount_minor": True},
        {"currency": "COIN"},
        {"currency": "US"},
        {"return_url": "javascript:alert(1)"},
        {"return_url": "http://a/\r\nx: y"},
    ],
)
def test_senseless_checkouts_are_refused(sandbox, change):
    body = {
        "order": "rch_1",
        "amount_minor": 1,
        "currency": "USD",
        "description": "x",
        "return_url": "http://a/",
        **change,
    }
    answer = httpx.post(
        f"{sandbox.url}/api/checkouts",
        json=body,
        headers={
            "Authorization": f"Bearer {derive_credentials(SECRET).api_key}",
            "Idempotency-Key": str(new_key()),
        },
    )
    assert answer.status_code == 422
