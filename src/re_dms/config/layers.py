"""The three places where keys are given. Each is read into `section.key` → value and origin, with its mistakes."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from re_dms.config.keys import PREFIX, SECTIONS, keys

FILE_BYTES_MAX: Final = 1024 * 1024
_NAME_SHOWN_MAX: Final = 60
PATH_SHOWN_MAX: Final = 200
_HARMLESS: Final = re.compile(r"[A-Za-z ,;-]{1,80}")

_KEYS: Final = {key.name: key for key in keys()}
_VARIABLES: Final = {key.environment: key for key in keys()}

Layer = dict[str, "Given"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A value as it was given. `origin` names the place for people. The value may be a secret: repr hides nothing,
    so it must not be logged."""

    value: object
    layer: Literal["file", "environment", "options"]
    origin: str


def from_file(file: Path | None, *, default: Path) -> tuple[Path | None, Layer, list[str]]:
    """The keys of `file`, which must be there, or of `default`, which may be missing. Also the path that was read."""
    path = file if file is not None else default
    if file is None and not path.exists():
        return None, {}, []
    # Whatever was put behind --config by mistake is not repeated: it may be a DSN.
    name = shown(str(path), PATH_SHOWN_MAX) if path.suffix == ".toml" or path.exists() else "--config"
    try:
        with path.open("rb") as handle:
            content = handle.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            return path, {}, [f"{name}: is larger than {FILE_BYTES_MAX} bytes: not a configuration file"]
        document = tomllib.loads(content.decode())
    except OSError as refused:
        return path, {}, [f"{name}: cannot be read ({refused.strerror})"]
    except UnicodeDecodeError:
        return path, {}, [f"{name}: is not UTF-8 text"]
    except tomllib.TOMLDecodeError as invalid:
        return path, {}, [f"{name}: {_toml_mistake(invalid)}"]
    except (RecursionError, ValueError):
        return path, {}, [f"{name}: is not valid TOML"]
    return (path, *_from_document(document, origin=name))


def _from_document(document: Mapping[str, object], *, origin: str) -> tuple[Layer, list[str]]:
    layer: Layer = {}
    mistakes = []
    for section, content in document.items():
        if section not in SECTIONS:
            # A bare key at the top has most likely lost its section.
            homes = [name for name in _KEYS if name.partition(".")[2] == section and not isinstance(content, dict)]
            nearest = _did_you_mean(homes) or _nearest(section, SECTIONS)
            mistakes.append(f"{shown(section)}: is not known{nearest} (from {origin})")
        elif not isinstance(content, dict):
            mistakes.append(f"{section}: must be a section, [{section}] (from {origin})")
        else:
            for key, value in content.items():
                name = f"{section}.{key}"
                if name in _KEYS:
                    layer[name] = Given(value=value, layer="file", origin=origin)
                else:
                    mistakes.append(f"{shown(name)}: is not known{_nearest(name, _KEYS)} (from {origin})")
    return layer, mistakes


def from_environment(environment: Mapping[str, str]) -> tuple[Layer, list[str]]:
    """RE_DMS_SECTION__KEY variables. An empty one counts as not set."""
    layer: Layer = {}
    mistakes = []
    flat = {name.replace("__", "_"): name for name in _VARIABLES}
    for variable, value in environment.items():
        if not variable.startswith(PREFIX):
            continue
        if variable in _VARIABLES:
            if value:
                layer[_VARIABLES[variable].name] = Given(value=value, layer="environment", origin=variable)
        elif variable in flat:
            mistakes.append(f"{variable}: is not known; did you mean {flat[variable]}?")
        elif "__" in variable:
            mistakes.append(f"{shown(variable)}: is not known{_nearest(variable, _VARIABLES)}")
    return layer, mistakes


def from_options(options: Mapping[str, object]) -> tuple[Layer, list[str]]:
    """What the command line gave; None, an unset flag and an empty list count as not given. Unknown keys are our bug."""
    layer: Layer = {}
    for name, value in options.items():
        option = _KEYS[name].option
        if option is not None and value is not None and value is not False and value != ():
            layer[name] = Given(value=value, layer="options", origin=option.flag)
    return layer, []


def _toml_mistake(invalid: tomllib.TOMLDecodeError) -> str:
    """Where and, if it quotes nothing of the file, why."""
    reason, _, where = str(invalid).rpartition(" (at ")
    kept = f": {reason[:1].lower()}{reason[1:]}" if _HARMLESS.fullmatch(reason) else ""
    place = where.removesuffix(")")
    return f"is not valid TOML at {place}{kept}" if re.fullmatch(r"[a-z0-9 ,]+", place) else "is not valid TOML"


def _nearest(name: str, known: Iterable[str]) -> str:
    return _did_you_mean(difflib.get_close_matches(name, list(known), n=1, cutoff=0.6))


def _did_you_mean(names: list[str]) -> str:
    return f"; did you mean {names[0]}?" if names else ""


def shown(name: str, length_max: int = _NAME_SHOWN_MAX) -> str:
    """A name that a person typed, on one line."""
    shown = name if name.isprintable() else ascii(name)
    return shown if len(shown) <= length_max else f"{shown[:length_max]}…"
