"""One session through both drivers against the stand-in: the same values, counts, refusals and ends."""

import socket
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from re_dms.warehouse.redshift import tls
from re_dms.warehouse.redshift.address import DRIVERS
from re_dms.warehouse.redshift.drivers import SETTINGS, Result, Session
from re_dms.warehouse.redshift.failures import ConnectionLost, Refusal, Refused, is_load_failure
from redshift.sessions import fault, open_session, settings_for
from redshift_standin import Server
from standin.fix_standin import AUTHORIZATION, Clients

CANARY = "hunter2.Geheim"
Opens = Callable[..., Session]


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opens(standin: Server) -> Iterator[Opens]:
    """A session through a driver, which ends with the test."""
    opened: list[Session] = []

    def start(driver: str) -> Session:
        opened.append(open_session(settings_for(standin, driver)))
        return opened[-1]

    yield start
    for session in opened:
        session.close()


@pytest.fixture
def session(opens: Opens, driver: str) -> Session:
    return opens(driver)


@pytest.fixture
def table(clients: Clients) -> str:
    """The name of a table with (a int not null, b varchar(20)), empty, of the test's own."""
    name = f"{clients.schema()}.t"
    clients.psycopg().execute(f"create table {name} (a int not null, b varchar(20))")
    return name


def refusal(session: Session, sql: str) -> Refusal:
    with pytest.raises(Refused) as failure:
        session.execute(sql)
    return failure.value.refusal


# -- what is sent and what comes back ----------------------------------------------------------------------------------


def test_every_session_begins_with_our_own_settings(session):
    assert session.statements == len(SETTINGS)
    for name, value in SETTINGS.items():
        expected = {"false": "off", "true": "on"}.get(value, value.strip("'"))
        assert session.execute(f"show {name}").rows == [(expected,)], name
    assert session.execute("show application_name").rows == [("re_dms tests",)]


def test_both_drivers_give_the_same_values(opens, clients):
    values = {
        "varchar(20)": "'a'", "varchar(10)": "null", "boolean": "true", "smallint": "1", "integer": "2", "bigint": "3",
        "numeric(10, 2)": "-2.50", "double precision": "1.5", "numeric(38, 0)": "9" * 38, "date": "'2020-01-02'",
        "timestamp": "'2020-01-02 03:04:05.678901'", "timestamptz": "'2020-01-02 03:04:05+02'",
        "super": "json_parse('{\"a\": [1, null]}')", "varchar(30)": "'ü€\U0001f600'", "varbyte": "from_hex('00ff')",
    }  # fmt: skip
    table, session = f"{clients.schema()}.v", opens("psycopg")
    session.execute(f"create table {table} ({', '.join(f'c{n} {kind}' for n, kind in enumerate(values))})")
    session.execute(f"insert into {table} select {', '.join(values.values())}")
    first, second = (opens(driver).execute(f"select * from {table}") for driver in DRIVERS)
    assert first == second
    assert first.count == -1
    assert first.rows[0][:4] == ("a", None, True, 1)
    assert first.rows[0][-1] == "00ff"
    assert first.rows[0][8] == Decimal("9" * 38)


def test_a_percent_sign_is_a_plain_character_without_parameters(session):
    assert session.execute("select '100%', '%s', 7 % 4").rows == [("100%", "%s", 3)]
    assert session.execute("select %s::varchar, %s::int", ("a%sb", 7)).rows == [("a%sb", 7)]
    assert session.execute("select %s::varchar, %s::bigint", (None, 2**40)).rows == [(None, 2**40)]


def test_rows_are_counted_where_the_server_counts_them(session, table):
    assert session.execute(f"insert into {table} values (1, 'x'), (2, 'y')") == Result(rows=[], count=2)
    assert session.execute(f"update {table} set b = 'z' where a = 1").count == 1
    assert session.execute(f"delete from {table} where a > 5").count == 0
    assert session.execute(f"select a, b from {table} order by a") == Result(rows=[(1, "z"), (2, "y")], count=-1)
    assert session.execute(f"select a from {table} where a > 5") == Result(rows=[], count=-1)
    assert session.execute(f"create table {table}2 as select * from {table}").count == -1
    assert session.execute(f"insert into {table}2 select * from {table}").count == 2


def test_nothing_is_sent_that_the_caller_did_not_send(session, opens, driver, table):
    other, before = opens(driver), session.statements
    session.execute(f"insert into {table} values (1, 'x')")
    assert other.execute(f"select count(*) from {table}").rows == [(1,)]  # no transaction was begun
    session.execute("begin")
    session.execute(f"insert into {table} values (2, 'y')")
    assert other.execute(f"select count(*) from {table}").rows == [(1,)]
    session.execute("rollback")
    assert session.execute(f"select count(*) from {table}").rows == [(1,)]
    assert session.statements - before == 5


def test_statements_outside_of_a_transaction_work(session, table):
    session.execute(f"alter table {table} alter column b type varchar(40)")
    session.execute(f"vacuum delete only {table}")


def test_no_statement_is_kept_by_the_driver(opens):
    session = opens("redshift_connector")
    for number in range(3):
        session.execute(f"select {number}, '{'x' * 1000}'")
    link: Any = session._link
    assert link._connection._caches == {}


# -- refusals ----------------------------------------------------------------------------------------------------------

REFUSED = {
    "22012": "select 1 / 0",
    "22P02": f"select '{CANARY}'::int",
    "22001": "insert into {table} values (1, 'a text of more than twenty bytes')",
    "23502": "insert into {table} values (null, 'x')",
    "42601": "selec 1",
    "42P01": "select * from nowhere",
    "42703": "select nothing from {table}",
    "42P07": "create table {table} (a int)",
    "2BP01": "drop table {table}",
    "0A000": "savepoint x",
    "XX000": "copy {table} from 's3://{bucket}/nothing.manifest' " + AUTHORIZATION + " csv manifest",
}


@pytest.mark.parametrize("state", REFUSED)
def test_both_drivers_give_the_same_refusal(state, opens, clients, table):
    sessions = [opens(driver) for driver in DRIVERS]
    sessions[0].execute(f"create view {table}_view as select * from {table}")
    sql = REFUSED[state].replace("{table}", table).replace("{bucket}", clients.bucket)
    first, second = (refusal(session, sql) for session in sessions)
    assert first == second
    assert first.sqlstate == state


def test_after_a_refusal_the_session_goes_on(session, table):
    session.execute("begin")
    assert refusal(session, "select 1 / 0").sqlstate == "22012"
    assert refusal(session, "select 1").sqlstate == "25P02"
    session.execute("rollback")
    assert session.execute("select 1").rows == [(1,)]


def test_a_conflict_is_known_by_its_number(session, standin, table):
    session.execute("begin")
    session.execute(f"insert into {table} values (1, 'x')")
    with fault(standin, '{kind = "serializable"}'):
        found = refusal(session, "commit")
    assert (found.sqlstate, found.code) == ("XX000", 1023)


def test_a_refused_row_of_a_copy_is_known(session, clients, table):
    url = clients.put(f"{table}.csv", b'"no number","x"\n')
    found = refusal(session, f"copy {table} from '{url}' {AUTHORIZATION} csv")
    assert is_load_failure(found)


# -- ends --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "committed"), [("kill-before-commit", 0), ("kill-before-reply", 1), ("kill-after-reply", 1)]
)
def test_a_session_whose_connection_was_lost_is_not_used_again(kind, committed, session, opens, driver, standin, table):
    session.execute("begin")
    session.execute(f"insert into {table} values (1, 'x')")
    with fault(standin, f'{{kind = "{kind}"}}'), pytest.raises(ConnectionLost):
        # One that is killed after its reply says so at the next statement.
        [session.execute(sql) for sql in ("commit", "select 1")]
    sent = session.statements
    with pytest.raises(ConnectionLost, match="the session is closed"):
        session.execute("select 1")
    assert session.statements == sent
    assert opens(driver).execute(f"select count(*) from {table}").rows == [(committed,)]


def test_closing_ends_the_transaction_and_may_be_done_again(session, opens, driver, table):
    session.execute("begin")
    session.execute(f"insert into {table} values (1, 'x')")
    session.close()
    session.close()
    with pytest.raises(ConnectionLost, match="the session is closed"):
        session.execute("commit")
    other = opens(driver)
    other.execute("begin")
    other.execute(f"lock {table}")
    assert other.execute(f"select count(*) from {table}").rows == [(0,)]


class Broken:
    """A driver that fails in a way that is not the server's word."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.closed = 0

    def run(self, sql: str, parameters: Any) -> Result:
        raise self.error

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("error", [KeyError(b"G"), UnicodeDecodeError("utf8", b"", 0, 1, ""), KeyboardInterrupt()])
def test_after_anything_but_the_servers_word_the_session_is_closed(error):
    link = Broken(error)
    session = Session(link)
    with pytest.raises(type(error)):
        session.execute("select 1")
    assert link.closed == 1
    with pytest.raises(ConnectionLost):
        session.execute("select 1")


def test_a_dead_peer_is_noticed_and_a_long_statement_is_not_cut(opens):
    link: Any = opens("redshift_connector")._link
    mine = link._connection.ready._socket
    assert mine.gettimeout() is None
    for option, expected in (
        (socket.TCP_KEEPIDLE, tls.IDLE_SECONDS),
        (socket.TCP_KEEPINTVL, tls.PROBE_SECONDS),
        (socket.TCP_KEEPCNT, tls.PROBES_MAX),
        (socket.TCP_USER_TIMEOUT, tls.UNACKNOWLEDGED_SECONDS_MAX * 1000),
    ):
        assert mine.getsockopt(socket.IPPROTO_TCP, option) == expected
    words = opens("psycopg")._link._connection.info.get_parameters()
    assert words["keepalives_idle"] == str(tls.IDLE_SECONDS)
    assert words["tcp_user_timeout"] == str(tls.UNACKNOWLEDGED_SECONDS_MAX * 1000)
