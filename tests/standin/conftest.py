"""The stand-in's own fixtures."""

from standin.fix_standin import _bucket, _runners, _writer, clients, standin, standin_factory

__all__ = ["_bucket", "_runners", "_writer", "clients", "standin", "standin_factory"]
