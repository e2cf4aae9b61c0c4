"""The Redshift warehouse: the contract of `re_dms.warehouse.base`, over sessions that are opened when they are needed."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from re_dms.errors import ChangesMissing, WarehouseError, WarehouseUnavailable
from re_dms.finding import Finding
from re_dms.manifest import Manifest, Root
from re_dms.settings import WarehouseSettings
from re_dms.warehouse.base import Files, GroupLimits, LoadReport, WarehouseStatus, Watermark
from re_dms.warehouse.redshift import check, inventory, state
from re_dms.warehouse.redshift.address import Address
from re_dms.warehouse.redshift.connections import Connections, transaction, within
from re_dms.warehouse.redshift.design import parse
from re_dms.warehouse.redshift.failures import Refused
from re_dms.warehouse.redshift.load import Load
from re_dms.warehouse.redshift.maintenance import Maintenance
from re_dms.warehouse.redshift.names import Target
from re_dms.warehouse.redshift.policies import Policies
from re_dms.warehouse.redshift.records import Record, status_of
from re_dms.warehouse.redshift.stage import Staging, drop, leftovers, prefix_of
from re_dms.warehouse.redshift.state import State

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from re_dms.warehouse.redshift.drivers import Session

_SWEEP_MS: Final = 5_000
_CLAIM_MS: Final = 60_000


class RedshiftWarehouse:
    """Sessions live as long as this object; one that failed is closed, and the next call opens another.

    All methods raise WarehouseUnavailable (try again) when Redshift cannot be reached or asks to try again, and
    WarehouseError for what it refuses.
    """

    def __init__(self, settings: WarehouseSettings) -> None:
        self._settings = settings
        address = Address.of(settings)
        self.url = address.safe_url
        self._sessions = Connections(address, settings)
        self.group: GroupLimits | None = GroupLimits(batches=settings.group_batches)
        self._policies = Policies.parse(settings.policies)
        self._designs = parse(settings.design)
        self._maintenance = Maintenance(lambda: self._sessions.connect("maintain"))
        self._pipelines: dict[str, str] = {}  # by journal
        self._is_dirty = True

    def hold(self) -> AbstractContextManager[Any]:
        """Nothing: the fence decides, and it is in the warehouse."""
        return nullcontext()

    def close(self) -> None:
        """Close all sessions."""
        self._sessions.close()

    def identity(self) -> str:
        """This warehouse's random id. Makes our schemas when they are absent."""

        def ask(session: Session) -> str:
            state.create_shared(session)
            with transaction(session):
                return state.identity(session)

        return self._sessions.ask("reading this warehouse's id", ask)

    def claim(self, root: Root, journal_has_batches: bool, owner: str) -> int:
        """Take the fence, and drop what loads of earlier epochs have left behind."""

        def ask(session: Session) -> int:
            state.create_shared(session)
            state.create_own(session, root.pipeline)
            mine = State(session, root.pipeline)
            with within(session, _CLAIM_MS), transaction(session):
                mine.lock()
                self._require_followed(state.watermarks(session, [root.pipeline]), root, journal_has_batches)
                return mine.raise_epoch(root.journal_id, owner)

        epoch = self._sessions.ask("taking the fence", ask)
        self._pipelines[root.journal_id] = root.pipeline
        self._is_dirty = True
        self._sweep(root.pipeline, epoch)
        return epoch

    @staticmethod
    def _require_followed(marks: tuple[Watermark, ...], root: Root, journal_has_batches: bool) -> None:
        for mark in marks:
            if mark.journal_id != root.journal_id:
                raise ChangesMissing(
                    f"the warehouse was filled up to batch {mark.batch} from another journal of pipeline "
                    f"{root.pipeline} ({mark.journal_id})",
                    remedy="run `re-dms reset`: everything is copied again",
                )
            if not journal_has_batches:
                raise ChangesMissing(
                    f"the journal is empty, and the warehouse holds its batches up to {mark.batch}",
                    remedy="restore the journal, or run `re-dms reset`: everything is copied again",
                )

    def _sweep(self, pipeline: str, epoch: int) -> None:
        """Drop staging tables of earlier epochs; one that a hung process still holds is left for the next claim."""

        def ask(session: Session) -> None:
            tables = leftovers(session, pipeline, epoch_below=epoch)
            if tables:
                with within(session, _SWEEP_MS), suppress(Refused):
                    drop(session, tables)

        self._sessions.ask("dropping old staging tables", ask)

    def load(
        self,
        manifest: Manifest,
        *,
        journal_id: str,
        pipeline: str,
        epoch: int,
        owner: str,
        files: Files,
        after: int | None = None,
    ) -> LoadReport:
        """As the contract says. Whatever fails: the transaction is rolled back, and loading again is right."""
        started = time.monotonic()
        words = f"batch {manifest.number}, LSN {manifest.start} to {manifest.end}"
        staging = Staging(
            sessions=self._sessions.copies,
            parallel=self._settings.copy_sessions,
            files=files,
            iam_role=self._settings.iam_role,
            policies=self._policies,
            prefix=prefix_of(pipeline, epoch),
            batch_words=words,
        )
        was_dirty, self._is_dirty = self._is_dirty, True

        def ask(session: Session) -> tuple[LoadReport, bool]:
            return Load(
                session=session,
                state=State(session, pipeline),
                manifest=manifest,
                journal_id=journal_id,
                epoch=epoch,
                owner=owner,
                files=files,
                after=manifest.number - 1 if after is None else after,
                staging=staging,
                designs=self._designs,
                is_first=was_dirty,
            ).run()

        try:
            report, is_clean = self._sessions.ask(f"loading batch {manifest.number}", ask)
        except OSError as error:
            self._sessions.drop_main()
            raise WarehouseUnavailable(
                f"the load of batch {manifest.number} was cut short ({type(error).__name__})",
                remedy="nothing to do: re-dms reads the watermark and tries again",
            ) from error
        self._is_dirty = not is_clean
        return replace(report, seconds=time.monotonic() - started)

    # -- what is known ---------------------------------------------------------------------------------------------

    def watermark(self, journal_id: str) -> Watermark | None:
        """The journal's watermark; None before its first batch. Makes nothing."""

        def ask(session: Session) -> Watermark | None:
            mine = self._state(session, journal_id)
            return None if mine is None else mine.standing(journal_id).watermark

        return self._sessions.ask("reading the watermark", ask)

    def status(self, journal_id: str) -> WarehouseStatus:
        """What the warehouse knows of one journal. Makes nothing."""

        def ask(session: Session) -> WarehouseStatus:
            mine = self._state(session, journal_id)
            if mine is None:
                return WarehouseStatus(watermark=None, tables=())
            records = sorted(mine.records(journal_id).values(), key=lambda record: record.target)
            return WarehouseStatus(watermark=mine.standing(journal_id).watermark, tables=tuple(map(status_of, records)))

        return self._sessions.ask("reading what the warehouse knows", ask)

    def row_counts(self, journal_id: str) -> dict[int, int]:
        """How many rows each target holds now, by the table's OID; targets that are not there are left out."""

        def ask(session: Session) -> dict[int, int]:
            return inventory.row_counts(session, self._records(session, journal_id))

        return self._sessions.ask("counting rows", ask)

    def pipelines(self) -> tuple[Watermark, ...]:
        """The watermarks of all pipelines that load into this warehouse. Makes nothing."""
        return self._sessions.ask(
            "reading watermarks", lambda session: state.watermarks(session, state.pipelines(session))
        )

    def foreign_targets(self, journal_id: str | None, wanted: Collection[tuple[str, str]]) -> list[tuple[str, str]]:
        """Of these (schema, table) those that exist with rows and are no targets of this journal. Makes nothing."""

        def ask(session: Session) -> list[tuple[str, str]]:
            mine = {record.target for record in self._records(session, journal_id)} if journal_id else set()
            return inventory.foreign(session, mine, wanted)

        return self._sessions.ask("looking at the targets", ask)

    def findings(self, pipeline: str, journal_id: str | None) -> Iterator[Finding]:
        """What `re-dms check` says of this warehouse alone."""

        def ask(session: Session) -> list[Finding]:
            return list(check.findings(session, self._settings, self.url, pipeline, journal_id))

        yield from self._sessions.ask("checking", ask)

    # -- administration --------------------------------------------------------------------------------------------

    def maintain(self, journal_id: str) -> tuple[str, ...]:
        """Run one statement that `maintenance` advises, where the settings ask for it; () when none is due."""
        if not self._settings.maintain:
            return ()

        def targets() -> list[Target]:
            return self._sessions.ask(
                "reading the targets", lambda session: [each.target for each in self._records(session, journal_id)]
            )

        return self._maintenance.run(targets)

    def await_copy(self, journal_id: str, oid: int, *, cascade: bool = False) -> None:
        """Leave out all changes of the table until its next copy. Raises WarehouseError for an unknown table."""

        def ask(session: Session) -> bool:
            mine = self._state(session, journal_id)
            return mine is not None and mine.await_copy(journal_id, oid, cascade=cascade)

        if not self._sessions.ask("marking a table", ask):
            raise WarehouseError(
                f"the warehouse has no table with OID {oid} of this journal",
                remedy="see `re-dms status` for the tables that it has",
            )

    def forget(self, journal_id: str) -> None:
        """Remove all that is recorded of a journal; its targets stay as they are and are no longer ours."""

        def ask(session: Session) -> None:
            mine = self._state(session, journal_id)
            if mine is not None:
                with transaction(session):
                    mine.lock()
                    mine.forget(journal_id)

        self._sessions.ask("forgetting a journal", ask)
        self._pipelines.pop(journal_id, None)

    def reset_all(self, pipeline: str) -> tuple[str, ...]:
        """Empty the targets of all journals of a pipeline and forget them; the next copies may replace them."""

        emptied = tuple(
            self._sessions.ask("emptying the targets", lambda session: inventory.reset_all(session, pipeline))
        )
        self._pipelines.clear()
        return emptied

    # -- sessions --------------------------------------------------------------------------------------------------

    def _records(self, session: Session, journal_id: str) -> list[Record]:
        mine = self._state(session, journal_id)
        return [] if mine is None else [r for r in mine.records(journal_id).values() if r.relation is not None]

    def _state(self, session: Session, journal_id: str) -> State | None:
        """The tables of the pipeline that this journal belongs to; None when the warehouse does not know it."""
        if journal_id not in self._pipelines:
            for pipeline in state.pipelines(session):
                if State(session, pipeline).standing(journal_id).epoch is not None:
                    self._pipelines[journal_id] = pipeline
        name = self._pipelines.get(journal_id)
        return None if name is None else State(session, name)
