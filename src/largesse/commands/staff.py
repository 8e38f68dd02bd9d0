"""`largesse staff`: who may open the operator console.

Owns the command. Must not decide what staff may do. Invariant: it grants a role to a login that
exists; the console still asks for a second factor.
"""

from __future__ import annotations

from typing import Annotated

import typer

from largesse.commands.failures import EXIT_CODES_HELP, CommandFailure
from largesse.commands.options import DEFAULT_DATA, DataOption, JsonOption

app = typer.Typer(
    help="Decide who may open the operator console.",
    no_args_is_help=True,
    epilog=EXIT_CODES_HELP,
)


@app.callback()
def family() -> None:
    """Decide who may open the operator console."""


@app.command()
def add(
    email: Annotated[str, typer.Argument(help="The address of a login that signed up.")],
    data: DataOption = DEFAULT_DATA,
    as_json: JsonOption = False,
) -> None:
    """Grant staff to a login; it enrols a second factor at its first visit of the console."""
    from largesse.commands.database import open_books
    from largesse.commands.printing import answers, print_json

    with open_books(data) as books:
        books.use_django()
        from largesse.money.ids import HolderId
        from largesse.people.models import User
        from largesse.people.services import grant_staff

        user = User.objects.filter(email=email.strip().lower()).first()
        if user is None:
            raise CommandFailure(
                f"Nobody has signed up as {email}. "
                "Sign up in the browser first, then run this again."
            )
        granted = grant_staff(HolderId(user.pk), all_permissions=True)
        facts = {"holder": granted.holder.public_id, "email": granted.email, "staff": True}
    if as_json:
        print_json(facts)
    else:
        answers().print(f"{email} is staff now; /console/ asks for a second factor once.")
