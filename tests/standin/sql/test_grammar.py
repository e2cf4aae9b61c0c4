"""The entry: several statements, parameters, limits, and texts that nobody would write."""

import random
from typing import Any

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redshift_standin.errors import RedshiftError
from redshift_standin.sql.functions import FUNCTIONS
from redshift_standin.sql.grammar import STATEMENTS, Parsed, parse
from redshift_standin.sql.lexer import OPERATORS, RESERVED, STATEMENT_BYTES_MAX
from redshift_standin.sql.query import Query
from redshift_standin.sql.special_forms import FORMS
from redshift_standin.sql.statements import Delete, Empty, Insert, Merge, Update


@pytest.mark.parametrize("text", ["", " \n\t", ";", " ; ;; ", "-- nothing", "/* a /* b */ c */ ;"])
def test_nothing_but_blanks_is_one_empty_statement(text: str) -> None:
    assert parse(text) == [Parsed(Empty(), text)]


def test_statements_are_parted_at_semicolons_and_keep_their_text() -> None:
    found = parse(" select ';' as a ; -- comment ; here\n select $2, $1 ;; insert into t values ($3);")
    assert [parsed.text for parsed in found] == ["select ';' as a", "select $2, $1", "insert into t values ($3)"]
    assert [parsed.parameters for parsed in found] == [0, 2, 3]


def test_one_wrong_statement_refuses_the_whole_text() -> None:
    with pytest.raises(RedshiftError) as caught:
        parse("select 1; selec 2")
    assert (caught.value.message, caught.value.position) == ('syntax error at or near "selec"', 11)


@pytest.mark.parametrize(
    "text", ["selec 1", "1", "'select'", '"select" 1', "$1", "*", "go", "values (1)", "table t", ")"]
)
def test_an_unknown_first_word_is_a_syntax_error(text: str) -> None:
    with pytest.raises(RedshiftError) as caught:
        parse(text)
    assert caught.value.sqlstate == "42601"


@pytest.mark.parametrize(
    "text",
    [
        "select " + "(" * 5_000 + "1" + ")" * 5_000,
        "select " + "abs(" * 5_000 + "1" + ")" * 5_000,
        "select " + "(select " * 5_000 + "1" + ")" * 5_000,
        "select * from " + "(select * from " * 5_000 + "t" + ") x" * 5_000,
        "select * from " + "(" * 5_000 + "t" + ")" * 5_000,
        "select " + "case when " * 5_000,
        "(" * 200 + "select 1" + ")" * 200,
    ],
)
def test_rule_34_deep_nesting_is_refused_before_it_hurts(text: str) -> None:
    with pytest.raises(RedshiftError) as caught:
        parse(text)
    assert caught.value.sqlstate == "54001"


def test_a_statement_may_nest_as_deep_as_people_write() -> None:
    assert parse("select " + "coalesce(" * 60 + "1" + ")" * 60)
    assert parse("select 1 where " + " and ".join(f"a{i} = {i}" for i in range(5_000)))
    assert parse("insert into t values " + ", ".join(f"({i}, 'x', null)" for i in range(5_000)))


def test_rule_34_a_statement_beyond_16_mb_is_refused() -> None:
    with pytest.raises(RedshiftError) as caught:
        parse("select '" + "x" * STATEMENT_BYTES_MAX + "'")
    assert caught.value.sqlstate == "54000"


_MORE = """
a b t s by key rows row over within set values matched first last escape zone time timestamp date varchar int distkey sortkey
"""
WORDS = sorted({*STATEMENTS, *RESERVED, *FORMS, *FUNCTIONS, *_MORE.split()})
TOKENS = [
    *WORDS,
    *OPERATORS,
    *["1", "2.5", ".5e3", "$1", "'x'", "''", '"Q"', "'2020-01-01'", "/* c */", "-- c\n", "\\", "?", "é", "#t"],
]
SEEDS = [
    "select a, t.b[0].c, count(*) over (partition by a order by b rows 1 preceding) from t left join s on t.a = s.a where a in (1, 2)",
    "with q as (select 1 union all select 2) select top 3 x from q group by 1 having 1 = 1 order by 1 desc nulls last limit 1",
    "insert into t (a, b) values (1, default), ('x', cast($1 as varchar(3)))",
    "update t x set a = b::int, c = case when a is null then 1 else 2 end from s where s.a = x.a and b between 1 and 2",
    "with q as (select 1 as a) delete from t using q, s where t.a = s.a and (a, b) in (select 1, 2) and not t.b like 'x' escape 'y'",
    "merge into t using s on t.a = s.a when matched then update set b = s.b when not matched then insert (a, b) values (s.a, 1)",
    "select listagg(a, ',') within group (order by a), extract(year from date '2020-01-01'), trim(both 'x' from a) from t",
    "select distinct decode(a, 1, 'x', null), dateadd(day, - 1, getdate()), nvl2(a, 1, 2), x.y from (select 1 as y) as x (y), t",
    "create table t (a int default 1 + 1 not null, b varchar(10) encode zstd) distkey(a) sortkey(a, b)",
    "copy t (a, b) from 's3://b/k' iam_role default csv null as 'x' gzip manifest",
]
# Many texts an example: drawing every token by hypothesis would cost more than parsing it.
SEED_NUMBERS = st.integers(0, 2**32)
TEXTS_AN_EXAMPLE = 50
# 200 in the suite; --hypothesis-profile=nightly asks for more.
EXAMPLES = max(200, settings().max_examples)


@settings(max_examples=EXAMPLES)
@given(SEED_NUMBERS)
def test_a_soup_of_tokens_is_refused_or_parsed_and_never_breaks(seed: int) -> None:
    choice = random.Random(seed)
    for _ in range(TEXTS_AN_EXAMPLE):
        _parsed_or_refused(" ".join(choice.choices(TOKENS, k=choice.randint(0, 14))))


@settings(max_examples=EXAMPLES)
@given(SEED_NUMBERS)
def test_a_statement_with_tokens_lost_doubled_or_changed_never_breaks(seed: int) -> None:
    choice = random.Random(seed)
    for _ in range(TEXTS_AN_EXAMPLE):
        _parsed_or_refused(_mutated(choice))


def test_what_is_parsed_is_never_a_syntax_error_of_the_backend(backend: "psycopg.Connection[Any]") -> None:
    """Fixed random statements: what the grammar takes, it renders as whole SQL."""
    choice = random.Random(4)
    complaints, prepared = [], 0
    while prepared < 500:
        for parsed in _parsed_or_refused(_mutated(choice)):
            if not isinstance(parsed.statement, Query | Insert | Update | Delete | Merge) or not parsed.statement.sql:
                continue
            prepared += 1
            result = backend.pgconn.prepare(b"", parsed.statement.sql.encode())
            message = (result.error_field(psycopg.pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode()
            if message.startswith("syntax error"):
                complaints.append((parsed.text, parsed.statement.sql, message))
            backend.pgconn.exec_(b"rollback")
    assert complaints == []


def _mutated(choice: random.Random) -> str:
    words = choice.choice(SEEDS).replace("(", " ( ").replace(")", " ) ").replace(",", " , ").replace(".", " . ").split()
    for _ in range(choice.randint(1, 3)):
        at = choice.randrange(len(words))
        match choice.choice(["lose", "double", "change", "swap"]):
            case "lose" if len(words) > 1:
                del words[at]
            case "double":
                words.insert(at, words[at])
            case "swap":
                other = choice.randrange(len(words))
                words[at], words[other] = words[other], words[at]
            case _:
                words[at] = choice.choice(TOKENS)
    return " ".join(words)


@settings(max_examples=500)
@given(st.text(max_size=40))
def test_any_text_is_refused_or_parsed_and_never_breaks(text: str) -> None:
    _parsed_or_refused(text)
    _parsed_or_refused(f"select {text} from t")


@settings(max_examples=200)
@given(st.text(min_size=1, max_size=30))
def test_a_literal_and_a_name_reach_the_backend_only_in_quotes(text: str) -> None:
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        return
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    quoted = text.replace('"', '""')
    (parsed,) = parse(f"select '{escaped}' as x, t.\"{quoted}\" as y from t", case_sensitive=True)
    assert isinstance(parsed.statement, Query)
    sql = parsed.statement.sql
    assert sql.startswith(f"SELECT E'{escaped}' AS \"x\", ")
    assert sql.endswith(' AS "y" FROM "t"')


def _parsed_or_refused(text: str) -> list[Parsed]:
    """What the grammar makes of it, nothing if it is refused; any other exception is the test's failure."""
    try:
        return parse(text)
    except RedshiftError:
        return []
