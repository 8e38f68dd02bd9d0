"""The tables of people: holders and their logins.

Owns `people_holder` and `people_user`. Must not know balances or any other package's tables.
Invariant: a login cannot exist without its holder and shares its id; a holder may exist without a
login (an imported fan, the house).
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from largesse.money.ids import HolderId, public_id
from largesse.people.rules import HANDLE_MAX, HANDLE_PATTERN, Role, avatar_of, roles_of


class Holder(models.Model):
    """A person or the house, to whom accounts of the ledger belong; the id is random, 63 bits."""

    id = models.BigIntegerField(primary_key=True)
    handle = models.CharField(max_length=HANDLE_MAX, unique=True)
    display_name = models.CharField(max_length=160)
    is_creator = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(id__gt=0), name="people_holder_id_positive"),
            models.CheckConstraint(
                condition=Q(handle__regex=HANDLE_PATTERN), name="people_holder_handle_form"
            ),
        ]

    def __str__(self) -> str:
        return self.handle

    @property
    def public_id(self) -> str:
        """Return the id as the outside knows it, `usr_` and 13 characters."""
        return public_id("usr", self.id)

    @property
    def avatar(self) -> int:
        """Return which of the drawn avatars, from 1, stands for this person for ever."""
        return avatar_of(HolderId(self.id))


class Logins(BaseUserManager["User"]):
    """Finds logins by email, which is stored in lower case."""

    def get_by_natural_key(self, username: str | None) -> User:
        """Return the login with this email address; raises User.DoesNotExist."""
        return self.get(email=(username or "").lower())


class User(AbstractBaseUser, PermissionsMixin):
    """The login of one holder, by email address; made by `services.register_person` only."""

    holder = models.OneToOneField(
        Holder, primary_key=True, on_delete=models.PROTECT, related_name="login"
    )
    email = models.EmailField(unique=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)

    objects = Logins()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(email=Lower("email")), name="people_user_email_lower"
            ),
        ]

    def __str__(self) -> str:
        return self.holder.handle

    @property
    def holder_key(self) -> HolderId:
        """Return the holder's id as the ledger's rules take it."""
        return HolderId(self.pk)

    @property
    def roles(self) -> frozenset[Role]:
        """Return what this person is to the product."""
        return roles_of(is_creator=self.holder.is_creator, is_staff=self.is_staff)

    def get_full_name(self) -> str:
        """Return the name that others see."""
        return self.holder.display_name

    def get_short_name(self) -> str:
        """Return the name that others see."""
        return self.holder.display_name
