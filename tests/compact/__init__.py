"""Tests of compaction; `source` and `meaning` are their model of Postgres and of the warehouse."""
