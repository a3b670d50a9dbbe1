"""What is installed is what is declared: dependencies, package data, entry points, registry entries."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from e2a_core.settings import setting_names
from tests.docs.documents import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# The texts of the starter templates, which are read at run time.
MASTERS = ROOT / "src/e2a_core/templates/masters"
PAGE_FILES = ROOT / "src" / "e2a_core" / "http" / "pages" / "static"
# Not imported by us, and still needed: Starlette reads the forms of the signed links with the one, and httpcore looks
# for the other in each request.
NEEDED_UNIMPORTED = {"python-multipart", "sniffio"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(requirements: list[str]) -> set[str]:
    return {canonical(re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0]) for requirement in requirements}


def imported(*folders: str) -> Iterator[str]:
    """The top-level names of absolute imports."""
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    yield from (alias.name.partition(".")[0] for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    yield node.module.partition(".")[0]


def distributions(*folders: str) -> set[str]:
    """The distributions, other than this one, that the code in `folders` imports."""
    known = packages_distributions()
    ours = {"e2a_core", "e2a_mcp", "tests", "bench", "examples"}
    names = set(imported(*folders)) - set(sys.stdlib_module_names) - ours
    return {canonical(known[name][0]) for name in names}


def test_runtime_dependencies_are_those_imported() -> None:
    extras = PROJECT["optional-dependencies"]
    needed = declared([*PROJECT["dependencies"], *extras["postgresql"], *extras["keyring"]])
    assert distributions("src") | NEEDED_UNIMPORTED == needed


def test_test_dependencies_are_declared() -> None:
    available = declared(PROJECT["dependencies"]) | declared(PROJECT["optional-dependencies"]["test"])
    assert distributions("tests", "bench", "examples") <= available


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=60)
    [built] = folder.glob("*.whl")
    return built


def test_the_wheel_has_all_of_both_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    source = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src").rglob("*")
        if path.is_file()
        and (path.suffix in {".py", ".sql", ".html", ".typed"} or path.parent in {MASTERS, PAGE_FILES})
    }
    assert packed == source | {path for path in packed if path.endswith("py.typed")}
    assert {"e2a_core/py.typed", "e2a_mcp/py.typed"} <= packed
    assert {"catalogue.toml", "layout.html"} <= {path.name for path in MASTERS.iterdir()}
    assert any(path.startswith("e2a_core/store/migrations/") and path.endswith(".sql") for path in packed)


def test_the_wheel_has_licence_and_commands(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = {
            name.partition(".dist-info/")[2]: name for name in archive.namelist() if ".dist-info/" in name
        }
        assert "licenses/LICENSE" in metadata
        commands = archive.read(metadata["entry_points.txt"]).decode()
    assert "e2a-mcp = e2a_mcp.program.mcp:main" in commands
    assert "e2a = e2a_mcp.program.e2a:main" in commands


def test_the_registry_entry_fits() -> None:
    entry = json.loads((ROOT / "server.json").read_text(encoding="utf-8"))
    assert f"<!-- mcp-name: {entry['name']} -->" in (ROOT / "README.md").read_text(encoding="utf-8")
    for package in entry["packages"]:
        assert package["identifier"] == PROJECT["name"]
        assert package["version"] == entry["version"] == PROJECT["version"]
        variables = {variable["name"] for variable in package.get("environmentVariables", [])}
        assert variables <= set(setting_names())


def test_ci_runs_the_test_command_of_the_readme() -> None:
    commands = re.findall(
        r"^python3 -m venv .* -m pytest.*$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(commands) == 1
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    wanted = re.search(r"grep -E '([^']+)' README\.md", script.read_text(encoding="utf-8"))
    assert wanted is not None
    assert re.match(wanted[1], commands[0])
