"""The encrypted way to Redshift: verified by default, everywhere but on this machine, by the same rules for both drivers.

AWS's driver can only trust its own authorities together with the system's, process-wide, and can only verify or not
encrypt at all. So the socket is opened and encrypted here, and the driver is handed it ready.
Source: https://docs.aws.amazon.com/redshift/latest/mgmt/connecting-ssl-support.html
"""

from __future__ import annotations

import importlib.util
import socket
import ssl
import struct
from pathlib import Path
from typing import Final

from re_dms.errors import WarehouseError
from re_dms.settings import WarehouseSettings
from re_dms.warehouse.redshift.address import Address
from re_dms.warehouse.redshift.failures import ConnectionLost, printable

CONNECT_SECONDS_MAX: Final = 15
# A peer that is gone is noticed while nothing is sent: 30 s of silence, then 6 probes, one every 10 s.
IDLE_SECONDS: Final = 30
PROBE_SECONDS: Final = 10
PROBES_MAX: Final = 6
# … and while something is: what is sent has to be acknowledged by the peer's kernel in this time.
UNACKNOWLEDGED_SECONDS_MAX: Final = 90

REMEDY: Final = (
    "give the certificate authority with warehouse.ca_file; warehouse.insecure_tls does without verification"
)
_SSL_REQUEST: Final = struct.pack("!ii", 8, 80877103)
"""https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SSLREQUEST"""


def is_verified(address: Address, settings: WarehouseSettings) -> bool:
    """Whether certificate and name are checked. A `ca_file` asks for it on this machine too.

    Otherwise the connection is encrypted if the server can, and nothing is checked.
    """
    return settings.ca_file is not None or not (settings.insecure_tls or address.is_local)


def authorities(settings: WarehouseSettings) -> Path:
    """The file of those who may have signed the certificate: `ca_file`, else what AWS ships with its driver.

    Raises WarehouseError when it is not there.
    """
    if settings.ca_file is not None:
        path = Path(settings.ca_file)
    else:
        spec = importlib.util.find_spec("redshift_connector")
        places = spec.submodule_search_locations if spec is not None else None
        path = Path(places[0] if places else "", "files", "redshift-ca-bundle.crt")
    if not path.is_file():
        raise WarehouseError(f"the file of certificate authorities {path} is not there", remedy=REMEDY)
    return path


def open_socket(address: Address, settings: WarehouseSettings) -> socket.socket:
    """A connected socket, encrypted as `settings` say, with a timeout of CONNECT_SECONDS_MAX.

    Raises ConnectionLost (nobody answers), WarehouseError (the server is not who it should be).
    """
    context = _context(address, settings)
    try:
        plain = socket.create_connection((address.host, address.port), timeout=CONNECT_SECONDS_MAX)
    except OSError as error:
        raise ConnectionLost(_reason(error)) from None
    try:
        _watch(plain)
        return _encrypted(plain, context, address)
    except BaseException:
        plain.close()
        raise


def _encrypted(plain: socket.socket, context: ssl.SSLContext, address: Address) -> socket.socket:
    try:
        plain.sendall(_SSL_REQUEST)
        answer = plain.recv(1)
        if not answer:
            raise ConnectionLost("the server closed the connection")
        if answer == b"S":
            return context.wrap_socket(plain, server_hostname=address.host)
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError):
        raise ConnectionLost("the server closed the connection") from None
    except ssl.SSLError as error:
        # A certificate's own words name it; OpenSSL's others name no secret either.
        said = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason
        if not said:  # OpenSSL met an end, and knows no reason
            raise ConnectionLost("the server closed the connection") from None
        raise WarehouseError(
            f"no trusted connection to the warehouse at {address.safe_url}: {printable(said)}",
            remedy=REMEDY,
        ) from None
    except OSError as error:
        raise ConnectionLost(_reason(error)) from None
    if context.verify_mode is ssl.CERT_REQUIRED:
        raise WarehouseError(f"the warehouse at {address.safe_url} does not encrypt connections", remedy=REMEDY)
    return plain


def _context(address: Address, settings: WarehouseSettings) -> ssl.SSLContext:
    if is_verified(address, settings):
        file = authorities(settings)
        try:
            context = ssl.create_default_context(cafile=settings.ca_file)
            context.load_verify_locations(file)
        except OSError:  # SSLError is one
            raise WarehouseError(f"no certificates of authorities can be read from {file}", remedy=REMEDY) from None
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _watch(connected: socket.socket) -> None:
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_SECONDS)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_SECONDS)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES_MAX)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_SECONDS_MAX * 1000)


def _reason(error: OSError) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else error.strerror or type(error).__name__
