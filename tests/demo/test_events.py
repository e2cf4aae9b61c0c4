"""What the demo makes of the pipeline's log lines."""

import json
from typing import Any

import pytest

from re_dms.demo.events import Heard


def loaded(transactions: int, commit_times_us: list[int], applied_us: int, **fields: Any) -> str:
    event = {
        "event": "loaded",
        "number": 1,
        "batches": 1,
        "transactions": transactions,
        "changes": 5,
        "copied": 2,
        "commit_times_us": commit_times_us,
        "applied_us": applied_us,
    }
    return json.dumps(event | fields)


def test_a_loaded_batch_counts_its_rows_and_lags() -> None:
    heard = Heard()
    heard.line(loaded(2, [1_000_000, 1_500_000], 2_000_000))
    heard.line(loaded(0, [], 3_000_000))
    assert (heard.batches, heard.transactions, heard.changes, heard.copied_rows, heard.rows) == (2, 2, 10, 4, 14)
    assert heard.lag_quantile_ms(0.5) == 500
    assert heard.lag_quantile_ms(1) == 1000
    assert heard.rows_per_second() > 0


def test_a_batch_weighs_as_much_in_the_lag_as_it_has_transactions() -> None:
    heard = Heard()
    heard.line(loaded(98, [1_000_000] * 21, 1_100_000))
    heard.line(loaded(2, [1_000_000, 1_000_000], 9_000_000))
    assert heard.lag_quantile_ms(0.5) == 100
    assert heard.lag_quantile_ms(0.98) == pytest.approx(100)
    assert heard.lag_quantile_ms(0.99) == 8000


def test_a_group_of_batches_counts_each_of_them() -> None:
    heard = Heard()
    heard.line(loaded(3, [1_000_000], 1_100_000, number=7, batches=4))
    assert (heard.batches, heard.transactions) == (4, 3)


def test_without_transactions_there_is_no_lag() -> None:
    assert Heard().lag_quantile_ms(0.5) is None


def test_the_first_stream_and_the_reason_of_a_stop_are_heard() -> None:
    heard = Heard()
    heard.line('{"event": "streaming", "lsn": "0/1"}')
    heard.line('{"event": "restarting", "reason": "ended by signal 9"}')
    heard.line('{"event": "stopped", "reason": "the slot has gone", "remedy": "reset", "exit_code": 6}')
    assert heard.streaming
    assert heard.restarts == ["ended by signal 9"]
    assert heard.stopped["remedy"] == "reset"


@pytest.mark.parametrize("text", ["Traceback (most recent call last):", "", "[1, 2]", '{"no": "event"}', '"text"'])
def test_a_line_that_is_no_event_is_kept_as_last_words(text: str) -> None:
    heard = Heard()
    assert heard.line(f"{text}\n") is None
    assert list(heard.last_words) == [text]
