"""Where files come from: prefixes, manifests, authorisation, regions, compression, and an S3 that fails."""

from __future__ import annotations

import gzip
import json
import time
import uuid
from typing import Any

import pyarrow as pa
import pytest

from fix_s3 import REGION
from redshift_standin.copy.load import S3Source, load
from redshift_standin.copy.manifest import parse
from redshift_standin.copy.s3 import S3Fault
from redshift_standin.errors import RedshiftError
from redshift_standin.sql.statements import Authorization

SECRET = "canary-secret"


@pytest.fixture(scope="module")
def client(s3):
    return s3.client()


@pytest.fixture
def bucket(client):
    name = f"copy-{uuid.uuid4()}"
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return name


@pytest.fixture
def put(client, bucket):
    """Writes objects into the bucket."""

    def write(**objects: bytes) -> None:
        for key, body in objects.items():
            client.put_object(Bucket=bucket, Key=key.replace("__", "/"), Body=body)

    return write


@pytest.fixture
def run(s3, bucket, make_column, make_copy):
    """Loads s3://bucket/url into a table of one integer column; the values."""

    def load_now(url: str = "data/", *, source: Any = None, **options) -> list[int]:
        seen: list[bytes] = []
        given = {"endpoint_url": s3.endpoint, "region": REGION, "pause_seconds": 0.0, **(source or {})}
        url = url if "://" in url else f"s3://{bucket}/{url}"
        load(make_copy(url=url, **options), [make_column("n", "int")], S3Source(**given), seen.append, evaluate=str)
        return [int(line) for line in b"".join(seen).split()]

    return load_now


@pytest.fixture
def failure(run):
    """The error of a load, which never tells a secret."""

    def fail(*arguments, **options) -> str:
        with pytest.raises(RedshiftError) as failed:
            run(*arguments, **options)
        told = failed.value.message + failed.value.detail + failed.value.hint
        assert SECRET not in told
        assert failed.value.sqlstate == "XX000"
        assert failed.value.__cause__ is None
        return failed.value.message

    return fail


def manifest(*entries: object) -> bytes:
    return json.dumps({"entries": entries}).encode()


# ---------------------------------------------------------------- rule 4


def test_rule_04_a_prefix_loads_every_match_in_order(put, run):
    put(data__b=b"2\n", data__a=b"1\n", other=b"9\n", data__a_bak=b"3\n")
    assert run("data/") == [1, 3, 2]
    assert run("data/a") == [1, 3]


def test_rule_04_a_prefix_of_more_than_a_page_is_listed_whole(put, run):
    put(**{f"many__{n}": b"%d\n" % n for n in range(5)})
    assert run("many/", source={"page_keys_max": 2}) == [0, 1, 2, 3, 4]


def test_rule_04_a_prefix_without_a_match_is_an_error(failure, put):
    assert failure("data/none") == "The specified S3 prefix 'data/none' does not exist"


def test_rule_04_a_manifest_loads_exactly_what_it_names_and_as_often(put, run, bucket):
    url = f"s3://{bucket}/data/"
    put(data__a=b"1\n", data__a_bak=b"3\n", data__b=b"2\n")
    put(
        m=manifest(
            {"url": url + "b", "mandatory": True, "meta": {"content_length": 99}, "comment": 1},
            {"url": url + "a"},
            {"url": url + "b", "mandatory": False},
        )
    )
    assert run("m", manifest=True) == [2, 1, 2]


def test_rule_04_a_missing_file_is_left_out_unless_it_is_mandatory(put, run, failure, bucket):
    url = f"s3://{bucket}/data/"
    put(data__a=b"1\n")
    put(some=manifest({"url": url + "a"}, {"url": url + "none"}))
    put(must=manifest({"url": url + "a"}, {"url": url + "none", "mandatory": True}))
    put(nothing=manifest({"url": url + "none"}), empty=manifest())
    assert run("some", manifest=True) == [1]
    assert "Status 404,Error NoSuchKey" in failure("must", manifest=True)
    for name in ("nothing", "empty"):
        assert failure(name, manifest=True) == "No valid S3 files found in the manifest"


def test_rule_04_an_entry_is_no_prefix(put, failure, bucket):
    put(data__a=b"1\n", m=manifest({"url": f"s3://{bucket}/data/", "mandatory": True}))
    assert "NoSuchKey" in failure("m", manifest=True)


def test_rule_04_a_missing_manifest_is_an_error_and_its_prefix_is_not_tried(put, failure):
    put(m1=manifest())
    assert failure("m", manifest=True).startswith(
        "Problem reading manifest file - S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey"
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "not a JSON document"),
        (b"s3://b/k\n", "not a JSON document"),
        (gzip.compress(manifest(), mtime=0), "not a JSON document"),
        (b"\xef\xbb\xbf" + manifest(), "not a JSON document"),
        (b'{"entries":[NaN]}', "not a JSON document"),
        (b'{"entries":[{"url":"s3://b/k"},]}', "not a JSON document"),
        (b"[]", 'no list "entries"'),
        (b'{"files":[]}', 'no list "entries"'),
        (b'{"entries":{}}', 'no list "entries"'),
        (b'{"entries":["s3://b/k"]}', 'entry 1 has no "url"'),
        (b'{"entries":[{"URL":"s3://b/k"}]}', 'entry 1 has no "url"'),
        (b'{"entries":[{"url":"s3://b/k"},{"url":1}]}', 'entry 2 has no "url"'),
        (b'{"entries":[{"url":"b/k"}]}', "not a full path"),
        (b'{"entries":[{"url":"s3://b"}]}', "not a full path"),
        (b'{"entries":[{"url":"s3:///k"}]}', "not a full path"),
        (b'{"entries":[{"url":"s3://b/"}]}', "not a full path"),
        (b'{"entries":[{"url":"s3://b/k","mandatory":"true"}]}', '"mandatory" of entry 1'),
    ],
)
def test_rule_04_a_manifest_is_read_strictly(content, what):
    with pytest.raises(RedshiftError) as refused:
        parse(content, "s3://b/m")
    assert what in refused.value.message
    assert "code:      8001" in refused.value.detail


# ---------------------------------------------------------------- rule 39

DENIED = "S3ServiceException:Access Denied,Status 403,Error AccessDenied,"
GOOD = "arn:aws:iam::123456789012:role/good"
OTHER = "arn:aws:iam::123456789012:role/path/other"


@pytest.mark.parametrize("role", ["default", GOOD, f"{GOOD},{OTHER}"])
def test_rule_39_any_well_formed_role_is_accepted_when_none_is_configured(put, run, role):
    put(data__a=b"1\n")
    assert run(authorization=Authorization(role=role)) == [1]


@pytest.mark.parametrize(
    "role",
    ["good", "arn:aws:iam::12:role/x", "arn:aws:iam::123456789012:user/x", f"{GOOD},arn:x", "Default", GOOD + " "],
)
def test_rule_39_a_malformed_role_is_denied(put, failure, role):
    put(data__a=b"1\n")
    assert failure(authorization=Authorization(role=role)).startswith(DENIED)


def test_rule_39_with_roles_configured_only_these_are_accepted(put, run, failure):
    put(data__a=b"1\n")
    source = {"roles": frozenset({GOOD})}
    assert run(source=source, authorization=Authorization(role=GOOD)) == [1]
    for role in (OTHER, f"{GOOD},{OTHER}", "default"):
        assert failure(source=source, authorization=Authorization(role=role)).startswith(DENIED)


def test_rule_39_keys_are_accepted_or_denied(put, run, failure):
    put(data__a=b"1\n")
    keys = Authorization(access_key_id="canary-key", secret_access_key=SECRET, session_token="t")
    assert run(authorization=keys) == [1]
    assert run(authorization=keys, source={"keys": {"canary-key": SECRET}}) == [1]
    assert failure(authorization=keys, source={"keys": {"canary-key": "another"}}).startswith(DENIED)
    assert failure(authorization=keys, source={"keys": {}}).startswith(DENIED)
    assert failure(authorization=Authorization()).startswith(DENIED)


def test_rule_39_a_bucket_in_another_region_needs_region(put, run, failure):
    put(data__a=b"1\n")
    assert "Status 301,Error PermanentRedirect" in failure(source={"region": "us-west-2"})
    assert "Status 301,Error PermanentRedirect" in failure(region="us-west-2")
    assert run(source={"region": "us-west-2"}, region=REGION) == [1]
    assert run(source={"region": None}) == [1]


def test_rule_39_a_bucket_that_is_not_there_is_an_error(failure):
    assert "Status 404" in failure("s3://no-such-bucket-anywhere/data")


# ---------------------------------------------------------------- compression


def zstd(*contents: bytes) -> bytes:
    frames = []
    for content in contents:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(content)
        frames.append(sink.getvalue().to_pybytes())
    return b"".join(frames)


NUMBERS = b"".join(b"%d\n" % n for n in range(50_000))


@pytest.mark.parametrize(
    ("compression", "content"),
    [
        ("gzip", gzip.compress(NUMBERS, mtime=0)),
        ("gzip", gzip.compress(NUMBERS[:1000], mtime=0) + gzip.compress(NUMBERS[1000:], mtime=0)),
        ("zstd", zstd(NUMBERS)),
        ("zstd", zstd(NUMBERS[:1000], NUMBERS[1000:])),
        ("", NUMBERS),
    ],
)
def test_files_are_decompressed_as_the_command_says(put, run, compression, content):
    put(data__a=content)
    assert run(compression=compression) == list(range(50_000))


def test_a_compressed_file_may_be_empty(put, run):
    put(data__a=gzip.compress(b""), zdata__a=zstd(b""))
    assert run(compression="gzip") == []
    assert run("zdata", compression="zstd") == []


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
@pytest.mark.parametrize("damage", ["cut", "cut late", "flipped", "plain", "trailing", "nothing", "other"])
def test_a_damaged_file_is_an_error_and_never_a_short_load(put, failure, bucket, compression, damage):
    whole = gzip.compress(NUMBERS) if compression == "gzip" else zstd(NUMBERS)
    # A frame of zstd need not have a checksum; damage to its header shows in any case.
    at = 5000 if compression == "gzip" else 4
    content = {
        "cut": whole[: len(whole) // 2],
        "cut late": whole[:-1],
        "flipped": whole[:at] + bytes((whole[at] ^ 0xFF,)) + whole[at + 1 :],
        "plain": NUMBERS,
        "trailing": whole + b"1\n",
        "nothing": b"",
        "other": zstd(NUMBERS) if compression == "gzip" else gzip.compress(NUMBERS),
    }[damage]
    put(data__a=content)
    message = failure(compression=compression)
    assert message == f"Failed to decompress the file as {compression.upper()}: s3://{bucket}/data/a"


# ---------------------------------------------------------------- an S3 that fails


def faults(*plan: S3Fault | None):
    """These, one for each GetObject; then none."""
    left = list(plan)
    asked: list[str] = []

    def fault(url: str) -> S3Fault | None:
        asked.append(url)
        return left.pop(0) if left else None

    return fault, asked


@pytest.mark.parametrize(
    "plan",
    [
        [S3Fault(status=500)],
        [S3Fault(status=503), S3Fault(status=503)],
        [S3Fault(cut_after_bytes=0)],
        [S3Fault(cut_after_bytes=1001), S3Fault(cut_after_bytes=2002)],
        [S3Fault(cut_after_bytes=len(NUMBERS))],
        [S3Fault(status=500), S3Fault(cut_after_bytes=5), S3Fault(status=503)],
    ],
)
def test_passing_failures_of_s3_are_tried_again_and_every_row_is_loaded_once(put, run, plan):
    put(data__a=NUMBERS)
    fault, _ = faults(*plan)
    assert run(source={"fault": fault}) == list(range(50_000))


@pytest.mark.parametrize(("status", "name"), [(403, "AccessDenied"), (404, "NoSuchKey")])
def test_lasting_failures_of_s3_fail_the_load_at_once(put, failure, status, name):
    put(data__a=NUMBERS)
    fault, asked = faults(*[S3Fault(status=status)] * 9)
    assert f"Status {status},Error {name}," in failure(source={"fault": fault})
    assert len(asked) == 1


@pytest.mark.parametrize("fault", [S3Fault(status=503), S3Fault(status=500), S3Fault(cut_after_bytes=3)])
def test_failures_of_s3_that_do_not_pass_fail_the_load_within_a_bound(put, run, fault, bucket):
    put(data__a=NUMBERS)
    plan, asked = faults(*[fault] * 99)
    with pytest.raises(RedshiftError) as failed:
        run(source={"fault": plan, "attempts_max": 3})
    assert failed.value.sqlstate == "XX000"
    assert f"s3://{bucket}/data/a" in failed.value.detail
    assert len(asked) == 3


def test_a_slow_body_is_waited_for(put, run):
    put(data__a=b"1\n")
    fault, _ = faults(S3Fault(seconds=0.2))
    began = time.monotonic()
    assert run(source={"fault": fault}) == [1]
    assert time.monotonic() - began >= 0.2


def test_an_object_that_changes_while_it_is_read_fails_the_load(put, run):
    put(data__a=NUMBERS)
    calls = []

    def fault(url: str) -> S3Fault | None:
        calls.append(url)
        if len(calls) == 2:
            put(data__a=NUMBERS + b"1\n")
        return S3Fault(cut_after_bytes=100) if len(calls) == 1 else None

    with pytest.raises(RedshiftError, match="Status 412"):
        run(source={"fault": fault})


def test_bodies_and_replies_cut_on_the_wire_are_tried_again(put, run, fault_proxy):
    put(data__a=NUMBERS)
    for fault in ("cut body", "cut before", "500", "503"):
        fault_proxy.once(fault, method="GET", part="/data/a")
        assert run(source={"endpoint_url": f"http://127.0.0.1:{fault_proxy.port}"}) == list(range(50_000))


def test_a_server_that_is_not_there_is_an_error_without_its_address(failure):
    message = failure(source={"endpoint_url": "http://127.0.0.1:9", "attempts_max": 2})
    assert message.startswith("S3ServiceException:Unable to read from S3")
    assert "127.0.0.1" not in message
