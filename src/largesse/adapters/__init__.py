"""Everything that the product's rules ask of the world outside: database, providers, clock, files.

Owns the code that speaks to other programs. Must not know any page or command line. Protects the
purity of what lies below: `money`, `ledger` and every `rules.py` never import from here.
"""
