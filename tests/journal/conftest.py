"""What the journal's tests share: every store, a journal in it, and two writers."""

from pathlib import Path

import pytest

from journal.batches import Writer
from re_dms.journal.journal import Journal
from re_dms.journal.local import LocalStore
from re_dms.journal.memory import MemoryStore
from re_dms.journal.store import Store


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return LocalStore(tmp_path / "journal") if request.param == "local" else MemoryStore()


@pytest.fixture
def journal(store: Store) -> Journal:
    return Journal(store)


@pytest.fixture
def writer(journal: Journal) -> Writer:
    return Writer(journal)


@pytest.fixture
def another_writer(journal: Journal) -> Writer:
    return Writer(journal, "w2")
