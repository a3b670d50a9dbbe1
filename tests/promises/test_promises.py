"""Each promise has tests that exist, and each place that promises something is in the manifest."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

from e2a_mcp.tools import ACCOUNT_TOOLS, AGENT_TOOLS

TESTS = Path(__file__).parents[1]
PROMISES: dict[str, list[str]] = tomllib.loads(
    (Path(__file__).parent / "promises.toml").read_text(encoding="utf-8")
)
MARKER = re.compile(r"<!-- promise: ([a-z:-]+) -->")


@cache
def functions_of(path: Path) -> frozenset[str]:
    """The names of the test functions of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_is_proven_by_tests_that_exist(promise: str) -> None:
    assert re.fullmatch(r"(readme:[a-z]+|tool:[a-z_]+):[a-z-]+", promise)
    assert PROMISES[promise]
    for proof in PROMISES[promise]:
        file, _, name = proof.partition("::")
        assert (TESTS / file).is_file(), proof
        assert name in functions_of(TESTS / file), proof


def test_every_tool_promises_something_and_only_tools_do() -> None:
    promising = {promise.split(":")[1] for promise in PROMISES if promise.startswith("tool:")}
    assert promising == {tool.name for tool in (*AGENT_TOOLS, *ACCOUNT_TOOLS)}


def test_the_readme_promises_what_the_manifest_says() -> None:
    marked = MARKER.findall((TESTS.parent / "README.md").read_text(encoding="utf-8"))
    assert sorted(marked) == sorted(
        promise.removeprefix("readme:") for promise in PROMISES if promise.startswith("readme:")
    )


def test_no_claim_of_safety_goes_without_a_promise() -> None:
    readme = (TESTS.parent / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## What keeps it safe\n")[2].partition("\n## ")[0]
    claims = re.split(r"^\* ", section.partition("What is checked")[0], flags=re.MULTILINE)[1:]
    assert len(claims) >= 5
    for claim in claims:
        assert MARKER.search(claim), claim
