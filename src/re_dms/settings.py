"""The settings of a pipeline: frozen, validated once (by `re_dms.config`), passed to every process as they are."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Final, Self

MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """`dsn` may hold a password: it never reaches a log (repr hides it)."""

    dsn: str = field(repr=False)
    slot: str
    publication: str
    tables: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    ca_file: str | None = None
    insecure_tls: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """`url`: file:///dir or s3://bucket/prefix. `compression`: zstd or gzip.

    For S3: `region` (None: the AWS chain's), `encryption` none, sse-s3 or sse-kms, with `kms_key_id` (None: AWS's own
    key for S3).
    """

    url: str
    compression: str = "zstd"
    region: str | None = None
    encryption: str = "none"
    kms_key_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseSettings:
    """`url`: duckdb:///abs/file.duckdb."""

    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """When a batch closes (at a commit): by bytes received, by rows, or by age of its first change."""

    flush_seconds: float = 1.0
    flush_mb: int = 64
    flush_rows: int = 1_000_000
    position_seconds: float = 5.0
    status_seconds: float = 1.0
    pause_seconds_max: float = 5.0
    catalog_seconds: float = 10.0

    @property
    def flush_bytes(self) -> int:
        """`flush_mb` in bytes."""
        return self.flush_mb * MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """`format`: auto (human on a terminal, JSON elsewhere), human or json. `level`: debug, info, warning, error."""

    level: str = "info"
    format: str = "auto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that a pipeline is told. Halves that a command does not need are None."""

    name: str = "re_dms"
    source: SourceSettings | None = None
    journal: JournalSettings
    warehouse: WarehouseSettings | None = None
    capture: CaptureSettings = CaptureSettings()
    log: LogSettings = LogSettings()
    forget: bool = False

    def to_json(self) -> str:
        """For a child's standard input only: it holds the source's password."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The settings that `to_json` wrote."""
        values = json.loads(text)
        source, warehouse = values.pop("source"), values.pop("warehouse")
        if source is not None:
            source["tables"], source["exclude"] = tuple(source["tables"]), tuple(source["exclude"])
        return cls(
            source=None if source is None else SourceSettings(**source),
            warehouse=None if warehouse is None else WarehouseSettings(**warehouse),
            journal=JournalSettings(**values.pop("journal")),
            capture=CaptureSettings(**values.pop("capture")),
            log=LogSettings(**values.pop("log")),
            **values,
        )
