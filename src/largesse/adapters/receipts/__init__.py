"""Receipts and checkpoints as they are handed out.

Owns when the log is sealed, signed and published. Must not know who may see a receipt, nor how a
proof is made. Invariant: what leaves here was sealed and signed before.
"""
