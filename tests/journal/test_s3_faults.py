"""What a store on S3 makes of faults: passing ones are survived, lasting ones told, and no reply is taken for another.

The faults are done by a proxy of the tests' own in front of moto's server (tests/fix_s3.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from fix_s3 import FAULTS, FaultProxy, Reply, s3_store
from journal.batches import Writer
from re_dms.errors import ChangesMissing, JournalError, JournalUnavailable
from re_dms.journal.journal import Journal
from re_dms.journal.store import ObjectExists, ObjectMissing, Store
from re_dms.manifest import Manifest


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """That the client pauses before it repeats a request is boto3's business."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))


@pytest.fixture
def remote(s3, fault_proxy) -> Store:
    return s3_store(s3.new_bucket())


def committed(writer: Writer, number: int) -> Manifest:
    """Batch `number`, which is in the journal now."""
    manifest = writer.manifest(number)
    writer.journal.commit(manifest)
    return manifest


def downloaded(store: Store, key: str, path: Path) -> bytes:
    store.download(key, path)
    return path.read_bytes()


READS: dict[str, Callable[[Store, Path], object]] = {
    "get": lambda store, path: store.get("data/1/a"),
    "download": lambda store, path: downloaded(store, "data/1/a", path / "copy"),
    "exists": lambda store, path: store.exists("data/1/a"),
    "list": lambda store, path: store.list("data/"),
}
METHODS = {"exists": "HEAD"}
DATA = b"what was put" * 50
ANSWERS: dict[str, object] = {"get": DATA, "download": DATA, "exists": True, "list": ["data/1/a"]}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("read", READS)
def test_row_84_a_read_survives_a_fault(
    fault_proxy: FaultProxy, remote: Store, tmp_path: Path, read: str, fault: str
) -> None:
    remote.create("data/1/a", DATA)
    fault_proxy.once(fault, method=METHODS.get(read, "GET"))
    assert READS[read](remote, tmp_path) == ANSWERS[read]
    assert fault_proxy.done[fault] == 1


@pytest.mark.parametrize("fault", FAULTS)
def test_row_84_a_put_is_there_or_told(fault_proxy: FaultProxy, remote: Store, fault: str) -> None:
    """Without an error the object is there. "It exists" may be said of the own put, after a lost reply."""
    fault_proxy.once(fault, method="PUT")
    try:
        remote.create("batches/1.json", b"mine")
    except ObjectExists:
        assert fault in ("cut after", "cut body")
    except JournalUnavailable:
        assert fault in ("cut after", "200 with an error")
    else:
        assert remote.get("batches/1.json") == b"mine"
    fault_proxy.plan = lambda method, path: None
    if remote.exists("batches/1.json"):
        assert remote.get("batches/1.json") == b"mine"


@pytest.mark.parametrize("fault", FAULTS)
def test_row_84_the_journals_rules_settle_every_put(fault_proxy: FaultProxy, remote: Store, fault: str) -> None:
    """Root, data, registry, manifest, position: each put meets the fault once; nothing is lost, nothing is another's."""
    writer = Writer(Journal(remote))
    met: set[str] = set()

    def plan(method: str, path: str) -> str | None:
        if method != "PUT" or path in met:
            return None
        met.add(path)
        return fault

    fault_proxy.plan = plan
    for _ in range(12):  # what the service does: again, until it works
        try:
            writer.journal.store.probe()
            manifest = writer.journal.manifest(1) or committed(writer, 1)
            break
        except JournalUnavailable:
            continue
    assert manifest is not None
    assert writer.journal.numbers() == [1]
    assert writer.journal.manifest(1) == manifest
    for table in manifest.tables:
        for step in table.steps:
            assert writer.journal.fetch(step.files[0]).exists()  # type: ignore[union-attr]
    assert fault_proxy.done[fault] >= 3


def test_row_84_what_lasts_is_told_and_may_be_tried_again(fault_proxy: FaultProxy, remote: Store) -> None:
    for fault in ("500", "503", "cut before", "200 with an error"):
        fault_proxy.plan = lambda method, path, fault=fault: fault  # type: ignore[misc]
        for request in (lambda: remote.list("a/"), lambda: remote.create("a", b""), Journal(remote).root):
            # An error page in an object's place cannot be told from an object that was put by hand: it is no root.
            with pytest.raises(JournalError if fault == "200 with an error" else JournalUnavailable) as told:
                request()
            assert "canary" not in str(told.value)


@pytest.mark.parametrize("times", [1, 100])
def test_row_84_the_news_that_an_object_is_missing_may_be_cut_as_well(
    fault_proxy: FaultProxy, remote: Store, times: int
) -> None:
    """boto3 repeats nothing when an error's reply is cut within its body: found by runs on the faulty store."""
    fault_proxy.once("cut body", method="GET", times=times)
    with pytest.raises(ObjectMissing if times == 1 else JournalUnavailable):
        remote.get("data/1/a")
    assert fault_proxy.done["cut body"] >= 1


def test_row_85_a_lost_reply_is_not_another_writers_put(fault_proxy: FaultProxy, remote: Store) -> None:
    journal = Journal(remote)
    for number, fault in enumerate(("cut after", "cut body", "500"), start=1):
        fault_proxy.once(fault, method="PUT", part="/batches/")
        manifest = committed(Writer(journal), number)
        fault_proxy.plan = lambda method, path: None
        assert journal.manifest(number) == manifest
    assert journal.numbers() == [1, 2, 3]


def test_a_conflict_of_two_puts_is_settled(fault_proxy: FaultProxy, remote: Store) -> None:
    """409 ConditionalRequestConflict: another request for the key was under way, and failed; ours has to come again."""
    fault_proxy.once(Reply(409, "ConditionalRequestConflict"), method="PUT", part="/batches/")
    manifest = committed(Writer(Journal(remote)), 1)
    assert Journal(remote).manifest(1) == manifest


def test_row_86_an_object_that_was_deleted_or_altered_is_named(s3, aws) -> None:
    bucket = aws.new_bucket()
    journal = Journal(s3_store(bucket, "p"))
    manifest = committed(Writer(journal), 1)
    file = manifest.tables[0].steps[0].files[0]  # type: ignore[union-attr]
    client = aws.client()
    client.put_object(Bucket=bucket, Key=f"p/{file.key}", Body=b"altered by hand")
    with pytest.raises(ChangesMissing, match="was altered"):
        journal.fetch(file)
    client.put_object(Bucket=bucket, Key=f"p/{file.key}", Body=b"altered", Metadata={"sha256": "0" * 64})
    with pytest.raises(ChangesMissing, match=f"{file.key} of batch 1 was altered"):
        journal.fetch(file)
    client.delete_object(Bucket=bucket, Key=f"p/{file.key}")
    with pytest.raises(ChangesMissing, match=f"{file.key} of batch 1 is missing"):
        journal.fetch(file)


REFUSALS = {
    (403, "AccessDenied"): "s3:",
    (403, ""): "s3:",
    (403, "SignatureDoesNotMatch"): "credentials",
    (403, "InvalidAccessKeyId"): "credentials",
    (403, "RequestTimeTooSkewed"): "clock",
    (400, "AuthorizationHeaderMalformed"): "region",
    (404, "NoSuchBucket"): "bucket",
    (400, "InvalidArgument"): "journal.encryption",
}


@pytest.mark.parametrize("refused", REFUSALS, ids=lambda refused: "-".join(map(str, refused)))
def test_a_refusal_says_what_to_do(fault_proxy: FaultProxy, remote: Store, refused: tuple[int, str]) -> None:
    fault_proxy.plan = lambda method, path: Reply(*refused)
    for request in (
        lambda: remote.get("a"),
        lambda: remote.list("a/"),
        lambda: remote.create("a", b""),
        lambda: remote.delete(["a"]),
        remote.probe,
    ):
        with pytest.raises(JournalError) as told:
            request()
        assert not told.value.retry, told.value
        assert not isinstance(told.value, ObjectMissing | ObjectExists)
        assert REFUSALS[refused] in told.value.remedy
        assert "canary" not in f"{told.value} {told.value.remedy}"


def test_an_expired_token_is_asked_for_again(fault_proxy: FaultProxy, remote: Store) -> None:
    fault_proxy.plan = lambda method, path: Reply(400, "ExpiredToken")
    with pytest.raises(JournalUnavailable, match="ExpiredToken"):
        remote.get("a")


def test_the_probe_names_the_right_that_is_missing(fault_proxy: FaultProxy, remote: Store) -> None:
    for method, right in (("GET", "s3:ListBucket"), ("PUT", "s3:PutObject"), ("POST", "s3:DeleteObject")):
        fault_proxy.plan = lambda asked, path, method=method: (  # type: ignore[misc]
            Reply(403, "AccessDenied") if asked == method else None
        )
        with pytest.raises(JournalError) as told:
            remote.probe()
        assert right in told.value.remedy


def test_the_probe_refuses_a_server_that_ignores_the_condition(s3, fault_proxy: FaultProxy, remote: Store) -> None:
    """Several look-alikes of S3 accept `If-None-Match` and overwrite."""
    fault_proxy.drop_headers = frozenset({"if-none-match"})
    with pytest.raises(JournalError, match="overwrite"):
        remote.probe()


def test_what_a_look_at_an_idle_journal_costs(fault_proxy: FaultProxy, remote: Store) -> None:
    journal = Journal(remote)
    committed(Writer(journal), 1)
    fault_proxy.requests.clear()
    assert journal.manifest(2, look_beyond=False) is None
    assert fault_proxy.requests == {"GET": 1}
