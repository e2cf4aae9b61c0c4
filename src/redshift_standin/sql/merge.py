"""The grammar of MERGE: the two WHEN clauses in their order, or REMOVE DUPLICATES, and nothing else.

Source: AWS Database Developer Guide, "MERGE" (r_MERGE).
"""

from __future__ import annotations

from redshift_standin.errors import RedshiftError, refused
from redshift_standin.names import TableName, quote
from redshift_standin.sql import expressions, queries
from redshift_standin.sql.dml import new_scope, read_assignments, read_value, source_of
from redshift_standin.sql.from_items import is_alias
from redshift_standin.sql.reader import Reader
from redshift_standin.sql.relations import read_relation, read_target
from redshift_standin.sql.scope import Scope, Source, joined, render
from redshift_standin.sql.statements import Merge


def read_merge(reader: Reader) -> Merge:
    """MERGE INTO t USING source [[AS] alias] ON condition { WHEN MATCHED … WHEN NOT MATCHED … | REMOVE DUPLICATES }."""
    scope = new_scope(reader)
    scope.gathered.whole_columns_only = True
    reader.expect("merge", "into")
    table = read_target(reader, scope)
    scope.sources.append(source_of(table))
    reader.expect("using")
    source, alias = _read_source(reader, scope, table)
    reader.expect("on")
    condition = expressions.read_condition(reader)
    if not condition.equality:
        raise refused("MERGE needs an equijoin predicate between its target and its source")
    on = render(condition.parts)
    sql, strings = "", frozenset[int | str]()
    duplicates = reader.accept("remove", "duplicates")
    if not duplicates:
        clauses, strings = _read_clauses(reader, table)
        sql = f"MERGE INTO {table.quoted} USING {source} ON {on} {clauses}"
    scope.gathered.check(writes=True)
    reads = frozenset(scope.gathered.reads)
    return Merge(
        table=table,
        sql=sql,
        source=source,
        source_alias=alias,
        on=on,
        reads=reads,
        remove_duplicates=duplicates,
        strings=strings,
    )


def _read_source(reader: Reader, scope: Scope, table: TableName) -> tuple[str, str]:
    """The source as a FROM item, and its alias."""
    if reader.is_operator("("):
        reader.advance()
        # Inside the source the whole of SUPER may be walked; only MERGE's own clauses may not.
        scope.gathered.whole_columns_only = False
        text = f"({render(queries.read_nested(reader, Scope(scope.gathered)))})"
        scope.gathered.whole_columns_only = True
        reader.expect_operator(")")
        source = None
    else:
        text, source = read_relation(reader, scope)
    if table in scope.gathered.reads:
        raise refused("the source of MERGE cannot be its target or read it")
    if reader.accept("as") or is_alias(reader):
        alias = reader.expect_name()
        scope.sources.append(Source(alias))
        return f"{text} AS {quote(alias)}", alias
    if source is None:
        raise RedshiftError("42601", "subquery in MERGE must have an alias", position=reader.token.start + 1)
    scope.sources.append(source)
    return text, source.label


def _read_clauses(reader: Reader, table: TableName) -> tuple[str, frozenset[int | str]]:
    """The clauses, and the columns (or positions, in VALUES without a list) that get a bare string literal."""
    strings: set[int | str] = set()
    reader.expect("when", "matched", "then")
    if reader.accept("delete"):
        matched = "DELETE"
    else:
        reader.expect("update", "set")
        assignments, named = read_assignments(reader, table)
        strings |= named
        matched = f"UPDATE SET {render(assignments)}"
    reader.expect("when", "not", "matched", "then", "insert")
    listed = reader.expect_columns() if reader.is_operator("(") else None
    columns = f" ({', '.join(quote(column) for column in listed)})" if listed else ""
    reader.expect("values")
    values = reader.parenthesised(lambda: read_value(reader))
    inserted = render(joined([value.parts for value in values]))
    bare = [i for i, value in enumerate(values) if value.string is not None]
    strings |= {listed[i] if listed and i < len(listed) else i for i in bare}
    return f"WHEN MATCHED THEN {matched} WHEN NOT MATCHED THEN INSERT{columns} VALUES ({inserted})", frozenset(strings)
