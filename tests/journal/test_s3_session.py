"""Where the objects go, how they are encrypted, and whose credentials are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from fix_s3 import CREDENTIALS, S3, s3_store
from re_dms.errors import ConfigurationError, JournalError
from re_dms.journal.opening import open_store
from re_dms.settings import JournalSettings


def test_objects_are_below_the_prefix(aws: S3) -> None:
    bucket = aws.new_bucket()
    for url, key in ((f"s3://{bucket}/a/b-c/", "a/b-c/root.json"), (f"s3://{bucket}", "root.json")):
        store = open_store(JournalSettings(url=url))
        store.create("root.json", b"{}")
        assert aws.client().get_object(Bucket=bucket, Key=key)["Body"].read() == b"{}"
        assert store.url == url.rstrip("/")
        assert "root.json" in store.list("")


@pytest.mark.parametrize(
    ("encryption", "key", "expected"),
    [("none", None, (None, None)), ("sse-s3", None, ("AES256", None)), ("sse-kms", "arn:x", ("aws:kms", "arn:x"))],
)
def test_objects_are_encrypted_as_the_settings_say(
    aws: S3, encryption: str, key: str | None, expected: tuple[str | None, str | None]
) -> None:
    bucket = aws.new_bucket()
    store = s3_store(bucket, "p", encryption=encryption, kms_key_id=key)
    store.create("a", b"1")
    store.put("b", b"2")
    for name in ("p/a", "p/b"):
        head = aws.client().head_object(Bucket=bucket, Key=name)
        assert (head.get("ServerSideEncryption", None), head.get("SSEKMSKeyId")) == expected
    assert store.get("a") == b"1"


def test_credentials_come_from_a_profile_too(aws: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = aws.new_bucket()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name)
    (tmp_path / "credentials").write_text(
        f"[warehouse]\naws_access_key_id = {CREDENTIALS['AWS_ACCESS_KEY_ID']}\naws_secret_access_key = x\n"
    )
    (tmp_path / "config").write_text("[profile warehouse]\nregion = eu-central-1\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "warehouse")
    store = s3_store(bucket)
    store.create("a", b"1")
    assert store.get("a") == b"1"


def test_missing_credentials_are_said(aws: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(JournalError, match="no AWS credentials") as told:
        s3_store("bucket").get("a")
    assert "AWS_PROFILE" in told.value.remedy


@pytest.mark.parametrize("endpoint", ["http://192.0.2.1:9000", "http://minio.example.com", "ftp://127.0.0.1"])
def test_rows_are_not_sent_in_the_clear(aws: S3, monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(ConfigurationError, match="in the clear"):
        s3_store("bucket").get("a")


def test_a_bucket_that_is_not_there_is_named(aws: S3) -> None:
    with pytest.raises(JournalError, match="NoSuchBucket") as told:
        s3_store("bucket-that-is-not-there").probe()
    assert "make the bucket" in told.value.remedy
