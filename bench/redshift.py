"""`bench redshift`: what a batch costs on the stand-in for Redshift, in statements, round trips, commits and seconds.

Ours beside the seed's shape (`redshift_seed`), with 1, 10 and 100 touched tables and a ten times larger target, and a group
of batches against the same batches one by one. All go over the same server, S3 and relay, in turn; their rows have to be
equal at the end, or there are no figures. The seconds are the stand-in's: what a cluster adds to a statement, a COPY or
a commit is not in them. https://docs.aws.amazon.com/redshift/latest/dg/c_loading-data-best-practices.html
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, fields
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench.machine import facts
from bench.redshift_seed import SCHEMA, Seed
from bench.redshift_work import Journal, Size, batches, first_rows
from bench.relay import Relay
from localpg import LocalPostgres
from re_dms.demo.process import environment
from re_dms.demo.servers import CREDENTIALS, REGION, ObjectStore, ServerProcess
from re_dms.journal.s3 import S3Store
from re_dms.journal.s3_session import Place
from re_dms.journal.workspace import Workspace
from re_dms.manifest import Manifest
from re_dms.pipeline.group import fold_group
from re_dms.schema import Relation
from re_dms.settings import JournalSettings, WarehouseSettings
from re_dms.warehouse.redshift.address import Address
from re_dms.warehouse.redshift.drivers import Session, connect
from re_dms.warehouse.redshift.stage import Sessions
from re_dms.warehouse.redshift.warehouse import RedshiftWarehouse

_ROLE: Final = "arn:aws:iam::123456789012:role/loader"
_SESSIONS: Final = 4
_OWNER: Final = "bench"
# As the stand-in starts one itself, but without Postgres's own housekeeping: its locks exclude those of the stand-in's writes.
_BACKEND: Final = {
    "autovacuum": "off",
    "deadlock_timeout": "200ms",
    "fsync": "off",
    "max_connections": "400",
    "max_wal_size": "8GB",
    "shared_buffers": "256MB",
}


class DifferentRows(Exception):
    """The sides did not end with the same rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured: batches of each size, and a group of them. `rounds`: how often, in turn."""

    sizes: Mapping[str, Size]
    group: Size
    group_batches: int
    rounds: int


def _plan(tables: Sequence[int], changes: int, target_rows: int, *, group_batches: int, rounds: int) -> Plan:
    sizes = {f"tables_{n}": Size(tables=n, changes=changes, target_rows=target_rows) for n in tables}
    some = sizes[f"tables_{tables[1]}"]
    larger = Size(tables=some.tables, changes=changes, target_rows=10 * target_rows)
    sizes[f"tables_{some.tables}_larger_target"] = larger
    return Plan(sizes=sizes, group=some, group_batches=group_batches, rounds=rounds)


FULL: Final = _plan((1, 10, 100), changes=1_000, target_rows=10_000, group_batches=20, rounds=5)
QUICK: Final = _plan((1, 2), changes=20, target_rows=50, group_batches=3, rounds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one batch (or group)."""

    statements: int
    round_trips: int
    commits: int
    seconds: float


def measure(*, quick: bool = False, pg_bin: Path | None = None) -> dict[str, Any]:
    """The figures of one run. Raises DifferentRows."""
    plan = QUICK if quick else FULL
    with (
        TemporaryDirectory(prefix="re_dms_bench_") as folder,
        LocalPostgres(pg_bin=pg_bin, settings=_BACKEND) as backend,
        closing(ObjectStore(Path(folder))) as objects,
        _environment(objects.environment),
    ):
        places = _Places(Path(folder), backend, objects)
        return {
            "bench": "redshift",
            "changes_of_a_table": plan.group.changes,
            "rounds": plan.rounds,
            "copy_sessions": _SESSIONS,
            **{name: _sides(places, size, plan.rounds) for name, size in plan.sizes.items()},
            f"group_of_{plan.group_batches}": _groups(places, plan),
            **facts(backend),
        }


def _sides(places: _Places, size: Size, rounds: int) -> dict[str, Any]:
    """Ours beside the seed's shape."""
    with places.open() as place:
        ours = place.ours("ours", size)
        seed = Seed(place.sessions, place.store(SCHEMA), _ROLE, _SESSIONS)
        work = batches(size)
        ours.load([ours.journal.copy(first_rows(size))])
        seed.begin(ours.journal)
        costs: dict[str, list[Cost]] = {"re_dms": [], "seed": []}
        # The first opens the sessions, and is not counted.
        for batch in islice(work, rounds + 1):
            manifest = ours.journal.changes(batch)
            seed.put(batch, ours.journal.relations)
            costs["re_dms"].append(place.cost(partial(ours.load, [manifest])))
            costs["seed"].append(place.cost(partial(seed.load, batch, ours.journal.relations)))
        place.require_equal(ours.journal.relations, ours.journal.relations, SCHEMA, size, rounds + 1)
    return {"target_rows": size.target_rows, **_figures(costs, "seed", "re_dms")}


def _groups(places: _Places, plan: Plan) -> dict[str, Any]:
    """Batches one by one, beside the same batches as one load (with the folding)."""
    size = plan.group
    with places.open() as place:
        singly, grouped = place.ours("singly", size), place.ours("grouped", size)
        work = batches(size)
        costs: dict[str, list[Cost]] = {"singly": [], "grouped": []}
        for side in (singly, grouped):
            side.load([side.journal.copy(first_rows(size))])
        for some in [list(islice(work, 1)), *(list(islice(work, plan.group_batches)) for _ in range(plan.rounds))]:
            for name, side in (("singly", singly), ("grouped", grouped)):
                manifests = [side.journal.changes(batch) for batch in some]
                loads = [manifests] if name == "grouped" else [[manifest] for manifest in manifests]
                costs[name].append(place.cost(partial(side.loads, loads)))
        count = 1 + plan.rounds * plan.group_batches
        place.require_equal(singly.journal.relations, grouped.journal.relations, "grouped", size, count)
    return {"tables": size.tables, "target_rows": size.target_rows, **_figures(costs, "singly", "grouped")}


# -- places --------------------------------------------------------------------------------------------------------


class _Places:
    """Makes stand-ins, each a process with an empty database, over one Postgres and one S3."""

    def __init__(self, folder: Path, backend: LocalPostgres, objects: ObjectStore) -> None:
        self._folder = folder
        self._backend = backend
        self._objects = objects
        self._count = 0

    @contextmanager
    def open(self) -> Iterator[_Place]:
        """A stand-in behind a relay."""
        self._count += 1
        serve = ["-m", "redshift_standin", "serve", "--json", "--port", "0", "--backend", self._backend.dsn()]
        with ExitStack() as stack:
            server = ServerProcess(
                f"redshift-standin-{self._count}",
                [*serve, "--s3-endpoint", self._objects.url, "--region", REGION],
                directory=self._folder,
                environment=environment() | CREDENTIALS,
            )
            stack.callback(server.close)
            ready = server.ready
            relay = stack.enter_context(Relay(ready["host"], ready["port"]))
            settings = WarehouseSettings(
                url=f"redshift://{ready['user']}@127.0.0.1:{relay.port}/{ready['database']}",
                password=ready["password"],
                iam_role=_ROLE,
                copy_sessions=_SESSIONS,
            )
            yield _Place(stack, relay, settings, f"s3://{self._objects.bucket}/{self._count}")


class _Place:
    """One stand-in, and what is opened on it; all is closed with it."""

    def __init__(self, stack: ExitStack, relay: Relay, settings: WarehouseSettings, prefix: str) -> None:
        self._stack = stack
        self._relay = relay
        self._settings = settings
        self._prefix = prefix
        self.sessions = Sessions(self._connect)
        stack.callback(self.sessions.close)

    def _connect(self) -> Session:
        return connect(Address.of(self._settings), self._settings, application="bench")

    def store(self, name: str) -> S3Store:
        """A part of the bucket."""
        return S3Store(Place.of(JournalSettings(url=f"{self._prefix}/{name}", region=REGION)))

    def ours(self, schema: str, size: Size) -> _Ours:
        """A pipeline of re_dms with a journal of its own."""
        warehouse = RedshiftWarehouse(self._settings)
        self._stack.callback(warehouse.close)
        return _Ours(warehouse, self.store(schema), schema, size)

    def cost(self, work: Callable[[], object]) -> Cost:
        """Do it, and tell what it took."""
        before, started = self._relay.traffic, time.perf_counter()
        work()
        seconds, sent = time.perf_counter() - started, self._relay.traffic - before
        return Cost(
            statements=sent.statements, round_trips=sent.round_trips, commits=sent.commits, seconds=round(seconds, 3)
        )

    def require_equal(
        self, relations: Sequence[Relation], others: Sequence[Relation], schema: str, size: Size, count: int
    ) -> None:
        """The tables hold the rows of those of another schema: as many as the batches left."""
        [last] = islice(batches(size), 1)
        expected = size.target_rows + count * (last.inserts.height - last.deletes.height)
        session = self.sessions.take()
        for mine, other in zip(relations, others, strict=True):
            pair = mine.full_name, f"{schema}.{other.name}"
            counts = [int(session.execute(f"select count(*) from {name}").rows[0][0]) for name in pair]
            more = session.execute(f"select count(*) from (select * from {pair[0]} except select * from {pair[1]}) a")
            if counts != [expected, expected] or more.rows[0][0]:
                raise DifferentRows(
                    f"{pair[0]} and {pair[1]} have {counts} rows of {expected}, {more.rows[0][0]} differ"
                )
        self.sessions.give_back(session)


class _Ours:
    """A pipeline that loads what its journal holds."""

    def __init__(self, warehouse: RedshiftWarehouse, store: S3Store, schema: str, size: Size) -> None:
        self.journal = Journal(store, schema, size.tables)
        self._warehouse = warehouse
        self._store = store
        warehouse.identity()
        self._epoch = warehouse.claim(self.journal.root, False, _OWNER)

    def loads(self, groups: Sequence[Sequence[Manifest]]) -> None:
        """One load after the other."""
        for manifests in groups:
            self.load(manifests)

    def load(self, manifests: Sequence[Manifest]) -> None:
        """Load batches at once, as apply does."""
        root = self.journal.root
        with Workspace(self._store, manifests[-1].number, _OWNER) as files:
            self._warehouse.load(
                fold_group(manifests, files),
                journal_id=root.journal_id,
                pipeline=root.pipeline,
                epoch=self._epoch,
                owner=_OWNER,
                files=files,
                after=manifests[0].number - 1,
            )


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """This process's environment, as AWS's libraries read it."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


# -- figures -------------------------------------------------------------------------------------------------------


def _figures(costs: Mapping[str, Sequence[Cost]], side: str, other: str) -> dict[str, Any]:
    """Medians of both sides, and how many times as much as the other the one takes, without the first round.

    Of the seconds it is the median of each round's own: both of a round ran one right after the other.
    """
    ours, theirs = _median(costs[other][1:]), _median(costs[side][1:])
    ratios = {name: round(theirs[name] / ours[name], 2) for name in ("statements", "round_trips", "commits")}
    rounds = zip(costs[side][1:], costs[other][1:], strict=True)
    ratios["seconds"] = round(statistics.median(one.seconds / two.seconds for one, two in rounds), 2)
    return {side: theirs, other: ours, f"{side}_to_{other}": ratios}


def _median(costs: Sequence[Cost]) -> dict[str, Any]:
    names = [field.name for field in fields(Cost)]
    medians: dict[str, Any] = {name: statistics.median_low([getattr(cost, name) for cost in costs]) for name in names}
    seconds = [cost.seconds for cost in costs]
    return medians | {"seconds_range": [min(seconds), max(seconds)]}
