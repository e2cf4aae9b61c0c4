"""The shape in which the Rust predecessor of re_dms loads, replayed: every file of a table in a transaction of its own.

DROP what is left of a staging table, CREATE it, COPY, apply, DROP, COMMIT, for the files of inserts, updates and deletes
one after the other; tables side by side in several sessions. Its check that the target exists is answered by its cache,
as it is for every table that was there when it started. The client is re_dms's own, and so are the targets' types: what
is compared is the shape alone.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

from bench.redshift_work import NAMES, NULL, Batch, Journal, seed_file
from re_dms.journal.store import Store
from re_dms.schema import Relation
from re_dms.warehouse.redshift.stage import Sessions
from re_dms.warehouse.redshift.types import redshift_type

SCHEMA: Final = "seed"
_COPY: Final = (
    "copy {table} ({columns}) from {url} iam_role '{role}' gzip csv truncatecolumns ignoreheader 1 delimiter ',' "
    f"null as '{NULL}' compupdate off statupdate off"
)
_INSERT: Final = (
    "insert into {target} ({columns}) select {staged} from {staging} s "
    "where not exists (select 1 from {target} t where t.id = s.id)"
)
_UPDATE: Final = "update {target} set {assigned} from {staging} s where {target}.id = s.id"
_DELETE: Final = "delete from {target} where id in (select id from {staging})"


class Seed:
    """Loads a batch as the seed does. `sessions` are opened when they are needed."""

    def __init__(self, sessions: Sessions, store: Store, role: str, parallel: int) -> None:
        self._sessions = sessions
        self._store = store
        self._role = role
        self._parallel = parallel

    def begin(self, ours: Journal) -> None:
        """Targets with what re_dms's hold by now."""
        session = self._sessions.take()
        session.execute(f"create schema {SCHEMA}")
        for relation in ours.relations:
            target = f"{SCHEMA}.{relation.name}"
            session.execute(f"create table {target} (like {relation.full_name})")
            session.execute(f"insert into {target} select * from {relation.full_name}")
        self._sessions.give_back(session)

    def put(self, batch: Batch, relations: tuple[Relation, ...]) -> None:
        """The batch's files: three a table."""
        frames = {"insert": batch.inserts, "update": batch.updates, "delete": batch.deletes}
        for kind, frame in frames.items():
            data = seed_file(frame)
            for relation in relations:
                self._store.put(self._key(batch, relation, kind), data)

    def load(self, batch: Batch, relations: tuple[Relation, ...]) -> None:
        """Durable when it returns."""
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="seed") as pool:
            for future in [pool.submit(self._table, batch, relation) for relation in relations]:
                future.result()

    @staticmethod
    def _key(batch: Batch, relation: Relation, kind: str) -> str:
        return f"seed/{batch.number}_{relation.name}_{kind}.csv.gz"

    def _table(self, batch: Batch, relation: Relation) -> None:
        target = f"{SCHEMA}.{relation.name}"
        for kind, apply in (("insert", _INSERT), ("update", _UPDATE), ("delete", _DELETE)):
            names = NAMES if kind != "delete" else NAMES[:1]
            staging = f"{relation.name}_{kind}_staging"
            typed = ", ".join(
                f"{column.name} {redshift_type(column.type)}{' sortkey primary key not null' if column.name == 'id' else ''}"
                for column in relation.columns
                if column.name in names
            )
            copied = _COPY.format(
                table=staging,
                columns=", ".join(names),
                url=f"'{self._store.url}/{self._key(batch, relation, kind)}'",
                role=self._role,
            )
            applied = apply.format(
                target=target,
                staging=staging,
                columns=", ".join(names),
                staged=", ".join(f"s.{name}" for name in names),
                assigned=", ".join(f"{name} = s.{name}" for name in names[1:]),
            )
            session = self._sessions.take()  # one a file, as the seed takes one from its pool
            session.execute("begin")
            session.execute(f"drop table if exists {staging}")
            session.execute(f"create temp table {staging} ({typed}) diststyle all")
            session.execute(copied)
            session.execute(applied)
            session.execute(f"drop table {staging}")
            session.execute("commit")
            self._sessions.give_back(session)
