"""The book on Django's connection: postings commit with the caller's transaction.

Owns the synchronous executor. Must not decide anything: `statements` does. Invariant: it never
begins, commits or rolls back; the service that calls it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db import DatabaseError, InterfaceError, OperationalError, connection

from largesse.adapters.postgres import holding, linked, statements
from largesse.adapters.postgres.columns import Row
from largesse.adapters.postgres.lots import set_spend_order
from largesse.adapters.postgres.statements import Steps
from largesse.ledger.accounts import Account
from largesse.ledger.holds import Held, Hold
from largesse.ledger.journals import Journal
from largesse.ledger.lots import Lot, SpendOrder
from largesse.ledger.ports import Posted, WalletState
from largesse.money.errors import DomainError, InvariantViolation
from largesse.money.ids import HolderId

T = TypeVar("T")


def run(steps: Steps[T]) -> T:
    """Run a conversation on Django's default connection; raises what `statements.refusal` says.

    A conversation may catch a refusal and go on, behind a savepoint of its own.
    """
    try:
        with connection.cursor() as cursor:
            query = next(steps)
            while True:
                try:
                    cursor.execute(query.sql, query.params)
                    rows: list[Row] = cursor.fetchall() if cursor.description else []
                except DatabaseError as error:
                    found = _refusal(error)
                    if found is None:
                        raise
                    found.__cause__ = error
                    query = steps.throw(found)
                else:
                    query = steps.send(rows)
    except StopIteration as done:
        result: T = done.value
        return result
    except DatabaseError as error:
        # Not a statement: the connection could not be opened.
        found = _refusal(error)
        if found is None:
            raise
        raise found from error


def _refusal(error: DatabaseError) -> DomainError | None:
    """What a database error means, as `statements.refusal` says; None for a bug of ours."""
    cause = error.__cause__
    sqlstate = getattr(cause, "sqlstate", None)
    if sqlstate is None and not isinstance(error, OperationalError | InterfaceError):
        return None
    constraint = getattr(getattr(cause, "diag", None), "constraint_name", None)
    return statements.refusal(sqlstate, constraint, str(error))


class DjangoBook:
    """Implements `ledger.ports.Book` inside the caller's `transaction.atomic`."""

    def post(self, journals: Sequence[Journal]) -> list[Posted]:
        """See `Book.post`. Raises InvariantViolation outside a transaction."""
        return self._write(statements.post_journals(journals))

    def post_linked(self, journals: Sequence[Journal]) -> list[Posted | DomainError]:
        """See `Book.post_linked`. Raises InvariantViolation outside a transaction."""
        return self._write(linked.post_linked(journals))

    def hold(self, journal: Journal, reason: str, expires_at: datetime) -> Held:
        """See `Book.hold`. Raises InvariantViolation outside a transaction."""
        return self._write(holding.hold_journal(Hold(journal, reason, expires_at)))

    def post_hold(self, bucket: int, key: UUID, at: datetime) -> Posted:
        """See `Book.post_hold`. Raises InvariantViolation outside a transaction."""
        return self._write(holding.post_hold(bucket, key, at))

    def void_hold(self, bucket: int, key: UUID, at: datetime) -> Held:
        """See `Book.void_hold`. Raises InvariantViolation outside a transaction."""
        return self._write(holding.void_holds([(bucket, key)], at))[0]

    def _write(self, steps: Steps[T]) -> T:
        if not connection.in_atomic_block:
            raise InvariantViolation("Journals are posted inside a transaction only.")
        return run(steps)

    def wallet(self, holder: HolderId, *, lock: bool = False) -> WalletState:
        """See `Book.wallet`."""
        return run(statements.read_wallet(holder, lock=lock))

    def spend_in_order(self, holder: HolderId, order: SpendOrder) -> None:
        """See `Book.spend_in_order`."""
        run(set_spend_order(holder, order))

    def lots(self, holder: HolderId) -> list[Lot]:
        """See `Book.lots`."""
        return run(statements.read_lots(holder))

    def balance(self, holder: HolderId, account: Account, *, lock: bool = False) -> int:
        """See `Book.balance`."""
        return run(statements.read_balance(holder, account, lock=lock))

    def freeze(self, holder: HolderId, *, frozen: bool) -> None:
        """See `Book.freeze`."""
        self._write(statements.freeze(holder, frozen=frozen))
