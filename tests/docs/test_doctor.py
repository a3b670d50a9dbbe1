"""docs/doctor.md lists every check with every reason code, since programs branch on them."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator

from e2a_mcp.program.doctor.finding import TITLES
from e2a_mcp.program.doctor.report import SCHEMA
from tests.docs.documents import ROOT, snippets, table_rows, ticked

DOCTOR = ROOT / "src/e2a_mcp/program/doctor"
MAKERS = {"fail", "warn", "skip"}


def reason_codes() -> Iterator[str]:
    """The codes that the checks give: the second argument of what makes a finding, or a variable `code`."""
    for path in DOCTOR.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
                yield from literals(node.args[1])
            elif isinstance(node, ast.Assign) and any(named_code(target) for target in node.targets):
                yield from literals(node.value)


def named_code(target: ast.expr) -> bool:
    names = target.elts if isinstance(target, ast.Tuple) else [target]
    return isinstance(names[0], ast.Name) and names[0].id == "code"


def literals(value: ast.expr) -> Iterator[str]:
    """The codes that an expression may have; of a pair, the first is the code."""
    if isinstance(value, ast.IfExp):
        yield from literals(value.body)
        yield from literals(value.orelse)
    elif isinstance(value, ast.Tuple):
        yield from literals(value.elts[0])
    elif isinstance(value, ast.Constant) and isinstance(value.value, str):
        yield value.value


def rows() -> dict[str, set[str]]:
    return {ticked(row[0])[0]: set(ticked(row[-1])) for row in table_rows("doctor.md") if len(row) == 3}


def test_every_check_is_documented() -> None:
    assert list(TITLES) != []
    assert set(rows()) == set(TITLES)


def test_every_reason_code_is_documented_and_given() -> None:
    assert set().union(*rows().values()) == set(reason_codes())


def test_the_example_has_the_members_of_a_report() -> None:
    [example] = [
        json.loads(item.text) for item in snippets("json") if item.place.startswith("docs/doctor.md")
    ]
    assert example["schema"] == SCHEMA
    assert all(check["id"] in TITLES and check["fix"] == check["remediation"] for check in example["checks"])
    assert example["summary"].keys() == {"pass", "warn", "fail", "skip"}
