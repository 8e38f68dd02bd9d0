"""Fans, creators and staff: who holds an account, who may sign in, and as what.

Owns the tables `people_*`. It must not know what a person bought, gave or earned.
Invariant: every person is one holder, whose random id is the same in every table and never changes.
"""
