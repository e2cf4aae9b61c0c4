"""What a client finds once it is in: an old Postgres by its version, and Redshift's parameters (rules 1 and 40)."""

from __future__ import annotations

from typing import Final

from redshift_standin.verify.case import Case, Expected, Refused, Rows, Succeeds

_PAGE: Final = "cm_chap_ConfigurationRef"


def _start(name: str, run: str, expect: Expected) -> Case:
    return Case(rule=1, name=name, run=run, expect=expect, page=_PAGE)


def _parameter(name: str, run: str | tuple[str, ...], expect: Expected, *, block: bool = False) -> Case:
    return Case(rule=40, name=name, run=run, expect=expect, block=block, page=_PAGE)


CASES: Final[tuple[Case, ...]] = (
    _start("server_version is that of Postgres 8.0.2", "show server_version", Rows([["8.0.2"]])),
    _start("the client encoding is called UNICODE", "show client_encoding", Rows([["UNICODE"]])),
    _start("the server encoding is UTF8", "show server_encoding", Rows([["UTF8"]])),
    _start(
        "version() names Postgres 8.0.2 and Redshift",
        "select version() like 'PostgreSQL 8.0.2 %Redshift %'",
        Rows([["True"]]),
    ),
    _start("server_version cannot be set", "set server_version to '9.0'", Refused("55P02", "cannot be changed")),
    _start("the session's user is the current user", "select current_user = session_user", Rows([["True"]])),
    _start(
        "the session's user is a user of the catalog",
        "select count(*) from pg_user where usename = current_user",
        Rows([[1]]),
    ),
    _start("a client may set the encoding that it has", "set client_encoding to 'utf8'", Succeeds()),
    _start("a client may set its application's name", "set application_name to 'loader'", Succeeds()),
    _parameter(
        "quoted names are not case-sensitive unless asked for",
        "show enable_case_sensitive_identifier",
        Rows([["off"]]),
    ),
    _parameter(
        "SET true is shown as on",
        ("set enable_case_sensitive_identifier to true", "show enable_case_sensitive_identifier"),
        Rows([["on"]]),
    ),
    _parameter(
        "RESET gives a parameter its value back",
        (
            "set enable_case_sensitive_identifier to true",
            "reset enable_case_sensitive_identifier",
            "show enable_case_sensitive_identifier",
        ),
        Rows([["off"]]),
    ),
    _parameter(
        "SET TO DEFAULT gives a parameter its value back",
        ("set statement_timeout to 60000", "set statement_timeout to default", "show statement_timeout"),
        Rows([["0"]]),
    ),
    _parameter(
        "SET takes an equals sign as well",
        ("set statement_timeout = 60000", "show statement_timeout"),
        Rows([["60000"]]),
    ),
    _parameter(
        "SHOW of a name that is no parameter is refused", "show no_such_thing", Refused("42704", "no_such_thing")
    ),
    _parameter(
        "SET of a name that is no parameter is refused", "set no_such_thing to 1", Refused("42704", "no_such_thing")
    ),
    _parameter(
        "a parameter of newer Postgres does not exist",
        "set idle_in_transaction_session_timeout to 1000",
        Refused("42704", "idle_in_transaction_session_timeout"),
    ),
    _parameter(
        "a switch takes no number",
        "set enable_case_sensitive_identifier to 7",
        Refused("22023", "enable_case_sensitive_identifier"),
    ),
    _parameter("SHOW ALL gives a row a parameter", "show all", Succeeds()),
    _parameter(
        "a nondeterministic UPDATE is let through unless asked otherwise",
        "show error_on_nondeterministic_update",
        Rows([["off"]]),
    ),
    _parameter("JSON's duplicate keys are errors", "show json_parse_dedup_attributes", Rows([["off"]])),
    _parameter("JSON's long strings are errors", "show json_parse_truncate_strings", Rows([["off"]])),
    _parameter("query_group may be set", "set query_group to 'loads'", Succeeds()),
    _parameter("the time zone is UTC", "show timezone", Rows([["UTC"]])),
    _parameter(
        "the time zone moves a TIMESTAMPTZ's text",
        (
            "set timezone to 'America/New_York'",
            "select ('2024-01-01 12:00:00+00'::timestamptz)::varchar(40)",
        ),
        Rows([["2024-01-01 07:00:00-05"]]),
    ),
    _parameter(
        "SET LOCAL ends with the transaction",
        ("begin", "set local statement_timeout to 70000", "commit", "show statement_timeout"),
        Rows([["0"]]),
    ),
    _parameter(
        "a search path may name a schema that is not there",
        "set search_path to nowhere, public",
        Succeeds(),
    ),
    _parameter(
        "a table's name is looked for along the search path",
        ("create table found (a int)", "set search_path to nowhere, {schema}", "select count(*) from found"),
        Rows([["0"]]),
    ),
    _parameter(
        "a schema that is not in the search path is not searched",
        ("create table hidden (a int)", "set search_path to public", "select * from hidden"),
        Refused("42P01", "hidden"),
    ),
    _parameter(
        "current_schema() is the first schema of the path that is there",
        ("set search_path to nowhere, {schema}", "select current_schema() = '{schema}'"),
        Rows([["True"]]),
    ),
)
