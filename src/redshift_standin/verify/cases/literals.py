r"""String literals, in which a backslash escapes as in Postgres 8.0, numbers and comments (rule 19)."""

from __future__ import annotations

from typing import Final

from redshift_standin.verify.case import Case, Expected, Refused, Rows, Unknown


def _literal(name: str, *run: str, expect: Expected) -> Case:
    return Case(rule=19, name=name, run=run, expect=expect, page="r_Character_types")


def _is(name: str, written: str, meant: str) -> Case:
    """A literal as it is written between its quotes, and what it means."""
    return _literal(name, f"select '{written}'", expect=Rows([[meant]]))


def _trap(name: str, written: str) -> Case:
    """A lone backslash whose meaning is not established."""
    return _literal(name, f"select '{written}'", expect=Unknown("escape"))


CASES: Final[tuple[Case, ...]] = (
    _is("a doubled quote is a quote", "it''s", "it's"),
    _is("a backslash escapes a quote", r"it\'s", "it's"),
    _is("a doubled backslash is one", r"a\\b", r"a\b"),
    _is("two doubled backslashes are two", r"a\\\\b", r"a\\b"),
    _is("the null string of COPY needs a doubled backslash", r"\\N", r"\N"),
    _is("a doubled backslash ends a literal", "a\\\\", "a\\"),
    _is("a doubled backslash before a doubled quote is both", r"a\\''b", r"a\'b"),
    _is("an n after a backslash is a line's end", r"a\nb", "a\nb"),
    _is("a t after a backslash is a tab", r"a\tb", "a\tb"),
    _is("a line's end stands as it is", "a\nb", "a\nb"),
    _is("an n after a doubled backslash is an n", r"a\\nb", r"a\nb"),
    _is("a double quote stands as it is", 'say "x"', 'say "x"'),
    _is("two hyphens are no comment in a literal", "a -- b", "a -- b"),
    _is("a semicolon stands in a literal", "a;b", "a;b"),
    _is("a dollar and a percent sign stand as they are", "$1 100%", "$1 100%"),
    _is("an empty literal is an empty string", "", ""),
    _is("letters beyond ASCII stand as they are", "größe ☃ 𝄞", "größe ☃ 𝄞"),
    _trap("a lone backslash before N is a trap", r"\N"),
    _trap("a lone backslash before d is a trap", r"\d+"),
    _trap("a lone backslash before a blank is a trap", r"a\ b"),
    _trap("a lone backslash before a percent sign is a trap", r"100\%"),
    _trap("a lone backslash in a path is a trap", r"C:\data"),
    _trap("an octal escape of NUL is a trap", r"a\000b"),
    _trap("a lone backslash before x is a trap", r"\x41"),
    _trap("a lone backslash before u is a trap", r"\u0041"),
    _literal(r"three backslashes before a quote leave the literal open", r"select 'a\\\'", expect=Refused("42601", "unterminated quoted string")),
    _literal(r"a backslash before the last quote leaves the literal open", r"select 'a\'", expect=Refused("42601", "unterminated quoted string")),
    _literal("a literal has an end", "select 'abc", expect=Refused("42601", "unterminated quoted string")),
    _literal(
        "escapes hold in INSERT", "create table t (c varchar(10))", r"insert into t values ('a\\b\'c')", expect=Rows([[r"a\b'c"]], "select c from t")
    ),
    _literal(
        "escapes hold in a default", r"create table t (a int, c varchar(10) default 'x\\y')", "insert into t (a) values (1)",
        expect=Rows([[r"x\y"]], "select c from t"),
    ),
    _literal(
        "escapes hold in a comment on a table", "create table t (a int)", r"comment on table t is 'a\\b\'c'",
        expect=Rows([[r"a\b'c"]], "select obj_description(oid, 'pg_class') from pg_class where relname = 't' and relnamespace ="
                    " (select oid from pg_namespace where nspname = '{schema}')"),
    ),
    _literal("a backslash counts once in a condition", "create table t (c varchar(10))", r"insert into t values ('\\')",
             r"select len(c) from t where c = '\\'", expect=Rows([[1]])),
    _literal("a comment ends with its line", "select 1 -- one\n + 1", expect=Rows([[2]])),
    _literal("a comment in stars stands anywhere", "select /* one */ 1", expect=Rows([[1]])),
    _literal("a comment may hold another", "select /* a /* b */ c */ 1", expect=Rows([[1]])),
    _literal("a comment has an end", "select 1 /* x", expect=Refused("42601", "unterminated /* comment")),
    _literal("an exponent makes a number", "select 1.5e3 = 1500", expect=Rows([[True]])),
    _literal("a number may begin with its point", "select .5::numeric(3,2)", expect=Rows([["0.50"]])),
    _literal("a number runs into no name", "select 1abc", expect=Refused("42601", "1abc")),
    _literal("a bit literal is refused", "select B'101'", expect=Refused("42601", "syntax error")),
    _literal("two literals side by side are refused", "select 'a' 'b'", expect=Refused("42601", "syntax error")),
    _literal("double equals is refused", "select 1 == 1", expect=Refused("42601", "syntax error")),
    _literal("a question mark is refused", "select 1 ? 1", expect=Refused("42601", "syntax error")),
    _literal("a backtick is refused", "select `a`", expect=Refused("42601", "syntax error")),
    _literal("a semicolon may end a statement", "select 1;", expect=Rows([[1]])),
)  # fmt: skip
