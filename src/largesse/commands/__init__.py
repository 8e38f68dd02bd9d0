"""What the `largesse` command does, one module a family of commands.

Owns reading arguments, printing answers and supervising processes. Must not decide anything about
money: services, checks and readers below do. Invariant: stdout carries the answer and nothing else
(one JSON document with --json); whatever else there is to say goes to stderr.
"""
