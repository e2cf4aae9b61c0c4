"""Whether a Postgres is fit to be a source, line by line, with what mends it. Reads only.

What a start refuses is asked of the functions that refuse it; the rest is what an operator should know before.
Source: https://www.postgresql.org/docs/current/logical-replication-config.html and …-security.html
"""
