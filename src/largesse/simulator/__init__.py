"""Providers that misbehave, for the demo and the tests: late, doubled, lost and refused.

Owns a sandbox's memory of orders and payouts. It must not know the product's tables.
Invariant: whatever it does on the wire, its own record says what truly happened to the money.
"""
