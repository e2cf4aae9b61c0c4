"""Whole loads: records of another width, limits, defaults, tolerated errors, several files, faults."""

from __future__ import annotations

import pytest

from redshift_standin.copy import blocks
from redshift_standin.copy.load import LoadFailed, file_columns
from redshift_standin.errors import RedshiftError

AB = ["int", "varchar(10)"]


def test_rule_10_a_null_for_a_not_null_column_is_error_1213(loads, make_column):
    error = loads.error(b"1,a\n,b\n", [make_column("id", "int", not_null=True), make_column("t", "varchar(5)")])
    assert (error.code, error.reason) == (1213, "Missing data for not-null field")
    assert (error.url, error.line_number, error.column, error.type) == ("s3://bucket/key", 2, "id", "int4")
    assert (error.raw_line, error.raw_field) == (",b", "")


def test_rule_10_a_null_for_a_not_null_column_takes_its_default(loads, make_column):
    columns = [make_column("id", "int"), make_column("t", "varchar(9)", not_null=True, default="'a\\b'")]
    rows, _ = loads.run(b"1,\\N\n2,x\n3,\\N\n", columns, defaults={"'a\\b'": "a\\b"})
    assert rows == [("1", "a\\b"), ("2", "x"), ("3", "a\\b")]
    # Without NOT NULL, a NULL is what the file says.
    nullable = [make_column("id", "int"), make_column("t", "varchar(9)", default="'x'")]
    assert loads.run(b"1,\\N\n", nullable)[0] == [("1", None)]


def test_rule_10_an_empty_text_is_data_for_a_not_null_column(loads, make_column):
    columns = [make_column("id", "int"), make_column("t", "varchar(9)", not_null=True)]
    assert loads.run(b'1,\n2,""\n', columns)[0] == [("1", ""), ("2", "")]


@pytest.mark.parametrize(
    ("content", "code", "reason"),
    [
        (b"1,a,x\n", 1202, "Extra column(s) found"),
        (b"1,a,\n", 1202, "Extra column(s) found"),
        (b"1\n", 1214, "Delimiter not found"),
        (b"1,a\n2\n", 1214, "Delimiter not found"),
        (b'1,"a"b\n', 1214, "Invalid quote formatting for CSV"),
        (b'1,a\n2,"b\n3,c\n', 1214, "Invalid quote formatting for CSV: end of file within quotes"),
        (b'1,"a\n', 1214, "Invalid quote formatting for CSV: end of file within quotes"),
    ],
)
def test_rule_10_records_of_another_width_are_errors(loads, content, code, reason):
    error = loads.error(content, AB)
    assert (error.code, error.reason, error.column) == (code, reason, "")


def test_rule_10_a_row_of_more_than_four_megabytes_is_error_1216(loads):
    error = loads.error(b"1,a\n2," + b"x" * (4 * 1024 * 1024) + b"\n", AB)
    assert (error.code, error.line_number) == (1216, 2)
    assert len(error.raw_line) == 1024


def test_fillrecord_fills_missing_columns_at_the_end(loads):
    types = ["int", "varchar(9)", "int"]
    assert loads.run(b"1\n2,x\n3,y,4\n", types, fill_record=True)[0] == [
        ("1", "", None), ("2", "x", None), ("3", "y", "4"),
    ]  # fmt: skip
    assert loads.run(b"1\n", types, fill_record=True, empty_as_null=True)[0] == [("1", None, None)]


def test_rule_11_the_first_bad_row_in_the_files_order_fails_the_load(loads):
    files = {"key1": b"1,a\n", "key2": b"2,b\nx,c\n3,far too long a text\n", "key3": b"y,d\n"}
    with pytest.raises(LoadFailed) as failed:
        loads.run(files, AB)
    (error,) = failed.value.errors
    assert (error.url, error.line_number, error.column, error.code) == ("s3://bucket/key2", 2, "c0", 1207)
    assert (error.raw_line, error.raw_field, error.length) == ("x,c", "x", "0")


def test_rule_11_line_numbers_count_line_feeds_also_within_quotes(loads):
    assert loads.error(b'1,"a\nb"\n2,"c\n\n"\nx,d\n', AB).line_number == 6


@pytest.mark.parametrize(("most", "fails"), [(0, True), (1, True), (2, True), (3, False)])
def test_maxerror_tolerates_fewer_errors_than_it_says(loads, most, fails):
    content = b"1,a\nx,b\n3,c\ny,d\n5,e\n"
    if fails:
        with pytest.raises(LoadFailed) as failed:
            loads.run(content, AB, max_error=most)
        assert len(failed.value.errors) == max(1, most)
        return
    rows, loaded = loads.run(content, AB, max_error=most)
    assert rows == [("1", "a"), ("3", "c"), ("5", "e")]
    assert loaded.rows == 3
    assert [(error.line_number, error.raw_field) for error in loaded.errors] == [(2, "x"), (4, "y")]


def test_a_row_counts_as_one_error_whatever_is_wrong_with_it(loads):
    _, loaded = loads.run(b"x,far too long a text\n1,a\n", AB, max_error=2)
    assert [error.column for error in loaded.errors] == ["c0"]


def test_misplaced_quotes_under_maxerror_are_refused(loads):
    assert "misplaced quotes" in loads.trap(b'1,"a"b\n2,c\n', AB, max_error=5)


def test_rule_12_every_file_is_counted_with_its_lines(loads):
    rows, loaded = loads.run({"key1": b'1,"a\nb"\n2,c\n', "key2": b"3,d", "key3": b""}, AB)
    assert rows == [("1", "a\nb"), ("2", "c"), ("3", "d")]
    assert loaded.rows == 3
    assert loaded.files == (("s3://bucket/key1", 3), ("s3://bucket/key2", 1), ("s3://bucket/key3", 0))


def test_ignoreheader_leaves_out_the_first_lines_of_every_file(loads):
    files = {"key1": b"id,name\n1,a\n", "key2": b"id,name\n2,b\n", "key3": b"id,name"}
    assert loads.run(files, AB, ignore_header=1)[0] == [("1", "a"), ("2", "b")]
    assert loads.error(b"h\n1,a\nx,b\n", AB, ignore_header=1).line_number == 3
    assert "in a header" in loads.trap(b'id,"na\nme"\n1,a\n', AB, ignore_header=1)


def test_rule_37_blank_lines_are_refused_without_ignoreblanklines(loads):
    content = b"1,a\n\n2,b\n\n"
    assert "a blank line" in loads.trap(content, AB)
    assert loads.run(content, AB, ignore_blank_lines=True)[0] == [("1", "a"), ("2", "b")]


@pytest.mark.parametrize(
    ("content", "what", "line"),
    [
        (b"1,a\n2,\0\n", "a NUL byte", 2),
        (b'1,"a\0"\n', "a NUL byte", 1),
        (b"1,a\r\n", "a carriage return outside quotes", 1),
        (b"1,a\n2,b\r3,c\n", "a carriage return outside quotes", 2),
        (b'1,a"b\n', "a quote inside a field", 1),
    ],
)
def test_rule_37_traps_name_the_unknown_and_its_place(loads, content, what, line):
    message = loads.trap(content, AB)
    assert what in message
    assert f"s3://bucket/key, line {line}" in message


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"])
def test_rule_37_a_byte_order_mark_is_refused(loads, mark):
    assert "a byte-order mark" in loads.trap(mark + b"1,a\n", AB)


def test_noload_judges_but_gives_nothing_to_the_backend(loads):
    rows, loaded = loads.run(b"1,a\n2,b\n", AB, no_load=True)
    assert (rows, loaded.rows) == ([], 2)
    assert loads.error(b"x,a\n", AB, no_load=True).code == 1207


def test_another_quote_and_another_delimiter(loads):
    assert loads.run(b"1;'a''b;\"'\n", AB, quote="'", delimiter=";")[0] == [("1", "a'b;\"")]
    assert loads.run(b"1\ta\tb\n", ["int", "char(1)", "char(1)"], delimiter="\t")[0] == [("1", "a", "b")]


def test_the_default_text_format_knows_no_quotes_and_no_escapes(loads):
    rows, _ = loads.run(b'1|"a"\n2|\\N\n3|a\\b\n4|\n', AB, csv=False, delimiter="|")
    assert rows == [("1", '"a"'), ("2", None), ("3", "a\\b"), ("4", "")]
    assert "a delimiter after the last column" in loads.trap(b"1|a|\n", AB, csv=False, delimiter="|")


def test_a_fault_fails_the_row_that_it_names_with_its_code(loads):
    error = loads.error(b"1,a\n2,b\n3,c\n", AB, fault={3: 1204}.get)
    assert (error.code, error.line_number, error.raw_line) == (1204, 3, "3,c")
    rows, loaded = loads.run({"key1": b"1,a\n", "key2": b"2,b\n3,c\n"}, AB, fault={2: 1204}.get, max_error=9)
    assert (rows, loaded.rows) == ([("1", "a"), ("3", "c")], 2)


def test_files_of_many_blocks_are_read_like_files_of_one(loads, monkeypatch):
    content = b"".join(b'%d,"v\n%d"\n' % (n, n) for n in range(500))
    whole = loads.run(content, AB)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 100)
    assert loads.run(content, AB) == whole
    assert whole[0] == [(str(n), f"v\n{n}") for n in range(500)]


def test_good_rows_keep_their_order_between_doubtful_ones(loads):
    content = b"".join(b"%s%d,t%d\n" % (b"00" if n % 3 else b"", n, n) for n in range(100))
    assert loads.run(content, AB)[0] == [(str(n), f"t{n}") for n in range(100)]


# ---------------------------------------------------------------- columns


def test_columns_are_those_of_the_list_in_its_order(loads):
    rows, _ = loads.run(b"a,1\n", AB, columns=("c1", "c0"))
    assert rows == [("a", "1")]


def test_identity_columns_take_part_only_with_explicit_ids(make_column, make_copy):
    table = [make_column("id", "int", identity=True, not_null=True), make_column("t", "varchar(5)")]
    assert [each.name for each in file_columns(make_copy(), table)] == ["t"]
    assert [each.name for each in file_columns(make_copy(explicit_ids=True), table)] == ["id", "t"]
    for options in ({"columns": ("id", "t")}, {"columns": ("t",), "explicit_ids": True}):
        with pytest.raises(RedshiftError):
            file_columns(make_copy(**options), table)
    assert len(file_columns(make_copy(columns=("id", "t"), explicit_ids=True), table)) == 2


def test_a_column_that_is_generated_by_default_may_be_listed(make_column, make_copy):
    table = [make_column("id", "int", identity_by_default=True, not_null=True), make_column("t", "varchar(5)")]
    assert len(file_columns(make_copy(columns=("id", "t")), table)) == 2
    assert len(file_columns(make_copy(columns=("t",)), table)) == 1
    with pytest.raises(RedshiftError, match="without a column list"):
        file_columns(make_copy(), table)


def test_rule_10_a_not_null_column_without_default_must_be_in_the_list(make_column, make_copy):
    table = [make_column("id", "int", not_null=True), make_column("t", "varchar(5)")]
    with pytest.raises(RedshiftError, match='NOT NULL column "id" without DEFAULT') as refused:
        file_columns(make_copy(columns=("t",)), table)
    assert refused.value.sqlstate == "23502"
    with pytest.raises(RedshiftError, match='column "x" of relation "t" does not exist'):
        file_columns(make_copy(columns=("x",)), table)


@pytest.mark.parametrize(
    "options",
    [{"date_format": "MON DD YYYY"}, {"date_format": "AUTO"}, {"date_format": "YYYY-MM"}, {"date_format": "epochsecs"}],
)
def test_formats_beyond_the_plain_ones_are_not_there_yet(loads, options):
    with pytest.raises(RedshiftError, match="not in the stand-in yet"):
        loads.run(b"x\n", ["date"], **options)
