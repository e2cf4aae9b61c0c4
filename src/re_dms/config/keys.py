"""Every key of the configuration, once: file, environment, command line, template and docs are made from these models.

A key's docs are its `description`; its place on the command line is the `Option` beside its type. Defaults come from
`re_dms.settings`, where they have one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic.fields import FieldInfo

from re_dms.config import checks
from re_dms.settings import CaptureSettings

PREFIX: Final = "RE_DMS_"
FILE_NAME: Final = "re_dms.toml"

_CAPTURE: Final = CaptureSettings()


@dataclass(frozen=True, slots=True)
class Option:
    """How the command line names a key; keys without one live in the file and the environment only."""

    flag: str
    metavar: str | None = None


def _no_bool(value: object) -> object:
    # To Python true is the number 1; to the person who wrote it, it is a slip.
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _words(value: object) -> object:
    # The environment has no lists: commas part the patterns. The same is taken from file and command line.
    if isinstance(value, str):
        value = (value,)
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return tuple(word for item in value for word in checks.split_patterns(item))
    return value


def _not_set(value: object) -> object:
    return None if value == "" else value


def _each_pattern(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(checks.pattern(value) for value in values)


def _secret_dsn(value: SecretStr) -> SecretStr:
    checks.dsn(value.get_secret_value())
    return value


_Whole = Annotated[int, BeforeValidator(_no_bool)]
_Number = Annotated[float, BeforeValidator(_no_bool), Field(allow_inf_nan=False)]
_Identifier = Annotated[str, AfterValidator(checks.identifier)]
_Patterns = Annotated[tuple[str, ...], BeforeValidator(_words), AfterValidator(_each_pattern)]
_Unset = BeforeValidator(_not_set)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class PipelineSection(_Section):
    """Which pipeline this is."""

    name: Annotated[_Identifier, Option("--name", "NAME")] = Field(
        "re_dms",
        description="The pipeline's name. Slot and publication are called so unless they have names of their own.",
    )
    forget: Annotated[bool, Option("--forget")] = Field(
        False,
        description="Let go of tables that source.tables no longer includes. Without it that is refused: "
        "their copies in the warehouse would stand still in silence.",
    )


class SourceSection(_Section):
    """The Postgres that is read."""

    dsn: Annotated[Annotated[SecretStr, AfterValidator(_secret_dsn)] | None, _Unset, Option("--source", "DSN")] = Field(
        None,
        description="Any connection string of libpq. Left out, libpq's own variables (PGHOST, PGSERVICE …) decide. "
        "A password is better kept in ~/.pgpass or PGPASSWORD: it is not needed here.",
        examples=["postgresql://re_dms@db.example.com:5432/shop"],
    )
    slot: Annotated[_Identifier | None, _Unset, Option("--slot", "NAME")] = Field(
        None, description="The replication slot. Default: the pipeline's name.", examples=["re_dms"]
    )
    publication: Annotated[
        Annotated[str, AfterValidator(checks.publication)] | None, _Unset, Option("--publication", "NAME")
    ] = Field(None, description="The publication. Default: the pipeline's name.", examples=["re_dms"])
    tables: Annotated[_Patterns, Option("--tables", "PATTERN ...")] = Field(
        (),
        description='Tables to carry: schema.table, with * for any characters and "…" around unusual names. '
        "Default: every table.",
        examples=[("public.*", "billing.invoices")],
    )
    exclude: Annotated[_Patterns, Option("--exclude", "PATTERN ...")] = Field(
        (), description="Tables to leave out, of those that source.tables includes.", examples=[("public.tmp_*",)]
    )
    ca_file: Annotated[str | None, _Unset, Option("--ca-file", "FILE")] = Field(
        None,
        description="The certificate authorities (PEM) that may have signed the server's certificate. "
        "Default: those of the system.",
        examples=["/etc/ssl/certs/ca-certificates.crt"],
    )
    insecure_tls: Annotated[bool, Option("--insecure-tls")] = Field(
        False,
        description="Do not check the server's certificate; said at every start. Without it TLS is verify-full, "
        "except on loopback and unix sockets.",
    )


class JournalSection(_Section):
    """Where the batches are kept."""

    url: Annotated[Annotated[str, AfterValidator(checks.journal_url)] | None, _Unset, Option("--journal", "URL")] = (
        Field(
            None,
            description="A directory or a place in a bucket: file:///abs/dir, s3://bucket/prefix. Default for DuckDB: "
            "beside the warehouse's file, with .journal added.",
            examples=["file:///srv/re_dms/shop.duckdb.journal"],
        )
    )
    compression: Annotated[Literal["zstd", "gzip"], Option("--compression", "zstd|gzip")] = Field(
        "zstd", description="How data files are compressed: zstd or gzip."
    )
    region: Annotated[Annotated[str, AfterValidator(checks.region)] | None, _Unset] = Field(
        None,
        description="The region of an S3 journal's bucket. Default: AWS_REGION, AWS_DEFAULT_REGION or the profile's.",
        examples=["eu-central-1"],
    )
    encryption: Literal["none", "sse-s3", "sse-kms"] = Field(
        "none",
        description="How S3 is asked to encrypt the objects: sse-s3, sse-kms, or none: as the bucket says.",
    )
    kms_key_id: Annotated[Annotated[str, AfterValidator(checks.kms_key)] | None, _Unset] = Field(
        None,
        description="The KMS key to encrypt with: its ARN; means sse-kms. Default for sse-kms: AWS's own key for S3.",
        examples=["arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd"],
    )


class WarehouseSection(_Section):
    """Where the tables are kept equal."""

    url: Annotated[
        Annotated[str, AfterValidator(checks.warehouse_url)] | None, _Unset, Option("--warehouse", "URL")
    ] = Field(
        None, description="A DuckDB file: duckdb:///abs/file.duckdb.", examples=["duckdb:///srv/re_dms/shop.duckdb"]
    )


class CaptureSection(_Section):
    """When a batch closes: at the first commit after any of the three limits, or when the source falls silent."""

    flush_seconds: Annotated[_Number, Field(gt=0, le=3600), Option("--flush-seconds", "SECONDS")] = Field(
        _CAPTURE.flush_seconds, description="Age of its first change at which a batch closes."
    )
    flush_mb: Annotated[_Whole, Field(ge=1, le=1024), Option("--flush-mb", "MB")] = Field(
        _CAPTURE.flush_mb,
        description="Size at which a batch closes: MiB received from the source, 1 to 1024.",
    )
    flush_rows: Annotated[_Whole, Field(ge=1, le=1_000_000_000), Option("--flush-rows", "ROWS")] = Field(
        _CAPTURE.flush_rows, description="Number of changes at which a batch closes."
    )
    position_seconds: Annotated[_Number, Field(gt=0, le=3600)] = Field(
        _CAPTURE.position_seconds,
        description="At most this often an idle source's position goes into the journal, so that its WAL can go.",
    )
    status_seconds: Annotated[_Number, Field(gt=0, le=10)] = Field(
        _CAPTURE.status_seconds, description="How often the source is told what is safe. At most 10."
    )
    pause_seconds_max: Annotated[_Number, Field(gt=0, le=30)] = Field(
        _CAPTURE.pause_seconds_max,
        description="When the journal cannot keep up, reading pauses for at most this long with the stream open; "
        "then the stream is closed for a while, so that the source never waits for us. At most 30.",
    )
    catalog_seconds: Annotated[_Number, Field(gt=0, le=3600)] = Field(
        _CAPTURE.catalog_seconds,
        description="How often the source's catalog is looked at for what the stream does not tell "
        "(partitions, enums, the publication); less often when a look takes long.",
    )


class LogSection(_Section):
    """What is said on standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Option("--log-level", "LEVEL")] = Field(
        "info", description="The least level that is logged: debug, info, warning or error."
    )
    format: Annotated[Literal["auto", "human", "json"], Option("--log-format", "FORMAT")] = Field(
        "auto", description="human, json, or auto: human on a terminal, JSON lines elsewhere."
    )


SECTIONS: Final[dict[str, type[_Section]]] = {
    "pipeline": PipelineSection,
    "source": SourceSection,
    "journal": JournalSection,
    "warehouse": WarehouseSection,
    "capture": CaptureSection,
    "log": LogSection,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key, as people meet it: `name` is section.key, `default` None where another key or a file decides."""

    name: str
    description: str
    default: object
    example: object
    option: Option | None
    kind: Literal["flag", "list", "value"]

    @property
    def environment(self) -> str:
        """The environment variable: RE_DMS_SECTION__KEY."""
        return PREFIX + self.name.upper().replace(".", "__")


def keys() -> Iterator[Key]:
    """All keys, section by section, in the order of the models."""
    for section, model in SECTIONS.items():
        for name, info in model.model_fields.items():
            yield _key(f"{section}.{name}", info)


def _key(name: str, info: FieldInfo) -> Key:
    default = info.default
    kind: Literal["flag", "list", "value"] = "value"
    if isinstance(default, bool):
        kind = "flag"
    elif isinstance(default, tuple):
        kind = "list"
    return Key(
        name=name,
        description=info.description or "",
        default=default,
        example=info.examples[0] if info.examples else default,
        option=next((item for item in info.metadata if isinstance(item, Option)), None),
        kind=kind,
    )
