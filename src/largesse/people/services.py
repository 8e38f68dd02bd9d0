"""The commands that change people.

Owns registration, roles, names and the import of holders for replays. Must not know pages, mail or
the clock: ids and times come in as arguments. Invariant: each command is one database transaction,
and repeating it changes nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from allauth.account.models import EmailAddress
from django.db import IntegrityError, connection, transaction

from largesse.money.ids import HolderId
from largesse.people.errors import EmailTaken, HandleTaken, UnknownHolder
from largesse.people.models import Holder, User
from largesse.people.rules import (
    require_display_name,
    require_handle,
    suggest_display_name,
    suggest_handle,
)

IMPORT_CHUNK = 10_000
"""Rows of one INSERT; bounds the memory of an import, whatever the length of the file."""


class HolderRow(NamedTuple):
    """A holder to import: who was already known elsewhere by this id."""

    id: HolderId
    handle: str
    display_name: str
    is_creator: bool


@transaction.atomic
def register_person(
    *,
    holder_id: HolderId,
    email: str,
    password: str | None,
    at: datetime,
    display_name: str | None = None,
    email_verified: bool = False,
) -> User:
    """Create a holder and the login that shares its id; runs in one transaction of its own.

    Without a display name the local part of the address gives one; the handle always comes from
    it. `password=None` makes a login that only a passkey or a reset can open.
    Raises EmailTaken (no retry helps) and BadDisplayName.
    """
    address = email.strip().lower()
    if User.objects.filter(email=address).exists():
        raise EmailTaken("A login with this email address exists already.")
    local_part = address.partition("@")[0]
    name = require_display_name(display_name or suggest_display_name(local_part))
    holder = Holder.objects.create(
        id=holder_id, handle=_free_handle(local_part, holder_id), display_name=name, created_at=at
    )
    user = User(holder=holder, email=address)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise EmailTaken("A login with this email address exists already.") from error
    if email_verified:
        EmailAddress.objects.create(user=user, email=address, verified=True, primary=True)
    return user


@transaction.atomic
def become_creator(holder_id: HolderId) -> Holder:
    """Let the holder receive gifts; runs in one transaction. Raises UnknownHolder."""
    holder = _locked(holder_id)
    holder.is_creator = True
    holder.save(update_fields=["is_creator"])
    return holder


@transaction.atomic
def rename_person(holder_id: HolderId, display_name: str) -> Holder:
    """Change the name that others see. Raises UnknownHolder and BadDisplayName."""
    holder = _locked(holder_id)
    holder.display_name = require_display_name(display_name)
    holder.save(update_fields=["display_name"])
    return holder


@transaction.atomic
def grant_staff(holder_id: HolderId, *, all_permissions: bool) -> User:
    """Open the console to this person's login; runs in one transaction.

    `all_permissions` makes an operator who may do everything there; without it the operator has
    what their groups give. The console still asks for a second factor. Raises UnknownHolder when
    the holder has no login.
    """
    user = User.objects.select_for_update().filter(pk=holder_id).first()
    if user is None:
        raise UnknownHolder("This holder has no login.", holder=str(holder_id))
    user.is_staff = True
    user.is_superuser = all_permissions
    user.save(update_fields=["is_staff", "is_superuser"])
    return user


@transaction.atomic
def import_holders(rows: Iterable[HolderRow], at: datetime) -> int:
    """Insert the holders that are missing, set-based, and return how many were.

    Runs in one transaction. A holder who exists keeps handle and name, but becomes a creator when
    the row says so. Raises HandleTaken when a new row's handle belongs to another id.
    """
    remaining = iter(rows)
    inserted = 0
    while chunk := list(islice(remaining, IMPORT_CHUNK)):
        inserted += _insert_missing(chunk, at)
    return inserted


def _insert_missing(rows: Sequence[HolderRow], at: datetime) -> int:
    statement = """
        WITH incoming AS (
            SELECT id, min(handle) AS handle, min(display_name) AS display_name,
                   bool_or(is_creator) AS is_creator
            FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::boolean[])
                 AS row (id, handle, display_name, is_creator)
            GROUP BY id
        ), written AS (
            INSERT INTO people_holder AS known (id, handle, display_name, is_creator, created_at)
            SELECT id, handle, display_name, is_creator, %s FROM incoming ORDER BY id
            ON CONFLICT (id) DO UPDATE SET is_creator = true
                WHERE excluded.is_creator AND NOT known.is_creator
            RETURNING xmax = 0 AS is_new
        )
        SELECT count(*) FILTER (WHERE is_new) FROM written
    """
    columns: tuple[list[object], ...] = (
        [row.id for row in rows],
        [require_handle(row.handle) for row in rows],
        [require_display_name(row.display_name) for row in rows],
        [row.is_creator for row in rows],
    )
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [*columns, at])
            return int(cursor.fetchone()[0])
    except IntegrityError as error:
        raise HandleTaken("A handle of the import belongs to another holder.") from error


def _free_handle(name: str, holder_id: HolderId) -> str:
    handle = suggest_handle(name, holder_id)
    if Holder.objects.filter(handle=handle).exists():
        return suggest_handle(name, holder_id, whole_id=True)
    return handle


def _locked(holder_id: HolderId) -> Holder:
    holder = Holder.objects.select_for_update().filter(pk=holder_id).first()
    if holder is None:
        raise UnknownHolder("No holder has this id.", holder=str(holder_id))
    return holder
