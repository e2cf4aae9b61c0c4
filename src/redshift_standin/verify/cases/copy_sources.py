"""Rules 3 and 4: where COPY reads from; prefixes, manifests, compression."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from redshift_standin.verify.case import Case, Expected, Refused
from redshift_standin.verify.loads import load_files, rows

_S3: Final = "copy-parameters-data-source-s3"
_MANIFEST: Final = "loading-data-files-using-manifest"
_COMPRESSION: Final = "copy-parameters-file-compression"
_TABLE: Final = ("create table t (a int)",)
_TWO: Final = {"a": "1\n", "b": "2\n"}
_ONE_GZIP: Final = gzip.compress(b"1\n2\n", mtime=0)
_MANY: Final = "".join(f"{n}\n" for n in range(5_000)).encode()
_COUNT: Final = "select count(*), sum(a) from t"


def _zstd(body: bytes) -> bytes:
    return bytes(pa.compress(body, codec="zstd", asbytes=True))


def _source(name: str, statement: str, sqlstate: str = "0A000", text: str = "") -> Case:
    return Case(rule=3, name=name, setup=_TABLE, run=statement, expect=Refused(sqlstate, text), page="r_COPY")


_SOURCES = (
    _source("copy from stdin is refused", "copy t from stdin"),
    _source("copy from stdin as csv is refused", "copy t from stdin csv"),
    _source("copy from stdin with parenthesised options is refused", "copy t from stdin with (format csv)"),
    _source("copy to stdout is refused", "copy t to stdout"),
    _source("copy of some columns to stdout is refused", "copy t (a) to stdout"),
    _source("copy to a file is refused", "copy t to '/tmp/rows'"),
    _source("copy from a file is refused", "copy t from '/tmp/rows' {auth} csv"),
    _source("copy from a relative file is refused", "copy t from 'rows.csv' {auth} csv"),
    _source("copy from an https address is refused", "copy t from 'https://host/rows.csv' {auth} csv"),
    _source("copy from a program is refused", "copy t from program 'cat /tmp/rows'"),
    _source("copy into a table that does not exist is refused", "copy u from '{s3}/a' {auth} csv", "42P01"),
    _source("copy into a column that does not exist is refused", "copy t (z) from '{s3}/a' {auth} csv", "42703"),
    _source("a source that is no literal is refused", "copy t from a {auth} csv", "42601"),
    _source("an unknown option is a syntax error", "copy t from '{s3}/a' {auth} csv force_not_null", "42601"),
    _source("an option given twice is refused", "copy t from '{s3}/a' {auth} csv gzip gzip", "42601"),
    _source("two compressions are refused", "copy t from '{s3}/a' {auth} csv gzip zstd", "42601"),
    _source("csv excludes fixedwidth", "copy t from '{s3}/a' {auth} csv fixedwidth 'a:3'", "42601"),
    _source("csv excludes removequotes", "copy t from '{s3}/a' {auth} csv removequotes", "42601"),
    _source("csv excludes escape", "copy t from '{s3}/a' {auth} csv escape", "42601"),
)


def _prefix(
    name: str, files: Mapping[str, bytes | str], source: str, expect: Expected, *, page: str = _S3, block: bool = False
) -> Case:
    return load_files(4, name, files, source, expect, page=page, block=block)


_PREFIXES = (
    _prefix("an object's own key loads it", _TWO, "a' {auth} csv", rows(1)),
    _prefix(
        "a key is a prefix: what else begins with it loads as well",
        {"a": "1\n", "a.bak": "2\n"},
        "a' {auth} csv",
        rows(1, 2),
    ),
    _prefix(
        "a prefix need not end at a slash",
        {"day/x-1": "1\n", "day/x-2": "2\n", "day/y": "3\n"},
        "day/x' {auth} csv",
        rows(1, 2),
    ),
    _prefix(
        "a folder loads with what lies below it",
        {"d/a": "1\n", "d/e/b": "2\n", "f/c": "3\n"},
        "d/' {auth} csv",
        rows(1, 2),
    ),
    _prefix("keys differ by case", {"A": "1\n"}, "a' {auth} csv", Refused("XX000", "prefix")),
    _prefix("a prefix without any object fails", _TWO, "c' {auth} csv", Refused("XX000", "does not exist")),
    _prefix(
        "a prefix without any object fails in a block too",
        _TWO,
        "c' {auth} csv",
        Refused("XX000", "does not exist"),
        block=True,
    ),
    _prefix("an empty object gives no rows", {"a": ""}, "a' {auth} csv", rows()),
    _prefix("the last line needs no line feed", {"a": "1\n2"}, "a' {auth} csv", rows(1, 2)),
    _prefix(
        "files end their records: nothing runs on from one to the next",
        {"a1": "1", "a2": "2"},
        "a' {auth} csv",
        rows(1, 2),
    ),
    Case(
        rule=4,
        name="a bucket that does not exist fails",
        setup=_TABLE,
        run="copy t from 's3://no-such-bucket-of-anybody-0f3a9c/a' {auth} csv",
        expect=Refused("XX000", "S3ServiceException"),
        page=_S3,
    ),
)


def _entry(key: str, mandatory: bool | None = None, **more: Any) -> dict[str, Any]:
    return {"url": f"{{s3}}/{key}"} | ({} if mandatory is None else {"mandatory": mandatory}) | more


def _manifest(
    name: str,
    entries: Any,
    expect: Expected,
    *,
    files: Mapping[str, bytes | str] = _TWO,
    options: str = "",
    raw: bytes | None = None,
) -> Case:
    """A manifest "m" that holds the entries, or these very bytes."""
    text = json.dumps({"entries": entries}).encode() if raw is None else raw
    return load_files(4, name, {**files, "m": text}, f"m' {{auth}} csv manifest {options}", expect, page=_MANIFEST)


_MANIFESTS = (
    _manifest("a manifest loads what it lists and nothing else", [_entry("a", True)], rows(1), files={"a": "1\n", "a.bak": "9\n", "b": "2\n"}),
    _manifest("a manifest may list many files", [_entry("a", True), _entry("b", True)], rows(1, 2)),
    _manifest("a file listed twice loads twice", [_entry("a", True), _entry("a", True)], rows(1, 1)),
    _manifest("a mandatory file that is missing fails the load", [_entry("a", True), _entry("z", True)], Refused("XX000", "NoSuchKey")),
    _manifest("an optional file that is missing is passed over", [_entry("a", True), _entry("z", False)], rows(1)),
    _manifest("mandatory is false unless it is said", [_entry("a"), _entry("z")], rows(1)),
    _manifest("a manifest all of whose optional files are missing fails", [_entry("y", False), _entry("z")], Refused("XX000")),
    _manifest("a manifest without entries fails", [], Refused("XX000")),
    _manifest("a manifest's entry is no prefix", [_entry("a", True)], Refused("XX000", "NoSuchKey"), files={"a.bak": "9\n"}),
    _manifest("keys of a manifest that mean nothing are ignored", [_entry("a", True, colour="red", meta={"content_length": 2})], rows(1)),
    _manifest("a url that is no full path fails", [{"url": "a", "mandatory": True}], Refused("XX000", "full path")),
    _manifest("a url with another scheme fails", [{"url": "https://bucket/a", "mandatory": True}], Refused("XX000", "full path")),
    _manifest("a url of a bucket alone fails", [{"url": "s3://bucket", "mandatory": True}], Refused("XX000", "full path")),
    _manifest("an entry without url fails", [{"mandatory": True}], Refused("XX000")),
    _manifest("a manifest that is not JSON fails", (), Refused("XX000"), raw=b"{s3}/a\n"),
    _manifest("a manifest cut short fails", (), Refused("XX000"), raw=b'{"entries":[{"url":"{s3}/a","mandatory":true}'),
    _manifest("a manifest that is a bare list fails", (), Refused("XX000"), raw=b'[{"url":"{s3}/a"}]'),
    _manifest("a manifest without a list of entries fails", (), Refused("XX000"), raw=b'{"files":[]}'),
    _manifest("a manifest that is not UTF-8 fails", (), Refused("XX000"), raw=b'{"entries":[{"url":"{s3}/a","x":"\xff"}]}'),
    _manifest("an empty manifest fails", (), Refused("XX000"), raw=b""),
    _manifest("a compressed manifest fails", (), Refused("XX000"), raw=gzip.compress(b'{"entries":[]}', mtime=0), options="gzip"),
    _manifest("gzip says how a manifest's files are, not the manifest", [_entry("a.gz", True)], rows(1, 2), files={"a.gz": _ONE_GZIP}, options="gzip"),
    load_files(4, "a manifest's own key is no prefix", {**_TWO, "m.json": '{"entries":[{"url":"{s3}/a"}]}'}, "m' {auth} csv manifest", Refused("XX000", "manifest"), page=_MANIFEST),
)  # fmt: skip


def _compressed(name: str, files: Mapping[str, bytes | str], option: str, expect: Expected) -> Case:
    return load_files(4, name, files, f"a' {{auth}} csv {option}", expect, page=_COMPRESSION)


_ALL = rows((5_000, sum(range(5_000))), query=_COUNT)
_DAMAGED = bytes(byte ^ 0x55 if at == 40 else byte for at, byte in enumerate(gzip.compress(_MANY, mtime=0)))
_COMPRESSIONS = (
    _compressed("gzip files load", {"a1": gzip.compress(_MANY[:8890], mtime=0), "a2": gzip.compress(_MANY[8890:], mtime=0)}, "gzip", _ALL),
    _compressed("zstd files load", {"a": _zstd(_MANY)}, "zstd", _ALL),
    _compressed("a name that ends in .gz does not make a file gzip", {"a.gz": "1\n"}, "", rows(1)),
    _compressed("a plain file under GZIP fails", {"a.gz": "1\n"}, "gzip", Refused("XX000")),
    _compressed("a plain file under ZSTD fails", {"a.zst": "1\n"}, "zstd", Refused("XX000")),
    _compressed("a zstd file under GZIP fails", {"a": _zstd(_MANY)}, "gzip", Refused("XX000")),
    _compressed("one keyword holds for all files", {"a1": _ONE_GZIP, "a2": "3\n"}, "gzip", Refused("XX000")),
    _compressed("a gzip file cut short fails", {"a": gzip.compress(_MANY, mtime=0)[:-40]}, "gzip", Refused("XX000")),
    _compressed("a gzip file without its last byte fails", {"a": _ONE_GZIP[:-1]}, "gzip", Refused("XX000")),
    _compressed("a gzip file with a wrong checksum fails", {"a": _ONE_GZIP[:-8] + b"\0\0\0\0" + _ONE_GZIP[-4:]}, "gzip", Refused("XX000")),
    _compressed("a gzip file with a changed byte fails", {"a": _DAMAGED}, "gzip", Refused("XX000")),
    _compressed("a zstd file cut short fails", {"a": _zstd(_MANY)[:-40]}, "zstd", Refused("XX000")),
)  # fmt: skip

CASES: tuple[Case, ...] = _SOURCES + _PREFIXES + _MANIFESTS + _COMPRESSIONS
