"""`re-dms init`: the file that it writes cannot lag behind the keys."""

import re
import stat
import tomllib

import pytest

from re_dms.config import load
from re_dms.config.keys import keys
from re_dms.config.template import template, write_template
from re_dms.errors import ConfigurationError


def uncommented(text: str) -> str:
    return re.sub(r"^#(?=[a-z_]+ = )", "", text, flags=re.MULTILINE)


def test_every_key_is_in_the_template_with_its_docs_and_its_other_names():
    text = template()
    flat = " ".join(text.replace("\n# ", " ").split())
    document = tomllib.loads(uncommented(text))
    assert [f"{section}.{key}" for section, values in document.items() for key in values] == [
        key.name for key in keys()
    ]
    for key in keys():
        assert key.description in flat
        assert key.environment in text
        assert key.option is None or key.option.flag in text


def test_as_it_is_the_template_sets_nothing():
    assert not any(tomllib.loads(template()).values())


def test_uncommented_the_template_loads_and_says_what_it_shows(tmp_path):
    file = tmp_path / "re_dms.toml"
    file.write_text(uncommented(template()))
    loaded = load(needs=frozenset({"source", "warehouse"}), environment={}, file=file).settings
    shown = {key.name: key.example for key in keys()}
    assert loaded.source is not None
    assert loaded.source.dsn == shown["source.dsn"]
    assert loaded.source.tables == shown["source.tables"]
    assert loaded.capture.flush_mb == shown["capture.flush_mb"]
    assert loaded.journal.url == shown["journal.url"]


def test_defaults_in_the_template_are_the_defaults():
    document = tomllib.loads(uncommented(template()))
    for key in keys():
        section, _, name = key.name.partition(".")
        if key.default not in (None, ()):
            assert document[section][name] == key.default, key.name


def test_the_file_is_its_owners_alone_and_is_not_overwritten(tmp_path):
    path = tmp_path / "re_dms.toml"
    write_template(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("mine")
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="exists already"):
        write_template(path)
    assert path.read_text() == "mine"
    write_template(path, force=True)
    assert path.read_text() == template()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_directory_that_is_not_there_is_a_mistake_of_configuration(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be written"):
        write_template(tmp_path / "none" / "re_dms.toml")
