"""The book on Django's connection: postings commit with the caller's transaction.

Owns the synchronous executor. Must not decide anything: `statements` does. Invariant: it never
begins, commits or rolls back; the service that calls it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connection

from largesse.adapters.postgres import statements
from largesse.adapters.postgres.statements import Row, Steps
from largesse.ledger.accounts import Account
from largesse.ledger.journals import Journal
from largesse.ledger.lots import Lot
from largesse.ledger.ports import Posted, WalletState
from largesse.money.errors import InvariantViolation
from largesse.money.ids import HolderId

T = TypeVar("T")


def run(steps: Steps[T]) -> T:
    """Run a conversation on Django's default connection; raises what `statements.refusal` says."""
    try:
        with connection.cursor() as cursor:
            rows: list[Row] = []
            try:
                query = next(steps)
                while True:
                    cursor.execute(query.sql, query.params)
                    rows = cursor.fetchall() if cursor.description else []
                    query = steps.send(rows)
            except StopIteration as done:
                result: T = done.value
                return result
    except DatabaseError as error:
        cause = error.__cause__
        sqlstate = getattr(cause, "sqlstate", None)
        if sqlstate is None and not isinstance(error, OperationalError | InterfaceError):
            raise
        constraint = getattr(getattr(cause, "diag", None), "constraint_name", None)
        found = statements.refusal(sqlstate, constraint, str(error))
        if found is None:
            raise
        raise found from error


class DjangoBook:
    """Implements `ledger.ports.Book` inside the caller's `transaction.atomic`."""

    def post(self, journals: Sequence[Journal]) -> list[Posted]:
        """See `Book.post`. Raises InvariantViolation outside a transaction."""
        if not connection.in_atomic_block:
            raise InvariantViolation("Journals are posted inside a transaction only.")
        return run(statements.post_journals(journals))

    def wallet(self, holder: HolderId, *, lock: bool = False) -> WalletState:
        """See `Book.wallet`."""
        return run(statements.read_wallet(holder, lock=lock))

    def lots(self, holder: HolderId) -> list[Lot]:
        """See `Book.lots`."""
        return run(statements.read_lots(holder))

    def balance(self, holder: HolderId, account: Account, *, lock: bool = False) -> int:
        """See `Book.balance`."""
        return run(statements.read_balance(holder, account, lock=lock))

    def freeze(self, holder: HolderId, *, frozen: bool) -> None:
        """See `Book.freeze`."""
        run(statements.freeze(holder, frozen=frozen))
