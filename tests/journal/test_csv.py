"""CSV files as DuckDB reads them: every text comes back as it was, and NULL as NULL alone."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from re_dms.errors import InvariantError
from re_dms.journal import csv, long_rows
from re_dms.journal.csv import (
    Compression,
    CsvStats,
    assert_token_unused,
    data_name,
    new_null_token,
    read_csv,
    write_csv,
)

TOKEN = "n0123456789abcdef01234567"
HOSTILE = [
    *["", " ", "  x ", "\t", "NULL", "null", r"\N", "\\", "a\\", '\\"', "'", '"', '""', '"""', ",", ",,", 'a,"b"'],
    *["\r", "\n", "\r\n", "\n\n\n", "\r\r", "a\rb", "a\nb", "a\r\nb", "x\r", "x\n", "\nx", "\rx", '"\r\n"', 'a"\n"b'],
    *[
        "\ufeff",
        "\ufeffx",
        "x\ufeff",
        "\x01",
        "\x1f",
        "\x7f",
        "\x85",
        "\x0b\x0c",
        "\u2028",
        "\ufffe",
        "\uffff",
        "é",
        "𝄞",
    ],
    *["#x", "# comment", "-", "0", "007", "1e5", "NaN", "true", "1,5", "2026-01-01", "n", TOKEN[:-1], TOKEN + "0"],
]


def read_options(stats: CsvStats, token: str = TOKEN) -> str:
    """The options under which DuckDB reads a journal file exactly. The warehouse's own SQL has to have the same."""
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in stats.columns)
    return (
        f"auto_detect=false, header=false, columns={{{columns}}}, delim=',', quote='\"', escape='\"', "
        rf"new_line='\n', nullstr='{token}', allow_quoted_nulls=false, compression='{stats.compression}', "
        f"strict_mode=true, max_line_size={max(stats.row_bytes_max, 2_000_000)}"
    )


def duckdb_rows(data: bytes, stats: CsvStats, path: Path) -> list[tuple[str | None, ...]]:
    path.write_bytes(data)
    with duckdb.connect() as connection:
        return connection.execute(f"select * from read_csv('{path}', {read_options(stats)})").fetchall()


def unpacked(data: bytes, compression: Compression) -> bytes:
    with pa.CompressedInputStream(pa.BufferReader(data), compression) as stream:
        content: bytes = stream.read()
    return content


def strings(**columns: Sequence[str | None]) -> pl.DataFrame:
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def longest_line(frame: pl.DataFrame) -> int:
    lines = (strings(**{name: [value] for name, value in row.items()}) for row in frame.rows(named=True))
    return max(
        len(line.write_csv(include_header=False, quote_style="non_numeric", null_value=TOKEN).encode())
        for line in lines
    )


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_hostile_texts_come_back(tmp_path: Path, compression: Compression) -> None:
    values = [*HOSTILE, None, *reversed(HOSTILE), None, None, ""]
    frame = strings(op=["U"] * len(values), c1=values, c2=[*values[1:], None])
    data, stats = write_csv(frame, null=TOKEN, compression=compression)
    assert duckdb_rows(data, stats, tmp_path / "file") == frame.rows()
    assert stats.row_bytes_max >= longest_line(frame)


@pytest.mark.parametrize("value", [None, *HOSTILE])
def test_a_file_of_one_value_comes_back(tmp_path: Path, value: str | None) -> None:
    """The first bytes of a file are where a reader looks for a byte order mark, a comment, an empty line."""
    data, stats = write_csv(strings(c1=[value]), null=TOKEN, compression="zstd")
    assert duckdb_rows(data, stats, tmp_path / "file") == [(value,)]


TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
MARKS = st.text('",\n\r\\ \tn\ufeff', max_size=6)


@given(rows=st.lists(st.tuples(TEXT, TEXT | MARKS, MARKS), min_size=1, max_size=20))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str | None, ...]]) -> None:
    frame = pl.DataFrame(rows, schema={"c1": pl.String, "c2": pl.String, "c3": pl.String}, orient="row")
    data, stats = write_csv(frame, null=TOKEN, compression="zstd")
    assert duckdb_rows(data, stats, tmp_path_factory.getbasetemp() / "any") == rows
    assert stats.row_bytes_max >= longest_line(frame)
    assert stats.rows == len(rows)


def test_texts_come_back_across_the_readers_buffers(tmp_path: Path) -> None:
    """DuckDB reads 32 MB at a time: line ends within quotes meet the seams."""
    texts = [('l\r\n"q",\n' * (number % 40)) for number in range(200_000)]
    frame = strings(op=["U"] * len(texts), c1=texts)
    data, stats = write_csv(frame, null=TOKEN, compression="zstd")
    assert duckdb_rows(data, stats, tmp_path / "file") == frame.rows()


@pytest.mark.parametrize("value", ["x" * 3_000_000, '"' * 3_000_000, "\n\r" * 1_500_000, "é" * 1_500_000])
def test_a_long_field_comes_back_with_the_line_size_of_the_manifest(tmp_path: Path, value: str) -> None:
    frame = strings(op=["U", "U"], c1=[value, None], c2=[None, value])
    data, stats = write_csv(frame, null=TOKEN, compression="zstd")
    assert longest_line(frame) <= stats.row_bytes_max < longest_line(frame) + 100, "exact enough for long lines"
    assert duckdb_rows(data, stats, tmp_path / "file") == frame.rows()


def test_numbers_are_written_as_strings(tmp_path: Path) -> None:
    frame = pl.DataFrame({"op": ["I", "X"], "n": [3, None], "c1": ["a", "b"]}, schema_overrides={"n": pl.Int64})
    data, stats = write_csv(frame, null=TOKEN, compression="zstd")
    assert duckdb_rows(data, stats, tmp_path / "file") == [("I", "3", "a"), ("X", None, "b")]


def test_a_value_equal_to_the_token_is_refused() -> None:
    frame = pl.DataFrame({"n": [1, 2], "c1": ["a", None], "c2": [None, TOKEN]})
    with pytest.raises(InvariantError) as refused:
        write_csv(frame, null=TOKEN, compression="zstd")
    assert TOKEN not in str(refused.value)
    assert_token_unused(frame, new_null_token())
    assert_token_unused(pl.DataFrame({"n": [1]}), TOKEN)


def test_tokens_are_random_ascii_without_backslash_and_no_number() -> None:
    tokens = {new_null_token() for _ in range(100)}
    assert len(tokens) == 100
    for token in tokens:
        assert token.isascii()
        assert token.isalnum()
        assert not token[0].isdigit()
        assert len(token) >= 20


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_the_statistics_describe_the_bytes(compression: Compression) -> None:
    frame = strings(op=["U", "D"], c1=["a", None])
    data, stats = write_csv(frame, null=TOKEN, compression=compression)
    file = stats.data_file(key="data/1/w-1-0", odd={"1": 2})
    assert (file.bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (file.rows, file.columns, file.compression, file.odd) == (2, ("op", "c1"), compression, {"1": 2})
    assert data[:2] == {"zstd": b"\x28\xb5", "gzip": b"\x1f\x8b"}[compression]
    again, _ = write_csv(frame, null=TOKEN, compression=compression)
    assert again == data, "writing the same frame again gives the same object"


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
@settings(max_examples=100)
@given(
    rows=st.lists(st.tuples(st.sampled_from([*HOSTILE, None]), st.integers(0, 40), st.sampled_from([*HOSTILE, None]))),
    limit=st.integers(1, 60),
    block=st.integers(1, 10),
)
def test_long_lines_are_the_same_as_all_others(
    compression: Compression, rows: list[tuple[str | None, int, str | None]], limit: int, block: int
) -> None:
    frame = strings(
        op=["U"] * len(rows),
        c1=[value and value * times for value, times, _ in rows],
        c2=[value for _, _, value in rows],
    )
    plain, told = write_csv(frame, null=TOKEN, compression=compression)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv, "LONG_BYTES", limit)
        patch.setattr(long_rows, "_BLOCK_BYTES", block)
        data, stats = write_csv(frame, null=TOKEN, compression=compression)
    assert unpacked(data, compression) == unpacked(plain, compression)
    assert (stats.rows, stats.columns) == (told.rows, told.columns)
    assert stats.row_bytes_max >= (longest_line(frame) if rows else 0)


def test_a_long_value_among_others_is_written_as_it_is() -> None:
    text = ('a"bc,\n' * 4_000_000)[:-1]
    frame = strings(op=["U", "U", "U"], c1=["short", text, None], c2=["x", None, 'y"'])
    data, stats = write_csv(frame, null=TOKEN, compression="zstd")
    lines = unpacked(data, "zstd")
    quoted = text.replace('"', '""').encode()
    assert lines == b'"U","short","x"\n"U","' + quoted + f'",{TOKEN}\n"U",{TOKEN},"y"""\n'.encode()
    assert stats.row_bytes_max == len(quoted) + len(f'"U","",{TOKEN}\n')


def test_names_tell_the_compression() -> None:
    assert data_name(16400, 2, "zstd") == "16400-2.csv.zst"
    assert data_name(16400, 2, "gzip") == "16400-2.csv.gz"


def test_an_empty_frame_has_no_rows(tmp_path: Path) -> None:
    data, stats = write_csv(strings(op=[], c1=[]), null=TOKEN, compression="zstd")
    assert stats.rows == 0
    assert duckdb_rows(data, stats, tmp_path / "file") == []


def test_windows_of_a_larger_frame_are_written_as_they_are(tmp_path: Path) -> None:
    frame = strings(op=["U"] * 10, c1=[str(number) for number in range(10)])[3:5]
    data, stats = write_csv(frame, null=TOKEN, compression="zstd")
    assert duckdb_rows(data, stats, tmp_path / "file") == [("U", "3"), ("U", "4")]


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))),
            st.sampled_from(
                [None, "", '"', '""', ",", "\n", "\r\n", "\r", "\ufeff", "\\", "\\N", " ", "\x01", "NULL", "é😀"]
            ),
        ),
        max_size=6,
    ),
    st.sampled_from(["zstd", "gzip"]),
)
def test_a_file_is_read_back_as_it_was_written(
    rows: list[tuple[str | None, str | None]], compression: Compression
) -> None:
    frame = pl.DataFrame(
        {"op": ["U"] * len(rows), "c1": [a for a, _ in rows], "c2": [b for _, b in rows]},
        schema=dict.fromkeys(("op", "c1", "c2"), pl.String),
    )
    data, stats = write_csv(frame, null=TOKEN, compression=compression)
    assert read_csv(data, stats.data_file(key="k", odd={})).equals(frame)
