"""Every key of the configuration, once: file, environment, command line, template and docs are made from these models.

A key's docs are its `description`; its place on the command line is the `Option` beside its type. Defaults come from
`re_dms.settings`, where they have one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, SecretStr
from pydantic.fields import FieldInfo

from re_dms.config import checks
from re_dms.config.values import Identifier, Number, Option, Patterns, Region, Section, Unset, Whole, secret_dsn
from re_dms.config.warehouse_keys import WarehouseSection
from re_dms.settings import PGOUTPUT, REDSHIFT_FLUSH_SECONDS, CaptureSettings, JournalSettings

PREFIX: Final = "RE_DMS_"
FILE_NAME: Final = "re_dms.toml"

_CAPTURE: Final = CaptureSettings()
_JOURNAL: Final = JournalSettings(url="")


class PipelineSection(Section):
    """Which pipeline this is."""

    name: Annotated[Identifier, Option("--name", "NAME")] = Field(
        "re_dms",
        description="The pipeline's name. Slot and publication are called so unless they have names of their own.",
    )
    forget: Annotated[bool, Option("--forget")] = Field(
        False,
        description="Let go of tables that source.tables no longer includes. Without it that is refused: "
        "their copies in the warehouse would stand still in silence.",
    )


class SourceSection(Section):
    """The Postgres that is read."""

    dsn: Annotated[Annotated[SecretStr, AfterValidator(secret_dsn)] | None, Unset, Option("--source", "DSN")] = Field(
        None,
        description="Any connection string of libpq. Left out, libpq's own variables (PGHOST, PGSERVICE …) decide. "
        "A password is better kept in ~/.pgpass or PGPASSWORD: it is not needed here.",
        examples=["postgresql://re_dms@db.example.com:5432/shop"],
    )
    slot: Annotated[Identifier | None, Unset, Option("--slot", "NAME")] = Field(
        None, description="The replication slot. Default: the pipeline's name.", examples=["re_dms"]
    )
    publication: Annotated[
        Annotated[str, AfterValidator(checks.publication)] | None, Unset, Option("--publication", "NAME")
    ] = Field(None, description="The publication. Default: the pipeline's name.", examples=["re_dms"])
    plugin: Annotated[Literal["pgoutput", "test_decoding"], Option("--plugin", "pgoutput|test_decoding")] = Field(
        PGOUTPUT,
        description="The output plugin that writes the slot's changes: pgoutput, or test_decoding, which has no "
        "publication: there source.tables and source.exclude alone choose.",
    )
    tables: Annotated[Patterns, Option("--tables", "PATTERN ...")] = Field(
        (),
        description='Tables to carry: schema.table, with * for any characters and "…" around unusual names. '
        "Default: every table.",
        examples=[("public.*", "billing.invoices")],
    )
    exclude: Annotated[Patterns, Option("--exclude", "PATTERN ...")] = Field(
        (), description="Tables to leave out, of those that source.tables includes.", examples=[("public.tmp_*",)]
    )
    ca_file: Annotated[str | None, Unset, Option("--ca-file", "FILE")] = Field(
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


class JournalSection(Section):
    """Where the batches are kept."""

    url: Annotated[Annotated[str, AfterValidator(checks.journal_url)] | None, Unset, Option("--journal", "URL")] = (
        Field(
            None,
            description="A directory or a place in a bucket: file:///abs/dir, s3://bucket/prefix. Default for DuckDB: "
            "beside the warehouse's file, with .journal added; Redshift reads s3:// alone and has no default.",
            examples=["file:///srv/re_dms/shop.duckdb.journal"],
        )
    )
    compression: Annotated[Literal["zstd", "gzip"], Option("--compression", "zstd|gzip")] = Field(
        "zstd", description="How data files are compressed: zstd or gzip."
    )
    region: Annotated[Region | None, Unset] = Field(
        None,
        description="The region of an S3 journal's bucket. Default: AWS_REGION, AWS_DEFAULT_REGION or the profile's.",
        examples=["eu-central-1"],
    )
    encryption: Literal["none", "sse-s3", "sse-kms"] = Field(
        "none",
        description="How S3 is asked to encrypt the objects: sse-s3, sse-kms, or none: as the bucket says.",
    )
    kms_key_id: Annotated[Annotated[str, AfterValidator(checks.kms_key)] | None, Unset] = Field(
        None,
        description="The KMS key to encrypt with: its ARN; means sse-kms. Default for sse-kms: AWS's own key for S3.",
        examples=["arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd"],
    )
    slices: Annotated[Whole, Field(ge=1, le=128)] = Field(
        _JOURNAL.slices,
        description="How many slices load the files: a large file becomes a multiple of this many parts, "
        "1 to 64 MB each. For Redshift: nodes times slices a node. 1 to 128.",
    )


class CaptureSection(Section):
    """When a batch closes: at the first commit after any of the three limits, or when the source falls silent."""

    flush_seconds: Annotated[
        Annotated[Number, Field(gt=0, le=3600)] | None, Unset, Option("--flush-seconds", "SECONDS")
    ] = Field(
        None,
        description="Seconds between batches: while changes flow, one closes this often; a change that comes when none was "
        "closed for this long goes on at once. "
        f"Default: {REDSHIFT_FLUSH_SECONDS:g} when warehouse.url is Redshift, else {_CAPTURE.flush_seconds:g}.",
        examples=[_CAPTURE.flush_seconds],
    )
    flush_mb: Annotated[Whole, Field(ge=1, le=1024), Option("--flush-mb", "MB")] = Field(
        _CAPTURE.flush_mb,
        description="Size at which a batch closes: MiB received from the source, 1 to 1024.",
    )
    flush_rows: Annotated[Whole, Field(ge=1, le=1_000_000_000), Option("--flush-rows", "ROWS")] = Field(
        _CAPTURE.flush_rows, description="Number of changes at which a batch closes."
    )
    position_seconds: Annotated[Number, Field(gt=0, le=3600)] = Field(
        _CAPTURE.position_seconds,
        description="At most this often an idle source's position goes into the journal, so that its WAL can go.",
    )
    status_seconds: Annotated[Number, Field(gt=0, le=10)] = Field(
        _CAPTURE.status_seconds, description="How often the source is told what is safe. At most 10."
    )
    pause_seconds_max: Annotated[Number, Field(gt=0, le=30)] = Field(
        _CAPTURE.pause_seconds_max,
        description="When the journal cannot keep up, reading pauses for at most this long with the stream open; "
        "then the stream is closed for a while, so that the source never waits for us. At most 30.",
    )
    catalog_seconds: Annotated[Number, Field(gt=0, le=3600)] = Field(
        _CAPTURE.catalog_seconds,
        description="How often the source's catalog is looked at for what the stream does not tell "
        "(partitions, enums, the publication); less often when a look takes long.",
    )
    copy_connections: Annotated[Whole, Field(ge=1, le=16)] = Field(
        _CAPTURE.copy_connections,
        description="How many connections copy tables: each takes the next table or, since Postgres 14, the next blocks of a "
        "large one. 1 to 16.",
    )
    streaming: bool = Field(
        _CAPTURE.streaming,
        description="Large transactions are received while they run (Postgres 14 and later) instead of being kept on "
        "the source's disk until they end. What is rolled back never reaches the journal.",
    )
    spill_directory: Annotated[Annotated[str, AfterValidator(checks.directory)] | None, Unset] = Field(
        None,
        description="Where large transactions wait for their end, in files of re_dms alone that no directory lists. "
        "Default: /var/tmp, or the system's place for temporary files where there is none.",
        examples=["/srv/re_dms/spill"],
    )


class LogSection(Section):
    """What is said on standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Option("--log-level", "LEVEL")] = Field(
        "info", description="The least level that is logged: debug, info, warning or error."
    )
    format: Annotated[Literal["auto", "human", "json"], Option("--log-format", "FORMAT")] = Field(
        "auto", description="human, json, or auto: human on a terminal, JSON lines elsewhere."
    )


SECTIONS: Final[dict[str, type[Section]]] = {
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
