"""Bytes of the replication stream and of COPY BINARY to columnar changes, without a Python statement per row or value.

`frames` holds the received bytes, `wire` reads the few messages that come once a table, `tuples` walks the tuples of all
rows at once, `pgoutput` and `copy` are the two decoders. Import from these modules: this one stays empty, so that
`frames` costs nothing but numpy.
"""
