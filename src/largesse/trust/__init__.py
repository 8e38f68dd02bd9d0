"""Limits, velocity and freezes: who may not spend, earn or cash out now, and why.

Owns the tables `trust_*`. It must not know providers or pages.
Invariant: a limit is checked in the transaction that posts, so that it is never exceeded.
"""
