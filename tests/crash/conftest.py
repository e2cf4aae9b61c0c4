"""The rig of the crash tests: a pipeline over a database with the tables of the load."""

import pytest

from crash.rig import Rig
from crash.workload import make_schema
from fix_pipeline import Pipeline


@pytest.fixture
def rig(pipeline: Pipeline) -> Rig:
    """A pipeline that was never started, beside tables with rows."""
    make_schema(pipeline.database)
    return Rig(pipeline)
