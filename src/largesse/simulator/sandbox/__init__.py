"""The sandbox provider: a small payment company of our own, for the demo and the tests.

Owns its API, its hosted checkout page, its notifications and its tables (`sandbox_*`). Must not
know the product's tables or code, only the wire between them. Invariant: its record of a payment
is written with the notification about it, in one transaction, and survives a restart.
"""
