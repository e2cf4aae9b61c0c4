"""Supervision of a pipeline's processes: start, restart with back-off, drain, exit codes."""

from re_dms.service.supervisor import run

__all__ = ["run"]
