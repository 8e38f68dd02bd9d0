"""Diamonds: share policy, maturity and statements of what a creator earned.

Owns the tables `earnings_*`. It must not know how money came in or leaves.
Invariant: the diamonds of a creator are the share of the coins received, cumulatively, with the
remainder carried.
"""
