"""Sessions with a stand-in through either driver, and its faults."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from re_dms.settings import WarehouseSettings
from re_dms.warehouse.redshift.address import Address
from re_dms.warehouse.redshift.drivers import Session, connect
from redshift_standin import Server


def settings_for(server: Server, driver: str, **more: Any) -> WarehouseSettings:
    url = f"redshift://{server.user}@{server.host}:{server.port}/{server.options.database}?driver={driver}"
    return WarehouseSettings(url=url, **{"password": server.password, **more})


def open_session(settings: WarehouseSettings) -> Session:
    return connect(Address.of(settings), settings, application="re_dms tests")


@contextmanager
def fault(server: Server, order: str) -> Iterator[None]:
    server.faults.order(order)
    try:
        yield
    finally:
        server.faults.order("")
