"""Sessions: what they force, and what their failures tell."""

from typing import Any

import pytest

from fix_postgres import Database, PostgresFactory
from re_dms.errors import ConfigurationError, SourceError, SourceUnavailable
from re_dms.settings import SourceSettings
from re_dms.source.connection import SETTINGS, connect, connection_parameters, open_session, watch
from source.given import settings_for

CANARY = "c4nary-passw0rd"
HOSTILE = {
    "DateStyle": "German",
    "IntervalStyle": "sql_standard",
    "extra_float_digits": "-3",
    "bytea_output": "escape",
    "TimeZone": "America/New_York",
    "client_encoding": "LATIN1",
    "standard_conforming_strings": "off",
    "quote_all_identifiers": "on",
    "search_path": "public",
    "client_min_messages": "error",
    "statement_timeout": "12345",
    "lock_timeout": "12345",
    "idle_in_transaction_session_timeout": "12345",
}


def setting(connection: Any, name: str) -> str:
    value: str = connection.execute(f"select current_setting('{name}')").fetchone()[0]
    return value


@pytest.fixture
def hostile(database: Database) -> SourceSettings:
    """A role whose own settings rewrite every value."""
    role = f"role_{database.name}"
    database.execute(f"create role {role} login superuser")
    for name, value in HOSTILE.items():
        database.execute(f"alter role {role} set {name} = '{value}'")
    return settings_for(database, dsn=f"{database.dsn} user={role}")


@pytest.mark.parametrize("replication", [False, True])
def test_settings_of_the_role_lose(hostile: SourceSettings, replication: bool) -> None:
    parameters = connection_parameters(hostile, purpose="test", replication=replication)
    with open_session(parameters) as connection:
        values = connection.execute(
            """select '2024-02-03'::date::text, '2024-02-03 04:05:06+00'::timestamptz::text, '1 year 2 days'::interval::text,
            (0.1::float8 + 0.2::float8)::text, '\\xde'::bytea::text, 'pg_class'::regclass::text"""
        ).fetchone()
        assert values == (
            "2024-02-03",
            "2024-02-03 04:05:06+00",
            "1 year 2 days",
            "0.30000000000000004",
            "\\xde",
            "pg_class",
        )
        for name in HOSTILE:
            assert setting(connection, name).replace(", ", ",") == SETTINGS[name], name


def test_settings_of_the_environment_lose(settings: SourceSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGDATESTYLE", "German")
    monkeypatch.setenv("PGTZ", "America/New_York")
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    monkeypatch.setenv("PGOPTIONS", "-c extra_float_digits=-3 -c work_mem=5MB")
    with connect(settings, purpose="test") as connection:
        assert setting(connection, "DateStyle") == "ISO, YMD"
        assert setting(connection, "TimeZone") == "UTC"
        assert setting(connection, "client_encoding") == "UTF8"
        assert setting(connection, "extra_float_digits") == "1"
        assert setting(connection, "work_mem") == "5MB"


def test_options_of_the_dsn_are_kept_unless_they_are_ours(database: Database) -> None:
    dsn = f"{database.dsn} options='-c work_mem=5MB -c TimeZone=Asia/Tokyo'"
    with connect(settings_for(database, dsn=dsn), purpose="test") as connection:
        assert setting(connection, "work_mem") == "5MB"
        assert setting(connection, "TimeZone") == "UTC"


def test_a_session_is_named_by_its_purpose_and_autocommits(settings: SourceSettings) -> None:
    with connect(settings, purpose="copy") as connection:
        assert setting(connection, "application_name") == "re_dms:copy"
        assert connection.autocommit


def test_the_server_gives_up_a_silent_client_on_tcp(database: Database, settings: SourceSettings) -> None:
    with connect(settings_for(database, dsn=database.tcp_dsn), purpose="test") as connection:
        assert setting(connection, "tcp_user_timeout") == "10000"  # milliseconds, as the socket tells it
    assert "tcp_user_timeout=10000" not in connection_parameters(settings, purpose="test")["options"]


def test_timeouts_of_later_versions_are_off(hostile: SourceSettings, database: Database) -> None:
    names = ["idle_session_timeout", "transaction_timeout"]
    known = [row[0] for row in database.fetch("select name from pg_settings where name = any (%s)", [names])]
    for name in known:
        database.execute(f"alter role role_{database.name} set {name} = '12345'")
    with connect(hostile, purpose="test") as connection:
        assert [setting(connection, name) for name in known] == ["0"] * len(known)


@pytest.mark.parametrize(
    "dsn", [f"postgresql://u:{CANARY}@[host/db", f"host=h password={CANARY} nonsense", f"pg:{CANARY}"]
)
def test_an_invalid_dsn_is_not_quoted(dsn: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        connection_parameters(SourceSettings(dsn=dsn, slot="s", publication="p"), purpose="test")
    assert CANARY not in f"{caught.value}{caught.value.remedy}{caught.value.__cause__}"


def test_a_server_that_is_not_there_is_unavailable(database: Database) -> None:
    dsn = f"host=127.0.0.1 port=1 dbname=d user=u password={CANARY}"
    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1:1, database d, user u") as caught:
        connect(settings_for(database, dsn=dsn), purpose="test")
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("wrong", ["user=nobody_of_that_name", "dbname=no_such_database"])
def test_an_unknown_role_or_database_is_not_retried(database: Database, wrong: str) -> None:
    with pytest.raises(SourceError, match="does not exist") as caught:
        connect(settings_for(database, dsn=f"{database.dsn} {wrong} password={CANARY}"), purpose="test")
    assert not caught.value.retry
    assert CANARY not in str(caught.value)


def test_a_wrong_password_is_not_retried_and_not_told(postgres_factory: PostgresFactory, tmp_path: Any) -> None:
    directory = postgres_factory.directory()
    server = postgres_factory(directory)
    server.execute("create role anna login password 'right'")
    hba = next(directory.rglob("pg_hba.conf"))
    hba.write_text("local all postgres trust\nhost all anna 127.0.0.1/32 scram-sha-256\n" + hba.read_text())
    server.execute("select pg_reload_conf()")
    dsn = server.dsn("postgres", tcp=True).replace("user=postgres", f"user=anna password={CANARY}")
    with pytest.raises(SourceError, match="password authentication failed") as caught:
        connect(SourceSettings(dsn=dsn, slot="s", publication="p"), purpose="test")
    assert not caught.value.retry
    assert CANARY not in str(caught.value)


def test_the_watch_becomes_readable_when_the_source_shuts_down(postgres_factory: PostgresFactory) -> None:
    import select

    server = postgres_factory()
    source = SourceSettings(dsn=server.dsn("postgres"), slot="s", publication="p")
    with watch(source) as connection:
        assert select.select([connection.fileno()], [], [], 0)[0] == []
        server.stop()
        assert select.select([connection.fileno()], [], [], 10)[0] != []
