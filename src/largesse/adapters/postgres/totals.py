"""What all people hold together, on Django's connection.

Owns the sums that stand against the platform's own accounts. Must not write. Invariant: with
`reading.platform_balances` they sum to zero for every asset, or the books are broken.
"""

from __future__ import annotations

from largesse.adapters.postgres.book import run
from largesse.adapters.postgres.checks import STORED
from largesse.adapters.postgres.statements import Query, Steps

_TOTALS = f"""
    SELECT code, asset, sum(balance)::bigint FROM ({STORED}) stored
    WHERE holder <> 0 GROUP BY code, asset
"""  # noqa: S608 - constants only


def people_totals() -> dict[tuple[str, str], int]:
    """Return everybody's balances summed by (account code, asset), in minor units."""
    return run(_people_totals())


def _people_totals() -> Steps[dict[tuple[str, str], int]]:
    rows = yield Query(_TOTALS)
    return {(code, asset): balance for code, asset, balance in rows if balance}
