"""Where allauth meets our people: registration, and second-factor secrets at rest.

Owns the two adapters that the settings name. Must not hold rules about people; it calls their
services. Invariant: every login is made by `register_person`, and no second-factor secret reaches
the database in the clear.
"""

from __future__ import annotations

import secrets
from io import BytesIO
from typing import TYPE_CHECKING

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.utils.translation import gettext as _
from qrcode.image.svg import SvgPathFillImage
from qrcode.main import QRCode

from largesse.adapters import clock
from largesse.money.ids import HolderId, id_from_bytes
from largesse.people.sealing import Seal
from largesse.people.services import register_person

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.forms import BaseForm
    from django.http import HttpRequest

    from largesse.people.models import User


class AccountAdapter(DefaultAccountAdapter):
    """Registers a person where allauth would save a bare login."""

    def save_user(
        self, request: HttpRequest, user: AbstractBaseUser, form: BaseForm, commit: bool = True
    ) -> User:
        """Create the holder and its login out of the sign-up form.

        allauth offers an unsaved login in `user`; ours needs its holder first, so a new one is
        returned instead, as its contract allows.
        """
        return register_person(
            holder_id=HolderId(id_from_bytes(secrets.token_bytes(8))),
            email=form.cleaned_data["email"],
            password=form.cleaned_data.get("password1"),
            at=clock.now(),
        )


class SecondFactorAdapter(DefaultMFAAdapter):
    """Seals TOTP keys and recovery seeds with a key that is derived from LARGESSE_SECRET."""

    def encrypt(self, text: str) -> str:
        """Return the form that is stored."""
        return self._seal().close(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Return the secret; raises BadSeal under another LARGESSE_SECRET."""
        return self._seal().open(encrypted_text)

    def build_totp_svg(self, url: str) -> str:
        """Draw the QR code on white, so that it can be scanned from a dark page too."""
        picture = BytesIO()
        code: QRCode[SvgPathFillImage] = QRCode(image_factory=SvgPathFillImage)
        code.add_data(url)
        code.make_image().save(picture)
        return picture.getvalue().decode()

    def generate_authenticator_name(self, user: AbstractBaseUser, type: str) -> str:  # noqa: A002
        """Suggest a name for a new passkey: Passkey, Passkey 2 and so on."""
        number = 1 + Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return _("Passkey") if number == 1 else _("Passkey %(number)d") % {"number": number}

    def _seal(self) -> Seal:
        return Seal(settings.SECRET_KEY, "second-factor")


def shown_name(user: User) -> str:
    """Return the name under which allauth's pages and mail address a person."""
    return user.holder.display_name
