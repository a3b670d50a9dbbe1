"""Every kind of job is counted."""

from __future__ import annotations

import ast
from pathlib import Path

import e2a_core
from e2a_core.local.backlog import JOB_KINDS


def _kinds() -> set[str]:
    """The values of the constants that name kinds of jobs."""
    trees = (
        ast.parse(file.read_text(encoding="utf-8")) for file in Path(e2a_core.__file__).parent.rglob("*.py")
    )
    assigned = (node for tree in trees for node in tree.body if isinstance(node, ast.Assign))
    return {
        str(node.value.value)
        for node in assigned
        for target in node.targets
        if isinstance(target, ast.Name)
        and target.id.endswith("_JOB")
        and isinstance(node.value, ast.Constant)
    }


def test_no_kind_of_job_is_left_out() -> None:
    assert sorted(JOB_KINDS) == sorted(_kinds())
