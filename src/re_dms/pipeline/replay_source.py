"""What a replay asks of its source, or of a schema file in its place: which database it was, and what its tables are."""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from re_dms.errors import ChangesMissing, ConfigurationError
from re_dms.failpoints import failpoint
from re_dms.journal.journal import Journal
from re_dms.manifest import Root
from re_dms.pipeline.line_resolver import LineCatalog
from re_dms.settings import TEST_DECODING, ReplaySettings, Settings
from re_dms.source.candidates import choose, read_tables
from re_dms.source.catalog import describe
from re_dms.source.connection import connect
from re_dms.source.patterns import parse_patterns
from re_dms.source.schema_file import identify, load


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayIdentity:
    """The database whose changes the stream holds. A replay outlives promotions: timelines do not count."""

    system_identifier: str
    database: str


class ReplaySource:
    """Open for as long as the replay runs."""

    def __init__(self, settings: Settings, replay: ReplaySettings) -> None:
        self._stack = ExitStack()
        self.include, self.exclude = parse_patterns(replay.tables), parse_patterns(replay.exclude)
        if replay.schema is not None:
            schema = load(Path(replay.schema))
            self.identity = ReplayIdentity(system_identifier=schema.system_identifier, database=schema.database)
            self.catalog = LineCatalog(
                tables=lambda: schema.tables,
                describe=schema.describe,
                wanted=lambda: {table.oid for table in choose(schema.tables, self.include, self.exclude)},
            )
            return
        if settings.source is None:
            raise ConfigurationError("a replay needs the tables' catalog", remedy="give --source or --schema")
        sql = connect(settings.source, purpose="replay")
        self._stack.callback(sql.close)
        system_identifier, database = identify(sql)
        self.identity = ReplayIdentity(system_identifier=system_identifier, database=database)
        self.catalog = LineCatalog(
            tables=lambda: read_tables(sql),
            describe=lambda oids: describe(sql, oids),
            wanted=lambda: {table.oid for table in choose(read_tables(sql), self.include, self.exclude)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def identify_replay(journal: Journal, pipeline: str, identity: ReplayIdentity) -> Root:
    """The journal's root: made when there is none. Raises when it belongs to a slot, or to another database's replay."""
    mine = Root(
        journal_id=uuid.uuid4().hex,
        pipeline=pipeline,
        system_identifier=identity.system_identifier,
        timeline=0,
        database=identity.database,
        slot="",
        publication="",
        plugin=TEST_DECODING,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    root = journal.create_root(mine)
    failpoint("root.created")
    if root.slot:
        raise ConfigurationError(
            f"the journal is fed from slot {root.slot!r}, not by replays",
            remedy="give the replay a journal (and a warehouse, or a --name) of its own",
        )
    if root.pipeline != mine.pipeline:
        raise ConfigurationError(
            f"the journal belongs to pipeline {root.pipeline!r}, not {mine.pipeline!r}",
            remedy="give the --name of the pipeline that is meant, or another --journal",
        )
    if (root.system_identifier, root.database) != (mine.system_identifier, mine.database):
        raise ChangesMissing(
            "the journal was filled with changes of another database than --source or --schema tell of",
            remedy="check --source or --schema, or give this replay a journal of its own",
        )
    return root
