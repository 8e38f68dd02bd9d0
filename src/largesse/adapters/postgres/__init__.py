"""PostgreSQL: the server that the product starts itself, and all that it stores there.

Owns connections, SQL text and the embedded server. Must not know pages, providers or command
lines. Protects durability: the product writes to no server that may forget what it acknowledged.
"""
