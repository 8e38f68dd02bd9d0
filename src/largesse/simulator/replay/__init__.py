"""Replays: recorded live support driven through the real posting engine.

Owns the formats that can be read, what each line means for the street, and the report. Must not
know pages or providers. Invariant: a file's ids are its idempotency keys, so that replaying a file
again changes nothing.
"""
