"""A strict local stand-in for Amazon Redshift.

    with redshift_standin.Server(s3_endpoint="http://127.0.0.1:5000") as server:
        connection = redshift_connector.connect(**server.arguments)

It speaks Redshift's side of the wire protocol over a real Postgres, accepts what Redshift accepts as far as it is built, and
refuses what Redshift refuses and what is not established.
"""

from redshift_standin.faults import Fault, Faults
from redshift_standin.server import Options, Server

__all__ = ["Fault", "Faults", "Options", "Server"]
