"""The supervisor: one loop that owns the processes, the signals and the exit code.

Exit codes: 0 done; the classifier's for errors that stop; 130 and 143 after SIGINT and SIGTERM. The first signal
drains (capture ships what is committed, apply finishes what the journal holds, ten seconds at most), the second stops
at once: both lose nothing.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from json import dumps as to_json
from typing import Any, Final

import click
import structlog

from re_dms.errors import InvariantError, JournalError, ReDmsError, SourceError
from re_dms.lsn import LSN
from re_dms.observe.log import is_human
from re_dms.service.halves import Ended, Half
from re_dms.service.progress import Heard
from re_dms.settings import Settings

log = structlog.get_logger()

HEARTBEAT_SECONDS: Final = 10.0
_DRAIN_SECONDS_MAX: Final = 20.0
_STEP_SECONDS: Final = 0.2


class Stopped(ReDmsError):
    """What a child failed with, in its words and with its exit code."""

    def __init__(self, message: str, *, remedy: str, exit_code: int) -> None:
        super().__init__(message, remedy=remedy)
        self.exit_code = exit_code


class Supervisor:
    """Runs the halves until the goal is reached, an error stops them, or a signal ends them."""

    def __init__(
        self, settings: Settings, halves: frozenset[str], *, until_caught_up: bool, until_lsn: LSN | None
    ) -> None:
        self.settings = settings
        self.halves = {
            name: Half(name, settings, hinted="capture" in halves) for name in ("apply", "capture") if name in halves
        }
        self.until_caught_up = until_caught_up
        self.until_lsn = until_lsn
        self.heard = Heard()
        self.exit_code: int | None = None
        self.draining_since: float | None = None
        self.signals: list[int] = []
        self.failure: dict[str, Any] | None = None
        self.goal_batch: int | None = None

    def run(self) -> int:
        """The service's life. Returns the exit code."""
        next_heartbeat = time.monotonic() + HEARTBEAT_SECONDS
        with _signals() as wakeup:
            for half in self.halves.values():
                half.start()
            while self.exit_code is None:
                channels: list[Any] = [child.control for half in self.halves.values() for child in half.children]
                select.select([wakeup, *channels], [], [], self._patience(next_heartbeat))
                self._take_signals(wakeup)
                for half in self.halves.values():
                    self._hear(half)
                self._step()
                if time.monotonic() >= next_heartbeat:
                    next_heartbeat += HEARTBEAT_SECONDS
                    log.info("heartbeat", **self.heard.heartbeat().fields())
            for half in self.halves.values():
                half.kill()
        return self.exit_code

    def _patience(self, next_heartbeat: float) -> float:
        """Seconds until something is due of which no process and no signal tells: at rest we do not wake for nothing."""
        if self.draining_since is not None:
            return _STEP_SECONDS
        restarts = [half.restart_at for half in self.halves.values() if half.restart_at is not None]
        return max(0.0, min([next_heartbeat, *restarts]) - time.monotonic())

    # ------------------------------------------------------------------ what happens

    def _hear(self, half: Half) -> None:
        for message in half.hear():
            if isinstance(message, Ended):
                self._ended(half, message)
            else:
                self._event(half, message)

    def _event(self, half: Half, message: dict[str, Any]) -> None:
        self.heard.hear(message, totals_of="apply" if "apply" in self.halves else "capture")
        match message["event"]:
            case "root" if "apply" not in self.halves or self.heard.applied >= 0:
                half.tell(half.plans, {"do": "go"})
            case "planned":
                half.was_ready = True
                self._hint(
                    "apply", "apply", {"do": "look"}
                )  # a capture that was killed may not have told its last batch
            case "claimed":
                half.was_ready = True
                if "capture" in self.halves:  # one that plans no more leaves it unread
                    self._hint("capture", self.halves["capture"].plans, {"do": "go"})
                if "capture" not in self.halves and self.until_lsn is not None:
                    half.tell("apply", {"do": "ask"})
            case "streaming":
                half.streaming, half.backend = True, message["backend"]
                half.tell("reader", {"do": "ask", "on": self._has_goal})
            case "sealed":
                self._hint("apply", "apply", {"do": "look"})
        fields = {name: value for name, value in message.items() if name not in ("event", "tables")}
        log.debug(message["event"], half=half.name, **fields)

    def _tell(self, name: str, role: str, message: dict[str, Any]) -> None:
        if name in self.halves:
            self.halves[name].tell(role, message)

    def _hint(self, name: str, role: str, message: dict[str, Any]) -> None:
        if name in self.halves:
            self.halves[name].hint(role, message)

    def _ended(self, half: Half, ended: Ended) -> None:
        """Retry or stop: the classifier has decided; a process that a signal ended is started again."""
        verdict = ended.verdict
        if verdict is None and (self.draining_since is not None) and ended.signal is None:
            return
        if half.reads_standard_input and (verdict is None or verdict["retry"]):
            self.failure = dict(verdict or {}) | {
                "kind": "SourceError",
                "message": f"the replay ended before its input was read: {_why(ended)}",
                "remedy": "standard input cannot be read twice: send all of it again, what is done will be skipped",
            }
            self.exit_code = int(verdict["exit_code"]) if verdict is not None else SourceError.exit_code
            return
        if verdict is not None and (not verdict["retry"] or not half.was_ready):
            self.failure = dict(verdict)
            self.exit_code = int(verdict["exit_code"])
            return
        if self.draining_since is not None:
            return
        if verdict is None and ended.signal is None and not half.was_ready:
            # It cannot even start here: trying again would hide that for ever.
            self.failure = {
                "kind": "InvariantError",
                "message": f"the {ended.role} ended without a word before it had begun",
                "remedy": "see what it wrote on standard error",
            }
            self.exit_code = InvariantError.exit_code
            return
        seconds = half.back_off()
        log.warning(
            "restarting",
            half=half.name,
            role=ended.role,
            reason=_why(ended),
            seconds=round(seconds, 1),
        )

    @property
    def _has_goal(self) -> bool:
        return self.until_caught_up or self.until_lsn is not None or self.settings.replay is not None

    def _step(self) -> None:
        now = time.monotonic()
        for half in self.halves.values():
            if half.restart_at is not None and now >= half.restart_at and self.draining_since is None:
                half.start()
        if self.draining_since is not None:
            self._step_draining(now)
        elif self._has_goal and self._reached():
            log.debug("goal_reached", lsn=str(self.heard.lsn))
            self._drain()

    def _reached(self) -> bool:
        heard = self.heard
        if self.settings.replay is not None:
            return heard.finished is not None and heard.applied >= heard.finished
        if "capture" in self.halves:
            target = self.until_lsn if self.until_lsn is not None else heard.target
            if self.goal_batch is None and target is not None and heard.confirmed >= target:
                self.goal_batch = heard.confirmed_batch
            if self.goal_batch is None:
                return False
            return "apply" not in self.halves or heard.applied >= self.goal_batch
        if self.until_lsn is not None:
            return max(heard.lsn, heard.level) >= self.until_lsn
        return heard.tail_at_start is not None and heard.applied >= heard.tail_at_start

    # ------------------------------------------------------------------ the end

    def _take_signals(self, wakeup: int) -> None:
        try:
            received = os.read(wakeup, 64)
        except BlockingIOError:
            return
        for number in received:
            self.signals.append(number)
            if len(self.signals) > 1:
                log.warning("stopping_at_once")
                self.exit_code = 128 + self.signals[0]
                return
            log.info("draining", signal=signal.Signals(number).name)
            self._drain()

    def _drain(self) -> None:
        self.draining_since = time.monotonic()
        for half in self.halves.values():
            half.restart_at = None
        capture = self.halves.get("capture")
        if capture is not None and capture.streaming:
            capture.tell(capture.drains, {"do": "drain"})
        elif capture is not None:
            capture.kill()  # it plans or copies: there is nothing to ship, and what is durable stays
        else:
            self._tell("apply", "apply", {"do": "drain"})

    def _step_draining(self, now: float) -> None:
        """Capture first; then apply has all that will come."""
        since = self.draining_since or now
        capture, apply = self.halves.get("capture"), self.halves.get("apply")
        if capture is not None and capture.running and now - since > _DRAIN_SECONDS_MAX / 2:
            log.warning("drain_ended_early", half="capture", reason="the deadline has passed; nothing is lost")
            capture.kill()
        if capture is None or not capture.running:
            if apply is not None and apply.running:
                apply.hint("apply", {"do": "drain"})
                if now - since > _DRAIN_SECONDS_MAX:
                    log.warning("drain_ended_early", half="apply", reason="the deadline has passed; nothing is lost")
                    apply.kill()
            else:
                self.exit_code = 128 + self.signals[0] if self.signals else 0


def _why(ended: Ended) -> str:
    if ended.verdict is not None:
        return str(ended.verdict["message"])
    return "it ended without a word" if ended.signal is None else f"it was ended by signal {ended.signal}"


@contextmanager
def _signals() -> Iterator[int]:
    """A descriptor that tells of SIGINT and SIGTERM by their numbers."""
    read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    earlier = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    earlier_wakeup = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    try:
        yield read
    finally:
        signal.set_wakeup_fd(earlier_wakeup)
        for number, handler in earlier.items():
            signal.signal(number, handler)
        os.close(read)
        os.close(write)


def _require_journal(settings: Settings) -> None:
    """An end is asked for: a journal that is not there would be waited for without end."""
    from re_dms.journal.journal import Journal
    from re_dms.journal.opening import open_store

    if Journal(open_store(settings.journal)).root() is None:
        raise JournalError(
            f"there is no journal at {settings.journal.url} yet", remedy="start capture first, or check --journal"
        )


def run(
    settings: Settings,
    *,
    halves: frozenset[str],
    until_caught_up: bool = False,
    until_lsn: LSN | None = None,
    json: bool = False,
) -> int:
    """Run `capture`, `apply` or both. Returns the exit code; with `json`, prints one last line of totals.

    Raises Stopped, with a child's exit code, when an error ended it.
    """
    if "capture" not in halves and (until_caught_up or until_lsn is not None):
        _require_journal(settings)
    supervisor = Supervisor(settings, halves, until_caught_up=until_caught_up, until_lsn=until_lsn)
    code = supervisor.run()
    if json:
        click.echo(to_json(supervisor.heard.summary()))
    failure = supervisor.failure
    if failure is None:
        log.info("ended", **supervisor.heard.ending(), exit_code=code)
        return code
    if not is_human(settings.log):  # people read the command's own two lines
        words = {"error": failure["kind"], "reason": failure["message"], "remedy": failure["remedy"]}
        log.error("stopped", **words, exit_code=code)
    raise Stopped(failure["message"], remedy=failure["remedy"], exit_code=code)
