"""The docs say what the code does: every key, variable, option, error and exit code has its place there."""

import re
from pathlib import Path

import click

from re_dms import errors
from re_dms.cli.ending import INTERRUPTED
from re_dms.cli.group import COMMANDS, group
from re_dms.config.keys import FILE_NAME, SECTIONS, keys
from re_dms.config.load import LIBPQ
from re_dms.config.template import toml_value

DOCS = Path(__file__).resolve().parents[2] / "docs"
CONFIGURATION = (DOCS / "configuration.md").read_text(encoding="utf-8")
EXIT_CODES = (DOCS / "exit-codes.md").read_text(encoding="utf-8")


def flat(text: str) -> str:
    return " ".join(text.split())


def paragraphs(text: str, heading: str) -> dict[str, str]:
    """What stands below each heading of this level."""
    parts = re.split(rf"^{heading} (.+)$", text, flags=re.MULTILINE)
    return {
        name: flat(re.split(r"^#", body, flags=re.MULTILINE)[0])
        for name, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def test_every_key_has_its_paragraph_and_no_other_is_there():
    found = paragraphs(CONFIGURATION, "####")
    assert list(found) == [f"`{key.name}`" for key in keys()]
    for key in keys():
        text = found[f"`{key.name}`"]
        assert text.startswith(key.description), key.name
        assert f"Environment: `{key.environment}`." in text
        if key.default not in (None, ()):
            assert f"Default: `{toml_value(key.default)}`." in text
        option = "no option" if key.option is None else f"`{key.option.flag} {key.option.metavar or ''}".rstrip() + "`"
        assert f"Command line: {option}." in text


def parameters(command: str) -> list[click.Parameter]:
    """The options of a command; of a group, those of all commands in it."""
    found = group.get_command(click.Context(group), command)
    assert found is not None
    if isinstance(found, click.Group):
        return [option for each in found.commands.values() for option in each.params]
    return found.params


def test_every_section_is_there():
    assert list(paragraphs(CONFIGURATION, "###")) == [f"[{section}]" for section in SECTIONS]


def test_every_option_is_in_the_docs_and_none_that_is_not_there():
    flags = {
        name for command in COMMANDS for option in parameters(command) for name in option.opts if name.startswith("--")
    }
    documented = set(re.findall(r"`(--[a-z-]+)", CONFIGURATION))
    assert documented == flags


def test_the_table_of_other_options_names_the_commands_that_have_them():
    rows = re.findall(r"^\| `(--[a-z-]+)[^|]*\| ([^|]*) \|", CONFIGURATION, re.MULTILINE)
    assert len(rows) == 20
    for flag, commands in rows:
        having = {command for command in COMMANDS if any(flag in option.opts for option in parameters(command))}
        named = set(re.findall(r"`([a-z]+)`", commands))
        assert having == (set(COMMANDS) - named if commands.startswith("all but") else named), flag


def test_every_variable_in_the_docs_is_one():
    ours = set(re.findall(r"RE_DMS_[A-Z]+__[A-Z_]+", CONFIGURATION)) - {"RE_DMS_SECTION__KEY"}
    assert ours == {key.environment for key in keys()}
    assert all(f"`{name}`" in CONFIGURATION for name in LIBPQ)
    assert f"`{FILE_NAME}`" in CONFIGURATION


def all_errors(base: type[errors.ReDmsError]) -> list[type[errors.ReDmsError]]:
    found = [base]
    for each in base.__subclasses__():
        if each.__module__ == errors.__name__:
            found.extend(all_errors(each))
    return found


def test_every_error_is_listed_under_its_exit_code():
    sections = re.split(r"^## (\d+): .+$", EXIT_CODES, flags=re.MULTILINE)
    by_code = {int(code): flat(body) for code, body in zip(sections[1::2], sections[2::2], strict=True)}
    every = all_errors(errors.ReDmsError)
    assert set(by_code) == {error.exit_code for error in every}
    for code, text in by_code.items():
        listed = dict(re.findall(r"- `(\w+)`: (.+?)(?= - `|$)", text))
        assert set(listed) == {error.__name__ for error in every if error.exit_code == code}
        for error in every:
            if error.exit_code == code:
                assert ("Tried again" in listed[error.__name__]) == error.retry, error.__name__


def test_the_table_of_exit_codes_is_whole():
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", EXIT_CODES, re.MULTILINE)}
    assert codes == {0, INTERRUPTED, 143} | {error.exit_code for error in all_errors(errors.ReDmsError)}
