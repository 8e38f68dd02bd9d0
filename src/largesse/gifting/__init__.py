"""Gifts and streaks: the decision whether a gift is posted, and what it costs.

Owns the tables `gifting_*` and the rules of the hot path. It must not know how gifts are stored or
fanned out.
Invariant: a streak charges each of its gifts once, however its messages are reordered, doubled or
lost.
"""
