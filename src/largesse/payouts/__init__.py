"""Money out: diamonds held, transferred, then settled or returned.

Owns the tables `payouts_*`. It must not know fans or their coins.
Invariant: held diamonds are cashed or given back exactly once, and an unknown outcome is queried,
never guessed.
"""
