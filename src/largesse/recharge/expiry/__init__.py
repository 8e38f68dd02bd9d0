"""The end of coins that nobody used in time: lots that expire.

Owns no table. It must not know where the queue of such lots is kept.
Invariant: a lot expires once, and never while a hold reserves coins of its class.
"""
