"""Who is who: holders, logins, roles and names.

Owns the people of the product and how they prove who they are. Must not know coins, prices or
pages. Invariant: every account of the ledger that belongs to a person belongs to a Holder here,
and nobody acts without one.
"""
