"""The commented re_dms.toml that `re-dms init` writes, made from the keys themselves."""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path
from typing import Final

from re_dms.config.keys import SECTIONS, Key, keys
from re_dms.errors import ConfigurationError

_WIDTH: Final = 110

_HEAD: Final = """\
# The configuration of a re_dms pipeline.
#
# Every key is shown with its default, or with an example where it has none; take the "#" away to set it.
# Each is an environment variable too, named below it; the environment is stronger than this file, and
# the command line is stronger than both. `re-dms run` reads re_dms.toml of its working directory, or --config.
"""


def template() -> str:
    """The whole file. Lines "# …" are words, lines "#key = value" are keys; sections are real."""
    parts = [_HEAD]
    for section, model in SECTIONS.items():
        parts.append(f"\n[{section}]\n{_comment(model.__doc__ or '')}")
        parts.extend(_entry(key) for key in keys() if key.name.startswith(f"{section}."))
    return "".join(parts)


def _entry(key: Key) -> str:
    names = key.environment if key.option is None else f"{key.environment}, {key.option.flag}"
    return f"\n{_comment(key.description)}#{key.name.partition('.')[2]} = {toml_value(key.example)}\n#   {names}\n"


def _comment(text: str) -> str:
    lines = textwrap.wrap(text, width=_WIDTH, break_long_words=False, break_on_hyphens=False)
    return "".join(f"# {line}\n" for line in lines)


def toml_value(value: object) -> str:
    """A key's value as TOML. JSON's numbers, booleans and escaped texts are TOML's too."""
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def write_template(path: Path, *, force: bool = False) -> None:
    """Write the template to `path`, readable by its owner only. Over a file that is there with `force` alone.

    Raises ConfigurationError.
    """
    try:
        if force:
            path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError:
        raise ConfigurationError(f"{path} exists already", remedy="choose another --config, or --force") from None
    except OSError as refused:
        raise ConfigurationError(f"{path} cannot be written ({refused.strerror})", remedy="") from None
