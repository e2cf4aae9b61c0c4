"""What the journal's tests share: every store, a journal in it, and two writers."""

from pathlib import Path

import pytest

from fix_s3 import s3_store
from journal.batches import Writer
from re_dms.journal.journal import Journal
from re_dms.journal.local import LocalStore
from re_dms.journal.memory import MemoryStore
from re_dms.journal.store import Store


@pytest.fixture(params=["local", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    match request.param:
        case "local":
            return LocalStore(tmp_path / "journal")
        case "memory":
            return MemoryStore()
        case _:
            return s3_store(request.getfixturevalue("aws").new_bucket())


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store)


@pytest.fixture
def writer(journal: Journal) -> Writer:
    return Writer(journal)


@pytest.fixture
def another_writer(journal: Journal) -> Writer:
    return Writer(journal, "w2")
