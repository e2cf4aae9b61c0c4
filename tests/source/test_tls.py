"""Whom a connection trusts: nobody unverified, but this machine."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fix_postgres import PostgresFactory
from re_dms.errors import ConfigurationError, SourceError
from re_dms.settings import SourceSettings
from re_dms.source.connection import connect, connection_parameters


def parameters(dsn: str, **values: Any) -> dict[str, Any]:
    return connection_parameters(SourceSettings(dsn=dsn, slot="s", publication="p", **values), purpose="test")


@pytest.fixture(autouse=True)
def without_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    "dsn",
    [
        "host=db.example.com",
        "postgresql://db.example.com/d",
        "host=10.0.0.7",
        "host=localhost,db.example.com",
        "host=localhost hostaddr=10.0.0.7",
        "service=production",
    ],
)
def test_another_machine_is_verified_by_default(dsn: str) -> None:
    assert parameters(dsn)["sslmode"] == "verify-full"
    assert parameters(dsn)["sslrootcert"]


@pytest.mark.parametrize(
    "dsn", ["", "host=/run/postgresql", "host=localhost", "host=127.0.0.1", "host=::1", "postgresql://u@127.8.8.8:5/d"]
)
def test_this_machine_is_left_to_libpq(dsn: str) -> None:
    assert "sslmode" not in parameters(dsn)
    assert parameters("host=localhost sslmode=disable")["sslmode"] == "disable"


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_less_than_verification_is_refused_unless_asked_for_twice(mode: str) -> None:
    dsn = f"host=db.example.com sslmode={mode} password=c4nary"
    with pytest.raises(ConfigurationError, match=mode) as caught:
        parameters(dsn)
    assert "c4nary" not in str(caught.value)
    assert parameters(dsn, insecure_tls=True)["sslmode"] == mode


def test_the_environment_cannot_weaken_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLMODE", "disable")
    assert parameters("host=db.example.com")["sslmode"] == "verify-full"
    monkeypatch.setenv("PGHOST", "db.example.com")
    assert parameters("dbname=d")["sslmode"] == "verify-full"


def test_the_authority_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert parameters("host=h sslrootcert=/a", ca_file="/b")["sslrootcert"] == "/b"
    assert parameters("host=h sslrootcert=/a")["sslrootcert"] == "/a"
    monkeypatch.setenv("PGSSLROOTCERT", "/c")
    assert "sslrootcert" not in parameters("host=h")
    monkeypatch.delenv("PGSSLROOTCERT")
    (tmp_path / ".postgresql").mkdir()
    (tmp_path / ".postgresql" / "root.crt").touch()
    assert "sslrootcert" not in parameters("host=h")


def openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)


def certificates(directory: Path, name: str) -> None:
    """A CA in ca.crt and a certificate of it for `name` in server.crt and server.key."""
    (directory / "extensions").write_text(f"subjectAltName=DNS:{name}\n")
    subject = ["-nodes", "-newkey", "rsa:2048"]
    openssl(
        directory, "req", "-x509", *subject, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test CA", "-days", "2"
    )
    openssl(directory, "req", *subject, "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={name}")
    signing = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions", "-days", "2"]
    openssl(directory, "x509", "-req", "-in", "server.csr", "-out", "server.crt", *signing)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl program to make certificates")
def test_a_server_is_trusted_by_its_authority_and_its_name_only(
    postgres_factory: PostgresFactory, tmp_path: Path
) -> None:
    server = postgres_factory(settings={"listen_addresses": "127.0.0.1"})
    data = Path(server.execute("show data_directory")[0][0])
    if "openssl" not in server.execute("show ssl_library")[0][0].lower():
        pytest.skip("this Postgres was built without TLS")
    certificates(tmp_path, "db.example.com")
    owner = data.stat()
    for name in ("server.crt", "server.key"):
        shutil.copy(tmp_path / name, data / name)
        os.chown(data / name, owner.st_uid, owner.st_gid)
        (data / name).chmod(0o600)
    server.execute("alter system set ssl = on")
    server.execute("select pg_reload_conf()")
    dsn = server.dsn("postgres", tcp=True).replace("host=127.0.0.1", "hostaddr=127.0.0.1") + " sslmode=verify-full"

    def attempt(host: str, ca_file: Path | None) -> tuple[bool]:
        ca = None if ca_file is None else str(ca_file)
        with connect(
            SourceSettings(dsn=f"{dsn} host={host}", slot="s", publication="p", ca_file=ca), purpose="test"
        ) as connection:
            found: tuple[bool] = connection.execute(
                "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
            ).fetchall()[0]
            return found

    assert attempt("db.example.com", tmp_path / "ca.crt") == (True,)
    with pytest.raises(SourceError, match="certificate") as name_refused:
        attempt("other.example.com", tmp_path / "ca.crt")
    with pytest.raises(SourceError, match="certificate") as authority_refused:
        attempt("db.example.com", None)
    assert not name_refused.value.retry
    assert not authority_refused.value.retry
