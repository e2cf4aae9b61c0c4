"""The rights that re_dms needs in Redshift, as SQL with the names of this pipeline. Pure: nothing is asked.

The user owns what it makes (our tables and the targets), which is what ALTER, VACUUM and ANALYZE ask for; it needs no
rights beyond those to make them. https://docs.aws.amazon.com/redshift/latest/dg/r_GRANT.html
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from re_dms.settings import WarehouseSettings
from re_dms.warehouse.redshift.address import Address
from re_dms.warehouse.redshift.ddl import SCHEMA, STAGE_SCHEMA
from re_dms.warehouse.redshift.names import folded, literal, quote

_USER_OF_ROLE: Final = '"IAMR:ROLE"'


def redshift_grants(settings: WarehouseSettings, schemas: Collection[str], *, makes_schemas: bool) -> Iterator[str]:
    """Lines of SQL and comments, to be run by a superuser. `schemas` are those of the source's tables.

    `makes_schemas`: there may be more of them than these, and re_dms has to make them. Raises ConfigurationError for a
    URL that is none.
    """
    address = Address.of(settings)
    user = quote(folded(address.user)) if address.user else _USER_OF_ROLE
    yield f"-- Redshift, database {quote(address.database)}: run it there, as a superuser."
    if not address.user:
        yield "-- ROLE stands for the IAM role that re_dms runs as; Redshift makes its user at the first login."
    else:
        yield f"create user {user} password disable;"
        if settings.cluster is None:
            yield f"-- alter user {user} password '…'; -- and the same in RE_DMS_WAREHOUSE__PASSWORD"
    for schema in dict.fromkeys([SCHEMA, STAGE_SCHEMA, *sorted(map(folded, schemas))]):
        yield f"create schema if not exists {quote(schema)};"
        yield f"grant usage, create on schema {quote(schema)} to {user};"
    if makes_schemas:
        yield "-- For schemas that source.tables does not name: re_dms makes them when their first table comes."
        yield f"grant create on database {quote(address.database)} to {user};"
    yield "-- For advice about VACUUM and ANALYZE, and warehouse.maintain."
    yield f"grant select on svv_table_info to {user};"
    yield "-- Only where roles are restricted (revoke assumerole on all from public for all):"
    yield f"-- grant assumerole on {_role(settings)} to {user} for copy;"


def login_statement(settings: WarehouseSettings) -> dict[str, Any] | None:
    """The statement of an IAM policy that lets re_dms ask for the warehouse's credentials; None with a password.

    https://docs.aws.amazon.com/redshift/latest/mgmt/generating-iam-credentials-role-permissions.html
    """
    region = settings.region or "*"
    if settings.cluster is not None:
        address = Address.of(settings)
        names = (f"dbuser:{settings.cluster}/{address.user}", f"dbname:{settings.cluster}/{address.database}")
        return {
            "Effect": "Allow",
            "Action": "redshift:GetClusterCredentials",
            "Resource": [f"arn:aws:redshift:{region}:*:{name}" for name in names],
        }
    if settings.workgroup is not None:
        # A workgroup's ARN has its random id, not its name.
        return {
            "Effect": "Allow",
            "Action": "redshift-serverless:GetCredentials",
            "Resource": f"arn:aws:redshift-serverless:{region}:*:workgroup/*",
        }
    return None


def _role(settings: WarehouseSettings) -> str:
    return "default" if settings.iam_role == "default" else literal(settings.iam_role)
