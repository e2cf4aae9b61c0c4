"""The protocol of re_dms as an explicit-state model: every interleaving of small worlds is visited (docs/protocol.md)."""
