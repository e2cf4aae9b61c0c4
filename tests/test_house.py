"""Promises of the repository itself: what is committed names no machine, installs by hash, and stays readable."""

import ast
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import re_dms

ROOT = Path(__file__).resolve().parents[1]
LINES_MAX = 320
# Spelled in two halves, so that this file does not name them either.
FORBIDDEN = tuple(
    left + right
    for left, right in (
        ("pypi", ".org"),
        ("python", "hosted"),
        ("npmjs", ".org"),
        ("/wo", "rk/"),
        ("/ro", "ot/"),
        ("/opt/", "wheels"),
        ("arti", "factory"),
    )
)


def git(*arguments: str) -> list[str]:
    """NUL-separated output of git; also in a clone that belongs to somebody else. Skips the test without a git."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed, so nobody can say which files are committed")
    command = ["git", "-c", f"safe.directory={ROOT}", *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        pytest.skip(f"not a git checkout: {result.stderr.strip()}")
    return [part for part in result.stdout.split("\0") if part]


def committed() -> list[Path]:
    return [ROOT / name for name in git("ls-files", "-z") if (ROOT / name).is_file()]


def scripts() -> list[Path]:
    return [path for path in (*ROOT.glob("scripts/**/*"), *ROOT.glob(".ci/*")) if path.is_file()]


def test_no_committed_file_names_a_registry_or_a_path_of_a_machine() -> None:
    found = []
    for path in committed():
        content = path.read_bytes().decode(errors="replace").lower()
        found += [f"{path.relative_to(ROOT)}: {word}" for word in FORBIDDEN if word in content]
    assert found == []


def test_pins_are_in_the_requirements_only() -> None:
    assert [path.name for path in committed() if path.name in ("uv.lock", "poetry.lock", "Pipfile.lock")] == []


def requirements() -> list[str]:
    """The logical lines of requirements.txt, without comments."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def test_every_requirement_is_pinned_and_hashed_and_none_names_a_place() -> None:
    pin = re.compile(r"[a-z0-9._-]+==[^\s;]+( *;[^\n]*?)?( +--hash=sha256:[0-9a-f]{64})+ *")
    assert [line for line in requirements() if not pin.fullmatch(line)] == []
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert not re.search(r"://|--(extra-)?index|--find-links|--trusted|^-|@ |file:", text, re.MULTILINE)


def test_every_dependency_of_the_project_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["demo"], *extras["dev"]]
    names = {re.split(r"[\[<>=!~; ]", line)[0] for line in requirements()}
    assert [name for text in wanted if (name := re.split(r"[\[<>=!~; ]", text)[0].lower()) not in names] == []


def test_scripts_are_executable_and_valid_shell() -> None:
    assert {path.name for path in scripts()} >= {"setup", "demo", "test", "check", "lock", "run", "pre-commit"}
    for path in scripts():
        shebang = path.read_text(encoding="utf-8").splitlines()[0]
        assert shebang in ("#!/bin/sh", "#!/usr/bin/env bash", "#!/usr/bin/env python3"), path
        if not shebang.endswith("python3"):
            shell = shebang.rsplit("/", 1)[1].removeprefix("env ")
            checked = subprocess.run([shell, "-n", path], capture_output=True, text=True, check=False)
            assert checked.returncode == 0, checked.stderr
    assert [path for path in scripts() if not os.access(path, os.X_OK)] == []


def test_scripts_are_committed_as_executable() -> None:
    modes = [entry.split(" ", 1) for entry in git("ls-files", "-s", "-z", "scripts", ".ci")]
    assert [rest for mode, rest in modes if mode != "100755"] == []


def test_modules_stay_short_enough_to_be_read() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in ROOT.glob("src/**/*.py")}
    assert lengths
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > LINES_MAX} == {}


def test_tests_do_not_sleep_a_guessed_time() -> None:
    """A sleep is allowed inside a loop, as the pause of a wait with a deadline; anywhere else it is a guess."""
    guesses = []
    for path in ROOT.glob("tests/**/*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        looped = {
            id(node) for loop in ast.walk(tree) if isinstance(loop, ast.While | ast.For) for node in ast.walk(loop)
        }
        guesses += [
            f"{path.relative_to(ROOT)}:{node.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep" and id(node) not in looped
        ]
    assert guesses == []


def test_the_version_is_said_once_and_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert re_dms.__version__ == project["version"]
    assert (ROOT / "src/re_dms/py.typed").is_file()
