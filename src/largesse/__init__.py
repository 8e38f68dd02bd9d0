"""Largesse: fans recharge coins and gift creators, diamonds are cashed out, and the books balance.

Owns nothing but the name. Its packages are the street that the money takes, in this order:
`recharge`, the ledger's wallet, `gifting`, `earnings` (diamonds) and `payouts`; `money` and
`ledger` stand below all of them, `adapters`, `web`, `live` and `cli` above. Dependencies point
downwards only (import-linter).
"""
