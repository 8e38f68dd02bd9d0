"""A ledger that posts transfer by transfer, in SQL of our own: accounts, transfers and entries.

Owns its tables and its one function, in the manner of ledgers that live in the database: a gift is
one call and one transaction, which locks both accounts in the order of their ids, writes a transfer
and two entries with the balances before and after, and moves both balances. Must not use any of the
engine's tables. Invariant: the balances of all accounts sum to zero.
"""

from __future__ import annotations

import time

import psycopg

from bench.peers.protocol import Counted, serve, share_out
from largesse.ledger.gifts import GiftPosting
from largesse.simulator.bench.gifts import (
    COINS_OF_A_FAN,
    CREATORS,
    FANS,
    FIRST_CREATOR,
    FIRST_FAN,
    GiftMaker,
    Shape,
)

_FASTEST_SENDER = 1_000

_SCHEMA = """
    CREATE TABLE account (
        id bigint PRIMARY KEY,
        balance bigint NOT NULL DEFAULT 0,
        version bigint NOT NULL DEFAULT 0,
        may_go_below_zero boolean NOT NULL,
        CHECK (may_go_below_zero OR balance >= 0)
    );
    CREATE TABLE transfer (
        id uuid PRIMARY KEY,
        from_account bigint NOT NULL REFERENCES account,
        to_account bigint NOT NULL REFERENCES account,
        amount bigint NOT NULL CHECK (amount > 0),
        created_at timestamptz NOT NULL,
        event_at timestamptz NOT NULL,
        CHECK (from_account <> to_account)
    );
    CREATE INDEX ON transfer (from_account);
    CREATE INDEX ON transfer (to_account);
    CREATE TABLE entry (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        account_id bigint NOT NULL REFERENCES account,
        transfer_id uuid NOT NULL REFERENCES transfer,
        change bigint NOT NULL,
        balance_before bigint NOT NULL,
        balance_after bigint NOT NULL,
        account_version bigint NOT NULL,
        created_at timestamptz NOT NULL
    );
    CREATE INDEX ON entry (account_id);
    CREATE INDEX ON entry (transfer_id);

    CREATE FUNCTION give(
        t_id uuid, t_from bigint, t_to bigint, t_amount bigint, t_at timestamptz
    ) RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        sender   account;
        receiver account;
    BEGIN
        PERFORM 1 FROM account WHERE id IN (t_from, t_to) ORDER BY id FOR UPDATE;
        UPDATE account SET balance = balance - t_amount, version = version + 1
        WHERE id = t_from RETURNING * INTO STRICT sender;
        UPDATE account SET balance = balance + t_amount, version = version + 1
        WHERE id = t_to RETURNING * INTO STRICT receiver;
        INSERT INTO transfer VALUES (t_id, t_from, t_to, t_amount, now(), t_at);
        INSERT INTO entry (account_id, transfer_id, change, balance_before, balance_after,
                           account_version, created_at)
        VALUES (t_from, t_id, -t_amount, sender.balance + t_amount, sender.balance,
                sender.version, now()),
               (t_to, t_id, t_amount, receiver.balance - t_amount, receiver.balance,
                receiver.version, now());
        RETURN sender.balance;
    END $$;
"""

# The coins come from an account of the platform, so that the sum of all balances stays zero.
_ACCOUNTS = """
    INSERT INTO account (id, may_go_below_zero) VALUES (0, true);
    INSERT INTO account (id, balance, may_go_below_zero)
    SELECT id, {coins}, false FROM generate_series({first_fan}, {last_fan}) id;
    INSERT INTO account (id, may_go_below_zero)
    SELECT id, false FROM generate_series({first_creator}, {last_creator}) id;
    UPDATE account SET balance = -(SELECT sum(balance) FROM account) WHERE id = 0;
"""

_GIVE = "SELECT give(%s, %s, %s, %s, %s)"


class PerTransfer:
    """Senders that each give over a connection of their own."""

    def __init__(self, url: str, _engine_url: str) -> None:
        self._url = url
        self._maker = GiftMaker(2)
        self._connections: list[psycopg.Connection] = []
        accounts = _ACCOUNTS.format(
            coins=COINS_OF_A_FAN,
            first_fan=FIRST_FAN,
            last_fan=FIRST_FAN + FANS - 1,
            first_creator=FIRST_CREATOR,
            last_creator=FIRST_CREATOR + CREATORS - 1,
        )
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_SCHEMA.encode())
            connection.execute(accounts.encode())
            connection.execute("VACUUM (ANALYZE)")

    def round(self, seconds: float, connections: int) -> Counted:
        """Run one round; see `Peer.round`."""
        while len(self._connections) < connections:
            self._connections.append(psycopg.connect(self._url, autocommit=True))
        number = int(_FASTEST_SENDER * seconds * connections)
        supply = iter(self._maker.make(Shape.UNIFORM, number))

        def give(connection: psycopg.Connection, end: float) -> list[float]:
            latencies = []
            for gift in supply:
                asked = time.perf_counter()
                if asked >= end:
                    break
                connection.execute(_GIVE, _values(gift), prepare=True)
                latencies.append(time.perf_counter() - asked)
            return latencies

        return share_out(self._connections[:connections], give, seconds)

    def check(self) -> int:
        """Return the transfers, once the balances are those of the entries; see `Peer.check`."""
        with psycopg.connect(self._url) as connection:
            row = connection.execute(
                "SELECT (SELECT count(*) FROM transfer), (SELECT sum(amount) FROM transfer), "
                "(SELECT sum(balance) FROM account), "
                "(SELECT sum(balance) FROM account WHERE id >= %s)",
                (FIRST_CREATOR,),
            ).fetchone()
        assert row is not None, "a SELECT without FROM returns one row"
        transfers, amount, balances, received = (int(value or 0) for value in row)
        if balances != 0 or not transfers == amount == received:
            raise SystemExit(f"The accounts of the peer do not add up: {row}.")
        return transfers


def _values(gift: GiftPosting) -> tuple[object, ...]:
    return gift.id, gift.fan, gift.creator, gift.coins, gift.at


if __name__ == "__main__":
    serve(PerTransfer)
