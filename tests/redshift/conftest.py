"""The stand-in's clients, for tests that load single columns by hand."""

from standin.fix_standin import _bucket, _runners, _writer, clients, standin, standin_factory

__all__ = ["_bucket", "_runners", "_writer", "clients", "standin", "standin_factory"]
