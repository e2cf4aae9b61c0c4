"""The front half: the Postgres protocol as Redshift speaks it, up to a Session that knows SQL.

`server.Listener` accepts; `connection` leads one client from its first byte to its last; `conversation` is the protocol
after start-up; `session` is the contract with whoever executes statements.
"""
