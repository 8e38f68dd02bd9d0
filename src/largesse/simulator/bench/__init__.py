"""The benchmark: how many gifts a second a machine posts, and what it costs as history grows.

Owns the load, what is measured and its report. Must not know the terminal or another way to post:
it calls the same book as the live service. Invariant: every figure is of gifts whose posting had
committed, and there is no report unless the books hold exactly the gifts that were counted.
"""
