"""Money in: quote, order, capture and credit of coins; refund and chargeback.

Owns the tables `recharge_*`. It must not know gifts, or how a provider is reached.
Invariant: an order credits its coins exactly once, in the transaction that captures it.
"""
