"""What a client is told: every refusal is a RedshiftError with the SQLSTATE and the text that Redshift would send.

Two kinds are the stand-in's own. `not_yet`: real Redshift does this, the stand-in does not. `unknown`: nobody here knows what
real Redshift does, so nothing that relies on it may pass; such a message starts with "stand-in:" and names the unknown.
"""

from __future__ import annotations

from dataclasses import dataclass


# Not frozen: a `with` block that an exception passes through sets its __traceback__, which a frozen one refuses.
@dataclass(slots=True, unsafe_hash=True)
class RedshiftError(Exception):
    """One ErrorResponse. `sqlstate` has five characters; `position` counts characters of the statement from 1."""

    sqlstate: str
    message: str
    detail: str = ""
    hint: str = ""
    position: int = 0
    severity: str = "ERROR"

    def __str__(self) -> str:
        return self.message


class SessionEnds(Exception):
    """The connection is to be cut without a word (a fault, a restart, the server's end)."""


def syntax_error(token: str, position: int) -> RedshiftError:
    """42601 at a token; an empty token means the statement's end."""
    where = f'at or near "{token}"' if token else "at end of input"
    return RedshiftError("42601", f"syntax error {where}", position=position)


def refused(message: str, *, hint: str = "") -> RedshiftError:
    """0A000: Redshift itself does not have this."""
    return RedshiftError("0A000", message, hint=hint)


def not_yet(what: str) -> RedshiftError:
    """0A000: Redshift has this, the stand-in does not."""
    return RedshiftError("0A000", f"{what}: not in the stand-in yet", hint="real Redshift may accept this statement")


def unknown(what: str, *, sqlstate: str = "0A000") -> RedshiftError:
    """What real Redshift does here is not established; whoever relies on it is stopped."""
    return RedshiftError(
        sqlstate,
        f"stand-in: what Redshift does with {what} is not known",
        hint="do not depend on it; `redshift-standin verify --live` asks a real cluster",
    )
