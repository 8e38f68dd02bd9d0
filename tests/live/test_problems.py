"""The table from codes to HTTP is total."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from largesse.gifting import errors
from largesse.ledger.errors import KeyInUse, KeyReused, StaleKey
from largesse.live import problems
from largesse.live.problems import PROBLEMS, problem
from largesse.money.amounts import BadAmount
from largesse.money.errors import DomainError, TransientError
from largesse.money.ids import BadId

ROOT = Path(__file__).resolve().parents[2]
NOT_RAISED_HERE = {"room_already_open", "not_the_creator", "bad_title"}
"""Codes of gifting that only the web's commands raise."""


def raised() -> set[str]:
    """Codes of all refusals that the live service and what it calls define."""
    found = {BadAmount, BadId, KeyInUse, KeyReused, StaleKey, TransientError}
    for module in (errors, problems):
        classes = [one for one in vars(module).values() if isinstance(one, type)]
        found |= {one for one in classes if issubclass(one, DomainError) and one is not DomainError}
    return {one.code for one in found} - NOT_RAISED_HERE


def test_every_code_has_its_status_and_every_status_its_code():
    assert raised() == set(PROBLEMS)


def test_the_guide_tells_every_code_with_its_status():
    guide = (ROOT / "docs" / "guides" / "gifts.md").read_text()
    told = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", guide, re.M)
    assert {code: int(status) for status, code in told} == {
        code: status for code, (status, _) in PROBLEMS.items()
    }


@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_a_status_is_a_refusal(code):
    status, title = PROBLEMS[code]
    assert 400 <= status < 600
    assert title


def test_what_a_retry_helps_with_says_when():
    status, headers, body = problem(TransientError("The database gave way."))
    assert status == 503
    assert (b"retry-after", b"1") in headers
    assert b'"retry_helps":true' in body


def test_data_never_replaces_the_standard_members():
    _, _, body = problem(errors.BadCount("No.", status=200, detail="x", maximum=999))
    assert b'"status":422' in body
    assert b'"maximum":999' in body
