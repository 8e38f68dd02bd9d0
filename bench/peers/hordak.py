"""django-hordak as it ships: a Transaction with two Legs for every gift, its triggers and all.

Owns the smallest Django project that runs it. Must not tune it or leave any of its checks out.
Invariant: every gift is one atomic, durable transaction, and the legs of all accounts sum to zero.

The coins are euros there, since it knows currencies of this world only. It keeps no balances, and
so does not refuse a fan without coins: the engine does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from bench.peers.protocol import Counted, Unavailable, serve
from largesse.ledger.gifts import GiftPosting
from largesse.simulator.bench.gifts import (
    CREATORS,
    FANS,
    FIRST_CREATOR,
    FIRST_FAN,
    GiftMaker,
    Shape,
)

_CURRENCY = "EUR"
_FASTEST_SENDER = 1_000


def _settings(url: str) -> dict[str, Any]:
    words = psycopg.conninfo.conninfo_to_dict(url)
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host"}
    return {
        "INSTALLED_APPS": ["django.contrib.contenttypes", "django.contrib.auth", "mptt", "hordak"],
        "DATABASES": {
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "PORT": str(words.get("port", "")),
                "CONN_MAX_AGE": None,
                **{name: str(words.get(word, "")) for name, word in names.items()},
            }
        },
        "SECRET_KEY": "of a benchmark",
        "USE_TZ": True,
        "DEFAULT_AUTO_FIELD": "django.db.models.AutoField",
        "DEFAULT_CURRENCY": _CURRENCY,
        "CURRENCIES": [_CURRENCY],
    }


class Hordak:
    """Senders that each give in a thread of its own."""

    def __init__(self, url: str, _engine_url: str) -> None:
        import django
        from django.conf import settings

        settings.configure(**_settings(url))
        try:
            django.setup()
        except ModuleNotFoundError as error:
            raise Unavailable(
                f"{error.name} is not installed: pip install -r requirements-dev.txt"
            ) from error
        from django.core.management import call_command

        call_command("migrate", verbosity=0, interactive=False)
        self._accounts = _make_accounts()
        self._maker = GiftMaker(3)
        self._threads: list[ThreadPoolExecutor] = []

    def round(self, seconds: float, connections: int) -> Counted:
        """Run one round; see `Peer.round`."""
        from django.db import connection

        while len(self._threads) < connections:
            thread = ThreadPoolExecutor(1)
            thread.submit(connection.ensure_connection).result()
            self._threads.append(thread)
        number = int(_FASTEST_SENDER * seconds * connections)
        supply = iter(self._maker.make(Shape.UNIFORM, number))
        begin = time.perf_counter()
        work = [
            thread.submit(self._give, supply, begin + seconds)
            for thread in self._threads[:connections]
        ]
        latencies = [one for done in work for one in done.result()]
        return Counted(len(latencies), time.perf_counter() - begin, latencies)

    def _give(self, supply: Iterator[GiftPosting], end: float) -> list[float]:
        from django.db import transaction
        from hordak.models import Leg, Transaction
        from moneyed import Money

        latencies = []
        for gift in supply:
            asked = time.perf_counter()
            if asked >= end:
                break
            price = Money(gift.coins, _CURRENCY)
            with transaction.atomic(durable=True):
                booked = Transaction.objects.create(
                    uuid=gift.id, timestamp=gift.at, date=gift.at.date()
                )
                Leg.objects.create(
                    transaction=booked, account_id=self._accounts[gift.fan], debit=price
                )
                Leg.objects.create(
                    transaction=booked, account_id=self._accounts[gift.creator], credit=price
                )
            latencies.append(time.perf_counter() - asked)
        return latencies

    def check(self) -> int:
        """Return the transactions, once their legs are right; see `Peer.check`."""
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT (SELECT count(*) FROM hordak_transaction), "
                "(SELECT sum(debit) FROM hordak_leg), (SELECT sum(credit) FROM hordak_leg)"
            )
            transactions, debited, credited = (int(value or 0) for value in cursor.fetchone())
        if not transactions == debited == credited:
            raise SystemExit(
                f"hordak holds {transactions} gifts with {debited} debited and {credited} credited."
            )
        return transactions


def _make_accounts() -> dict[int, int]:
    """Make an account for every fan and creator; returns its key by holder.

    Each is the root of its own tree; written in bulk, since one `save` each takes minutes.
    """
    from django.db import connection
    from hordak.models import Account, AccountType

    holders = [
        *range(FIRST_FAN, FIRST_FAN + FANS),
        *range(FIRST_CREATOR, FIRST_CREATOR + CREATORS),
    ]
    accounts = [
        Account(
            name=f"holder {holder}",
            type=AccountType.liability,
            currencies=[_CURRENCY],
            lft=1,
            rght=2,
            level=0,
            tree_id=number,
        )
        for number, holder in enumerate(holders, start=1)
    ]
    with connection.cursor() as cursor:
        # They would find neither a parent nor a code, row by row.
        cursor.execute("ALTER TABLE hordak_account DISABLE TRIGGER USER")
        made = Account.objects.bulk_create(accounts, batch_size=2_000)
        cursor.execute("ALTER TABLE hordak_account ENABLE TRIGGER USER")
        cursor.execute("ANALYZE")
    return {holder: account.pk for holder, account in zip(holders, made, strict=True)}


if __name__ == "__main__":
    serve(Hordak)
