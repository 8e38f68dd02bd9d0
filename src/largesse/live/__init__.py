"""The live service: gift intake, rooms and their fan-out to viewers.

Owns the open connections and the group commit of gifts. It must never load Django.
Invariant: a gift is acknowledged only after its commit, and posted once whatever the client
retries.
"""
