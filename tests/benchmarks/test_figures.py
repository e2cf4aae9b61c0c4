"""What the bench makes of what it measured: ratios, quantiles, curves, tables."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from bench import every, report  # noqa: E402 - the bench lies beside the package and is not installed
from bench.__main__ import main  # noqa: E402
from bench.latency import _quantile, _weighted  # noqa: E402
from bench.plot import plot  # noqa: E402
from bench.points import steepest  # noqa: E402
from bench.rounds import Side, in_turn, ratio, spread  # noqa: E402
from bench.running import Service  # noqa: E402


def side(seconds: float) -> Side:
    return Side(seconds=seconds, process_seconds=seconds, cpu_seconds={})


def test_sides_run_in_turn_and_every_other_round_the_other_way_round() -> None:
    order: list[str] = []

    def run(name: str, number: int) -> Side:
        order.append(f"{name}{number}")
        return side(1.0)

    in_turn(3, {"a": lambda number: run("a", number), "b": lambda number: run("b", number)})
    assert order == ["a0", "b0", "b1", "a1", "a2", "b2"]


def test_a_ratio_is_the_median_of_the_rounds_own() -> None:
    assert ratio([side(2.0), side(3.0), side(100.0)], [side(1.0), side(1.0), side(1.0)]) == 3.0
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0}


def test_a_batchs_commit_times_count_for_all_of_its_transactions() -> None:
    loads = [
        {"applied_us": 2_000_000, "commit_times_us": [1_000_000], "transactions": 1},
        {"applied_us": 2_000_000, "commit_times_us": [1_900_000, 1_800_000], "transactions": 98},
    ]
    lags = _weighted(loads)
    assert _quantile(lags, 0.5) == 0.2
    assert _quantile(lags, 0.98) == 0.2
    assert _quantile(lags, 1) == 1.0


def test_the_steepest_step_of_a_curve_is_told() -> None:
    assert steepest([(1, 5.0), (10, 5.0), (100, 50.0)]) == 1.0
    assert steepest([(1, 1.0), (10, 100.0)]) == 2.0


def test_a_plot_is_xml_with_a_mark_for_every_point() -> None:
    text = plot("a < b", "x", "µs", {"one": [(1, 0.5), (1000, 20)], "two": [(10, 3)]})
    root = ET.fromstring(text)
    marks = [each for each in root.iter() if each.tag.endswith("circle")]
    assert len(marks) == 3
    width, height = 640.0, 400.0
    assert all(0 < float(mark.attrib["cx"]) < width and 0 < float(mark.attrib["cy"]) < height for mark in marks)
    # Larger is further to the right, and higher up.
    assert float(marks[1].attrib["cx"]) > float(marks[0].attrib["cx"])
    assert float(marks[1].attrib["cy"]) < float(marks[0].attrib["cy"])


def test_the_section_is_put_between_its_marks_and_nowhere_else() -> None:
    document = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    assert report.write(document, {}) == f"before\n{report.BEGIN}\n\n{report.END}\nafter\n"
    with pytest.raises(ValueError, match="bench:begin"):
        report.write("no marks", {})


def test_figures_of_an_earlier_version_keep_their_place_without_what_they_did_not_tell() -> None:
    parts = {}
    for line in (ROOT / "docs" / "bench" / "figures.jsonl").read_text().splitlines():
        part = json.loads(line)
        part.pop("processors", None)
        parts[part.pop("part")] = part
    assert "| ratio, what the processors allow |  |" in report.section(parts)


def test_events_that_were_logged_together_are_waited_for_one_by_one(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("".join(f"{json.dumps({'event': 'sealed', 'number': number})}\n" for number in (1, 2, 3)))
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process,
        closing(Service(process, log)) as service,
    ):
        assert [service.wait(lambda event: event["event"] == "sealed")["number"] for _ in range(2)] == [1, 2]
        assert [event["number"] for event in service.read()] == [3]
        assert service.read() == []
        assert [event["number"] for event in service.seen] == [1, 2, 3]
        process.communicate(b"\n")


def test_the_documents_section_can_be_written_anew() -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    assert report.write(text, {}).count(report.BEGIN) == 1


def test_every_command_is_named_where_we_say_how_to_measure() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    measurements = text[text.index("## Measurements") : text.index("## Style")]
    assert [
        name for name in main.commands if f"`{name}`" not in measurements and f"bench {name}" not in measurements
    ] == []


def test_all_takes_no_longer_than_it_may() -> None:
    assert sum(part.seconds for part in every.PARTS.values() if part.by_itself) <= 25 * 60
