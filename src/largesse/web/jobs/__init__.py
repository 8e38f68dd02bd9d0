"""Background work of the product, by subject: what procrastinate runs, and how often.

Owns the schedule. Must not decide anything: each task calls a service. Invariant: every task may
run twice, or late, without changing more than once.
"""
