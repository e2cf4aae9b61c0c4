"""The demo's load: threads of customers who never rest."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final

import psycopg

from re_dms.demo.customers import Customers, Done
from re_dms.demo.shop import Sizes

_STOP_SECONDS_MAX: Final = 30.0


class Load:
    """`threads` connections that run random transactions until `stop`, with a pause after each."""

    def __init__(self, dsn: str, sizes: Sizes, *, threads: int, pause_seconds: float) -> None:
        self.failure: BaseException | None = None
        self.transactions = 0
        """Committed or rolled back so far; for show."""
        self.conflicts = 0
        """Transactions that Postgres rolled back because two waited for each other (deadlocks)."""
        self._done: list[Done] = []
        self._dsn = dsn
        self._sizes = sizes
        self._pause_seconds = pause_seconds
        self._stop = threading.Event()
        self._truncates = threading.Semaphore(0)
        self._threads = [
            threading.Thread(target=self._run, args=(seed,), name=f"load-{seed}", daemon=True)
            for seed in range(1, threads + 1)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def truncate_soon(self) -> None:
        """Ask one of the threads for the one TRUNCATE."""
        self._truncates.release()

    def stop(self) -> Done:
        """End after the transactions in hand. Returns what was committed, by (table, kind); raises what went wrong."""
        self._stop.set()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_STOP_SECONDS_MAX)
        if self.failure is not None:
            raise self.failure
        if any(thread.is_alive() for thread in self._threads):
            raise TimeoutError("a transaction of the load does not end")
        total: Done = Counter()
        for done in self._done:
            total.update(done)
        return total

    def _run(self, seed: int) -> None:
        try:
            with psycopg.connect(self._dsn, autocommit=True) as connection:
                customers = Customers(connection, self._sizes, seed)
                self._done.append(customers.done)
                while not self._stop.is_set():
                    self._step(customers)
                    self._stop.wait(self._pause_seconds)
        except BaseException as error:  # noqa: BLE001 - it is told by stop(), in the main thread
            self.failure = error

    def _step(self, customers: Customers) -> None:
        try:
            if self._truncates.acquire(blocking=False):
                customers.empty_carts()
            customers.act()
        except psycopg.errors.DeadlockDetected:
            self.conflicts += 1
        self.transactions += 1
