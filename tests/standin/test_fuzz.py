"""Inputs that nobody means, through the whole server; the grammar's own fuzz is sql/test_grammar.py, the wire's wire/test_fuzz.py.

No statement of unknown syntax may reach Postgres: the grammar writes every statement anew, and the backend's log is searched
for a word that only a passed-on text could hold outside quotes. `--hypothesis-profile=nightly` sends more.
"""

from __future__ import annotations

import contextlib
import re

import psycopg
from hypothesis import given, settings
from hypothesis import strategies as st

from standin.fix_standin import Clients

NIGHTLY = settings().max_examples > 100
# Whatever passes on a client's text would pass this on too; no rule of the grammar has it as a keyword.
CANARY = "zzcanaryzz"
_TEXT = (
    "select from where insert into values update set delete using merge when matched then not remove duplicates copy create"
    " temp table alter add column drop rename to type varchar(10) int numeric(5,2) super primary key distkey sortkey encode az64"
    " truncate lock begin commit rollback end vacuum analyze grant on revoke comment is show reset declare cursor for fetch"
    " close with as union all order by group having limit offset join left outer cross natural case else cast null true"
    " like ilike similar between in exists and or any some interval date timestamp extract listagg within over partition rows"
    " returning conflict do nothing lateral generate_series array row default view schema binding no user password identity"
    " t u a b c 1 2.5 'x' '\\\\N' \"Q\" $1 ( ) [ ] , ; . : :: = <> < > + - * / % || ~ !~ ' \" -- /* */ \\ # @ & | ^"
)
_WORDS = _TEXT.split(" ")
_soup = st.lists(st.sampled_from([*_WORDS, CANARY]), min_size=1, max_size=14).map(" ".join)
_valid = st.sampled_from(
    [
        "select a, count(*) from t where b like 'x%' group by a having count(*) > 1 order by 1 desc limit 3",
        "insert into t (a, b) values (1, 'x'), (2, null)",
        "update t set a = u.b from u where t.a = u.a",
        "delete from t using u where t.a = u.a",
        "merge into t using u on t.a = u.a when matched then update set b = u.b when not matched then insert values (u.a, u.b)",
        "copy t from 's3://b/k' iam_role default csv gzip null as '@' manifest region 'us-east-1' maxerror 3",
        "create temp table if not exists t (a int not null distkey, b varchar(10) encode zstd, primary key (a)) sortkey (a)",
        "alter table t add column c numeric(20, 2) default 1 not null",
        "with x as (select 1 as a) select x.a, sum(a) over (partition by a order by a rows unbounded preceding) from x",
        "select s.a.b[0].c, json_parse('{}'), cast('1' as int), case when a then 1 else 2 end from t s left join u using (a)",
        "grant select, insert on table t to group g",
        "comment on column t.a is 'x'",
    ]
)


@st.composite
def _spoilt(draw: st.DrawFn) -> str:
    """A statement of the grammar with a piece cut out, doubled, or replaced."""
    words = draw(_valid).split(" ")
    at = draw(st.integers(0, len(words) - 1))
    piece = draw(
        st.one_of(
            st.just(""), st.just(words[at] + " " + words[at]), st.sampled_from([*_WORDS, CANARY]), st.text(max_size=5)
        )
    )
    return " ".join([*words[:at], piece, *words[at + 1 :]])


@st.composite
def _with_canary(draw: st.DrawFn) -> str:
    """A statement with the canary as a bare word somewhere; no literal, in which it would be an honest value."""
    text = draw(st.one_of(_spoilt(), _soup)).replace("'", "").replace("lock", "").replace('"', "")
    words = text.split(" ")
    at = draw(st.integers(0, len(words)))
    return " ".join([*words[:at], CANARY, *words[at:]])


# What Postgres was sent, without the names and values that we quoted ourselves.
_OF_POSTGRES = re.compile(r" UTC \[\d+\].* (?:ERROR|HINT|CONTEXT|WARNING|NOTICE):  ")
_QUOTED = re.compile(r"\"(?:[^\"]|\"\")*\"|'(?:[^'\\]|''|\\.)*'")


def test_no_text_of_unknown_syntax_reaches_postgres(clients: Clients) -> None:
    """Statements with a word that is nobody's, through the server; the backend logs every statement that it is sent."""
    log = clients.server.postgres.log
    offset = log.stat().st_size
    sent = _sent(clients)
    with log.open("rb") as file:
        file.seek(offset)
        told = file.read().decode(errors="replace").splitlines()
    # What Postgres says of its own, such as "column t.x does not exist", is no statement.
    reached = [line for line in told if CANARY in line and not _OF_POSTGRES.search(line)]
    # As a name or a value, quoted by us, it may be looked up or used; nothing else of it may be there.
    assert [line for line in reached if CANARY in _QUOTED.sub("", line)] == []
    assert any("create table" in line for line in reached)
    assert sent > 400


def _sent(clients: Clients) -> int:
    connection = clients.psycopg()
    connection.execute(f"set search_path to {clients.schema()}")
    sent = 0

    @settings(max_examples=500 if not NIGHTLY else 10_000, database=None)
    @given(_with_canary())
    def send(text: str) -> None:
        nonlocal sent
        sent += 1
        with contextlib.suppress(psycopg.Error):
            connection.execute(text.encode())
        assert not connection.closed, "the session has ended"
        if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            connection.execute("rollback")

    send()
    # Of the grammar, with the canary as a name: so that something has to be found in the log.
    connection.execute(f"create table {CANARY} ({CANARY} int)")
    return sent
