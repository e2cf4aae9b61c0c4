"""Temporary credentials from AWS, by the driver's own IAM code: for a provisioned cluster or a serverless workgroup.

AWS's endpoints and our identity come from boto3's chain (AWS_ENDPOINT_URL and the like). Nothing is kept: every
connection asks anew. Source: https://docs.aws.amazon.com/redshift/latest/mgmt/generating-user-credentials.html
"""

from __future__ import annotations

import os
import re
from typing import Final

from re_dms.errors import WarehouseError, WarehouseUnavailable
from re_dms.settings import WarehouseSettings
from re_dms.warehouse.redshift.address import Address

_REGION_IN_HOST: Final = re.compile(r"\.([a-z0-9-]+)\.redshift(?:-serverless)?\.amazonaws\.com(?:\.cn)?\.?$")


def login(address: Address, settings: WarehouseSettings) -> tuple[str, str]:
    """User and password for one connection.

    Raises WarehouseError when there is no password or AWS refuses one, WarehouseUnavailable when AWS does not answer.
    """
    if settings.cluster is not None or settings.workgroup is not None:
        return _temporary(address, settings)
    if settings.password is None:
        raise WarehouseError(
            f"there is no password for the warehouse at {address.safe_url}",
            remedy="set RE_DMS_WAREHOUSE__PASSWORD, warehouse.password_file, warehouse.cluster or warehouse.workgroup",
        )
    return address.user, settings.password


def _temporary(address: Address, settings: WarehouseSettings) -> tuple[str, str]:
    from botocore import exceptions
    from redshift_connector.error import Error
    from redshift_connector.iam_helper import IamHelper
    from redshift_connector.redshift_property import RedshiftProperty

    asked = RedshiftProperty()
    for name, value in {
        "iam": True,
        "iam_disable_cache": True,
        "ssl": True,
        "host": address.host,
        "port": address.port,
        "db_name": address.database,
        "db_user": address.user,
        "region": _region(address, settings),
        "cluster_identifier": settings.cluster,
        "is_serverless": settings.workgroup is not None,
        "serverless_work_group": settings.workgroup,
    }.items():
        asked.put(name, value)
    whom = f"workgroup {settings.workgroup}" if settings.workgroup else f"cluster {settings.cluster}"
    said = f"AWS gave no credentials for {whom} and user {address.user or 'of this role'}"
    try:
        IamHelper.set_iam_properties(asked)
    except (exceptions.ConnectionError, exceptions.HTTPClientError) as error:
        raise WarehouseUnavailable(
            f"{said}: {type(error).__name__}", remedy="nothing to do unless it lasts: re_dms tries again"
        ) from None
    except (exceptions.BotoCoreError, exceptions.ClientError, Error) as error:
        raise _refused(said, error) from None
    return asked.user_name, asked.password


def _region(address: Address, settings: WarehouseSettings) -> str:
    """Without one the driver would ask the DNS, which may answer anything."""
    import boto3

    in_host = _REGION_IN_HOST.search(address.host)
    # boto3 itself does not read AWS_REGION, which AWS's other tools do.
    region = settings.region or (in_host and in_host[1]) or os.environ.get("AWS_REGION") or boto3.Session().region_name
    if not region:
        raise WarehouseError(
            f"no region is known for the credentials of the warehouse at {address.safe_url}",
            remedy="set warehouse.region or AWS_REGION",
        )
    return str(region)


def _refused(said: str, error: Exception) -> WarehouseError:
    """The code alone: AWS's text may hold anything."""
    response = getattr(error, "response", {})
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = str(response.get("Error", {}).get("Code", "")) or type(error).__name__
    if status >= 500 or "Throttl" in code:
        return WarehouseUnavailable(f"{said}: {code}", remedy="nothing to do unless it lasts: re_dms tries again")
    return WarehouseError(
        f"{said}: {code}",
        remedy="check warehouse.cluster or warehouse.workgroup, warehouse.region, and that this identity may call "
        "redshift:GetClusterCredentials or redshift-serverless:GetCredentials",
    )
