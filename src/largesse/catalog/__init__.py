"""Coin packages, price books and the gift catalogue: what may be bought and given, at what price.

Owns the tables `catalog_*`. It must not know who buys.
Invariant: a price that was shown is never edited; a change is a new version with its own date.
"""
