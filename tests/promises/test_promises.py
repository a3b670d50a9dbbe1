"""Each promise and divergence has tests that exist, and each place that promises something is in the manifest."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from e2a_mcp.tools import ACCOUNT_TOOLS, AGENT_TOOLS
from tests.promises.manifest import DIVERGENCES, PROMISES

TESTS = Path(__file__).parents[1]
MARKER = re.compile(r"<!-- promise: ([a-z:-]+) -->")


@cache
def functions_of(path: Path) -> frozenset[str]:
    """The names of the test functions of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def prove(proofs: tuple[str, ...]) -> None:
    """The proofs are test functions that exist, and there is at least one."""
    assert proofs
    for proof in proofs:
        file, _, name = proof.partition("::")
        assert (TESTS / file).is_file(), proof
        assert name in functions_of(TESTS / file), proof


def check_sentence(text: str) -> None:
    """It is one sentence: a capital or a quoted name first, one full stop at the end."""
    assert re.fullmatch(r"[A-Z`][^\n]*[^.]\.", text), text
    assert not re.search(r"[a-z`)]\. [A-Z]", text), text


@pytest.mark.parametrize("name", PROMISES)
def test_a_promise_is_a_sentence_proven_by_tests_that_exist(name: str) -> None:
    assert re.fullmatch(r"(readme:[a-z]+|tool:[a-z_]+):[a-z-]+", name)
    check_sentence(PROMISES[name].behaviour)
    prove(PROMISES[name].tests)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_divergence_is_two_sentences_proven_by_tests_that_exist(name: str) -> None:
    assert re.fullmatch(r"[a-z-]+", name)
    check_sentence(DIVERGENCES[name].there)
    check_sentence(DIVERGENCES[name].here)
    prove(DIVERGENCES[name].tests)


def test_the_documents_list_every_divergence() -> None:
    text = (TESTS.parent / "docs/differences.md").read_text(encoding="utf-8")
    for name, divergence in DIVERGENCES.items():
        assert f"| {divergence.there} | {divergence.here} |" in text, name


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
