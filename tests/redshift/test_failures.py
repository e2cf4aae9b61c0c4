"""The one classifier: every code that Redshift is known to send, retry or stop, and nothing of a value in its words."""

import pytest

from re_dms.errors import WarehouseError, WarehouseUnavailable, classify
from re_dms.warehouse.redshift.failures import ConnectionLost, Refusal, Refused, failure, is_load_failure

CANARY = "hunter2.Geheim"
RULER = "\n  -----------------------------------------------\n"


def s3(text, status, error):
    """As COPY tells it: https://docs.aws.amazon.com/redshift/latest/dg/s3serviceexception-error.html"""
    return f"S3ServiceException:{text},Status {status},Error {error},Rid ABC,ExtRid x,CanRetry 1"


def refusal(state, message="", detail=""):
    return Refusal.of(state, message, detail)


PASSING = {
    "serializable-violation": refusal("XX000", "1023", "Serializable isolation violation on table - 1, transactions …"),
    "serializable-violation-in-words": refusal("XX000", "Serializable isolation violation on table - 1", ""),
    "relation-not-in-snapshot": refusal("XX000", "1018", "Relation 1 is not in the snapshot of this transaction."),
    "conflict": refusal("XX000", "could not complete because of conflict with concurrent transaction"),
    "dropped-by-other": refusal("42P01", "table 4711 dropped by concurrent transaction"),
    "deadlock": refusal("40P01", "deadlock detected"),
    "serialization-failure": refusal("40001", "could not serialize access"),
    "cancelled": refusal("57014", "Query (12) cancelled on user's request"),
    "terminated": refusal("57P01", "terminating connection due to administrator command"),
    "starting-up": refusal("57P03", "the database system is starting up"),
    "too-many-connections": refusal("53300", 'connection limit "500" exceeded for non-bootstrap users'),
    "disk-full": refusal("53100", "Disk Full"),
    "disk-full-internal": refusal("XX000", "Disk Full", f"{RULER}  error:  Disk Full\n  code:      1016\n{RULER}"),
    "connection": refusal("08006", "connection failure"),
    "io-error": refusal("58030", "could not read block"),
    "read-only-while-resizing": refusal("25006", "cannot execute INSERT in a read-only transaction"),
    "lock": refusal("55P03", "could not obtain lock on relation"),
    "s3-500": refusal("XX000", s3("We encountered an internal error.", 500, "InternalError")),
    "s3-503": refusal("XX000", s3("speed limit exceeded", 503, "SlowDown")),
    "s3-503-in-detail": refusal("XX000", "problem", f"{RULER}  error:  {s3('slow', 503, 'SlowDown')}\n  code: 8001\n"),
    "s3-timeout": refusal("XX000", s3("Your socket connection was not read", 400, "RequestTimeout")),
}
STOPPING = {
    "login": (refusal("28000", 'password authentication failed for user "ann"'), "RE_DMS_WAREHOUSE__PASSWORD"),
    "login-28P01": (refusal("28P01", 'password authentication failed for user "ann"'), "warehouse.password_file"),
    "no-database": (refusal("3D000", 'database "dev" does not exist'), "check the database in warehouse.url"),
    "permission": (refusal("42501", "permission denied for relation orders"), "re-dms check --print-grants"),
    "views": (refusal("2BP01", "cannot drop table t because other objects depend on it"), "--cascade"),
    "too-long": (refusal("22001", "value too long for type character varying(20)"), "set a policy"),
    "s3-denied": (refusal("XX000", s3("Access Denied", 403, "AccessDenied")), "warehouse.iam_role"),
    "role": (
        refusal("XX000", "problem", f"{RULER}  error:  User arn:x is not authorized to assume IAM Role arn:y\n  code: 8001"),
        "warehouse.iam_role",
    ),
    "s3-missing": (refusal("XX000", s3("The specified key does not exist.", 404, "NoSuchKey")), "re-dms journal --verify"),
    "s3-region": (refusal("XX000", s3("The bucket must be addressed …", 301, "PermanentRedirect")), "journal.region"),
    "syntax": (refusal("42601", 'syntax error at or near "x"'), "sys_query_history"),
    "not-there": (refusal("42P01", 'relation "nope" does not exist'), "sys_query_history"),
    "internal": (refusal("XX000", "Assert", "code: 1000"), "sys_query_history"),
    "load": (refusal("XX000", "Load into table 't' failed.  Check 'stl_load_errors' system table for details."), "sys"),
    "aborted": (refusal("25P02", "current transaction is aborted"), "sys_query_history"),
    "unknown": (refusal("", ""), "sys_query_history"),
}  # fmt: skip


@pytest.mark.parametrize("said", PASSING.values(), ids=PASSING)
def test_what_others_do_or_what_passes_is_tried_again(said):
    error = failure(said, doing="loading batch 3")
    assert isinstance(error, WarehouseUnavailable)
    assert classify(error).retry
    assert error.message.startswith("loading batch 3 failed: ")
    assert error.remedy


@pytest.mark.parametrize(("said", "remedy"), STOPPING.values(), ids=STOPPING)
def test_everything_else_stops_and_says_what_to_do(said, remedy):
    error = failure(said, doing="loading batch 3")
    assert type(error) is WarehouseError
    assert not classify(error).retry
    assert remedy in error.remedy


@pytest.mark.parametrize(
    "state", ["22P02", "22001", "22003", "23502", "23505", "42601", "P0001", "XX000", "XX001", "F0000", "", "21000"]
)
def test_texts_that_may_quote_a_value_are_not_told(state):
    error = failure(Refusal.of(state, f'invalid input: "{CANARY}"', f"Key (a)=({CANARY})"), doing="loading batch 3")
    assert CANARY not in error.message + error.remedy
    assert state in error.message


@pytest.mark.parametrize("state", ["0A000", "2BP01", "3D000", "42501", "42703", "42P01", "53300", "57014"])
def test_texts_that_name_things_are_told_without_their_detail(state):
    error = failure(Refusal.of(state, "column \x1b[31m\n c", f"Key (a)=({CANARY})"), doing="loading batch 3")
    assert error.message.startswith("loading batch 3 failed: column [31m c (SQLSTATE ")
    assert CANARY not in error.message


def test_a_long_text_is_cut():
    assert len(failure(Refusal.of("42P01", "x" * 10_000, ""), doing="d").message) < 400


def test_s3_errors_tell_status_and_code_and_no_more():
    error = failure(refusal("XX000", s3(CANARY, 403, "AccessDenied")), doing="staging public.orders")
    assert error.message == "staging public.orders failed: S3 answered 403 AccessDenied (SQLSTATE XX000)"


@pytest.mark.parametrize(
    ("message", "detail", "code"),
    [
        ("1023", "Serializable isolation violation", 1023),
        ("Disk Full", f"{RULER}  error:  Disk Full\n  code:      1016\n  context: x", 1016),
        ("Assert", "no number", None),
    ],
    ids=["message", "detail", "none"],
)
def test_the_number_of_an_internal_error_is_found(message, detail, code):
    assert Refusal.of("XX000", message, detail).code == code
    assert Refusal.of("22012", message, detail).code is None


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (refusal("XX000", "Load into table 't' failed.  Check 'stl_load_errors' system table for details."), True),
        (refusal("XX000", "Load into table 'o''t' failed.  Check 'sys_load_error_detail' …"), True),
        (refusal("XX000", "1023"), False),
        (refusal("22001", "Load into table 't' failed."), False),
    ],
    ids=["provisioned", "serverless", "conflict", "other-state"],
)
def test_a_refused_row_is_known_from_other_failures_of_copy(said, expected):
    assert is_load_failure(said) is expected


def test_exceptions_hold_no_text_of_the_server():
    refused = Refused(Refusal.of("22P02", CANARY, CANARY))
    assert CANARY not in f"{refused}{refused!r}{refused.args}"


def test_a_lost_connection_is_tried_again():
    error = ConnectionLost("the server closed the connection").unavailable()
    assert isinstance(error, WarehouseUnavailable)
    assert error.message == "lost the connection to the warehouse (the server closed the connection)"
