"""The settings of a pipeline: frozen, validated once (by `re_dms.config`), passed to every process as they are."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Final, Self

MIB: Final = 1024 * 1024
REDSHIFT_FLUSH_SECONDS: Final = 30.0
"""`flush_seconds` for a Redshift warehouse: there, commits and new statements are dear."""
PGOUTPUT: Final = "pgoutput"
TEST_DECODING: Final = "test_decoding"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """`dsn` may hold a password: it never reaches a log (repr hides it).

    `plugin` writes the slot's changes: pgoutput or test_decoding. The latter has no publication: its name is "".
    """

    dsn: str = field(repr=False)
    slot: str
    publication: str
    plugin: str = PGOUTPUT
    tables: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    ca_file: str | None = None
    insecure_tls: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """`url`: file:///dir or s3://bucket/prefix. `compression`: zstd or gzip.

    For S3: `region` (None: the AWS chain's), `encryption` none, sse-s3 or sse-kms, with `kms_key_id` (None: AWS's own
    key for S3). `slices`: large data files are split into a multiple of this many parts of 1 to 64 MB each.
    """

    url: str
    compression: str = "zstd"
    region: str | None = None
    encryption: str = "none"
    kms_key_id: str | None = None
    slices: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseSettings:
    """`url`: duckdb:///abs/file.duckdb or redshift://user@host:port/database. All else is for Redshift.

    `password` never reaches a log (repr hides it); with `cluster` or `workgroup` AWS gives credentials instead.
    `iam_role` (ARNs joined by commas, or "default") reads the journal for COPY. `policies` and `design` are lines
    that `re_dms.warehouse.redshift` reads: what happens to values that do not fit, and how targets are laid out.
    """

    url: str
    password: str | None = field(default=None, repr=False)
    cluster: str | None = None
    workgroup: str | None = None
    region: str | None = None
    iam_role: str = "default"
    ca_file: str | None = None
    insecure_tls: bool = False
    copy_sessions: int = 4
    group_batches: int = 20
    maintain: bool = False
    policies: tuple[str, ...] = ()
    design: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """When a batch closes (at a commit): by bytes received, by rows, or `flush_seconds` after the batch before.

    `streaming`: large transactions are sent while they run, and wait for their end in `spill_directory` (None: the place
    for temporary files that outlive a restart, else the system's).
    """

    flush_seconds: float = 1.0
    flush_mb: int = 64
    flush_rows: int = 1_000_000
    position_seconds: float = 5.0
    status_seconds: float = 1.0
    pause_seconds_max: float = 5.0
    catalog_seconds: float = 10.0
    copy_connections: int = 2
    streaming: bool = True
    spill_directory: str | None = None

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
class ReplaySettings:
    """What is replayed: `inputs` are absolute paths (files, or one directory), or "-" alone: standard input.

    `stream` is the name under which its progress is kept. `schema`: the absolute path of a schema file, which then takes
    the place of the source. `tables` and `exclude` choose as the source's do, whichever tells the tables.
    """

    inputs: tuple[str, ...]
    stream: str
    schema: str | None = None
    tables: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that a pipeline is told. Halves that a command does not need are None, as is what is not replayed."""

    name: str = "re_dms"
    source: SourceSettings | None = None
    journal: JournalSettings
    warehouse: WarehouseSettings | None = None
    capture: CaptureSettings = CaptureSettings()
    log: LogSettings = LogSettings()
    forget: bool = False
    replay: ReplaySettings | None = None

    def to_json(self) -> str:
        """For a child's standard input only: it holds the passwords of source and warehouse."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The settings that `to_json` wrote."""
        values = json.loads(text)
        source, warehouse, replay = values.pop("source"), values.pop("warehouse"), values.pop("replay")
        if source is not None:
            source["tables"], source["exclude"] = tuple(source["tables"]), tuple(source["exclude"])
        if warehouse is not None:
            warehouse["policies"], warehouse["design"] = tuple(warehouse["policies"]), tuple(warehouse["design"])
        if replay is not None:
            replay |= {name: tuple(replay[name]) for name in ("inputs", "tables", "exclude")}
        return cls(
            source=None if source is None else SourceSettings(**source),
            warehouse=None if warehouse is None else WarehouseSettings(**warehouse),
            journal=JournalSettings(**values.pop("journal")),
            capture=CaptureSettings(**values.pop("capture")),
            log=LogSettings(**values.pop("log")),
            replay=None if replay is None else ReplaySettings(**replay),
            **values,
        )
