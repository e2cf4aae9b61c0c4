"""Runs a client's program against a stand-in and moto's S3 of its own: `python run.py PYTHON PROGRAM …`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import boto3
from moto.server import ThreadedMotoServer

from redshift_standin import Server

_REGION = "us-east-1"
_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "any",
    "AWS_DEFAULT_REGION": _REGION,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
_BUCKET = "clients"


def main(python: str, program: str) -> int:
    """The program's exit code."""
    os.environ.update(_CREDENTIALS)
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    try:
        boto3.client("s3", endpoint_url=endpoint, region_name=_REGION).create_bucket(Bucket=_BUCKET)
        with Server(s3_endpoint=endpoint, region=_REGION) as server:
            environment = os.environ | {
                "AWS_ENDPOINT_URL": endpoint,
                "STANDIN_HOST": server.host,
                "STANDIN_PORT": str(server.port),
                "STANDIN_USER": server.user,
                "STANDIN_PASSWORD": server.password,
                "STANDIN_DATABASE": server.options.database,
                "STANDIN_BUCKET": _BUCKET,
                # Of this repository it gets the steps, and no package that is installed here.
                "PYTHONPATH": str(Path(__file__).parents[2]),
            }
            return subprocess.run(
                [python, str(Path(__file__).parent / program)], env=environment, check=False
            ).returncode
    finally:
        moto.stop()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
