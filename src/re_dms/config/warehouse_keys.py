"""The keys of the section [warehouse], most of them for Redshift."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

from re_dms.config import checks
from re_dms.config.values import Option, Region, Section, Unset, Whole, split_by
from re_dms.settings import WarehouseSettings

_WAREHOUSE: Final = WarehouseSettings(url="")


class WarehouseSection(Section):
    """Where the tables are kept equal. All keys but the URL are for Redshift."""

    url: Annotated[Annotated[str, AfterValidator(checks.warehouse_url)] | None, Unset, Option("--warehouse", "URL")] = (
        Field(
            None,
            description="A DuckDB file, duckdb:///abs/file.duckdb, or Redshift, redshift://user@host:5439/database. "
            "With ?driver=psycopg at its end libpq connects in place of AWS's own driver.",
            examples=["duckdb:///srv/re_dms/shop.duckdb"],
        )
    )
    password: Annotated[SecretStr | None, Unset] = Field(
        None,
        description="The user's password. Better kept in the environment or in a file of its own "
        "(warehouse.password_file) than here.",
        examples=["…"],
    )
    password_file: Annotated[str | None, Unset] = Field(
        None,
        description="A file whose first line is the password. It must be readable by its owner only.",
        examples=["/etc/re_dms/warehouse.password"],
    )
    cluster: Annotated[Annotated[str, AfterValidator(checks.cluster)] | None, Unset] = Field(
        None,
        description="In place of a password: the provisioned cluster for which AWS gives temporary credentials, "
        "anew for every connection (redshift:GetClusterCredentials).",
        examples=["analytics"],
    )
    workgroup: Annotated[Annotated[str, AfterValidator(checks.workgroup)] | None, Unset] = Field(
        None,
        description="The same for a serverless workgroup (redshift-serverless:GetCredentials); "
        "the URL needs no user then.",
        examples=["analytics"],
    )
    region: Annotated[Region | None, Unset] = Field(
        None,
        description="The region of cluster or workgroup, for the credentials. "
        "Default: that in the host's name, else AWS_REGION, AWS_DEFAULT_REGION or the profile's.",
        examples=["eu-central-1"],
    )
    iam_role: Annotated[Annotated[str, AfterValidator(checks.iam_role)], Option("--iam-role", "ARN")] = Field(
        _WAREHOUSE.iam_role,
        description="The role with which the warehouse reads the journal (COPY): its ARN, several chained by commas, "
        "or default: the warehouse's default role.",
    )
    ca_file: Annotated[str | None, Unset] = Field(
        None,
        description="The certificate authorities (PEM) that may have signed the warehouse's certificate. "
        "Default: those of the system and of AWS.",
        examples=["/etc/ssl/certs/ca-certificates.crt"],
    )
    insecure_tls: bool = Field(
        _WAREHOUSE.insecure_tls,
        description="Do not check the warehouse's certificate; said at every start. Without it TLS is verify-full, "
        "except on loopback.",
    )
    copy_sessions: Annotated[Whole, Field(ge=1, le=16)] = Field(
        _WAREHOUSE.copy_sessions, description="How many sessions stage files (COPY) at the same time, 1 to 16."
    )
    group_batches: Annotated[Whole, Field(ge=1, le=100)] = Field(
        _WAREHOUSE.group_batches,
        description="How many waiting batches are at most folded into one load, 1 to 100; 1: each alone.",
    )
    maintain: bool = Field(
        _WAREHOUSE.maintain,
        description="Run VACUUM and ANALYZE where they are due. Without it `re-dms check` only advises.",
    )
    policies: Annotated[tuple[str, ...], split_by(checks.split_patterns), AfterValidator(checks.policies)] = Field(
        (),
        description="What happens to values that do not fit, per table or column, * for any characters: fail (the "
        "default: stop by name), null, clamp (numbers and dates) or truncate (texts). Never for keys; later ones win.",
        examples=[("public.orders.note=truncate", "public.*=null")],
    )
    design: Annotated[tuple[str, ...], split_by(checks.split_designs), AfterValidator(checks.designs)] = Field(
        (),
        description="How targets are laid out, in Redshift's words: diststyle, distkey(…), sortkey(…). Default: AUTO.",
        examples=[("public.orders=distkey(customer_id) sortkey(created_at, id)", "public.countries=diststyle all")],
    )
