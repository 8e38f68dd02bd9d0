"""A second factor's code is good once, whoever sends it at the same moment (NIST SP 800-63B)."""

from __future__ import annotations

import time

import pyotp
import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP

from largesse.people.models import User
from tests.conftest import RegisterPerson
from tests.storms import rounds, thread_storm

pytestmark = [
    pytest.mark.django_db(transaction=True, available_apps=["allauth.mfa", "largesse.people"]),
    pytest.mark.slow,
]

KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
SENT = 320


@pytest.fixture
def guarded(transactional_db: None, new_person: RegisterPerson) -> list[User]:
    """Return a person with an authenticator app for each round."""
    people = [new_person(f"guarded-{number}") for number in rounds()]
    for person in people:
        TOTP.activate(person, KEY)
    return people


def factor(person: User, kind: Authenticator.Type) -> Authenticator:
    """Read it as a request does: each has its own copy."""
    found: Authenticator = Authenticator.objects.get(user_id=person.pk, type=kind)
    return found


def test_one_code_of_an_app_is_good_once(
    guarded: list[User], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr("allauth.mfa.totp.internal.auth.time.time", lambda: now)
    code = pyotp.TOTP(KEY).at(int(now))

    for person in guarded:

        def send(_: int, person: User = person) -> str:
            app = TOTP(factor(person, Authenticator.Type.TOTP))
            return "good" if app.validate_code(code) else "refused"

        assert thread_storm(send, SENT) == {"good": 1, "refused": SENT - 1}


def test_one_recovery_code_is_good_once_and_uses_up_no_other(guarded: list[User]) -> None:
    for person in guarded:
        codes = RecoveryCodes.activate(person).get_unused_codes()

        def send(number: int, person: User = person, codes: list[str] = codes) -> str:
            kept = RecoveryCodes(factor(person, Authenticator.Type.RECOVERY_CODES))
            return "good" if kept.validate_code(codes[number % 2]) else "refused"

        assert thread_storm(send, SENT) == {"good": 2, "refused": SENT - 2}
        left = RecoveryCodes(factor(person, Authenticator.Type.RECOVERY_CODES)).get_unused_codes()
        assert left == codes[2:]
