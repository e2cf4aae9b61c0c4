"""Bytes of the replication stream to columnar changes, and the lines of copies, without a Python statement per row or value.

`frames` holds the received bytes, `wire` reads the few messages that come once a table, `tuples` walks the tuples of all
rows at once, `pgoutput` and `test_decoding` are the two decoders; `copy` finds the lines of a copy. Import from these
modules: this one stays empty, so that `frames` costs nothing but numpy.
"""
