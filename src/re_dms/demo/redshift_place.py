"""The demo's warehouse as redshift-standin, our strict look-alike of Redshift; its journal on moto's S3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from re_dms.demo.canonical import quote
from re_dms.demo.place import Digest
from re_dms.demo.redshift_canonical import source_row, target_row
from re_dms.demo.servers import ObjectStore, StandIn, require
from re_dms.errors import ReDmsError
from re_dms.schema import Column, Relation
from re_dms.settings import WarehouseSettings
from re_dms.warehouse.redshift import catalog, state
from re_dms.warehouse.redshift.address import Address
from re_dms.warehouse.redshift.drivers import Session, connect
from re_dms.warehouse.redshift.failures import ConnectionLost, Refused
from re_dms.warehouse.redshift.records import Record

_ROLE: Final = "arn:aws:iam::123456789012:role/demo"  # the stand-in takes any that is well formed
_FLUSH_SECONDS: Final = "1"


class RedshiftStandInPlace:
    """A stand-in and an S3, both processes of this demo. Only their logs are in `directory`."""

    kind = "redshift-standin"
    name = "the Redshift stand-in"
    body_bytes = 60_000  # a VARCHAR of Redshift holds 65,535

    def __init__(self, directory: Path, pg_bin: Path | None) -> None:
        """Raises ConfigurationError when what it needs is not installed."""
        require()
        self._directory = directory
        self._pg_bin = pg_bin
        self._store: ObjectStore | None = None
        self._standin: StandIn | None = None

    def start(self) -> None:
        """Start both. Raises ReDmsError."""
        self._store = ObjectStore(self._directory)
        self._standin = StandIn(self._directory, self._store, self._pg_bin)

    def introduce(self) -> list[str]:
        """What the audience should know of it."""
        return [
            "Nothing of yours is touched: the demo has a Postgres, an S3 (moto's) and a Redshift stand-in of its own.",
            "The stand-in is NOT Redshift: it is our own strict look-alike, and its speed says nothing about Redshift's.",
        ]

    def arguments(self) -> list[str]:
        """Those of `re-dms run`."""
        store, standin = self._running()
        return ["--warehouse", standin.url, "--journal", f"s3://{store.bucket}/journal"]

    def environment(self) -> dict[str, str]:
        """How the pipeline reaches both."""
        store, standin = self._running()
        return store.environment | {
            "RE_DMS_WAREHOUSE__PASSWORD": standin.password,
            "RE_DMS_WAREHOUSE__IAM_ROLE": _ROLE,
            # Redshift's own default is 30: a demo should be short.
            "RE_DMS_CAPTURE__FLUSH_SECONDS": _FLUSH_SECONDS,
        }

    def watermark(self) -> int:
        """The last batch that the warehouse has committed."""
        with self._session() as session:
            pipelines = state.pipelines(session)
            session.execute("begin")
            for pipeline in pipelines:
                # The killed pipeline's last transaction is over when its fence is free.
                state.State(session, pipeline).lock()
            return max((mark.batch for mark in state.watermarks(session, pipelines)), default=0)

    @contextmanager
    def opened(self) -> Iterator[RedshiftSide]:
        """A session that reads."""
        with self._session() as session:
            yield RedshiftSide(session, recorded(session))

    def keep(self) -> list[tuple[str, str]]:
        """The journal is copied out of S3; the warehouse goes with the stand-in."""
        store, _ = self._running()
        store.copy_to(self._directory)
        return [
            ("warehouse", "is gone: the stand-in keeps nothing"),
            ("journal", f"{self._directory / 'journal'}, copied from moto's S3, which is gone"),
        ]

    def close(self) -> None:
        """End both."""
        for server in (self._standin, self._store):
            if server is not None:
                server.close()
        self._standin = self._store = None

    def _running(self) -> tuple[ObjectStore, StandIn]:
        if self._store is None or self._standin is None:
            raise RuntimeError("the stand-in was not started")
        return self._store, self._standin

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """By psycopg: not the driver that the pipeline loads with. Its end rolls back."""
        _, standin = self._running()
        settings = WarehouseSettings(url=f"{standin.url}?driver=psycopg", password=standin.password)
        try:
            session = connect(Address.of(settings), settings, application="re_dms demo")
            try:
                yield session
            finally:
                session.close()
        except (Refused, ConnectionLost) as error:
            code = error.refusal.sqlstate if isinstance(error, Refused) else "the connection was lost"
            raise ReDmsError(
                f"the Redshift stand-in refused a statement of the demo ({code})",
                remedy="run it again with --keep DIR and read redshift-standin.log there",
            ) from error


def recorded(session: Session) -> dict[str, Record]:
    """What re_dms recorded of all targets, by the source's schema.table."""
    return {
        record.relation.full_name: record
        for mark in state.watermarks(session, state.pipelines(session))
        for record in state.State(session, mark.pipeline).records(mark.journal_id).values()
        if record.relation is not None
    }


class RedshiftSide:
    """Reads over a session, which the caller closes. `records`: by the source's schema.table."""

    def __init__(self, session: Session, records: Mapping[str, Record]) -> None:
        self._session = session
        self._records = records

    def relations(self) -> list[Relation]:
        """The tables that pipelines filled here, as re_dms recorded them."""
        return [record.relation for record in self._records.values() if record.relation is not None]

    def columns(self, relation: Relation) -> set[str]:
        """Which columns the target really has; what is not ours goes by Redshift's name."""
        record = self._records[relation.full_name]
        there = catalog.actual(self._session, [record.target]).get(record.target)
        ours = {record.names[column.attnum]: column.name for column in relation.columns}
        return set() if there is None else {ours.get(name, name) for name in there.columns}

    def source_row(self, columns: tuple[Column, ...]) -> str:
        """Postgres's SQL for the canonical text of a row."""
        return source_row(columns)

    def digest(self, relation: Relation) -> Digest:
        """Of the MD5s of all rows' canonical texts."""
        halves = [f"cast(coalesce(sum(strtol(substring(d, {at}, 15), 16)), 0) as varchar)" for at in (1, 16)]
        rows = self._session.execute(
            f"select count(*), {', '.join(halves)} from ({self._rows(relation)}) as digests"
        ).rows
        return int(rows[0][0]), rows[0][1], rows[0][2]

    def rows(self, relation: Relation) -> Iterable[str]:
        """The MD5s themselves."""
        return [row[0] for row in self._session.execute(self._rows(relation)).rows]

    def counts(self) -> dict[str, tuple[int, ...]]:
        """What the warehouse counted."""
        found = {name: record.counts for name, record in self._records.items()}
        return {
            name: (counts.copied, counts.inserts, counts.updates, counts.deletes, counts.truncates)
            for name, counts in found.items()
        }

    def _rows(self, relation: Relation) -> str:
        record = self._records[relation.full_name]
        name = f"{quote(record.target.schema)}.{quote(record.target.table)}"
        return f"select md5({target_row(relation.columns, record.names)}) as d from {name}"
