"""Reconciliation, period close and export: the books as an outsider reads them.

Owns the tables `finance_*`. It must not know pages or providers' protocols.
Invariant: an export holds every journal once, and balances in a tool that is not ours.
"""
