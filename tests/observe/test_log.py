"""The log never says a value: not in fields, not in errors, not through libraries. Standard output stays clean."""

import ast
import io
import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import psycopg
import pytest
import structlog

import re_dms
from re_dms.errors import SourceError
from re_dms.lsn import LSN
from re_dms.observe.fields import FIELDS, WORDS
from re_dms.observe.log import configure
from re_dms.settings import LogSettings

SECRET = "geheim-4711"


@pytest.fixture(autouse=True)
def _as_before():
    before = structlog.get_config()
    handlers = list(logging.getLogger().handlers)
    yield
    structlog.configure(**before)
    structlog.contextvars.clear_contextvars()
    logging.getLogger().handlers[:] = handlers


def lines(speak, **settings):
    stream = io.StringIO()
    configure(LogSettings(**settings), "run", stream=stream)
    speak(structlog.get_logger())
    return stream.getvalue().splitlines()


def line(speak, **settings):
    (only,) = lines(speak, format="json", **settings)
    return json.loads(only)


def test_a_line_of_json_says_when_what_and_who():
    said = line(lambda log: log.info("batch_applied", batch=np.int64(17), lsn=LSN(0x16_B374D848), tables=["a.b"]))
    assert list(said)[:4] == ["timestamp", "level", "event", "command"]
    assert (said["event"], said["command"], said["level"]) == ("batch_applied", "run", "info")
    assert (said["batch"], said["lsn"], said["tables"]) == (17, "16/B374D848", ["a.b"])


def test_fields_that_are_not_on_the_list_are_left_out_and_named():
    said = line(lambda log: log.info("x", row=SECRET, batch=1))
    assert SECRET not in json.dumps(said)
    assert (said["refused"], said["batch"]) == (["row"], 1)


@pytest.mark.parametrize("value", ["x" * 301, b"bytes", {"a": 1}, [1] * 51, [["x" * 301]], object(), {1, 2}])
def test_long_and_odd_values_are_refused(value):
    assert line(lambda log: log.info("x", table=value))["refused"] == ["table"]


@pytest.mark.parametrize("value", ["x" * 300, 1, 1.5, True, None, ["a", 1], ("a",)])
def test_short_and_plain_values_are_kept(value):
    assert "refused" not in line(lambda log: log.info("x", table=value))


def test_our_own_sentences_are_cut_not_refused():
    said = line(lambda log: log.info("x", reason="a\nb " + "c" * 2000))
    assert said["reason"].startswith("a b ccc")
    assert len(said["reason"]) == 1001


def fail():
    row = SECRET
    try:
        raise ValueError(f"bad value {row}")
    except ValueError as error:
        raise SourceError("the source refused batch 7") from error


def test_an_error_is_its_type_our_words_and_places_without_values():
    def speak(log):
        try:
            fail()
        except SourceError:
            log.exception("stopped")

    said = line(speak)
    assert said["error"] == "SourceError: the source refused batch 7 < builtins.ValueError"
    assert all(place.split(" ")[0].rsplit(":", 1)[1].isdigit() for place in said["traceback"])
    assert said["traceback"][-1].endswith(" fail")
    assert SECRET not in json.dumps(said)


def test_an_error_of_postgres_shows_its_sqlstate_and_not_its_text():
    error = psycopg.errors.UniqueViolation(f"Key (mail)=({SECRET}) already exists.")
    said = line(lambda log: log.error("stopped", exc_info=error))
    assert said["error"] == "psycopg.errors.UniqueViolation 23505"
    assert SECRET not in json.dumps(said)


def test_people_see_places_in_code_only_when_they_ask():
    def speak(log):
        log.error("stopped", exc_info=ValueError(SECRET))

    (said,) = lines(speak, format="human")
    assert "traceback" not in said
    assert SECRET not in said
    assert any("traceback" in each for each in lines(speak, format="human", level="debug"))


def test_levels_below_the_chosen_one_are_silent():
    assert lines(lambda log: log.info("x"), level="warning") == []


def test_elsewhere_than_on_a_terminal_the_log_is_json():
    json.loads(lines(lambda log: log.info("x"), format="auto")[0])


def test_libraries_are_heard_without_their_arguments():
    done = f"lost {SECRET}"

    def speak(_):
        logging.getLogger("some.library").warning("lost %s", SECRET)
        logging.getLogger("some.library").error(done)
        logging.getLogger("some.library").info("nothing")

    first, second = (json.loads(each) for each in lines(speak, format="json"))
    assert (first["library"], first["template"]) == ("some.library", "lost %s")
    assert second["template"] == ""


def test_configuring_twice_hears_libraries_once():
    configure(LogSettings(format="json"), "run", stream=io.StringIO())
    assert len(lines(lambda _: logging.getLogger("a").warning("x"), format="json")) == 1


def test_a_log_that_cannot_be_written_stops_nothing():
    stream = io.StringIO()
    configure(LogSettings(), "run", stream=stream)
    stream.close()
    structlog.get_logger().info("x")


def test_the_log_goes_to_standard_error_and_core_files_are_off():
    program = (
        "import resource, structlog\n"
        "from re_dms.observe.log import configure, no_core_dumps\n"
        "from re_dms.settings import LogSettings\n"
        "configure(LogSettings(), 'run'); no_core_dumps(); structlog.get_logger().info('x')\n"
        "assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert json.loads(done.stderr)["event"] == "x"


def logged_fields():
    """Every field that a log call in our code names."""
    calls = {"debug", "info", "warning", "error", "exception", "critical"}
    for path in Path(re_dms.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in calls:
                yield from ((path.name, keyword.arg) for keyword in node.keywords if keyword.arg)


def test_every_field_that_our_code_logs_is_on_the_list():
    allowed = FIELDS | WORDS | {"exc_info", "error"}
    assert [(path, name) for path, name in logged_fields() if name not in allowed] == []
