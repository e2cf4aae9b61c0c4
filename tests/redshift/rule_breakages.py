"""Ways to break the writer: each replaces a function or a constant of `re_dms.warehouse.redshift`, and nothing else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from re_dms.journal import dialect
from re_dms.manifest import DataFile
from re_dms.schema import AddColumn, Column, Relation
from re_dms.warehouse.redshift import adapt, ddl, json_values, load, merge, names, sql, stage, targets
from re_dms.warehouse.redshift.drivers import Result, Session
from re_dms.warehouse.redshift.load import Load
from re_dms.warehouse.redshift.names import Target
from re_dms.warehouse.redshift.sql import Staged
from re_dms.warehouse.redshift.state import State


def replacing(owner: Any, name: str, make: Callable[[Any], Any]) -> Callable[[pytest.MonkeyPatch], None]:
    """Breaks by putting `make(what was there)` in its place."""

    def breaks(patch: pytest.MonkeyPatch) -> None:
        patch.setattr(owner, name, make(getattr(owner, name)))

    return breaks


def text(owner: Any, name: str, pattern: str, new: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Breaks the SQL text that a function makes. A pattern that matches nothing is a mistake of the test."""

    def make(whole: Callable[..., str]) -> Callable[..., str]:
        def broken(*given: Any, **named: Any) -> str:
            found, count = re.subn(pattern, new, whole(*given, **named))
            assert count, f"{name} has no {pattern}"
            return found

        return broken

    return replacing(owner, name, make)


def constant(owner: Any, name: str, value: Any) -> Callable[[pytest.MonkeyPatch], None]:
    return replacing(owner, name, lambda _: value)


def no_adapting(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(adapt, "needs", lambda relation, file: frozenset())


def lone_backslash(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sql, "literal", lambda text: "'" + text.replace("'", "''") + "'")


def prefix(patch: pytest.MonkeyPatch) -> None:
    """COPY of the file's URL, which is a prefix."""
    whole = stage.Staging._copy

    def broken(self: Any, session: Session, job: Any, table_: str, files: list[DataFile]) -> None:
        url = self.files.url(files[0].key)
        copy = re.sub(r"from '[^']*'", lambda _: f"from '{url}'", sql.copy(table_, url, files[0], self.iam_role))
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(sql, "copy", lambda *_: copy.replace(" manifest ", " "))
            whole(self, session, job, table_, files)

    patch.setattr(stage.Staging, "_copy", broken)


def optional_files(patch: pytest.MonkeyPatch) -> None:
    dumps = json.dumps

    def broken(document: Any) -> str:
        return dumps(document).replace("true", "false")

    patch.setattr(stage, "json", SimpleNamespace(dumps=broken))


def late_staging(patch: pytest.MonkeyPatch) -> None:
    """The apply transaction takes its snapshot first, and the rows are staged after that."""
    run, execute = Load.run, Session.execute

    def broken(self: Load) -> Any:
        mine = self.session
        begun: list[bool] = []

        def once(session: Session, statement: str, parameters: Sequence[object] = ()) -> Result:
            if session is mine and statement == "begin" and begun:
                return Result(rows=[], count=-1)
            return execute(session, statement, parameters)

        patch.setattr(Session, "execute", once)
        execute(mine, "begin")
        begun.append(True)
        self.state.standing(self.journal_id)
        return run(self)

    patch.setattr(Load, "run", broken)


def in_transaction(statement: str) -> Callable[[pytest.MonkeyPatch], None]:
    """The load's transaction sends this too."""

    def breaks(patch: pytest.MonkeyPatch) -> None:
        lock = State.lock

        def broken(self: State) -> None:
            lock(self)
            self.session.execute(statement)

        patch.setattr(State, "lock", broken)

    return breaks


def late_widening(patch: pytest.MonkeyPatch) -> None:
    """ALTER COLUMN TYPE inside the transaction."""
    late: list[str] = []
    lock, widenings = State.lock, ddl.widenings

    def none_now(*given: Any) -> list[str]:
        late.extend(widenings(*given))
        return []

    def broken(self: State) -> None:
        lock(self)
        while late:
            self.session.execute(late.pop())

    patch.setattr(ddl, "widenings", none_now)
    patch.setattr(State, "lock", broken)


def two_in_one(patch: pytest.MonkeyPatch) -> None:
    """All columns in one ALTER TABLE."""

    def broken(session: Session, target: Target, rel: Relation, statements: Sequence[str]) -> None:
        adds = [each.split(" add column ")[1] for each in statements if " add column " in each]
        targets.run_ddl(session, target, rel, [f"alter table {target.sql} add column {', add column '.join(adds)}"])

    patch.setattr(merge, "run_ddl", broken)


def added_not_null(patch: pytest.MonkeyPatch) -> None:
    add_column = ddl.add_column

    def broken(target: Target, column: Column, given: Any) -> list[str]:
        first, *more = add_column(target, column, given)
        return [f"{first} not null", *more]

    patch.setattr(ddl, "add_column", broken)


def added_with_default(patch: pytest.MonkeyPatch) -> None:
    add_column = ddl.add_column

    def broken(target: Target, column: Column, given: Any) -> list[str]:
        first, *_ = add_column(target, column, given)
        return [f"{first} default 'old'"]

    patch.setattr(ddl, "add_column", broken)


def same_size(patch: pytest.MonkeyPatch) -> None:
    """Widens to the width that the column has, and takes the refusal for one."""
    width = ddl.width
    patch.setattr(load, "suppress_same_size", nullcontext)
    patch.setattr(ddl, "widenings", lambda target, actual, rel, given: [
        ddl.widen(target, each.name, each.type) for each in actual.columns.values() if width(each.type)
    ])  # fmt: skip


def parameters_in_copy(patch: pytest.MonkeyPatch) -> None:
    execute = Session.execute

    def broken(self: Session, statement: str, parameters: Sequence[object] = ()) -> Result:
        if statement.startswith("copy "):
            (null,) = re.findall(r"null as '([^']*)'", statement)
            return execute(self, re.sub(r"null as '[^']*'", "null as %s", statement), [null])
        return execute(self, statement, parameters)

    patch.setattr(Session, "execute", broken)


def two_statements(patch: pytest.MonkeyPatch) -> None:
    execute = Session.execute

    def broken(self: Session, statement: str, parameters: Sequence[object] = ()) -> Result:
        return execute(self, "begin; select 1" if statement == "begin" else statement, parameters)

    patch.setattr(Session, "execute", broken)


def dropped_target(patch: pytest.MonkeyPatch) -> None:
    """A target that gets another copy is dropped and made again."""

    def broken(self: Any, target: Target) -> None:
        self._session.execute(f"drop table {target.sql}")

    patch.setattr(targets.Targets, "_empty", broken)


def unsorted_follow(patch: pytest.MonkeyPatch) -> None:
    """What was dropped goes before what is new comes."""
    patch.setattr(ddl, "_adds_first", lambda change: int(isinstance(change, AddColumn)))


def whole_fill(patch: pytest.MonkeyPatch) -> None:
    """A partial row sets all columns, said or not."""

    def broken(staged: Staged, mask: str) -> str:
        found: str = fill(staged, "0").replace("'0'", f"'{mask}'")
        return found

    fill = sql.fill
    patch.setattr(sql, "fill", broken)


def plain_names(patch: pytest.MonkeyPatch) -> None:
    """The source's names, as they are."""
    for module in (load, merge, targets):
        patch.setattr(module, "column_names", lambda named, known: dict(named))


def no_system_names(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(names, "_SYSTEM_COLUMNS", frozenset())


def unquoted(patch: pytest.MonkeyPatch) -> None:
    for module in (ddl, sql):
        patch.setattr(module, "quote", lambda name: name)


def bare_values(patch: pytest.MonkeyPatch) -> None:
    """bytea as Postgres prints it."""
    patch.setattr(dialect, "encode", lambda frame, rel: frame)


def no_judging(*reasons: str) -> Callable[[pytest.MonkeyPatch], None]:
    """JSON with these faults is taken for good."""

    def breaks(patch: pytest.MonkeyPatch) -> None:
        judge = json_values.judge

        def broken(said: str, *, keep_last: bool) -> Any:
            found = judge(said, keep_last=keep_last)
            return json_values.Judged(text=said, unfit=found.unfit - set(reasons))

        patch.setattr(json_values, "judge", broken)

    return breaks
