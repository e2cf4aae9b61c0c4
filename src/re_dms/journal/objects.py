"""The journal's small JSON objects as models: read with errors that name the object, never what it holds."""

from __future__ import annotations

from typing import Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from re_dms.errors import JournalError
from re_dms.lsn import LSN
from re_dms.manifest import DIALECT, FORMAT, Counts

RESET: Final = "restore the object, or start anew with `re-dms reset`"

Model = TypeVar("Model", bound=BaseModel)


class Applied(BaseModel):
    """What the warehouse has committed, mirrored into the journal afterwards: advisory, for status and retention.

    `time_us`: when the newest applied transaction was committed at the source (microseconds since 1970, UTC).
    `tables`: changes applied since the journal began, by table OID, where the warehouse counts them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    lsn: LSN
    time_us: int | None = None
    tables: dict[int, Counts] = Field(default_factory=dict)


class Position(BaseModel):
    """A position before which nothing of ours lies (protocol line 4)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    position: LSN


class ManifestEnd(BaseModel):
    """What `known_lsn` wants of a manifest: the end that it covers. All else is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    format: int
    dialect: int
    end: LSN


class CopyRequest(BaseModel):
    """An operator's wish that capture copies a table again."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    oid: int


def to_json(model: BaseModel) -> bytes:
    """The model's bytes: equal models give equal bytes."""
    return model.model_dump_json().encode()


def parse(key: str, data: bytes, model: type[Model]) -> Model:
    """The model in `data`. Raises JournalError that names the key and the place, never what was found there."""
    try:
        parsed = model.model_validate_json(data)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        where = f" (at {place})" if place else ""
        raise JournalError(f"{key} is not a readable {model.__name__}{where}", remedy=RESET) from None
    version, dialect = getattr(parsed, "format", FORMAT), getattr(parsed, "dialect", DIALECT)
    if (version, dialect) != (FORMAT, DIALECT):
        raise JournalError(
            f"{key} has format {version}, dialect {dialect}; this re_dms reads {FORMAT} and {DIALECT}",
            remedy="run the version of re_dms that wrote it, or a newer one",
        )
    return parsed
