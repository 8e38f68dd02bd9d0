"""The parts of the embedded PostgreSQL server, which `adapters.postgres.server` puts together.

Owns its programs, its user, its directories, its settings and its processes. Must not know tables
or connections. Protects the machine: no open port, no readable secret, no process left behind.
"""
