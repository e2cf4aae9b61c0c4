"""What Redshift and the way to it say, as errors of re_dms: the one place that decides between retry and stop.

Stop is the default. Names, counts and SQLSTATEs are told; texts that may quote a value or a statement are not, and
DETAIL never is. Codes: https://www.postgresql.org/docs/current/errcodes-appendix.html and, for 1018 and 1023,
https://docs.aws.amazon.com/redshift/latest/dg/c_serial_isolation.html
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self

from re_dms.errors import WarehouseError, WarehouseUnavailable

TEXT_CHARACTERS_MAX: Final = 300

_INTERNAL: Final = "XX000"
_NUMBER: Final = re.compile(r"\d{1,6}")
_CODE_IN_DETAIL: Final = re.compile(r"^\s*code:\s*(\d{1,6})\s*$", re.MULTILINE)
_LOAD_FAILED: Final = re.compile(r"Load into table '.*' failed", re.DOTALL)
_CONFLICT: Final = re.compile(
    r"could not complete because of conflict with concurrent transaction|table \d+ dropped by concurrent transaction"
    r"|serializable isolation violation",
    re.IGNORECASE,
)
# The store did not answer, or its answer broke off.
_S3_LOST: Final = re.compile(r"S3CurlException:|S3ServiceException:.*?,Status 0,", re.DOTALL)
_S3: Final = re.compile(r"S3ServiceException:.*?,Status (?P<status>\d{3}),Error (?P<error>\w*)", re.DOTALL)
_S3_PASSING: Final = ("InternalError", "ServiceUnavailable", "SlowDown", "RequestTimeout")
_S3_DENIED: Final = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken")
_ROLE_REFUSED: Final = re.compile(r"not authorized to (assume|get credentials)|Not authorized to get credentials")

# Redshift's numbers of internal errors that come from what others do at the same time, or from a full disk.
_PASSING_NUMBERS: Final = {
    1016: "the warehouse's disk is full",
    1018: "a table was made after the transaction's snapshot",
    1023: "another transaction conflicted with ours (serializable isolation violation)",
}
# Connection exceptions, rollbacks, no resources, operator intervention, system errors.
_PASSING_CLASSES: Final = ("08", "40", "53", "57", "58")
_PASSING: Final = (
    "25006",  # read only: a cluster that is being resized
    "55006",  # object in use
    "55P03",  # lock not available
)
# The classes whose texts name things and cannot quote a value of a row.
_TELLING_CLASSES: Final = ("08", "0A", "25", "28", "2B", "3D", "3F", "40", "42", "53", "54", "55", "57", "58")
_SYNTAX_ERROR: Final = "42601"  # it quotes a piece of the statement

_GRANTS: Final = (
    "grant the privilege to the user that re_dms connects as; `re-dms check --print-grants` prints them all"
)
_LOGIN: Final = (
    "check the user of warehouse.url and its password (RE_DMS_WAREHOUSE__PASSWORD or warehouse.password_file)"
)
_ROLE: Final = (
    "warehouse.iam_role must name a role that is attached to the warehouse and may read the journal's objects; "
    "`re-dms check --print-grants` prints its policy"
)
_REMEDIES: Final = {
    "22001": "a text is longer than its column: widen the source's column type, or set a policy for it",
    "28000": _LOGIN,
    "28P01": _LOGIN,
    "2BP01": "drop or change the views that depend on the table, or run `re-dms reset --table … --cascade`",
    "3D000": "check the database in warehouse.url; re_dms makes none",
    "42501": _GRANTS,
    "53100": "make room in the warehouse (VACUUM, drop tables, resize); re_dms tries again",
    "53300": "close other connections to the warehouse, or lower warehouse.copy_sessions; re_dms tries again",
    "57014": "a statement was cancelled: see the warehouse's timeouts and query monitoring rules; re_dms tries again",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What the server said, the same through every driver. `code` is Redshift's own number of an internal error.

    `message` and `detail` may quote values: they are for `failure`, not for people.
    """

    sqlstate: str
    code: int | None = None
    message: str
    detail: str = ""

    @classmethod
    def of(cls, sqlstate: str, message: str, detail: str) -> Self:
        """With the number that an internal error has for its message, or in its detail ("code: 8001")."""
        code = None
        if sqlstate == _INTERNAL:
            found = _NUMBER.fullmatch(message.strip()) or _CODE_IN_DETAIL.search(detail)
            code = int(found[found.re.groups]) if found else None
        return cls(sqlstate=sqlstate, code=code, message=message, detail=detail)


class Refused(Exception):
    """The server refused a statement; the session goes on (in a transaction: until ROLLBACK, nothing else)."""

    def __init__(self, refusal: Refusal) -> None:
        # Only the code: the text of an exception may end in a log.
        super().__init__(f"refused with SQLSTATE {refusal.sqlstate}")
        self.refusal = refusal


class ConnectionLost(Exception):
    """The connection broke; the session is closed. Whether a COMMIT that was under way succeeded is not known."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def unavailable(self) -> WarehouseUnavailable:
        """As the error of re_dms: tried again."""
        return WarehouseUnavailable(
            f"lost the connection to the warehouse ({self.reason})",
            remedy="nothing to do unless it lasts: re_dms connects again and reads the watermark",
        )


def failure(refusal: Refusal, *, doing: str) -> WarehouseError:
    """The error for a refusal while `doing` something ("loading batch 3"): WarehouseUnavailable is tried again. Pure."""
    said = f"{doing} failed: {_told(refusal)}"
    if _passes(refusal):
        return WarehouseUnavailable(
            said, remedy=_REMEDIES.get(refusal.sqlstate, "nothing to do unless it lasts: re_dms tries again")
        )
    return WarehouseError(said, remedy=_remedy(refusal))


def is_load_failure(refusal: Refusal) -> bool:
    """Whether a COPY refused a row: the reason is in sys_load_error_detail, after ROLLBACK."""
    return refusal.sqlstate == _INTERNAL and _LOAD_FAILED.search(refusal.message) is not None


def printable(text: str) -> str:
    """`text` on one line, without what could steer a terminal, cut after 300 characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= TEXT_CHARACTERS_MAX else f"{line[:TEXT_CHARACTERS_MAX]}…"


def _passes(refusal: Refusal) -> bool:
    state = refusal.sqlstate
    if state[:2] in _PASSING_CLASSES or state in _PASSING:
        return True
    if _CONFLICT.search(refusal.message):
        return True
    if state != _INTERNAL:
        return False
    if _S3_LOST.search(_whole(refusal)):
        return True
    if s3 := _S3.search(_whole(refusal)):
        return s3["status"].startswith("5") or s3["error"] in _S3_PASSING
    return refusal.code in _PASSING_NUMBERS


def _remedy(refusal: Refusal) -> str:
    if refusal.sqlstate == _INTERNAL:
        whole = _whole(refusal)
        s3 = _S3.search(whole)
        if _ROLE_REFUSED.search(whole) or (s3 and (s3["status"] == "403" or s3["error"] in _S3_DENIED)):
            return _ROLE
        if s3 and s3["status"] == "404":
            return "an object of the journal is missing: `re-dms journal --verify` names it; restore it, or run `re-dms reset`"
        if s3:
            return "check that journal.region is the region of the journal's bucket"
    return _REMEDIES.get(refusal.sqlstate, "see the warehouse's sys_query_history for the statement and its error")


def _told(refusal: Refusal) -> str:
    """The refusal in words that cannot hold a value of a row."""
    state = refusal.sqlstate
    number = "" if refusal.code is None else f", code {refusal.code}"
    where = f"(SQLSTATE {state}{number})"
    if state == _INTERNAL:
        if _S3_LOST.search(_whole(refusal)):
            return f"the warehouse lost its connection to S3 {where}"
        if s3 := _S3.search(_whole(refusal)):
            return f"S3 answered {s3['status']} {s3['error']} {where}"
        if _ROLE_REFUSED.search(_whole(refusal)):
            return f"the warehouse may not use its IAM role {where}"
        if _CONFLICT.search(refusal.message):
            return f"another transaction conflicted with ours {where}"
        if is_load_failure(refusal):
            return f"COPY refused a row {where}"
        words = _PASSING_NUMBERS.get(refusal.code or 0)
        return f"{words} {where}" if words else f"an internal error of the warehouse {where}"
    if state[:2] in _TELLING_CLASSES and state != _SYNTAX_ERROR and refusal.message:
        return f"{printable(refusal.message)} {where}"
    return f"the warehouse refused it {where}"


def _whole(refusal: Refusal) -> str:
    # Redshift puts the text of an S3 error into the message, or into the detail behind a ruler of dashes.
    return f"{refusal.message}\n{refusal.detail}"
