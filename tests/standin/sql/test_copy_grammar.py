"""The grammar of COPY ("COPY" and its parameter pages): text in, statement or refusal out."""

from __future__ import annotations

from typing import Any

import pytest

from redshift_standin.errors import RedshiftError
from redshift_standin.names import TableName
from redshift_standin.sql.grammar import parse
from redshift_standin.sql.statements import Authorization, Copy

ROLE = "arn:aws:iam::123456789012:role/loader"
SECRET = "wJalrXUtnFEMI"
AUTHORIZED = f"copy t from 's3://b/k' iam_role '{ROLE}' "


def copy(text: str) -> Copy:
    statement = parse(text)[0].statement
    assert isinstance(statement, Copy)
    return statement


def refusal(text: str) -> RedshiftError:
    with pytest.raises(RedshiftError) as caught:
        parse(text)
    return caught.value


# Options after a complete command -> the fields that they set.
OPTIONS: dict[str, dict[str, Any]] = {
    "": {},
    "csv": {"csv": True, "delimiter": ","},
    "format csv": {"csv": True, "delimiter": ","},
    "FORMAT AS CSV": {"csv": True, "delimiter": ","},
    "csv quote '%'": {"csv": True, "delimiter": ",", "quote": "%"},
    "csv quote as ''''": {"csv": True, "delimiter": ",", "quote": "'"},
    "csv delimiter ';'": {"csv": True, "delimiter": ";"},
    "delimiter as '\\t' csv": {"csv": True, "delimiter": "\t"},
    "delimiter '\\001'": {"delimiter": "\x01"},
    "manifest": {"manifest": True},
    "region 'eu-west-1'": {"region": "eu-west-1"},
    "region as 'eu-west-1'": {"region": "eu-west-1"},
    "gzip": {"compression": "gzip"},
    "zstd": {"compression": "zstd"},
    "null 'n7f3'": {"null_as": "n7f3"},
    "null as '\\\\N'": {"null_as": "\\N"},
    "null as ''": {"null_as": ""},
    "emptyasnull": {"empty_as_null": True},
    "blanksasnull": {"blanks_as_null": True},
    "trimblanks": {"trim_blanks": True},
    "truncatecolumns": {"truncate_columns": True},
    "fillrecord": {"fill_record": True},
    "ignoreblanklines": {"ignore_blank_lines": True},
    "ignoreheader 1": {"ignore_header": 1},
    "ignoreheader as 0": {"ignore_header": 0},
    "acceptinvchars": {"accept_inv_chars": "?"},
    "acceptinvchars '_'": {"accept_inv_chars": "_"},
    "acceptinvchars as '^'": {"accept_inv_chars": "^"},
    "acceptinvchars gzip": {"accept_inv_chars": "?", "compression": "gzip"},
    "acceptanydate": {"accept_any_date": True},
    "dateformat 'auto'": {"date_format": "auto"},
    "dateformat as 'DD.MM.YYYY'": {"date_format": "DD.MM.YYYY"},
    "timeformat 'epochmillisecs'": {"time_format": "epochmillisecs"},
    "timeformat as 'auto'": {"time_format": "auto"},
    "roundec": {"round_dec": True},
    "explicit_ids": {"explicit_ids": True},
    "maxerror 100000": {"max_error": 100000},
    "maxerror as 5": {"max_error": 5},
    "compupdate": {"comp_update": "on"},
    "compupdate on": {"comp_update": "on"},
    "compupdate true": {"comp_update": "on"},
    "compupdate off": {"comp_update": "off"},
    "compupdate false": {"comp_update": "off"},
    "compupdate preset": {"comp_update": "preset"},
    "comprows 1000": {},
    "statupdate": {"stat_update": "on"},
    "statupdate off": {"stat_update": "off"},
    "statupdate true": {"stat_update": "on"},
    "noload": {"no_load": True},
    "encoding utf8": {},
    "encoding as utf8": {},
    "timeformat 'auto' statupdate off gzip manifest csv compupdate off null as 'x1' maxerror 0": {
        "csv": True, "delimiter": ",", "manifest": True, "compression": "gzip", "comp_update": "off",
        "stat_update": "off", "time_format": "auto", "null_as": "x1",
    },
}  # fmt: skip


@pytest.mark.parametrize(("text", "fields"), OPTIONS.items())
def test_options_set_what_their_pages_say(text: str, fields: dict[str, Any]) -> None:
    expected = Copy(
        table=TableName(None, "t"), columns=None, url="s3://b/k", authorization=Authorization(role=ROLE), **fields
    )
    assert copy(AUTHORIZED + text) == expected


def test_options_may_stand_before_the_authorization() -> None:
    assert copy(f"COPY T FROM 's3://b/k' CSV GZIP IAM_ROLE '{ROLE}'") == copy(AUTHORIZED + "gzip csv")


def test_columns_and_schema_are_read() -> None:
    found = copy(f"copy S.\"T\" (a, \"B c\") from 's3://b/some/key' iam_role '{ROLE}'")
    assert (found.table, found.columns, found.url) == (TableName("s", "t"), ("a", "b c"), "s3://b/some/key")


KEYS = f"access_key_id 'AKIA1' secret_access_key '{SECRET}'"
AUTHORIZATIONS = {
    f"iam_role '{ROLE}'": Authorization(role=ROLE),
    f"iam_role as '{ROLE}'": Authorization(role=ROLE),
    f"iam_role '{ROLE},{ROLE}2'": Authorization(role=f"{ROLE},{ROLE}2"),
    "iam_role 'arn:aws-cn:iam::123456789012:role/a/path/x'": Authorization(role="arn:aws-cn:iam::123456789012:role/a/path/x"),
    "iam_role default": Authorization(role="default"),
    KEYS: Authorization(access_key_id="AKIA1", secret_access_key=SECRET),
    f"session_token 'T+/=' {KEYS}": Authorization(access_key_id="AKIA1", secret_access_key=SECRET, session_token="T+/="),
    f"access_key_id as 'AKIA1' secret_access_key as '{SECRET}' session_token as 'T'": Authorization(
        access_key_id="AKIA1", secret_access_key=SECRET, session_token="T"
    ),
    f"credentials 'aws_iam_role={ROLE}'": Authorization(role=ROLE),
    f"with credentials as 'aws_iam_role={ROLE}'": Authorization(role=ROLE),
    f"credentials 'aws_access_key_id=AKIA1;aws_secret_access_key={SECRET}'": Authorization(
        access_key_id="AKIA1", secret_access_key=SECRET
    ),
    f"credentials as 'aws_access_key_id=AKIA1;aws_secret_access_key={SECRET};token=T'": Authorization(
        access_key_id="AKIA1", secret_access_key=SECRET, session_token="T"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "authorization"), AUTHORIZATIONS.items())
def test_rule_39_every_documented_form_of_authorization_is_read(text: str, authorization: Authorization) -> None:
    assert copy(f"copy t from 's3://b/k' {text} csv").authorization == authorization


NO_AUTHORIZATION = {
    "": "authorization is missing",
    f"iam_role '{ROLE}' {KEYS}": "IAM_ROLE and ACCESS KEYS exclude one another",
    f"iam_role default credentials 'aws_iam_role={ROLE}'": "IAM_ROLE and CREDENTIALS exclude one another",
    f"{KEYS} credentials 'aws_iam_role={ROLE}'": "CREDENTIALS and ACCESS KEYS exclude one another",
    f"iam_role '{ROLE}' session_token 'T'": "IAM_ROLE and ACCESS KEYS exclude one another",
    f"iam_role '{ROLE}' iam_role '{ROLE}'": "IAM_ROLE is given more than once",
    f"{KEYS} access_key_id 'AKIA1'": "ACCESS_KEY_ID is given more than once",
    "access_key_id 'AKIA1'": "need SECRET_ACCESS_KEY as well",
    f"secret_access_key '{SECRET}'": "need ACCESS_KEY_ID as well",
    "session_token 'T'": "need ACCESS_KEY_ID as well",
    "iam_role ''": "not the ARN of a role",
    "iam_role 'loader'": "not the ARN of a role",
    f"iam_role '{ROLE}, {ROLE}'": "not the ARN of a role",
    f"iam_role ' {ROLE}'": "not the ARN of a role",
    "iam_role 'arn:aws:iam::123456789012:user/x'": "not the ARN of a role",
    "iam_role 'default'": "not the ARN of a role",
    f"access_key_id 'AK IA' secret_access_key '{SECRET}'": "ACCESS_KEY_ID is not well-formed",
    f"access_key_id 'AKIA1' secret_access_key '{SECRET};x'": "SECRET_ACCESS_KEY is not well-formed",
    f"credentials 'aws_iam_role = {ROLE}'": "Invalid credentials",
    f"credentials 'AWS_IAM_ROLE={ROLE}'": "Invalid credentials",
    f"credentials 'aws_iam_role={ROLE};'": "Invalid credentials",
    f"credentials 'aws_access_key_id=AKIA1; aws_secret_access_key={SECRET}'": "Invalid credentials",
    f"credentials 'aws_secret_access_key={SECRET};aws_access_key_id=AKIA1'": "Invalid credentials",
    f"credentials 'aws_access_key_id=AKIA1;aws_secret_access_key={SECRET};session_token=T'": "Invalid credentials",
    "credentials ''": "Invalid credentials",
    "iam_role": "IAM_ROLE needs a quoted string",
    "iam_role loader": "IAM_ROLE needs a quoted string",
    f"secret_access_key {SECRET}": "SECRET_ACCESS_KEY needs a quoted string",
    f'secret_access_key "{SECRET}"': "SECRET_ACCESS_KEY needs a quoted string",
    "iam_role $1": "IAM_ROLE needs a quoted string",
    f"with iam_role '{ROLE}'": 'at or near "with"',
    f"iam_role '{ROLE}' '{SECRET}'": "syntax error",
    f"access_key_id 'AKIA1' secret_access_key '{SECRET}": "unterminated quoted string",
    f"iam_role '{ROLE}' \"{SECRET}\"": "syntax error",
}


@pytest.mark.parametrize(("text", "message"), NO_AUTHORIZATION.items())
def test_rule_39_anything_but_one_form_is_refused_and_no_key_is_printed(text: str, message: str) -> None:
    error = refusal(f"copy t from 's3://b/k' {text}")
    assert (error.sqlstate, message in error.message) == ("42601", True), error
    for secret in (ROLE, SECRET, "AKIA1", "loader"):
        assert secret not in f"{error.message}{error.detail}{error.hint}"


def test_rule_39_the_statements_representation_has_no_role_and_no_key() -> None:
    for text in AUTHORIZATIONS:
        printed = repr(copy(f"copy t from 's3://b/k' {text}"))
        assert ROLE not in printed
        assert SECRET not in printed


SOURCES = {
    "copy t from stdin": ("0A000", "LOAD source is not supported"),
    "copy t from stdin with csv": ("0A000", "LOAD source is not supported"),
    "copy t from stdout": ("0A000", "LOAD source is not supported"),
    "copy t from program 'cat'": ("0A000", "LOAD source is not supported"),
    "copy t from '/etc/passwd'": ("0A000", "LOAD source is not supported"),
    "copy t from 'https://b/k'": ("0A000", "LOAD source is not supported"),
    "copy t from 's3://'": ("0A000", "LOAD source is not supported"),
    "copy t from 'S3://b/k'": ("0A000", "LOAD source is not supported"),
    "copy t from 's3://b'": ("0A000", "a whole bucket"),
    "copy t from 's3://b/'": ("0A000", "a whole bucket"),
    "copy t from 'dynamodb://t'": ("0A000", "not in the stand-in yet"),
    "copy t from 'emr://j-1/x'": ("0A000", "not in the stand-in yet"),
    "copy t to stdout": ("0A000", "COPY TO is not supported"),
    "copy t to 's3://b/k'": ("0A000", "COPY TO is not supported"),
    "copy (select 1) to stdout": ("0A000", "COPY TO is not supported"),
    "copy t from": ("42601", "at end of input"),
    "copy t from $1": ("42601", 'at or near "$1"'),
    "copy $1 from 's3://b/k'": ("42601", 'at or near "$1"'),
    "copy t (a, a) from 's3://b/k'": ("42701", 'column "a" specified more than once'),
    "copy t (a, \"A\") from 's3://b/k'": ("42701", 'column "a" specified more than once'),
    "copy t () from 's3://b/k'": ("42601", "syntax error"),
    "copy d.s.t from 's3://b/k'": ("42601", 'at or near "."'),
    "copy t 's3://b/k'": ("42601", "syntax error"),
    "copy job create j on t": ("0A000", "not in the stand-in yet"),
}


@pytest.mark.parametrize(("text", "refused"), SOURCES.items())
def test_rule_03_copy_reads_from_s3_only(text: str, refused: tuple[str, str]) -> None:
    error = refusal(text)
    assert (error.sqlstate, refused[1] in error.message) == (refused[0], True), error


NO_OPTIONS = {
    "csv csv": ("42601", "conflicting or redundant options"),
    "format csv csv": ("42601", "conflicting or redundant options"),
    "gzip zstd": ("42601", "conflicting or redundant options"),
    "gzip gzip": ("42601", "conflicting or redundant options"),
    "manifest manifest": ("42601", "conflicting or redundant options"),
    "null 'a' null 'b'": ("42601", "conflicting or redundant options"),
    "maxerror 1 maxerror 1": ("42601", "conflicting or redundant options"),
    "header": ("42601", 'at or near "header"'),
    "csv header": ("42601", 'at or near "header"'),
    "force not null a": ("42601", 'at or near "force"'),
    "(format csv)": ("42601", 'at or near "("'),
    "csv, gzip": ("42601", 'at or near ","'),
    "with csv": ("42601", 'at or near "with"'),
    "where a > 1": ("42601", 'at or near "where"'),
    "quote '%'": ("42601", "QUOTE can be used only with CSV"),
    "csv quote ','": ("22023", "must be different"),
    "csv quote '%%'": ("22023", "single ASCII character"),
    "csv quote ''": ("22023", "single ASCII character"),
    "csv quote '\\n'": ("22023", "cannot be newline"),
    "delimiter ''": ("22023", "single ASCII character"),
    "delimiter '||'": ("22023", "single ASCII character"),
    "delimiter 'é'": ("22023", "single ASCII character"),
    "delimiter '\\r'": ("22023", "cannot be newline"),
    "delimiter '\\\\t'": ("0A000", "doubled backslash"),
    "delimiter $1": ("42601", 'at or near "$1"'),
    "delimiter": ("42601", "at end of input"),
    "format": ("42601", "at end of input"),
    "format text": ("42601", 'at or near "text"'),
    "format as 'csv'": ("42601", "syntax error"),
    "null as '\\n'": ("22023", "line delimiter"),
    "null as '\\\\n'": ("22023", "line delimiter"),
    "null as 'a\\rb'": ("0A000", "carriage return"),
    "null as 'a|b'": ("0A000", "delimiter or quote"),
    "csv null as 'a,b'": ("0A000", "delimiter or quote"),
    "csv null as '\"'": ("0A000", "delimiter or quote"),
    "null as \\N": ("42601", "syntax error"),
    "null as '\\N'": ("0A000", "the escape \\N"),
    "maxerror 100001": ("22023", "not between 0 and 100000"),
    "maxerror -1": ("42601", 'at or near "-"'),
    "maxerror '1'": ("42601", "syntax error"),
    "maxerror 1.5": ("42601", "syntax error"),
    "maxerror 99999999999999999999999999": ("22003", "out of range"),
    "maxerror $1": ("42601", 'at or near "$1"'),
    "ignoreheader": ("42601", "at end of input"),
    "ignoreheader 99999999999": ("22023", "not between 0 and"),
    "acceptinvchars as": ("42601", "at end of input"),
    "acceptinvchars '??'": ("22023", "single ASCII character"),
    "acceptinvchars ''": ("22023", "single ASCII character"),
    "compupdate maybe": ("42601", 'at or near "maybe"'),
    "statupdate preset": ("42601", 'at or near "preset"'),
    "encoding latin1": ("42601", 'at or near "latin1"'),
    "encoding utf16": ("0A000", "not in the stand-in yet"),
    "encoding as utf16be": ("0A000", "not in the stand-in yet"),
    "timeformat": ("42601", "at end of input"),
    "region $1": ("42601", 'at or near "$1"'),
    "fixedwidth 'a:1'": ("0A000", "not in the stand-in yet"),
    "csv fixedwidth 'a:1'": ("42601", "FIXEDWIDTH cannot be used with CSV"),
    "fixedwidth 'a:1' csv": ("42601", "FIXEDWIDTH cannot be used with CSV"),
    "escape csv": ("42601", "ESCAPE cannot be used with CSV"),
    "csv removequotes": ("42601", "REMOVEQUOTES cannot be used with CSV"),
    **dict.fromkeys(("escape", "escape; copy t from 's3://b/k' csv", "removequotes", "json 'auto'", "json", "format json 'auto'", "format as avro", "parquet", "format parquet", "format as orc", "shapefile", "lzop", "bzip2", "encrypted", "ssh", "readratio 50", "ignoreallerrors", "serializetojson", "format fixedwidth 'a:1'"), ("0A000", "not in the stand-in yet")),
}  # fmt: skip


@pytest.mark.parametrize(("text", "refused"), NO_OPTIONS.items())
def test_options_that_are_unknown_doubled_or_in_conflict_are_refused(text: str, refused: tuple[str, str]) -> None:
    error = refusal(AUTHORIZED + text)
    assert (error.sqlstate, refused[1] in error.message) == (refused[0], True), error
