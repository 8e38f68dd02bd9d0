"""The sandbox's client against a hostile wire, and forged notifications."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from standardwebhooks import Webhook

from largesse.adapters.config import ConfigError
from largesse.adapters.providers.sandbox import (
    BadNotification,
    NotificationCheck,
    SandboxCheckouts,
    SandboxTransfers,
    SandboxWire,
    derive_credentials,
)
from largesse.money.amounts import Amount
from largesse.money.assets import asset
from largesse.money.errors import Declined, InvariantViolation, OutcomeUnknown, Unavailable
from largesse.money.ids import uuid7

CREDENTIALS = derive_credentials("a secret that is long enough for a test")
KEY = uuid7(1, b"0123456789")
PRICE = Amount(999, asset("USD"))
BODY = json.dumps({"type": "checkout.captured", "data": {"kind": "checkout", "id": "chk_1"}})
CHECKOUT = {
    "id": "chk_1",
    "url": "http://till/chk_1",
    "order": "rch_1",
    "status": "captured",
    "amount_minor": 999,
    "currency": "USD",
    "charge_id": "chg_1",
}


def signed(body=BODY, *, secret=CREDENTIALS.signing_secret, event="evt_1", age=timedelta(0)):
    at = datetime.now(UTC) - age
    return {
        "Webhook-Id": event,
        "Webhook-Timestamp": str(int(at.timestamp())),
        "Webhook-Signature": Webhook(secret).sign(event, at, body),
    }


def verify(headers, body=BODY):
    return NotificationCheck(CREDENTIALS.signing_secret).verify(body.encode(), headers)


def test_a_signed_notification_is_read():
    notice = verify(signed())
    assert (notice.event_id, notice.kind, notice.object_id) == ("evt_1", "checkout", "chk_1")
    body = json.dumps(
        {"type": "transfer.settled", "data": {"kind": "transfer", "id": "t", "payout": "pay_1"}}
    )
    assert verify(signed(body), body).object_id == "pay_1"


@pytest.mark.parametrize("age", [timedelta(seconds=301), timedelta(seconds=-310)])
def test_an_old_or_early_notification_is_refused(age):
    with pytest.raises(BadNotification):
        verify(signed(age=age))


@pytest.mark.parametrize(
    "change",
    [
        {"Webhook-Id": "evt_2"},
        {"Webhook-Id": ""},
        {"Webhook-Timestamp": "1"},
        {"Webhook-Timestamp": "NaN"},
        {"Webhook-Timestamp": ""},
        {"Webhook-Signature": ""},
        {"Webhook-Signature": "v1"},
        {"Webhook-Signature": "v1,"},
        {"Webhook-Signature": "v1,!!"},
        {"Webhook-Signature": "v2,AAAA v1,AAAA"},
    ],
)
def test_changed_headers_are_refused(change):
    with pytest.raises(BadNotification):
        verify({**signed(), **change})


def test_every_flipped_bit_of_body_and_signature_is_refused():
    headers = signed()
    kind, signature = headers["Webhook-Signature"].split(",")
    raw = base64.b64decode(signature)
    for index in range(len(raw)):
        bent = bytes(b ^ (i == index) for i, b in enumerate(raw))
        changed = f"{kind},{base64.b64encode(bent).decode()}"
        with pytest.raises(BadNotification):
            verify({**headers, "Webhook-Signature": changed})
    for index in range(len(BODY)):
        bent_body = BODY[:index] + chr(ord(BODY[index]) ^ 1) + BODY[index + 1 :]
        with pytest.raises(BadNotification):
            verify(headers, bent_body)


def test_another_secret_and_a_rewritten_body_are_refused():
    other = derive_credentials("another secret that is long enough").signing_secret
    with pytest.raises(BadNotification):
        verify(signed(secret=other))
    with pytest.raises(BadNotification):
        verify(signed(), json.dumps(json.loads(BODY), indent=1))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "nonsense",
        '{"type": "x"}',
        '{"type": 1, "data": {"kind": "a", "id": "b"}}',
        json.dumps({"type": "x", "data": {"kind": "checkout", "id": "x" * 81}}),
    ],
)
def test_a_signed_body_that_says_nothing_is_refused(body):
    with pytest.raises(BadNotification):
        verify(signed(body), body)


def test_a_body_that_is_not_text_is_refused():
    with pytest.raises(BadNotification):
        NotificationCheck(CREDENTIALS.signing_secret).verify(b"\xff\xfe", signed())


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%", "short"])
def test_an_empty_or_short_secret_is_refused_at_start(secret):
    with pytest.raises(ConfigError):
        NotificationCheck(secret)


# --- The wire ------------------------------------------------------------------------------------


class Line:
    """Answers each request with the next of some answers, and keeps the requests."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def wire(line, in_transaction=lambda: False):
    return SandboxWire(
        "http://till",
        CREDENTIALS,
        in_transaction=in_transaction,
        transport=httpx.MockTransport(line),
    )


def create(line):
    return SandboxCheckouts(wire(line)).create(
        order="rch_1", amount=PRICE, description="coins", return_url="http://us/", key=KEY
    )


def test_a_timeout_in_create_is_asked_again_with_the_same_key():
    line = Line(httpx.ReadTimeout("late"), httpx.Response(200, json=CHECKOUT))
    assert create(line).id == "chk_1"
    keys = [request.headers["Idempotency-Key"] for request in line.requests]
    assert keys == [str(KEY)] * 2
    assert {request.headers["Authorization"] for request in line.requests} == {
        f"Bearer {CREDENTIALS.api_key}"
    }


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.ConnectError("refused"), Unavailable),
        (httpx.ConnectTimeout("slow"), Unavailable),
        (httpx.ReadTimeout("late"), OutcomeUnknown),
        (httpx.RemoteProtocolError("cut"), OutcomeUnknown),
        (httpx.Response(500), OutcomeUnknown),
        (httpx.Response(302, headers={"location": "http://evil/"}), OutcomeUnknown),
        (httpx.Response(200, text="<html>"), OutcomeUnknown),
        (httpx.Response(200, json={**CHECKOUT, "status": "gold"}), OutcomeUnknown),
        (httpx.Response(503), Unavailable),
        (httpx.Response(429), Unavailable),
        (httpx.Response(409, json={"detail": "key reused"}), Declined),
        (httpx.Response(401, text="?"), Declined),
    ],
)
def test_what_a_write_may_come_to(answer, error):
    with pytest.raises(error):
        create(Line(answer, answer))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.ReadTimeout("late"), Unavailable),
        (httpx.Response(500), Unavailable),
        (httpx.Response(401), Declined),
        (httpx.Response(404), Declined),
        (httpx.Response(200, json={**CHECKOUT, "amount_minor": 9.99}), OutcomeUnknown),
        (httpx.Response(200, json={**CHECKOUT, "amount_minor": -1}), OutcomeUnknown),
        (httpx.Response(200, json={**CHECKOUT, "amount_minor": 2**63}), OutcomeUnknown),
        (httpx.Response(200, json={**CHECKOUT, "amount_minor": True}), OutcomeUnknown),
        (httpx.Response(200, json={**CHECKOUT, "currency": "XXX"}), OutcomeUnknown),
    ],
)
def test_what_a_read_may_come_to(answer, error):
    with pytest.raises(error):
        SandboxCheckouts(wire(Line(answer))).fetch("chk_1")


def test_states_are_read_exactly():
    state = SandboxCheckouts(wire(Line(httpx.Response(200, json=CHECKOUT)))).fetch("chk_1")
    assert (state.status, state.charge_id, state.amount) == ("captured", "chg_1", PRICE)
    transfers = SandboxTransfers(wire(Line(httpx.Response(404))))
    assert transfers.fetch(key=KEY) is None


def test_no_call_leaves_inside_a_transaction():
    line = Line()
    checkouts = SandboxCheckouts(wire(line, in_transaction=lambda: True))
    with pytest.raises(InvariantViolation):
        checkouts.fetch("chk_1")
    with pytest.raises(InvariantViolation):
        checkouts.refund(charge_id="chg_1", amount=PRICE, key=KEY)
    assert line.requests == []
