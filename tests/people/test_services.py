"""The commands of people on a real database."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from allauth.account.models import EmailAddress
from django.db import IntegrityError, connection, transaction

from largesse.money.ids import HolderId, id_from_name
from largesse.people.errors import (
    BadDisplayName,
    BadHandle,
    EmailTaken,
    HandleTaken,
    UnknownHolder,
)
from largesse.people.models import Holder, User
from largesse.people.rules import Role, suggest_handle
from largesse.people.selectors import (
    display_names,
    find_holder_by_handle,
    get_holder,
    second_factors,
)
from largesse.people.services import (
    HolderRow,
    become_creator,
    grant_staff,
    import_holders,
    register_person,
    rename_person,
)

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
NOBODY = HolderId(404)


def holder_id(name: str) -> HolderId:
    return HolderId(id_from_name("tests", name))


def register(name: str, email: str | None = None, **more: str | bool) -> User:
    return register_person(
        holder_id=holder_id(name),
        email=email or f"{name}@example.org",
        password="correct horse battery staple",
        at=NOW,
        **more,  # type: ignore[arg-type]
    )


@pytest.mark.django_db
class TestRegistration:
    def test_login_and_holder_share_an_id(self) -> None:
        user = register("mina", email="Mina.Okafor@Example.org ")
        assert user.pk == user.holder.id == holder_id("mina")
        assert user.email == "mina.okafor@example.org"
        assert user.holder.display_name == "mina okafor"
        assert user.holder.handle.startswith("mina-okafor-")
        assert user.holder.created_at == NOW
        assert user.roles == {Role.FAN}
        assert user.holder.public_id.startswith("usr_")
        assert user.check_password("correct horse battery staple")
        assert not EmailAddress.objects.exists()

    def test_a_verified_address_is_the_primary_one(self) -> None:
        user = register("mina", email_verified=True)
        address = EmailAddress.objects.get(user=user)
        assert (address.email, address.verified, address.primary) == (user.email, True, True)

    def test_an_address_opens_one_login_in_any_letter_case(self) -> None:
        register("mina")
        with pytest.raises(EmailTaken):
            register("other", email="MINA@example.org")
        assert Holder.objects.count() == 1

    def test_a_bad_name_registers_nobody(self) -> None:
        with pytest.raises(BadDisplayName):
            register("mina", display_name="\u202eanim")
        assert not Holder.objects.exists()

    def test_a_taken_handle_is_made_longer(self) -> None:
        short = suggest_handle("mina", holder_id("mina"))
        import_holders([HolderRow(HolderId(7), short, "First", False)], NOW)
        assert register("mina").holder.handle == suggest_handle(
            "mina", holder_id("mina"), whole_id=True
        )

    def test_no_password_means_none_fits(self) -> None:
        user = register_person(holder_id=NOBODY, email="x@example.org", password=None, at=NOW)
        assert not user.has_usable_password()


@pytest.mark.django_db(transaction=True, available_apps=["largesse.people"])
def test_of_two_at_once_with_one_address_one_registers() -> None:
    def attempt(name: str) -> str:
        try:
            register(name, email="same@example.org")
        except EmailTaken as error:
            return error.code
        finally:
            connection.close()
        return "registered"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(attempt, ["one", "two"]))
    assert outcomes == ["email_taken", "registered"]
    assert Holder.objects.count() == User.objects.count() == 1


@pytest.mark.django_db
class TestRoles:
    def test_becoming_a_creator_twice_changes_nothing_more(self) -> None:
        register("mina")
        for _ in range(2):
            assert become_creator(holder_id("mina")).is_creator
        assert User.objects.get().roles == {Role.FAN, Role.CREATOR}

    @pytest.mark.parametrize("all_permissions", [True, False])
    def test_staff(self, all_permissions: bool) -> None:
        register("mina")
        user = grant_staff(holder_id("mina"), all_permissions=all_permissions)
        assert (user.is_staff, user.is_superuser) == (True, all_permissions)
        assert Role.STAFF in user.roles

    @pytest.mark.parametrize(
        "command",
        [
            become_creator,
            get_holder,
            lambda holder: rename_person(holder, "Name"),
            lambda holder: grant_staff(holder, all_permissions=False),
        ],
    )
    def test_nobody_is_told_apart_from_somebody(
        self, command: Callable[[HolderId], object]
    ) -> None:
        with pytest.raises(UnknownHolder):
            command(NOBODY)

    def test_a_new_name_is_what_others_see(self) -> None:
        register("mina")
        rename_person(holder_id("mina"), "  Mina   O. ")
        assert display_names([holder_id("mina"), NOBODY]) == {holder_id("mina"): "Mina O."}

    def test_a_fresh_login_has_no_second_factor(self) -> None:
        register("mina")
        assert second_factors(holder_id("mina")) == frozenset()


def row(name: str, *, creator: bool = False) -> HolderRow:
    return HolderRow(holder_id(name), suggest_handle(name, holder_id(name)), name, creator)


@pytest.mark.django_db
class TestImport:
    def test_it_inserts_what_is_missing_and_repeats_without_effect(self) -> None:
        rows = [row("mina"), row("juno", creator=True)]
        assert import_holders(rows, NOW) == 2
        assert import_holders(rows, NOW + timedelta(days=1)) == 0
        mina = get_holder(holder_id("mina"))
        assert (mina.display_name, mina.is_creator, mina.created_at) == ("mina", False, NOW)
        assert get_holder(holder_id("juno")).is_creator
        assert find_holder_by_handle(mina.handle.upper()) == mina

    def test_a_known_holder_becomes_a_creator_and_never_stops_being_one(self) -> None:
        import_holders([row("mina")], NOW)
        assert import_holders([row("mina", creator=True)], NOW) == 0
        assert import_holders([row("mina")], NOW) == 0
        assert get_holder(holder_id("mina")).is_creator

    def test_one_file_may_name_a_holder_twice(self) -> None:
        assert import_holders([row("mina"), row("mina", creator=True)], NOW) == 1
        assert get_holder(holder_id("mina")).is_creator

    def test_many_rows_go_in_chunks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("largesse.people.services.IMPORT_CHUNK", 10)
        assert import_holders((row(f"fan{number}") for number in range(25)), NOW) == 25
        assert import_holders([], NOW) == 0

    @pytest.mark.parametrize(
        ("bad", "error"),
        [
            (HolderRow(HolderId(9), "x", "Name", False), BadHandle),
            (HolderRow(HolderId(9), "good-handle", "\u202e", False), BadDisplayName),
            (HolderRow(HolderId(9), row("mina").handle, "Other", False), HandleTaken),
        ],
    )
    def test_a_bad_row_imports_nothing(self, bad: HolderRow, error: type[Exception]) -> None:
        import_holders([row("mina")], NOW)
        with pytest.raises(error):
            import_holders([row("juno"), bad], NOW)
        assert Holder.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE people_holder SET id = -1",
        "UPDATE people_holder SET handle = 'Not A Handle'",
        "UPDATE people_user SET email = 'Mina@example.org'",
        "DELETE FROM people_holder",
    ],
)
def test_the_database_keeps_the_rules_too(statement: str) -> None:
    register("mina")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        with pytest.raises(IntegrityError), transaction.atomic():
            cursor.execute(statement)
