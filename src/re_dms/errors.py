"""The errors of re_dms: a tree whose first level is the exit code, and the one classifier.

    ReDmsError                      1   our own bug when nothing finer is known
    ├── InvariantError              1   an invariant of ours broke: stop, never retry
    ├── ConfigurationError          2   options, configuration file, preflight
    ├── SourceError                 3   Postgres refused, or sent what we cannot read
    │   ├── SourceUnavailable       3   connection lost or refused: retried with back-off
    │   └── DecodeError             3   a byte of the stream that we do not know (with its LSN)
    ├── JournalError                4   the object store refused or misbehaves
    │   └── JournalUnavailable      4   retried with back-off
    ├── WarehouseError              5   the warehouse refused
    │   ├── WarehouseUnavailable    5   retried with back-off
    │   ├── RelationChanged         5   a change of a table that is not followed
    │   ├── ValueDoesNotFit         5   a value that the target column cannot hold
    │   └── TargetNotOurs           5   a target table that we did not fill
    ├── ChangesMissing              6   slot, journal and warehouse do not meet: rows are missing
    └── PipelineHeld                7   another process holds the pipeline

An error names the thing and, in `remedy`, what to do. Messages hold names, counts and LSNs; never values of rows,
passwords or keys.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import ClassVar, Final

RESET: Final = "run `re-dms reset` to copy the tables again"


class ReDmsError(Exception):
    """Base of all errors that re_dms raises on purpose."""

    exit_code: int = 1
    retry: ClassVar[bool] = False

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class InvariantError(ReDmsError):
    """An invariant of ours is broken; going on could lose rows."""


class ConfigurationError(ReDmsError):
    """Options, configuration file or preflight: nothing was started."""

    exit_code = 2


class SourceError(ReDmsError):
    """Postgres refused, or the source is not as it must be."""

    exit_code = 3


class SourceUnavailable(SourceError):
    """The connection to the source was lost or refused."""

    retry = True


class DecodeError(SourceError):
    """The stream holds something that we do not know; the message names the byte and the LSN."""


class JournalError(ReDmsError):
    """The journal's store refused or does not keep its word."""

    exit_code = 4


class JournalUnavailable(JournalError):
    """The journal's store cannot be reached or has no room at the moment."""

    retry = True


class WarehouseError(ReDmsError):
    """The warehouse refused."""

    exit_code = 5


class WarehouseUnavailable(WarehouseError):
    """The warehouse cannot be reached or is locked by another process at the moment."""

    retry = True


class RelationChanged(WarehouseError):
    """A change of a source table that is not followed: the table has to be copied again."""


class ValueDoesNotFit(WarehouseError):
    """A value that the target column cannot hold; names table, column, key and LSN."""


class TargetNotOurs(WarehouseError):
    """A target table that exists with rows and that this pipeline did not make."""


class ChangesMissing(ReDmsError):
    """Slot, journal and warehouse do not meet: changes are missing between them."""

    exit_code = 6


class PipelineHeld(ReDmsError):
    """Another process holds the slot or the warehouse's pipeline."""

    exit_code = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the supervisor does about an error. Crosses process borders as a plain dict (`asdict`)."""

    kind: str
    message: str
    remedy: str
    exit_code: int
    retry: bool


def classify(error: BaseException) -> Verdict:
    """Retry or stop, with which exit code, and what to tell the operator. Stop is the default.

    Unknown exceptions are our own bug: exit 1. Those of psycopg, of DuckDB and of the journal's disk have become ours
    where they were raised: a full disk is JournalUnavailable or WarehouseUnavailable, and retried.
    """
    if isinstance(error, ReDmsError):
        return Verdict(
            kind=type(error).__name__,
            message=error.message,
            remedy=error.remedy,
            exit_code=error.exit_code,
            retry=error.retry,
        )
    return Verdict(
        kind=type(error).__name__,
        # The text of an unknown exception may quote a value of a row: only its type is told.
        message=f"unexpected {type(error).__module__}.{type(error).__qualname__}",
        remedy="this is a bug in re_dms; the log holds the traceback without values",
        exit_code=InvariantError.exit_code,
        retry=False,
    )


def verdict_as_dict(verdict: Verdict) -> dict[str, object]:
    """The verdict as JSON-ready values."""
    return asdict(verdict)
