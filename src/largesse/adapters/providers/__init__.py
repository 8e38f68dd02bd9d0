"""Clients of providers, one module each: the sandbox now, real ones beside it.

Owns the translation between a provider's wire and the product's ports. Must not know pages or
tables. Invariant: a time-out never becomes a guess; it is OutcomeUnknown, asked again by its key.
"""
