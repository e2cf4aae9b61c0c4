"""The figures of `bench all` as a section of docs/performance.md, between two marks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from bench.workloads import WORKLOADS

BEGIN: Final = "<!-- bench:begin -->"
END: Final = "<!-- bench:end -->"

Figures = Mapping[str, Any]
Parts = Mapping[str, Figures]

_LOADS: Final = {
    "capture": "10 columns",
    "wide": "100 columns",
    "tiny_transactions": "1-row transactions",
    "documents": "jsonb and text",
    "tpcc": "like TPC-C",
}
_TRANSPORTS: Final = {"": "Over a unix socket", "_tcp": "Over TCP", "_tls": "Over TLS"}
_HOW_CAPTURES: Final = """The changes wait in slots of the same position, one for each run.
`pg_recvlogical` writes them to a file; our capture decodes, folds, compresses and syncs them to a journal on disk.
They run in turn, A B A B …; rows and bytes of both have to agree, or there is no ratio. Medians, in brackets min and max."""
_OF_CAPTURES: Final = """All of it shares the machine with the walsender. *What the processors allow* is the ratio if the CPU seconds of the server
beside us and ours were spread evenly over all of them, with nobody ever waiting. Over TCP our reader lets the buffer fill whenever
it has to wait; `pg_recvlogical` does not."""


def write(document: str, parts: Parts) -> str:
    """The document with the section anew. Raises ValueError when it has not both marks."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN} … {END}")
    return f"{before}{BEGIN}\n{section(parts)}\n{END}{after}"


def section(parts: Parts) -> str:
    """Markdown of all parts that are there, each with its command, machine and date."""
    found = [text for render in _SECTIONS if (text := render(parts))]
    return "\n\n".join(found)


def _spread(values: Mapping[str, float] | None) -> str:
    if values is None:
        return ""
    low, high = values["min"], values["max"]
    return f"{values['median']:,.10g}" if low == high else f"{values['median']:,.10g} ({low:,.10g}\u2013{high:,.10g})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _where(figures: Figures) -> str:
    return f"{figures['date'][:16].replace('T', ', ')} UTC; {figures['machine']}; Postgres {figures['postgres']}, re_dms {figures['re_dms']}."


def _heading(title: str, commands: Sequence[str], figures: Figures) -> str:
    block = "\n".join(f"scripts/bench {command}" for command in commands)
    return f"## {title}\n\n```sh\n{block}\n```\n\n{_where(figures)}"


def _capture(parts: Parts) -> str:
    by_transport = {
        title: {label: parts[load + suffix] for load, label in _LOADS.items() if load + suffix in parts}
        for suffix, title in _TRANSPORTS.items()
    }
    every = [figures for there in by_transport.values() for figures in there.values()]
    if not every:
        return ""
    about = {label: each["workload"] for there in by_transport.values() for label, each in there.items()}
    heading = _heading("Capture, against what Postgres can send", [each["command"] for each in every], every[0])
    loads = "\n".join(f"- {label}: {WORKLOADS[workload].about}." for label, workload in about.items())
    tables = [f"{title}:\n\n{_captures(there)}" for title, there in by_transport.items() if there]
    return "\n\n".join([f"{heading} {_HOW_CAPTURES}", loads, *tables, _OF_CAPTURES])


def _captures(there: Parts) -> str:
    def cpu(each: Figures, *roles: str, side: str = "") -> str:
        return ", ".join(f"{each['cpu_seconds_per_million' + side].get(role, 0):g}" for role in roles)

    rows: list[tuple[str, Callable[[Figures], str]]] = [
        ("changes; MB of pgoutput", lambda each: f"{each['rows']:,}; {each['megabytes']:,.0f}"),
        ("re_dms, rows/s", lambda each: _spread(each["rows_per_second"]["re_dms"])),
        ("pg_recvlogical, rows/s", lambda each: _spread(each["rows_per_second"]["pg_recvlogical"])),
        ("**ratio**", lambda each: f"**{each['ratio']:g}**"),
        ("ratio with the start of the processes", lambda each: f"{each['ratio_process']:g}"),
        ("ratio, what the processors allow", _allowed),
        (
            "CPU s per million changes: reader, encoder, supervisor, with their start",
            lambda each: cpu(each, "reader", "encoder", "supervisor"),
        ),
        ("… in all, after the start", lambda each: cpu(each, "working")),
        ("… pg_recvlogical", lambda each: cpu(each, "total", side="_pg_recvlogical")),
        (
            "… Postgres's backends beside us, beside pg_recvlogical",
            lambda each: f"{cpu(each, 'backends')}, {cpu(each, 'backends', side='_pg_recvlogical')}",
        ),
        ("peak PSS of all our processes, MB", lambda each: f"{each['peak_pss_mb']:,}"),
        ("journal, MB", lambda each: f"{each['journal_megabytes']:,.0f}"),
    ]
    return _table(["", *there], ([label, *(value(each) for each in there.values())] for label, value in rows))


def _allowed(each: Figures) -> str:
    if "processors" not in each:  # figures of an earlier version, which a part that was not run keeps
        return ""
    cpu = each["cpu_seconds_per_million"]
    best = 1_000_000 * each["processors"] / (cpu["working"] + cpu["backends"])
    return f"{best / each['rows_per_second']['pg_recvlogical']['median']:.2f}"


def _idle(parts: Parts) -> str:
    if "idle" not in parts:
        return ""
    each = parts["idle"]
    rows = []
    for command in ("capture", "run"):
        for label, found in (
            ("fresh", each[command]),
            (f"after {each['rows']:,} changes", each[command]["after_work"]),
        ):
            roles = ", ".join(f"{role} {value:g}" for role, value in found["cpu_percent_by_role"].items())
            rows.append([f"`re-dms {command}`, {label}", f"{found['cpu_percent']:g}", roles, f"{found['pss_mb']}"])
    return f"{_heading('At rest', [each['command']], each)} Each watched for {each['seconds']:g} s.\n\n" + _table(
        ["", "% of a core", "by process", "PSS, MB"], rows
    )


def _large(parts: Parts) -> str:
    found = []
    for each in (parts[name] for name in ("large_transaction", "large_transaction_full") if name in parts):
        title = f"One transaction of {each['rows']:,} rows"
        modes = [name for name in ("streaming", "plain") if name in each]
        labels = {
            "from_commit_seconds": "live: s from COMMIT to durable",
            "from_first_row_seconds": "live: s from its first row to durable",
            "making_it_seconds": "live: s that making it took",
            "backlog_seconds": "as a backlog: s from the stream's opening to durable",
            "backlog_cpu_seconds": "as a backlog: CPU s of ours",
            "backlog_backend_cpu_seconds": "as a backlog: CPU s of Postgres's backends",
        }
        rows = [[label, *(_spread(each[mode][key]) for mode in modes)] for key, label in labels.items()]
        rows.append(["peak PSS of all our processes, MB: live", *(f"{each[mode]['peak_pss_mb']}" for mode in modes)])
        rows.append(["… as a backlog", *(f"{each[mode]['backlog_peak_pss_mb']}" for mode in modes)])
        spilled = [each[mode].get("backlog_server_spilled_mb") for mode in modes]
        rows.append(
            ["… spilled by Postgres to its disk, MB", *("" if size is None else f"{size:,.0f}" for size in spilled)]
        )
        ratios = ""
        if "ratio" in each:
            ratios = (
                f"\n\nWithout streaming it takes **{each['ratio']:g}** times as long from COMMIT,"
                f" {each['ratio_from_first_row']:g} times from the first row, and {each['ratio_backlog']:g} times as a backlog."
            )
        found.append(
            f"{_heading(title, [each['command']], each)} Ten columns, inserted by one statement ("
            f"{each['megabytes']:,.0f} MB as a table).\n\n"
            + _table(["", *(f"`capture.streaming` {'on' if mode == 'streaming' else 'off'}" for mode in modes)], rows)
            + ratios
        )
    if "large_value" in parts:
        each = parts["large_value"]
        sizes = each["pss_mb"]
        found.append(
            f"{_heading('One large value', [each['command']], each)} One text of {each['megabytes']} MB.\n\n"
            + _table(
                ["PSS of all our processes, MB", "before", "peak", "after one more change", "after a reconnect"],
                [["", *(f"{sizes[name]:,}" for name in ("before", "peak", "after", "after_reconnect"))]],
            )
        )
    return "\n\n".join(found)


def _snapshot(parts: Parts) -> str:
    if "snapshot" not in parts:
        return ""
    each = parts["snapshot"]
    names = {name: _side_of_snapshot(name) for name in each["rows_per_second"]}
    rows = [
        ["rows/s", *(_spread(each["rows_per_second"][name]) for name in names)],
        ["**ratio**", *(f"**{each['ratios'][name]:g}**" if name in each["ratios"] else "" for name in names)],
        [
            "CPU s per million rows, with the start of the processes",
            *(f"{each['cpu_seconds_per_million'][name]['total']:g}" for name in names),
        ],
        ["… after it", *(f"{each['cpu_seconds_per_million'][name]['working']:g}" for name in names)],
        ["files, MB", *(f"{each['megabytes'][name]:g}" for name in names)],
        ["peak PSS, MB", *(f"{each['peak_pss_mb'][name]}" if name in each["peak_pss_mb"] else "" for name in names)],
    ]
    return (
        f"{_heading('The initial copy', [each['command']], each)} {each['rows']:,} rows of ten columns in"
        f" {each['tables']} table(s), {each['table_megabytes']:,.0f} MB.\n\n" + _table(["", *names.values()], rows)
    )


def _side_of_snapshot(name: str) -> str:
    """psql_zstd, psql_zstd_2 (as many at once), re_dms_1."""
    program, _, number = name.rpartition("_")
    if program == "re_dms":
        return f"re_dms, connections: {number}"
    return "`psql -c 'copy …' \\| zstd -1`" + (f", {number} at once" if number.isdigit() else "")


def _latency(parts: Parts) -> str:
    found = []
    if "end_to_end" in parts:
        each = parts["end_to_end"]
        cpu = each["cpu_seconds_per_million"]
        roles = ("reader", "encoder", "apply", "supervisor")
        rows = [
            [f"a backlog of {each['rows']:,} changes, rows/s until all are visible", _spread(each["rows_per_second"])],
            [f"CPU s per million changes: {', '.join(roles)}", ", ".join(f"{cpu.get(role, 0):g}" for role in roles)],
            ["… in all, after the start", f"{cpu['working']:g}"],
            ["peak PSS of all our processes, MB", f"{each['peak_pss_mb']}"],
        ]
        found.append(f"{_heading('End to end, into DuckDB', [each['command']], each)}\n\n{_table(['', ''], rows)}")
    if "latency" in parts:
        each = parts["latency"]
        flushes = [name for name in each if name.startswith("flush_")]
        labels: list[tuple[str, Callable[[Figures], str]]] = [
            ("transactions", lambda one: f"{one['transactions']:,}"),
            (
                "lag, s: p50, p99, max",
                lambda one: ", ".join(f"{one['lag_seconds'][k]:g}" for k in ("p50", "p99", "max")),
            ),
            ("batches; loads", lambda one: f"{one['batches']}; {one['loads']}"),
            ("data files of a batch", lambda one: f"{one['data_files_of_a_batch']}"),
            ("s of a load", lambda one: _spread(one["load_seconds"])),
            (
                "% of a core: reader, encoder, apply, supervisor; Postgres, with the load itself",
                lambda one: (
                    ", ".join(
                        f"{one['cpu_percent'].get(role, 0):g}" for role in ("reader", "encoder", "apply", "supervisor")
                    )
                    + f"; {one['cpu_percent']['server']:g}"
                ),
            ),
            (f"{each['singles']} changes alone, at rest, s", lambda one: _spread(one["at_rest_seconds"])),
        ]
        rows = [[label, *(value(each[name]) for name in flushes)] for label, value in labels]
        heads = [
            "default flush" if name == "flush_default" else f"`--flush-seconds {name.removeprefix('flush_')}`"
            for name in flushes
        ]
        found.append(
            f"{_heading('From commit to visible, in DuckDB', [each['command']], each)} pgbench, {each['rate']:,} transactions/s of one UPDATE"
            f" for {each['seconds']:g} s.\n\n" + _table(["", *heads], rows)
        )
    return "\n\n".join(found)


def _growth(parts: Parts) -> str:
    if "growth" not in parts:
        return ""
    each = parts["growth"]
    many = each["many_tables"]
    touched = many["by_touched_tables"]
    largest = list(touched)[-1]
    rows = [
        ["CPU s of ours", *(f"{one['cpu_seconds']:g}" for one in touched.values())],
        ["CPU s of Postgres's backends", *(f"{one['backend_cpu_seconds']:g}" for one in touched.values())],
        ["s to durable", *(f"{one['seconds']:g}" for one in touched.values())],
    ]
    curves = []
    for name, label in (
        ("tables", "tables"),
        ("columns", "columns"),
        ("rows_of_a_transaction", "rows of a transaction"),
    ):
        costs = each[name]["cpu_us_of_a_change"]
        words = ", ".join(f"{int(size):,}: {_short(value)}" for size, value in costs.items())
        curves.append(f"- {label} (steepest step: exponent {each[name]['steepest']:g}): {words}")
    plots = "\n".join(
        f"![CPU of a change over {name.replace('_', ' ')}](bench/growth_{name}.svg)"
        for name in ("tables", "columns", "rows_of_a_transaction")
    )
    return (
        f"{_heading('Growth', [each['command']], each)} CPU µs of a change, all our processes, after the start and less what they use when"
        f" nothing waits:\n\n{chr(10).join(curves)}\n\n1 is linear: of the same changes over more tables, of a change over more columns, of a transaction over"
        f" more rows. The points:\n[bench/growth.jsonl](bench/growth.jsonl).\n\n{plots}\n\n"
        f"One transaction that touches so many of {int(largest):,} tables, one row each:\n\n"
        + _table(["touched tables", *(f"{int(size):,}" for size in touched)], rows)
        + f"\n\nThat is **{many['cpu_seconds_per_10_000_tables']:g} CPU s per 10,000 touched tables**. Start with {int(largest):,} tables that were copied before:"
        f" {many['start_seconds']:g} s\nfrom the process's start to the stream; the very first, which copies them (empty): {many['first_start_seconds']:g} s."
    )


_SECTIONS: Final = (_capture, _idle, _large, _snapshot, _latency, _growth)
