"""TLS as drivers check it: AWS Management Guide, "Configuring security options for connections"."""

import datetime as dt
import ipaddress
import ssl
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from standin.wire.fake_session import one_value
from standin.wire.raw_client import RawClient, fields, startup_packet
from standin.wire.served import Served

Serve = Callable[..., Served]
ANSWERS = {"select 1": one_value(23, "1")}
_HOUR = dt.timedelta(hours=1)


class Authority:
    """A certificate authority in a directory: `certificate` is its file; `context` has a server's certificate."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {directory.name}")])
        signed = self._builder(self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self.certificate = directory / "ca.pem"
        self.certificate.write_bytes(signed.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))

    def context(self, *names: x509.GeneralName) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")])
        builder = self._builder(subject, key.public_key())
        signed = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        path = self._directory / "server.pem"
        path.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + signed.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    def _builder(self, subject: x509.Name, key: Any) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=subject,
            public_key=key,
            serial_number=x509.random_serial_number(),
            not_valid_before=now - _HOUR,
            not_valid_after=now + _HOUR,
        )


LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def tls(serve: Serve, authority: Authority) -> Served:
    return serve(ANSWERS, tls=authority.context(LOOPBACK, x509.DNSName("localhost")))


@pytest.mark.parametrize("version", [0, 1, 2])
def test_redshift_connector_verifies_the_server_fully(
    tls: Served, authority: Authority, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    with tls.redshift(ssl=True, sslmode="verify-full", client_protocol_version=version) as connection:
        assert isinstance(connection._usock, ssl.SSLSocket)
        assert connection.cursor().execute("select 1").fetchall() == ([1],)


def test_psycopg_verifies_the_server_fully_and_cancels_in_tls(tls: Served, authority: Authority) -> None:
    arguments = {"sslmode": "verify-full", "sslrootcert": str(authority.certificate)}
    for host in ("127.0.0.1", "localhost"):
        with tls.psycopg(host=host, hostaddr="127.0.0.1", **arguments) as connection:
            assert connection.pgconn.ssl_in_use
            assert connection.execute("select 1").fetchone() == (1,)
            connection.cancel_safe(timeout=10)
            assert tls.session.cancelled.is_set()


def test_a_server_of_another_name_or_authority_is_refused_by_both_drivers(
    serve: Serve, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve(ANSWERS, tls=authority.context(x509.DNSName("elsewhere.example")))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    assert "mismatch" in str(served.redshift_refused(ssl=True, sslmode="verify-full"))
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        served.psycopg(sslmode="verify-full", sslrootcert=str(authority.certificate))
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other")
    monkeypatch.setenv("SSL_CERT_FILE", str(stranger.certificate))
    assert "CERTIFICATE_VERIFY_FAILED" in str(served.redshift_refused(ssl=True))
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        served.psycopg(sslmode="verify-ca", sslrootcert=str(stranger.certificate))
    assert served.sessions == []


def test_without_tls_the_server_says_so(serve: Serve) -> None:
    served = serve(ANSWERS)
    assert served.redshift_refused(ssl=True) == "Server refuses SSL"
    with pytest.raises(psycopg.OperationalError, match="server does not support SSL"):
        served.psycopg(sslmode="require")


def test_a_server_with_tls_also_takes_clients_without(tls: Served) -> None:
    with tls.redshift() as connection:
        assert connection.cursor().execute("select 1").fetchall() == ([1],)


def test_a_refused_login_is_told_inside_tls(tls: Served, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    assert tls.redshift_refused(ssl=True, password="guess")["C"] == "28000"


def test_bytes_sent_ahead_of_the_handshake_are_refused(tls: Served) -> None:
    with RawClient(tls.listener.port) as client:
        client.send(struct.pack("!ii", 8, 80877103) + startup_packet(user="ann", database="dev"))
        assert client.raw(1) == b"S"
        kind, body = client.next()
        assert (kind, fields(body)["C"]) == (b"E", "08P01")


def test_a_failed_handshake_ends_the_connection(tls: Served) -> None:
    with RawClient(tls.listener.port) as client:
        client.send(struct.pack("!ii", 8, 80877103))
        assert client.raw(1) == b"S"
        client.send(b"this is no ClientHello, it is a line of plain text")
        client.raw(100_000)  # an alert, then the end
    assert tls.sessions == []


def test_stop_cuts_connections_in_tls(tls: Served, authority: Authority) -> None:
    connection = tls.psycopg(sslmode="require")
    tls.listener.stop()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("select 1")
    assert tls.session.closed == 1
    connection.close()
