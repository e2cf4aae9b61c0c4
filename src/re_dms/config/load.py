"""File, environment and command line (the strongest) become `Settings`; every mistake is told at once.

Nothing is connected to here. No message holds a value: it may be a password that was put in the wrong place.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ValidationError

from re_dms.config import checks
from re_dms.config.contradictions import contradictions
from re_dms.config.keys import FILE_NAME, SECTIONS
from re_dms.config.layers import PATH_SHOWN_MAX, Given, from_environment, from_file, from_options, shown
from re_dms.config.words import in_words
from re_dms.errors import ConfigurationError
from re_dms.settings import (
    REDSHIFT_FLUSH_SECONDS,
    TEST_DECODING,
    CaptureSettings,
    JournalSettings,
    LogSettings,
    ReplaySettings,
    Settings,
    SourceSettings,
    WarehouseSettings,
)

Half = Literal["source", "warehouse"]

_LOGINS: Final = ("warehouse.password", "warehouse.password_file", "warehouse.cluster", "warehouse.workgroup")

# Any of these says that libpq knows where to connect without a DSN.
# https://www.postgresql.org/docs/current/libpq-envars.html
LIBPQ: Final = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """Valid settings, and what the operator should hear about them (one line each, to be said at every start)."""

    settings: Settings
    warnings: tuple[str, ...]


def load(
    *,
    needs: frozenset[Half] = frozenset(),
    wants: frozenset[Half] = frozenset(),
    options: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
    replay: ReplaySettings | None = None,
    journal: bool = True,
) -> Loaded:
    """The settings for a command that cannot do without `needs` and takes `wants` where they are configured.

    `options` are the command line's, by key ("capture.flush_mb"); None stands for an option that was not given.
    `file` must exist; without it, `re_dms.toml` of the working directory is read if there is one. Halves in neither
    set are None in the result, whatever is configured. A journal is always needed, unless not `journal`: then its URL
    may be empty. `replay`: what is replayed, to which source.tables and source.exclude are added; its source has no
    publication, since what is replayed is what test_decoding wrote.
    Raises ConfigurationError, whose message has one line a mistake.
    """
    environment = os.environ if environment is None else environment
    path, given, mistakes = from_file(file, default=Path(FILE_NAME))
    for layer, more in (from_environment(environment), from_options(options or {})):
        given.update(layer)
        mistakes.extend(more)
    sections, invalid = _validated(given)
    mistakes.extend(invalid)
    libpq_knows = any(environment.get(name) for name in LIBPQ)
    mistakes.extend(_missing(given, sections, needs, libpq_knows=libpq_knows, replay=replay, journal=journal))
    mistakes.extend(contradictions(lambda key: _value(sections, key)))
    password, unreadable = _password(sections, needs | wants)
    mistakes.extend(unreadable)
    if mistakes:
        raise ConfigurationError(
            "\n".join(mistakes),
            remedy="see docs/configuration.md, or `re-dms init` for a file with every key; nothing was started",
        )
    settings = _settings(sections, halves=needs | wants, libpq_knows=libpq_knows, password=password, replay=replay)
    return Loaded(settings=settings, warnings=tuple(_warnings(settings, given, path)))


def _validated(given: Mapping[str, Given]) -> tuple[dict[str, BaseModel | None], list[str]]:
    """The sections' models; None where a section has mistakes, which are told."""
    sections: dict[str, BaseModel | None] = {}
    mistakes: list[str] = []
    for section, model in SECTIONS.items():
        own = {name.partition(".")[2]: item.value for name, item in given.items() if name.startswith(f"{section}.")}
        try:
            sections[section] = model.model_validate(own)
        except ValidationError as invalid:
            sections[section] = None
            mistakes.extend(in_words(section, invalid, given))
    return sections, mistakes


def _value(sections: Mapping[str, BaseModel | None], key: str) -> Any:
    section, _, name = key.partition(".")
    model = sections.get(section)
    return None if model is None else getattr(model, name)


def _all(sections: Mapping[str, BaseModel | None], section: str, *, but: str = "") -> dict[str, Any]:
    model = sections[section]
    return {} if model is None else model.model_dump(exclude={but})


def _missing(
    given: Mapping[str, Given],
    sections: Mapping[str, BaseModel | None],
    needs: frozenset[Half],
    *,
    libpq_knows: bool,
    replay: ReplaySettings | None,
    journal: bool,
) -> list[str]:
    set_keys = {name for name, item in given.items() if item.value != ""}
    missing = []
    if "source" in needs and "source.dsn" not in set_keys and not libpq_knows:
        instead = "" if replay is None else ", or a schema file in its place (--schema)"
        missing.append(f"source.dsn: is needed (--source, RE_DMS_SOURCE__DSN, or libpq's PGHOST and the like){instead}")
    if not journal:
        return missing
    if "warehouse.url" not in set_keys:
        if "warehouse" in needs:
            missing.append("warehouse.url: is needed (--warehouse or RE_DMS_WAREHOUSE__URL)")
        elif "journal.url" not in set_keys:
            missing.append("journal.url: is needed (--journal or RE_DMS_JOURNAL__URL)")
    elif checks.is_redshift(_value(sections, "warehouse.url")):
        if "journal.url" not in set_keys:
            missing.append("journal.url: is needed for Redshift: s3://bucket/prefix (--journal or RE_DMS_JOURNAL__URL)")
        if "warehouse" in needs and set_keys.isdisjoint(_LOGINS):
            missing.append(
                "warehouse.password: is needed (RE_DMS_WAREHOUSE__PASSWORD or warehouse.password_file), "
                "or warehouse.cluster or warehouse.workgroup"
            )
    return missing


def _password(sections: Mapping[str, BaseModel | None], halves: frozenset[Half]) -> tuple[str | None, list[str]]:
    """The warehouse's password and what is wrong with its file. The file is read where it is needed alone."""
    given, file = _value(sections, "warehouse.password"), _value(sections, "warehouse.password_file")
    if given is not None:
        return given.get_secret_value(), []
    if file is None or "warehouse" not in halves or not checks.is_redshift(_value(sections, "warehouse.url")):
        return None, []
    try:
        return checks.secret_in(Path(file)), []
    except ValueError as mistake:
        return None, [f"warehouse.password_file: {mistake}"]


def _settings(
    sections: Mapping[str, BaseModel | None],
    *,
    halves: frozenset[Half],
    libpq_knows: bool,
    password: str | None,
    replay: ReplaySettings | None,
) -> Settings:
    name = _value(sections, "pipeline.name")
    dsn, url = _value(sections, "source.dsn"), _value(sections, "warehouse.url")
    plugin = _value(sections, "source.plugin") if replay is None else TEST_DECODING
    source = warehouse = None
    if "source" in halves and (dsn is not None or libpq_knows):
        source = SourceSettings(
            # The empty DSN leaves everything to libpq's environment.
            dsn="" if dsn is None else dsn.get_secret_value(),
            slot=_value(sections, "source.slot") or name,
            publication="" if plugin == TEST_DECODING else _value(sections, "source.publication") or name,
            plugin=plugin,
            tables=_value(sections, "source.tables"),
            exclude=_value(sections, "source.exclude"),
            ca_file=_value(sections, "source.ca_file"),
            insecure_tls=_value(sections, "source.insecure_tls"),
        )
    if "warehouse" in halves and url is not None:
        warehouse = WarehouseSettings(**_all(sections, "warehouse", but="password_file") | {"password": password})
    journal = _all(sections, "journal")
    journal["url"] = journal["url"] or ("" if url is None else default_journal(url))
    capture = _all(sections, "capture")
    if capture["flush_seconds"] is None:
        capture["flush_seconds"] = (
            REDSHIFT_FLUSH_SECONDS if checks.is_redshift(url) else CaptureSettings().flush_seconds
        )
    return Settings(
        name=name,
        forget=_value(sections, "pipeline.forget"),
        source=source,
        warehouse=warehouse,
        journal=JournalSettings(**journal),
        capture=CaptureSettings(**capture),
        log=LogSettings(**_all(sections, "log")),
        replay=None
        if replay is None
        else replace(replay, tables=_value(sections, "source.tables"), exclude=_value(sections, "source.exclude")),
    )


def default_journal(warehouse_url: str) -> str:
    """The journal of a DuckDB file: a directory beside it."""
    return f"file://{checks.url_path(warehouse_url)}.journal"


def _warnings(settings: Settings, given: Mapping[str, Given], path: Path | None) -> list[str]:
    found = []
    source = settings.source
    if source is not None and source.insecure_tls:
        found.append("source.insecure_tls is set: the source's certificate is not checked")
    if settings.warehouse is not None and settings.warehouse.insecure_tls:
        found.append("warehouse.insecure_tls is set: the warehouse's certificate is not checked")
    dsn, password = given.get("source.dsn"), given.get("warehouse.password")
    secret = [each for each in (dsn, password) if each is not None and isinstance(each.value, str)]
    if dsn in secret and not checks.dsn_has_password(str(dsn.value)):
        secret.remove(dsn)
    if any(each.layer == "options" for each in secret):
        found.append("the DSN on the command line holds a password, which every user of this machine can see")
    if any(each.layer == "file" for each in secret) and path is not None and checks.others_can_read(path):
        found.append(f"{shown(str(path), PATH_SHOWN_MAX)} holds a password and others can read it: chmod 600")
    return found
