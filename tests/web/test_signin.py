"""Signing up and in, the second factor, and the way to the console."""

from __future__ import annotations

import re
import time
from http import HTTPStatus
from urllib.parse import urlsplit

import pyotp
import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core.mail import EmailMessage
from django.test import Client

from largesse.money.ids import HolderId
from largesse.people.models import User
from largesse.people.services import grant_staff
from tests.conftest import RegisterPerson, SignIn

pytestmark = pytest.mark.django_db

KEY = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def path_of(response) -> str:
    assert response.status_code == HTTPStatus.FOUND, response.content.decode()[:2000]
    return str(urlsplit(response["Location"]).path)


def code_in(mail: EmailMessage) -> str:
    found = re.search(r"^\d{4}-\d{4}$", str(mail.body), re.MULTILINE)
    assert found, mail.body
    return found.group()


def sign_up(client: Client, email: str, password: str):
    return client.post("/accounts/signup/", {"email": email, "password1": password})


def sign_in(client: Client, user: User, password: str):
    return client.post("/accounts/login/", {"login": user.email, "password": password})


def who(client: Client) -> int | None:
    """Return the id of the holder as whom the server sees this browser."""
    user = client.get("/").wsgi_request.user
    return user.pk if user.is_authenticated else None


@pytest.fixture
def steady_clock(monkeypatch: pytest.MonkeyPatch) -> float:
    """Hold the second factor's clock, so that a code cannot run out between two lines."""
    now = time.time()
    monkeypatch.setattr("allauth.mfa.totp.internal.auth.time.time", lambda: now)
    return now


@pytest.fixture
def guarded(new_person: RegisterPerson) -> User:
    """Return a person with an authenticator app whose key is KEY."""
    user = new_person("guarded")
    TOTP.activate(user, KEY)
    return user


class TestSignUp:
    def test_the_code_from_the_mail_signs_in(
        self, client: Client, mailoutbox: list[EmailMessage], password: str
    ) -> None:
        assert path_of(sign_up(client, "Mina@Example.org", password)) == "/accounts/confirm-email/"
        assert who(client) is None
        page = client.get("/accounts/confirm-email/")
        assert "mina@example.org" in page.content.decode()

        [mail] = mailoutbox
        assert mail.to == ["mina@example.org"]
        response = client.post("/accounts/confirm-email/", {"code": code_in(mail)})
        assert path_of(response) == "/"
        assert who(client) == User.objects.get(email="mina@example.org").pk

    def test_after_three_wrong_codes_the_right_one_is_refused_too(
        self, client: Client, mailoutbox: list[EmailMessage], password: str
    ) -> None:
        sign_up(client, "mina@example.org", password)
        wrong = "0000-0000" if code_in(mailoutbox[0]) != "0000-0000" else "1111-1111"
        for _ in range(3):
            client.post("/accounts/confirm-email/", {"code": wrong})
        client.post("/accounts/confirm-email/", {"code": code_in(mailoutbox[0])})
        assert who(client) is None

    def test_a_known_address_is_not_revealed_but_its_owner_is_told(
        self,
        client: Client,
        new_person: RegisterPerson,
        mailoutbox: list[EmailMessage],
        password: str,
    ) -> None:
        user = new_person("mina")
        assert path_of(sign_up(client, user.email, password)) == "/accounts/confirm-email/"
        [mail] = mailoutbox
        assert "already" in mail.body
        assert User.objects.count() == 1

    @pytest.mark.parametrize(
        ("email", "password"),
        [
            ("not an address", "correct horse battery staple"),
            ("mina@example.org", "short"),
            ("mina@example.org", "1234567890123"),
            ("mina.okafor@example.org", "mina.okafor@example.org"),
        ],
    )
    def test_a_bad_address_or_password_registers_nobody(
        self, client: Client, email: str, password: str
    ) -> None:
        assert sign_up(client, email, password).status_code == HTTPStatus.OK
        assert not User.objects.exists()


class TestSignIn:
    def test_the_session_id_changes_and_signing_out_ends_it(
        self, client: Client, new_person: RegisterPerson, password: str
    ) -> None:
        user = new_person()
        client.get("/accounts/login/")
        client.session.save()
        before = client.session.session_key
        assert path_of(sign_in(client, user, password)) == "/"
        after = client.session.session_key
        assert before != after
        assert who(client) == user.pk
        client.post("/accounts/logout/")
        assert who(client) is None
        assert not Session.objects.filter(session_key=after).exists()

    def test_signing_out_takes_a_post(self, new_person: RegisterPerson, signed_in: SignIn) -> None:
        user = new_person()
        browser = signed_in(user)
        browser.get("/accounts/logout/")
        assert who(browser) == user.pk

    def test_a_wrong_password_and_a_strange_address_answer_alike(
        self, client: Client, new_person: RegisterPerson
    ) -> None:
        user = new_person()
        wrong = sign_in(client, user, "wrong password").context["form"].errors
        user.email = "strange@example.org"
        strange = sign_in(client, user, "wrong password").context["form"].errors
        assert wrong == strange != {}

    def test_guessing_is_slowed_down_in_the_shared_cache(
        self, client: Client, new_person: RegisterPerson, password: str
    ) -> None:
        user = new_person()
        for _ in range(5):
            sign_in(client, user, "wrong password")
        response = sign_in(Client(), user, password)
        assert response.status_code == HTTPStatus.OK
        assert "Too many" in response.content.decode()

    def test_an_inactive_login_stays_out(
        self, client: Client, new_person: RegisterPerson, password: str
    ) -> None:
        user = new_person()
        User.objects.filter(pk=user.pk).update(is_active=False)
        sign_in(client, user, password)
        assert who(client) is None

    @pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/"])
    def test_nobody_is_sent_to_another_site(
        self, client: Client, new_person: RegisterPerson, password: str, target: str
    ) -> None:
        data = {"login": new_person().email, "password": password, "next": target}
        assert client.post("/accounts/login/", data)["Location"] == "/"


class TestForgottenPassword:
    def test_the_code_from_the_mail_sets_a_new_one(
        self, client: Client, new_person: RegisterPerson, mailoutbox: list[EmailMessage]
    ) -> None:
        user = new_person()
        answer = client.post("/accounts/password/reset/", {"email": user.email})
        assert path_of(answer) == "/accounts/password/reset/confirm/"
        found = re.search(r"^[A-Z]{4}-[A-Z]{4}$", str(mailoutbox[0].body), re.MULTILINE)
        assert found
        page = client.get("/accounts/password/reset/confirm/")
        assert 'inputmode="numeric"' not in page.content.decode()
        answer = client.post("/accounts/password/reset/confirm/", {"code": found.group()})
        assert path_of(answer) == "/accounts/password/reset/complete/"
        assert client.get("/accounts/password/reset/complete/").status_code == HTTPStatus.OK
        new = "another long sentence"
        passwords = {"password1": new, "password2": new}
        client.post("/accounts/password/reset/complete/", passwords)
        sign_in(client, user, new)
        assert who(client) == user.pk

    def test_the_answer_for_a_strange_address_is_the_same(
        self, client: Client, mailoutbox: list[EmailMessage]
    ) -> None:
        answer = client.post("/accounts/password/reset/", {"email": "strange@example.org"})
        assert path_of(answer) == "/accounts/password/reset/confirm/"
        assert "signup" in mailoutbox[0].body


class TestNewAddress:
    def test_the_old_one_stays_until_the_new_one_is_confirmed(
        self,
        client: Client,
        new_person: RegisterPerson,
        mailoutbox: list[EmailMessage],
        password: str,
    ) -> None:
        user = new_person()
        sign_in(client, user, password)
        client.post("/accounts/email/", {"email": "new@example.org", "action_add": ""})
        user.refresh_from_db()
        assert user.email != "new@example.org"
        [mail] = [mail for mail in mailoutbox if mail.to == ["new@example.org"]]
        client.post("/accounts/confirm-email/", {"code": code_in(mail)})
        user.refresh_from_db()
        assert user.email == "new@example.org"
        assert "new@example.org" in client.get("/accounts/email/").content.decode()


class TestSessionCookie:
    def test_a_tampered_cookie_is_nobody(
        self, new_person: RegisterPerson, signed_in: SignIn
    ) -> None:
        browser = signed_in(new_person())
        key = browser.cookies[settings.SESSION_COOKIE_NAME].value
        browser.cookies[settings.SESSION_COOKIE_NAME] = key[:-1] + ("a" if key[-1] != "a" else "b")
        response = browser.get("/me/")
        assert path_of(response) == "/accounts/login/"
        assert who(browser) is None

    def test_a_session_with_an_altered_body_is_nobody(
        self, new_person: RegisterPerson, signed_in: SignIn
    ) -> None:
        """Absent and foreign look alike: no session of ours, so nobody is signed in."""
        browser = signed_in(new_person())
        session = Session.objects.get()
        session.session_data = session.session_data[:-2] + "xx"
        session.save()
        assert who(browser) is None

    def test_absent_and_foreign_get_the_same_answer(self) -> None:
        absent, foreign = Client(), Client()
        foreign.cookies[settings.SESSION_COOKIE_NAME] = "x" * 32
        answers = [browser.get("/me/") for browser in (absent, foreign)]
        assert {(answer.status_code, answer["Location"]) for answer in answers} == {
            (HTTPStatus.FOUND, "/accounts/login/?next=/me/")
        }


class TestSecondFactor:
    def test_the_password_alone_is_not_enough(
        self, client: Client, guarded: User, password: str, steady_clock: float
    ) -> None:
        assert path_of(sign_in(client, guarded, password)) == "/accounts/2fa/authenticate/"
        assert who(client) is None
        code = pyotp.TOTP(KEY).at(steady_clock)
        assert path_of(client.post("/accounts/2fa/authenticate/", {"code": code})) == "/"
        assert who(client) == guarded.pk

    def test_a_code_works_once(self, guarded: User, password: str, steady_clock: float) -> None:
        code = pyotp.TOTP(KEY).at(steady_clock)
        seen = []
        for _ in range(2):
            browser = Client()
            sign_in(browser, guarded, password)
            browser.post("/accounts/2fa/authenticate/", {"code": code})
            seen.append(who(browser))
        assert seen == [guarded.pk, None]

    @pytest.mark.parametrize("steps", [-2, 2])
    def test_an_old_or_future_code_is_refused(
        self, client: Client, guarded: User, password: str, steady_clock: float, steps: int
    ) -> None:
        sign_in(client, guarded, password)
        code = pyotp.TOTP(KEY).at(steady_clock + steps * 30)
        client.post("/accounts/2fa/authenticate/", {"code": code})
        assert who(client) is None

    def test_a_recovery_code_works_once(self, guarded: User, password: str) -> None:
        code = RecoveryCodes.activate(guarded).generate_codes()[0]
        seen = []
        for _ in range(2):
            browser = Client()
            sign_in(browser, guarded, password)
            browser.post("/accounts/2fa/authenticate/", {"code": code})
            seen.append(who(browser))
        assert seen == [guarded.pk, None]

    def test_enrolment_by_pages_seals_its_secrets(
        self, client: Client, new_person: RegisterPerson, password: str
    ) -> None:
        user = new_person()
        sign_in(client, user, password)
        asked = client.get("/accounts/2fa/totp/activate/")
        assert path_of(asked) == "/accounts/reauthenticate/"
        answer = {"password": password, "next": "/accounts/2fa/totp/activate/"}
        page = client.post("/accounts/reauthenticate/", answer, follow=True)
        secret = page.context["form"].secret
        assert "data:image/svg+xml;base64," in page.content.decode()
        response = client.post("/accounts/2fa/totp/activate/", {"code": pyotp.TOTP(secret).now()})
        assert path_of(response) == "/accounts/2fa/recovery-codes/"
        shown = client.get("/accounts/2fa/recovery-codes/").content.decode()

        app = Authenticator.objects.get(type=Authenticator.Type.TOTP)
        codes = Authenticator.objects.get(type=Authenticator.Type.RECOVERY_CODES)
        stored = repr([app.data, codes.data])
        assert secret not in stored
        assert app.data["secret"].startswith("gAAAA")
        assert codes.data["seed"].startswith("gAAAA")
        unused = codes.wrap().get_unused_codes()
        assert len(unused) == 10
        assert all(code in shown and code not in stored for code in unused)
        again = client.get("/accounts/2fa/recovery-codes/").content.decode()
        assert not any(code in again for code in unused)


class TestConsole:
    def staff(self, user: User) -> User:
        return grant_staff(HolderId(user.pk), all_permissions=True)

    @pytest.mark.parametrize("path", ["/console/", "/console/login/", "/console/people/user/"])
    def test_a_stranger_is_sent_to_the_common_sign_in(self, client: Client, path: str) -> None:
        response = client.get(path)
        assert path_of(response) == "/accounts/login/"

    def test_the_consoles_own_form_signs_nobody_in(
        self, client: Client, new_person: RegisterPerson, password: str
    ) -> None:
        user = self.staff(new_person())
        client.post("/console/login/", {"username": user.email, "password": password})
        assert who(client) is None

    def test_a_fan_is_refused(self, new_person: RegisterPerson, signed_in: SignIn) -> None:
        assert signed_in(new_person()).get("/console/").status_code == HTTPStatus.FORBIDDEN

    def test_staff_without_second_factor_are_sent_to_enrol(
        self, new_person: RegisterPerson, signed_in: SignIn
    ) -> None:
        browser = signed_in(self.staff(new_person()))
        response = browser.get("/console/")
        assert path_of(response) == "/accounts/2fa/"
        assert (
            "console asks staff for a second factor"
            in browser.get("/accounts/2fa/").content.decode()
        )

    def test_recovery_codes_alone_are_not_a_factor(
        self, new_person: RegisterPerson, signed_in: SignIn
    ) -> None:
        user = self.staff(new_person())
        RecoveryCodes.activate(user)
        assert path_of(signed_in(user).get("/console/")) == "/accounts/2fa/"

    def test_a_session_from_before_the_enrolment_is_asked_for_the_factor(
        self, guarded: User, signed_in: SignIn, steady_clock: float
    ) -> None:
        browser = signed_in(self.staff(guarded))
        response = browser.get("/console/?tab=1")
        assert path_of(response) == "/accounts/2fa/reauthenticate/"
        code = pyotp.TOTP(KEY).at(steady_clock)
        response = browser.post(response["Location"], {"code": code, "next": "/console/?tab=1"})
        assert response["Location"] == "/console/?tab=1"
        assert browser.get("/console/").status_code == HTTPStatus.OK

    def test_staff_with_both_factors_enter(
        self, client: Client, guarded: User, password: str, steady_clock: float
    ) -> None:
        self.staff(guarded)
        data = {"login": guarded.email, "password": password, "next": "/console/"}
        client.post("/accounts/login/", data)
        code = pyotp.TOTP(KEY).at(steady_clock)
        response = client.post("/accounts/2fa/authenticate/", {"code": code})
        assert response["Location"] == "/console/"
        assert client.get("/console/").status_code == HTTPStatus.OK

    @pytest.mark.parametrize("path", ["mfa/authenticator/", "account/emailaddress/"])
    def test_nobody_elses_factors_or_addresses_can_be_changed_there(
        self, operator: Client, path: str
    ) -> None:
        assert operator.get(f"/console/{path}").status_code == HTTPStatus.NOT_FOUND


class TestProfile:
    def test_a_new_name_is_kept(self, new_person: RegisterPerson, signed_in: SignIn) -> None:
        user = new_person()
        browser = signed_in(user)
        assert path_of(browser.post("/me/", {"display_name": " Mina  O. "})) == "/me/"
        assert "Mina O." in browser.get("/me/").content.decode()

    def test_a_deceiving_name_is_refused_with_the_reason(
        self, new_person: RegisterPerson, signed_in: SignIn
    ) -> None:
        user = new_person()
        response = signed_in(user).post("/me/", {"display_name": "\u202eanim"})
        assert response.status_code == HTTPStatus.BAD_REQUEST
        assert "direction-changing" in response.content.decode()
        before = user.holder.display_name
        user.holder.refresh_from_db()
        assert user.holder.display_name == before

    def test_becoming_a_creator_takes_a_post(
        self, new_person: RegisterPerson, signed_in: SignIn
    ) -> None:
        user = new_person()
        browser = signed_in(user)
        assert browser.get("/me/creator/").status_code == HTTPStatus.METHOD_NOT_ALLOWED
        assert path_of(browser.post("/me/creator/")) == "/me/"
        user.holder.refresh_from_db()
        assert user.holder.is_creator

    def test_a_form_without_its_token_changes_nothing(self, new_person: RegisterPerson) -> None:
        user = new_person()
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(user)
        response = browser.post("/me/creator/")
        assert response.status_code == HTTPStatus.FORBIDDEN
        assert "too old" in response.content.decode()
        user.holder.refresh_from_db()
        assert not user.holder.is_creator
