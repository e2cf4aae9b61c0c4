"""The protocol after start-up, message by message: PostgreSQL, "Frontend/Backend Protocol: Message Flow"."""

import struct
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
import redshift_connector.error

from redshift_standin.errors import RedshiftError, SessionEnds
from redshift_standin.wire.session import Notice, Result
from standin.wire.fake_session import column, one_value
from standin.wire.raw_client import SYNC, RawClient, bind, describe, execute, fields, message, parse, query, string
from standin.wire.served import Served, eventually

Serve = Callable[..., Served]

FIVE = Result(tag="SELECT 5", columns=[column("n", 23)], rows=[[str(n).encode()] for n in range(5)])
LOADED = Notice("INFO", "00000", "Load into table 't' completed, 3 record(s) loaded successfully.")
ANSWERS = {
    "select 1": one_value(23, "1"),
    "five": FIVE,
    "insert": Result(tag="INSERT 0 3"),
    "delete": Result(tag="DELETE 2"),
    "copy": Result(tag="COPY", notices=[LOADED]),
    "merge": Result(tag="MERGE"),
    "create": Result(tag="CREATE TABLE"),
    "select $1, $2": Result(tag="SELECT 0", columns=[column("a", 25), column("b", 25)]),
    "fail": RedshiftError("XX000", "1023", detail="Serializable isolation violation on table - 1, …", hint="again"),
    "two; three": RedshiftError("42601", "cannot insert multiple commands into a prepared statement", position=6),
    "die": RedshiftError("57P01", "terminating connection due to administrator command", severity="FATAL"),
    "end": SessionEnds,
    "bug": lambda: Result(tag=f"{1 // 0}"),
    "changed": Result(tag="SELECT 1", columns=[column("n", 23)], rows=[[b"x"]]),
}  # fmt: skip


@pytest.fixture
def served(serve: Serve) -> Served:
    return serve(ANSWERS, auth="trust")


def error_of(messages: list[tuple[bytes, bytes]]) -> dict[str, str]:
    (told,) = [fields(body) for kind, body in messages if kind == b"E"]
    return told


def begin(served: Served) -> RawClient:
    client = served.raw()
    assert client.log_in()[-1] == (b"Z", b"I")
    return client


# Simple queries


def test_a_simple_query_of_several_statements_answers_each(served: Served) -> None:
    with begin(served) as client:
        client.send(query("select 1; insert; copy; five"))
        assert client.kinds() == b"TDCCNCTDDDDDCZ"
        client.send(query(" ; "))
        assert client.kinds() == b"IZ"


def test_an_error_ends_a_simple_query_and_has_all_its_fields(served: Served) -> None:
    with begin(served) as client:
        client.send(query("insert; fail; insert"))
        told = client.until_ready()
        assert b"".join(kind for kind, _ in told) == b"CEZ"
        assert error_of(told) == {
            "S": "ERROR", "C": "XX000", "M": "1023", "H": "again",
            "D": "Serializable isolation violation on table - 1, …",
        }  # fmt: skip
        assert served.session.executed == ["insert", "fail"]
        assert [error.message for error in served.session.told] == ["1023"]


def test_rule_02_ready_for_query_tells_the_transaction_state(served: Served) -> None:
    with begin(served) as client:
        for text, status in (("begin", b"T"), ("fail", b"E"), ("select 1", b"E"), ("rollback", b"I"), ("fail", b"I")):
            client.send(query(text))
            assert client.until_ready()[-1] == (b"Z", status), text


# Extended protocol


@pytest.mark.parametrize("name", ["", "named"])
def test_rule_02_a_statement_is_parsed_described_bound_and_executed(served: Served, name: str) -> None:
    with begin(served) as client:
        client.send(parse(name, "select $1, $2", (23,)), describe(b"S", name), SYNC)
        told = client.until_ready()
        assert b"".join(kind for kind, _ in told) == b"1tTZ"
        assert told[1][1] == struct.pack("!HII", 2, 23, 0)
        client.send(bind("", name, (b"7", None)), describe(b"P", ""), execute(""), SYNC)
        assert client.kinds() == b"2TCZ"
        assert served.session.bound == [([b"7", None], [0, 0])]
        assert served.session.synced == 2


def test_rule_02_one_command_a_parse(served: Served) -> None:
    with begin(served) as client:
        client.send(parse("", "two; three"), describe(b"S", ""), bind("", ""), execute(""), SYNC)
        told = client.until_ready()
        assert b"".join(kind for kind, _ in told) == b"EZ"
        error = error_of(told)
        assert (error["C"], error["P"]) == ("42601", "6")
        assert error["M"] == "cannot insert multiple commands into a prepared statement"


def test_rule_02_after_an_error_the_rest_of_the_batch_is_skipped(served: Served) -> None:
    with begin(served) as client:
        client.send(parse("", "fail"), bind("", ""), execute(""))
        client.send(parse("", "insert"), bind("", ""), execute(""), query("insert"), message(b"H"), SYNC)
        assert client.kinds() == b"12EZ"
        assert served.session.executed == ["fail"]
        client.send(query("insert"))
        assert client.kinds() == b"CZ"


def test_rule_02_statements_that_are_missing_or_taken(served: Served) -> None:
    cases = [
        (bind("", "none"), "26000", 'prepared statement "none" does not exist'),
        (bind("", ""), "26000", "unnamed prepared statement does not exist"),
        (describe(b"S", "none"), "26000", 'prepared statement "none" does not exist'),
        (describe(b"P", "none"), "34000", 'portal "none" does not exist'),
        (execute("none"), "34000", 'portal "none" does not exist'),
        (parse("one", "five"), "42P05", 'prepared statement "one" already exists'),
    ]
    with begin(served) as client:
        client.send(parse("one", "select 1"), SYNC)
        assert client.kinds() == b"1Z"
        for sent, sqlstate, text in cases:
            client.send(sent, SYNC)
            error = error_of(client.until_ready())
            assert (error["C"], error["M"]) == (sqlstate, text)
        client.send(parse("", "five"), parse("", "insert"), SYNC)  # the unnamed one is replaced
        assert client.kinds() == b"11Z"


def test_rule_02_a_portal_gives_its_rows_in_pieces(served: Served) -> None:
    with begin(served) as client:
        client.send(parse("", "five"), bind("p", ""), execute("p", 2), execute("p", 2), execute("p", 2), SYNC)
        assert client.kinds() == b"12DDsDDsDCZ"
        client.send(parse("", "five"), bind("", ""), execute("", 5), execute(""), SYNC)
        assert client.kinds() == b"12DDDDDCCZ"
        assert served.session.executed == ["five", "five"]


def test_a_portal_without_rows_runs_once(served: Served) -> None:
    with begin(served) as client:
        client.send(parse("", "insert"), bind("", ""), execute(""), execute(""), SYNC)
        told = client.until_ready()
        assert b"".join(kind for kind, _ in told) == b"12CEZ"
        assert error_of(told)["C"] == "55000"


def test_portals_die_with_their_transaction(served: Served) -> None:
    with begin(served) as client:
        client.send(parse("s", "five"), bind("p", "s"), SYNC, execute("p"), SYNC)
        assert client.kinds() == b"12Z"
        assert client.kinds() == b"EZ"
        client.send(query("begin"), bind("p", "s"), SYNC, execute("p", 1), SYNC)
        assert [client.kinds() for _ in range(3)] == [b"CZ", b"2Z", b"DsZ"]
        client.send(parse("", "commit"), bind("", ""), execute(""), execute("p"), SYNC)
        told = client.until_ready()
        assert (b"".join(kind for kind, _ in told), error_of(told)["C"]) == (b"12CEZ", "34000")


def test_a_named_portal_cannot_be_bound_twice(served: Served) -> None:
    with begin(served) as client:
        client.send(parse("", "five"), bind("p", ""), bind("p", ""), SYNC)
        assert error_of(client.until_ready())["C"] == "42P03"


def test_close_takes_portals_with_their_statement_and_forgives_what_is_not_there(served: Served) -> None:
    with begin(served) as client:
        client.send(parse("s", "five"), bind("p", "s"), message(b"C", b"S" + string("s")), execute("p"), SYNC)
        told = client.until_ready()
        assert (b"".join(kind for kind, _ in told), error_of(told)["C"]) == (b"123EZ", "34000")
        client.send(message(b"C", b"S" + string("none")), message(b"C", b"P" + string("none")), SYNC)
        assert client.kinds() == b"33Z"


def test_a_simple_query_takes_the_unnamed_statement_away(served: Served) -> None:
    with begin(served) as client:
        client.send(parse("", "five"), SYNC, query("insert"), bind("", ""), SYNC)
        assert [client.kinds() for _ in range(3)] == [b"1Z", b"CZ", b"EZ"]


def test_statements_without_rows_and_empty_ones(served: Served) -> None:
    with begin(served) as client:
        client.send(parse("", "copy"), describe(b"S", ""), bind("", ""), describe(b"P", ""), execute(""), SYNC)
        assert client.kinds() == b"1tn2nNCZ"
        client.send(parse("", ""), describe(b"S", ""), bind("", ""), execute(""), SYNC)
        assert client.kinds() == b"1tn2IZ"


def test_flush_sends_what_is_queued(served: Served) -> None:
    with begin(served) as client:
        client.send(parse("", "five"), message(b"H"))
        assert client.next()[0] == b"1"


def test_the_commit_at_sync_may_fail(served: Served) -> None:
    with begin(served) as client:
        served.session.sync_fails = RedshiftError("XX000", "1023")
        client.send(parse("", "insert"), bind("", ""), execute(""), SYNC)
        assert client.kinds() == b"12CEZ"
        assert [error.message for error in served.session.told] == ["1023"]


@pytest.mark.parametrize(
    ("sent", "sqlstate", "text"),
    [
        (bind("", "s", (b"1",)), "08P01", "supplies 1 parameters, but prepared statement \"s\" requires 2"),
        (bind("", "s", (b"1", b"2"), (0, 1, 0)), "08P01", "bind message has 3 result formats but query has 2 columns"),
        (bind("", "s", (b"1", b"2"), (7,)), "22023", "unsupported format code: 7"),
        (message(b"B", string("") + string("s") + struct.pack("!hhhh", 1, 5, 0, 0)), "08P01", "supplies 0 parameters"),
        (message(b"B", string("") + string("s") + struct.pack("!hhhih", 1, 5, 2, -1, 0)[:8]), "08P01", "insufficient"),
        (message(b"P", string("") + string("x") + b"\xff\xff"), "08P01", "65535 values; the limit is 32767"),
        (message(b"P", b"\0\xff\xfe\0\0\0"), "22021", 'invalid byte sequence for encoding "UTF8": 0xff'),
    ],
)  # fmt: skip
def test_rule_34_messages_that_do_not_fit_are_refused(served: Served, sent: bytes, sqlstate: str, text: str) -> None:
    with begin(served) as client:
        client.send(parse("s", "select $1, $2"), SYNC)
        client.until_ready()
        client.send(sent, SYNC)
        error = error_of(client.until_ready())
        assert error["C"] == sqlstate
        assert text in error["M"]


# What is not spoken


def test_rule_32_copy_data_outside_a_copy_is_ignored(served: Served) -> None:
    with begin(served) as client:
        client.send(message(b"d", b"1,2\n"), message(b"c"), message(b"f", b"why\0"), query("insert"))
        assert client.kinds() == b"CZ"


def test_function_calls_are_refused(served: Served) -> None:
    with begin(served) as client:
        client.send(message(b"F", struct.pack("!Ihhh", 1, 0, 0, 0)))
        told = client.until_ready()
        assert (b"".join(kind for kind, _ in told), error_of(told)["C"]) == (b"EZ", "0A000")


@pytest.mark.parametrize(
    "sent",
    [
        message(b"?"), message(b"p", b"secret\0"), b"Q\0\0\0\x03", b"Q\xff\xff\xff\xff", b"Q\x7f\xff\xff\xff",
        message(b"Q", b"no end"), message(b"Q", b"a\0b"), message(b"D", b"Xs\0"), message(b"C", b"Xs\0"),
        message(b"D"), message(b"E", b"\0\0"), message(b"P", b"a\0b\0\0\x02\0\0\0\x17"), message(b"B", b"\0"),
    ],
)  # fmt: skip
def test_what_is_no_message_is_08p01_and_the_end(served: Served, sent: bytes) -> None:
    with begin(served) as client:
        client.send(sent)
        kind, body = client.next()
        assert (kind, fields(body)["S"], fields(body)["C"]) == (b"E", "FATAL", "08P01")
        assert client.next() == (b"", b"")


# How a session ends a connection


def test_a_fatal_error_is_told_and_ends_the_connection(served: Served) -> None:
    with begin(served) as client:
        client.send(query("select 1; die; insert"))
        told = client.until_ready()
        assert b"".join(kind for kind, _ in told) == b"TDCE"
        assert error_of(told)["S"] == "FATAL"


def test_a_session_that_ends_cuts_the_connection_without_a_word(served: Served) -> None:
    with begin(served) as client:
        client.send(query("insert; end; insert"))
        assert client.kinds() == b"C"  # what was answered before still arrives
        eventually(lambda: served.session.closed, "the session is closed")


def test_a_mistake_of_ours_is_told_as_xx000_and_ends_the_connection(served: Served) -> None:
    with begin(served) as client:
        client.send(parse("", "bug"), bind("", ""), execute(""), SYNC)
        told = client.until_ready()
        error = error_of(told)
        assert b"".join(kind for kind, _ in told) == b"12E"
        assert (error["S"], error["C"], error["M"]) == ("FATAL", "XX000", "stand-in: internal error ZeroDivisionError")


# Through the drivers


@pytest.mark.parametrize("prepared_max", [0, 1000])
@pytest.mark.parametrize("version", [0, 1, 2])
def test_redshift_connector_counts_rows_only_of_insert_update_delete(
    served: Served, version: int, prepared_max: int
) -> None:
    with served.redshift(client_protocol_version=version, max_prepared_statements=prepared_max) as connection:
        cursor = connection.cursor()
        counts = {}
        for text in ("insert", "delete", "copy", "merge", "create", "five", "insert"):
            cursor.execute(text)
            counts[text] = cursor.rowcount
        assert counts == {"insert": 3, "delete": 2, "copy": -1, "merge": -1, "create": -1, "five": -1}
        assert connection.notices[0][b"M"] == LOADED.message.encode()
        assert connection.notices[0][b"S"] == b"INFO"


@pytest.mark.parametrize("version", [0, 1, 2])
def test_redshift_connector_leads_transactions_and_recovers_from_errors(served: Served, version: int) -> None:
    with served.redshift(client_protocol_version=version) as connection:
        connection.autocommit = False
        cursor = connection.cursor()
        cursor.execute("insert")
        with pytest.raises(redshift_connector.error.ProgrammingError) as caught:
            cursor.execute("fail")
        assert (caught.value.args[0]["C"], caught.value.args[0]["M"]) == ("XX000", "1023")
        with pytest.raises(redshift_connector.error.ProgrammingError) as caught:
            cursor.execute("insert")
        assert caught.value.args[0]["C"] == "25P02"
        connection.rollback()
        cursor.execute("insert")
        connection.commit()
    assert served.session.executed == [
        "begin transaction", "insert", "fail", "rollback", "begin transaction", "insert", "commit",
    ]  # fmt: skip


def test_parameters_arrive_as_they_were_sent_with_their_formats(served: Served) -> None:
    with served.redshift() as connection:
        connection.cursor().execute("select %s, %s", [7, "it's"])
    assert served.session.bound[-1] == ([struct.pack("!h", 7), b"it's"], [1, 0])
    with served.raw() as client:
        client.log_in()
        client.send(parse("", "select $1, $2"))
        body = string("") + string("") + struct.pack("!hhh", 1, 1, 2) + struct.pack("!i1si", 1, b"x", -1) + b"\0\0"
        client.send(message(b"B", body), execute(""), SYNC)
        assert client.kinds() == b"12CZ"
    assert served.session.bound[-1] == ([b"x", None], [1, 1])  # one format is for all


def test_psycopg_sees_counts_errors_and_notices(served: Served) -> None:
    with served.psycopg() as connection:
        told: list[tuple[str | None, str | None]] = []
        connection.add_notice_handler(lambda notice: told.append((notice.severity, notice.message_primary)))
        assert connection.execute("insert").rowcount == 3
        assert connection.execute("copy").statusmessage == "COPY"
        assert told == [("INFO", LOADED.message)]
        with pytest.raises(psycopg.errors.InternalError_) as caught:
            connection.execute("fail")
        assert caught.value.diag.message_detail is not None
        assert caught.value.diag.message_detail.startswith("Serializable isolation violation")
        connection.execute("select $1, $2".replace("$1", "%s").replace("$2", "%s"), ["a", None])
        assert served.session.bound[-1] == ([b"a", None], [0, 0])


def test_changed_settings_are_told_to_the_client(served: Served) -> None:
    with served.psycopg() as connection:
        assert connection.pgconn.parameter_status(b"TimeZone") == b"UTC"
        connection.execute("set TimeZone to Europe/Oslo")
        assert connection.pgconn.parameter_status(b"TimeZone") == b"Europe/Oslo"


def test_columns_have_names_and_flags_from_protocol_version_1_on(serve: Serve) -> None:
    where: dict[str, Any] = {"schema_name": "public", "table_name": "t", "column_name": "id", "catalog_name": "dev"}
    told = column("n", 23, table_oid=3_000_000_000, table_column=2, nullable=False, autoincrement=True, **where)
    served = serve({"t": Result(tag="SELECT 0", columns=[told])}, auth="trust")
    for version in (0, 1, 2):
        with served.raw() as client:
            client.log_in(client_protocol_version=str(version))
            client.send(parse("", "t"), describe(b"S", ""), SYNC)
            (body,) = [body for kind, body in client.until_ready() if kind == b"T"]
            plain = struct.pack("!H", 1) + b"n\0" + struct.pack("!IhIhih", 3_000_000_000, 2, 23, -1, -1, 0)
            more = b"public\0t\0id\0dev\0" + struct.pack("!h", 0x1010)
            assert body == (plain + more if version else plain)
