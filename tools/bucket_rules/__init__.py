"""The rules of `tools/bucket_check.py`: nothing on the gift path crosses buckets.

Owns the reading of PL/pgSQL, of queries and of the catalogue. Must not know which files are
checked.
Invariant: what a rule cannot read is a finding, never a pass.
"""
