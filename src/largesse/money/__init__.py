"""Money: assets, amounts, exact splits and typed ids.

Owns the arithmetic of value. Must not know the ledger, people, a clock, a database or randomness.
Invariant: no operation here makes or loses a unit; division is always a split whose parts sum to
the whole.
"""
