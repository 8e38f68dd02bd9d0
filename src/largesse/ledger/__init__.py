"""The ledger: accounts, journals, lots as serial ranges and the rules that post them.

Owns what may be booked and how. Must not know Django, PostgreSQL, a clock or any provider: it
decides over values and hands journals to a `Book` (see `ports`). Invariant: debits equal credits
per asset in every journal, and every journal stays in one bucket.
"""
