"""The workflows and other files below `.github` fit their schemas, and workflows have no more rights than they need."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.documents import ROOT

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(path for path in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
SCHEMAS = {
    **dict.fromkeys(WORKFLOWS, "github-workflows"),
    **dict.fromkeys(FORMS, "github-issue-forms"),
    GITHUB / "ISSUE_TEMPLATE/config.yml": "github-issue-config",
    GITHUB / "dependabot.yml": "dependabot",
}
# Only publishing needs any: pages and an identity for the site, an identity for the package index.
RIGHTS = {
    ("docs.yml", "publish"): {"pages": "write", "id-token": "write"},
    ("release.yml", "publish"): {"id-token": "write"},
}


def check(path: Path, schema: str) -> subprocess.CompletedProcess[str]:
    """Hold a file against a schema that comes with check-jsonschema."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def jobs() -> list[tuple[str, str, dict[str, Any]]]:
    return [(path.name, name, job) for path in WORKFLOWS for name, job in load(path)["jobs"].items()]


def steps() -> list[dict[str, Any]]:
    return [step for _, _, job in jobs() for step in job.get("steps", [])]


def test_every_file_is_checked() -> None:
    assert set(GITHUB.rglob("*.y*ml")) == set(SCHEMAS)
    assert {path.name for path in WORKFLOWS} == {"ci.yml", "docs.yml", "release.yml"}


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name)
def test_a_file_fits_its_schema(path: Path) -> None:
    checked = check(path, SCHEMAS[path])
    assert checked.returncode == 0, checked.stdout


def test_a_broken_workflow_does_not_fit(tmp_path: Path) -> None:
    broken = tmp_path / "ci.yml"
    broken.write_text(
        WORKFLOWS[0].read_text(encoding="utf-8").replace("runs-on:", "run-on:"), encoding="utf-8"
    )
    assert check(broken, "github-workflows").returncode == 1


@pytest.mark.parametrize(
    ("file", "name", "job"), jobs(), ids=lambda part: part if isinstance(part, str) else ""
)
def test_a_job_has_no_more_rights_than_it_needs(file: str, name: str, job: dict[str, Any]) -> None:
    assert load(GITHUB / "workflows" / file)["permissions"] == {}
    assert job["permissions"] == RIGHTS.get((file, name), {"contents": "read"})


def test_no_workflow_knows_a_secret() -> None:
    for path in WORKFLOWS:
        assert "secrets" not in path.read_text(encoding="utf-8")
    for step in steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_no_text_of_a_stranger_is_part_of_a_command() -> None:
    for step in steps():
        assert "${{" not in step.get("run", "")


def test_the_scripts_that_workflows_run_exist() -> None:
    named = {script for step in steps() for script in re.findall(r"scripts/\w+", step.get("run", ""))}
    assert {"scripts/check", "scripts/test", "scripts/docs", "scripts/build", "scripts/release"} <= named
    for script in named:
        assert (ROOT / script).is_file()


def test_the_tests_run_on_every_declared_version_of_python() -> None:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "classifiers"
    ]
    declared = {item.rpartition(" ")[2] for item in classifiers if re.search(r":: 3\.\d+$", item)}
    matrix = load(GITHUB / "workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]
    assert set(matrix["python"]) == declared
    assert matrix["dependencies"] == ["locked"]
    assert matrix["include"] == [{"python": min(declared), "dependencies": "lowest"}]


def test_what_is_released_is_what_was_tested() -> None:
    release = load(GITHUB / "workflows/release.yml")
    assert release["jobs"]["publish"]["needs"] == ["ci", "check"]
    assert release["jobs"]["ci"]["uses"] == "./.github/workflows/ci.yml"
    built = [step for step in steps() if "scripts/build" in step.get("run", "")]
    assert len(built) == 1
    [publish] = [step for step in steps() if step.get("uses", "").startswith("pypa/gh-action-pypi-publish@")]
    assert publish["with"] == {"attestations": True}
