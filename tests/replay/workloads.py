"""Workloads of lines, made from the grammar alone: what they hold, and how test_decoding would have written it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from replay.in_process import quoted
from replay.reference_rows import Catalog, Change, Row, Version
from replay.reference_text import UNSENT, Value


@dataclass(frozen=True, kw_only=True)
class Workload:
    """`transactions`: what the text says of the tables that are carried."""

    data: bytes
    catalog: Catalog
    transactions: list[list[Change]]


# Texts that look like what stands around them.
LIKE_LINES = [
    b"",
    b"null",
    b"'",
    b"''",
    b" ",
    b'"',
    b"\r\n",
    b"\n",
    b"it's",
    b"\nCOMMIT 3\n",
    b"\nBEGIN 4\ntable public.t: INSERT: id[integer]:1\nCOMMIT 4\n",
    b"x\ntable public.t: TRUNCATE: (no-flags)",
    b"unchanged-toast-datum",
    b" new-tuple: id[integer]:9",
    b"\nmessage: transactional: 1 prefix: p, sz: 3 content:abc\n",
    b"\npg_recvlogical: it's closed\n",
    b", sz: 5 content:hello",
    b"(no-tuple-data)",
    b"' b[text]:'",
    b"B'1'",
    "é€\U0001f600".encode(),
    b"a\\b\tc",
    b"TRUNCATE: cascade",
]
SHORT = st.text("ab'\"\n\r :[]{}(),.\\é0", max_size=6).map(str.encode)
TEXTS = st.one_of(st.sampled_from(LIKE_LINES), SHORT, st.just(b"x" * 40))
NAMES = st.one_of(
    st.sampled_from(
        ["a", "b", "c2", "order", "null", "é", "new-tuple:", "old-key:", "a b", 'q"', "it's", "x[y]:1", "A"]
    ),
    st.sampled_from(["a\nb", "\nCOMMIT 1\n", ": INSERT:", "(no-tuple-data)", ",", ".", "a''b"]),
    st.text("ab'\"\n :[].,é", min_size=1, max_size=4),
)
INTEGERS = st.one_of(st.integers(-9, 99), st.sampled_from([2**63 - 1, -(2**63)])).map(b"%d".__mod__)
NUMBERS = st.sampled_from(
    [
        b"0",
        b"-1",
        b"1.50",
        b"-0.001",
        b"1e+300",
        b"1.5e-10",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"12345678901234567890.12",
    ]
)
VALUES = {
    "integer": INTEGERS,
    "bigint": INTEGERS,
    "numeric": NUMBERS,
    "real": NUMBERS,
    "boolean": st.sampled_from([b"true", b"false"]),
    "bit varying": st.sampled_from([b"", b"1", b"0101"]),
    "text": TEXTS,
    '"char"': TEXTS,
    "character varying": TEXTS,
    "public.mood": TEXTS,
    "numeric[]": TEXTS,
    'public."My [Type]"[]': TEXTS,
    '"it\'s"."a\nb"': TEXTS,
}
BARE = ("integer", "bigint", "numeric", "real", "boolean")
TYPES = st.sampled_from([*VALUES, "text", "text", "integer"])
STREAMED = [
    b"opening a streamed block for transaction TXN %d",
    b"streaming change for TXN %d",
    b"closing a streamed block for transaction TXN %d",
    b"aborting streamed (sub)transaction TXN %d",
]
PREFIXES = st.sampled_from([b"", b"p", b"it's", b'a "b\nc', b", sz: ", b"p, sz: 9999 ", b"\r", b"p, sz: 3 content:"])


def printed(kind: str, value: Value) -> bytes:
    """As print_literal writes it."""
    if value is None:
        return b"null"
    if value is UNSENT:
        return b"unchanged-toast-datum"
    if kind in BARE:
        return value
    return (b"B'" if kind == "bit varying" else b"'") + value.replace(b"'", b"''") + b"'"


def tuple_of(version: Version, row: Row, *, skips_nulls: bool = False) -> bytes:
    """The columns of a line."""
    return b"".join(
        f" {quoted(name)}[{kind}]:".encode() + printed(kind, row[name])
        for name, kind in version.columns
        if name in row and not (skips_nulls and row[name] is None)
    )


@st.composite
def versions(draw: st.DrawFn) -> Version:
    """A table with a key (of one or two columns), without one, or with the whole row for an identity."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    columns = tuple((name, draw(TYPES)) for name in names)
    identity = draw(st.sampled_from("dddfn"))
    key = tuple(names[: draw(st.integers(1, min(2, len(names))))]) if identity == "d" else ()
    return Version(columns=columns, key=key, identity=identity)


def changing(first: Version) -> st.SearchStrategy[tuple[Version, ...]]:
    """A table that has, now and then, one column more."""
    if first.identity != "d" or "added" in dict(first.columns):
        return st.just((first,))
    second = TYPES.map(lambda kind: replace(first, columns=(*first.columns, ("added", kind))))
    return st.one_of(st.just((first,)), second.map(lambda version: (first, version)))


@st.composite
def catalogs(draw: st.DrawFn) -> dict[tuple[str, str], tuple[Version, ...]]:
    """Some tables; those without versions are left out."""
    names = draw(
        st.lists(st.tuples(st.sampled_from(["public", "My Schema", "a.b"]), NAMES), min_size=1, max_size=3, unique=True)
    )
    catalog = {name: draw(versions().flatmap(changing)) for name in names}
    if draw(st.booleans()):
        catalog["public", "left_out"] = ()
    return catalog


class _Writer:
    """Writes transactions as their lines, and remembers what they say."""

    def __init__(self, draw: st.DrawFn, catalog: Catalog) -> None:
        self.draw = draw
        self.catalog = catalog
        self.lines: list[bytes] = []
        self.xids = draw(st.booleans())
        self.times = draw(st.booleans())
        self.given: list[list[Change]] = []

    def row(self, version: Version, *, unsent: bool, nulls: bool = True) -> Row:
        found: Row = {}
        for name, kind in version.columns:
            odd: list[st.SearchStrategy[Value]] = [st.none()] if nulls and name not in version.key else []
            if unsent and name not in version.key and kind not in BARE:
                odd.append(st.just(UNSENT))
            found[name] = self.draw(st.one_of(VALUES[kind], VALUES[kind], *odd))
        return found

    def change(self, schema: str, name: str) -> Change | None:
        """One line; what it says, unless its table is left out."""
        line = f"table {quoted(schema)}.{quoted(name)}: ".encode()
        carried = self.catalog[schema, name]
        version = (
            self.draw(st.sampled_from(carried))
            if carried
            else Version(columns=(("id", "integer"), ("a", "text")), key=("id",))
        )
        full, table = version.identity == "f", f"{schema}.{name}"
        ops = ["INSERT"] if version.identity == "n" else ["INSERT", "UPDATE", "DELETE", "TRUNCATE"]
        op = self.draw(st.sampled_from(ops))
        old = new = None
        if op == "TRUNCATE":
            flags = self.draw(st.sampled_from(["(no-flags)", "cascade", "restart_seqs", "restart_seqs cascade"]))
            self.lines.append(line + f"TRUNCATE: {flags}".encode())
            return (table, op, None, None) if carried else None
        if op == "DELETE" or (op == "UPDATE" and (full or self.draw(st.booleans()))):
            old = self.row(version, unsent=False)
            old = old if full else {each: old[each] for each in version.key}
        if op != "DELETE":
            new = self.row(version, unsent=op == "UPDATE")
        if full and old is not None and new is not None:
            new = {each: value if old[each] is not None or value is not UNSENT else None for each, value in new.items()}
        told = b"" if old is None else tuple_of(version, old, skips_nulls=True)
        line += op.encode() + b":"
        if op == "UPDATE" and old is not None:
            line += b" old-key:" + told + b" new-tuple:"
        self.lines.append(line + (told if new is None else tuple_of(version, new)))
        return (table, op, old, new) if carried else None

    def message(self) -> None:
        content = self.draw(TEXTS)
        flag, prefix = self.draw(st.sampled_from(b"01")), self.draw(PREFIXES)
        self.lines.append(
            b"message: transactional: %c prefix: %s, sz: %d content:%s" % (flag, prefix, len(content), content)
        )

    def transaction(self, xid: int) -> None:
        number = b" %d" % xid if self.xids else b""
        at = b" (at 2026-11-28 07:30:53.123456+00)" if self.times else b""
        self.lines.append(b"BEGIN" + number)
        changes: list[Change] = []
        rows = self.draw(st.lists(st.sampled_from([*self.catalog, None]), max_size=4))
        for name in rows:
            if name is None:
                self.message()
            elif (change := self.change(*name)) is not None:
                changes.append(change)
        prepared = self.xids and self.draw(st.integers(0, 9)) == 0
        if prepared:
            literal = self.draw(st.sampled_from([b"'g''%d'", b" E'g\\\\%d'"])) % xid + b", txid %d" % xid
            self.lines.append(b"PREPARE TRANSACTION " + literal + at)
            commits = self.draw(st.booleans())
            self.lines.append((b"COMMIT" if commits else b"ROLLBACK") + b" PREPARED " + literal + at)
        else:
            commits = True
            self.lines.append(b"COMMIT" + number + at)
        if commits and any(name is not None for name in rows):
            self.given.append(changes)
        between = self.draw(st.integers(0, 7))
        if between == 0:
            self.message()
        elif between == 1:
            self.lines.append(b"pg_recvlogical: could not send: it's \"closed")
        elif between == 2:
            self.lines += [line % (100 + xid) for line in STREAMED]


@st.composite
def workloads(draw: st.DrawFn) -> Workload:
    """Some transactions of some tables."""
    catalog = draw(catalogs())
    writer = _Writer(draw, catalog)
    for xid in range(1, 1 + draw(st.integers(1, 4))):
        writer.transaction(xid)
    data = b"".join(line + b"\n" for line in writer.lines)
    return Workload(data=data, catalog=catalog, transactions=writer.given)
