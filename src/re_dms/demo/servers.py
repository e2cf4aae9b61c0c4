"""The servers of the Redshift demo, each a process of its own on this machine: moto's S3, and the Redshift stand-in.

Neither is part of the product: they are found when they are asked for. Both die with the demo, whatever ends it.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from re_dms.demo.process import environment, following
from re_dms.errors import ConfigurationError, ReDmsError

REGION: Final = "us-east-1"
CREDENTIALS: Final = {
    "AWS_ACCESS_KEY_ID": "demo",
    "AWS_SECRET_ACCESS_KEY": "demo",
    "AWS_REGION": REGION,
    # Nothing of the machine's own set-up takes part, and nobody looks for an instance's metadata.
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    # No proxy between processes of this machine.
    "NO_PROXY": "127.0.0.1",
    "no_proxy": "127.0.0.1",
}
"""What every process of the demo presents to moto, which takes anything."""

_START_SECONDS_MAX: Final = 90.0
_END_SECONDS_MAX: Final = 20.0
_ANSWER_SECONDS_MAX: Final = 30.0
_LAST_WORDS_BYTES: Final = 500
_HTTP_OK: Final = 200
_SET_UP_WRONG: Final = 2  # the stand-in's exit code
# moto gives private objects to whoever says a name, and checks no signature.
_SIGNED: Final = {"Authorization": f"AWS {CREDENTIALS['AWS_ACCESS_KEY_ID']}:"}
_LIST: Final = "{http://s3.amazonaws.com/doc/2006-03-01/}"

# Port 0 is any free one: nobody can take it in between.
_MOTO: Final = """
import json, logging, threading
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(json.dumps({"port": server.get_host_and_port()[1]}), flush=True)
threading.Event().wait()
"""


def require() -> None:
    """Raises ConfigurationError when what the demo needs is not installed."""
    for module, remedy in (
        ("moto", "run `scripts/demo`, or `pip install 'moto[s3,server]'`"),
        ("flask", "run `scripts/demo`, or `pip install 'moto[s3,server]'`"),
        ("redshift_standin", "run `scripts/demo` in the repository of re_dms, which has it"),
    ):
        if find_spec(module) is None:
            raise ConfigurationError(
                f"--warehouse redshift-standin needs {module}, which is not installed", remedy=remedy
            )


class ServerProcess:
    """A Python program that prints one line of JSON when it is ready. Started from the main thread; `close` ends it."""

    def __init__(self, name: str, arguments: list[str], *, directory: Path, environment: Mapping[str, str]) -> None:
        """Returns when it is ready; `ready` is what it said. Raises ReDmsError with its last words."""
        self._name = name
        self._log = directory / f"{name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                following(*arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=directory,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the demo, which ends it when nobody needs it any more
            )
        try:
            self.ready: dict[str, Any] = self._first_line()
        except BaseException:
            self.close()
            raise

    def _first_line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            line = self._process.stdout.readline() if selector.select(_START_SECONDS_MAX) else b""
        if not line:
            raise self._failure()
        ready: dict[str, Any] = json.loads(line)
        return ready

    def _failure(self) -> ReDmsError:
        self.close()
        said = " ".join(self._log.read_bytes()[-_LAST_WORDS_BYTES:].decode(errors="replace").split())
        message = f"{self._name} did not start: {said or 'it said nothing'}"
        if self._process.returncode == _SET_UP_WRONG:
            return ConfigurationError(message, remedy="name the programs of a Postgres 15 or later with --pg-bin")
        return ReDmsError(message, remedy="is the machine very busy? try again")

    def close(self) -> None:
        """SIGTERM, and SIGKILL if that does not end it. May be called again."""
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class ObjectStore:
    """moto's S3 with one bucket, in memory."""

    bucket = "shop"

    def __init__(self, directory: Path) -> None:
        """Start it. Raises ReDmsError."""
        self._server = ServerProcess("s3", ["-c", _MOTO], directory=directory, environment=environment() | CREDENTIALS)
        self.port = int(self._server.ready["port"])
        try:
            self._ask("PUT", f"/{self.bucket}")
        except BaseException:
            self.close()
            raise

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to reach it through AWS's libraries."""
        return CREDENTIALS | {"AWS_ENDPOINT_URL": self.url}

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def copy_to(self, directory: Path) -> None:
        """Write every object as a file, by its key."""
        for key in self._keys():
            path = directory / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._ask("GET", f"/{self.bucket}/{quote(key)}"))

    def _keys(self) -> Iterator[str]:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
        token = ""
        while True:
            more = f"&continuation-token={quote(token, safe='')}" if token else ""
            page = ET.fromstring(self._ask("GET", f"/{self.bucket}?list-type=2{more}"))
            yield from (found.text or "" for found in page.iter(f"{_LIST}Key"))
            token = page.findtext(f"{_LIST}NextContinuationToken") or ""
            if not token:
                return

    def _ask(self, method: str, path: str) -> bytes:
        # Not boto3: in this process it would read the user's own set-up.
        connection = HTTPConnection("127.0.0.1", self.port, timeout=_ANSWER_SECONDS_MAX)
        status = 0
        with suppress(OSError, HTTPException):
            connection.request(method, path, headers=_SIGNED)
            response = connection.getresponse()
            status, body = response.status, response.read()
        connection.close()
        if status != _HTTP_OK:
            raise ReDmsError(f"the demo's S3 does not answer ({status or 'nothing'})", remedy="run the demo again")
        return body

    def close(self) -> None:
        """End it, and all that is in it."""
        self._server.close()


class StandIn:
    """The Redshift stand-in over that S3, on a Postgres of its own."""

    def __init__(self, directory: Path, store: ObjectStore, pg_bin: Path | None) -> None:
        """Start it. Raises ReDmsError."""
        chosen = [] if pg_bin is None else ["--pg-bin", str(pg_bin.absolute())]
        serve = ["-m", "redshift_standin", "serve", "--json", "--port", "0"]
        self._server = ServerProcess(
            "redshift-standin",
            [*serve, "--s3-endpoint", store.url, "--region", REGION, *chosen],
            directory=directory,
            environment=environment() | CREDENTIALS,
        )
        ready = self._server.ready
        self.password = str(ready["password"])
        self.url = f"redshift://{ready['user']}@{ready['host']}:{ready['port']}/{ready['database']}"
        """Without the password, which is made up for each start."""

    def close(self) -> None:
        """End it, its Postgres and all that is in it."""
        self._server.close()
