"""Deletes each door of each operation in a scratch copy, and shows that a test or the type checker names it.

    python -m tests.contract.delete_each [ID ...]

A door is a row, its method in the local engine, a method of the remote engine by hand, or its tool; routes and the
other remote methods follow from rows. Prints a line for each, and exits with 1 if a deletion goes unnoticed.
"""

from __future__ import annotations

import argparse
import ast
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from e2a_core.contract.engine import GROUPS, all_operations
from e2a_core.contract.operation import Operation, Tool
from e2a_core.remote.older import MailByHand, ScopedAccount
from e2a_mcp import tools

__all__ = ["Door", "doors", "notice"]

ROOT = Path(__file__).parents[2]
BY_HAND = {"messages": MailByHand, "account": ScopedAccount}


@dataclass(frozen=True)
class Door:
    """One thing to delete: `words` are what must then be named."""

    operation: str
    kind: str
    file: Path
    owner: str
    name: str
    words: tuple[str, ...]


def doors(row: Operation) -> Iterator[Door]:
    """What stands for an operation in the code."""
    if not row.group:
        return
    protocol = GROUPS[row.group]
    missing = f'"{protocol.__name__}" has no attribute "{row.name}"'
    named = (row.id, f"{row.name}(self", f"{row.group}.{row.name}", f"'{row.name}'", missing)
    yield Door(row.id, "row", _file(protocol.__module__), protocol.__name__, row.name, named)
    local = f"e2a_core.local.{row.group}"
    yield Door(row.id, "local", _file(local), protocol.__name__, row.name, named)
    by_hand = BY_HAND.get(row.group)
    if by_hand is not None and row.name in vars(by_hand):
        yield Door(row.id, "remote", _file(by_hand.__module__), by_hand.__name__, row.name, named)
    if isinstance(row.tool, Tool):
        tool = row.tool.name or row.id
        for file in sorted(Path(tools.__file__).parent.glob("*.py")):
            door = Door(row.id, "tool", file.relative_to(ROOT), "", row.id, (row.id, tool))
            if next(_nodes(ast.parse(file.read_text(encoding="utf-8")), door), None):
                yield door
                break


def notice(door: Door, scratch: Path) -> str | None:
    """Who names the deletion of `door`: a test or the type checker; None if nobody does."""
    file = scratch / door.file
    original = file.read_text(encoding="utf-8")
    file.write_text(_without(original, door), encoding="utf-8")
    try:
        for who, command in _CHECKS.items():
            said = subprocess.run(
                [sys.executable, *command],
                cwd=scratch,
                env={**os.environ, "PYTHONPATH": str(scratch / "src")},
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            if said.returncode and any(word in said.stdout + said.stderr for word in door.words):
                return who
        return None
    finally:
        file.write_text(original, encoding="utf-8")


_CHECKS = {
    "test": ["-m", "pytest", "-q", "-x", "-n0", "tests/contract/test_doors.py"],
    "pinned API": ["-m", "pytest", "-q", "-x", "-n0", "-vv", "tests/docs/test_public_api.py"],
    "document": ["-m", "pytest", "-q", "-x", "-n0", "-vv", "tests/http/test_document.py", "-k", "difference"],
    "type checker": ["-m", "mypy", "src"],
}


def _without(source: str, door: Door) -> str:
    tree = ast.parse(source)
    spans = [_span(node) for node in _nodes(tree, door)]
    if len(spans) != 1:
        raise LookupError(f"{door.file} has {len(spans)} of {door.name}")
    lines = source.splitlines(keepends=True)
    del lines[spans[0][0] : spans[0][1]]
    return "".join(lines)


def _nodes(tree: ast.Module, door: Door) -> Iterator[ast.AST]:
    if door.kind == "tool":
        for node in ast.walk(tree):
            if isinstance(node, ast.Tuple):
                yield from (item for item in node.elts if _is_tool(item, door.name))
        return
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == door.owner:
            yield from (item for item in node.body if getattr(item, "name", "") == door.name)


def _is_tool(node: ast.AST, name: str) -> bool:
    return (
        isinstance(node, ast.Call)
        and bool(node.args)
        and isinstance(node.args[0], ast.Constant)
        and node.args[0].value == name
    )


def _span(node: ast.AST) -> tuple[int, int]:
    if not isinstance(node, ast.expr | ast.stmt):
        raise TypeError("only expressions and statements have a place")
    first = min(item.lineno for item in [node, *getattr(node, "decorator_list", [])])
    return first - 1, node.end_lineno or node.lineno


def _file(module: str) -> Path:
    return Path("src", *module.split(".")).with_suffix(".py")


def asked(arguments: Sequence[str]) -> list[str]:
    """The operations named; none stands for all. A name that is none would delete nothing and look like success."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.contract.delete_each", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="an operation such as get_agent; none means all")
    ids: list[str] = parser.parse_args(arguments).ids
    if unknown := sorted(set(ids) - {row.id for row in all_operations()}):
        parser.error(f"no operation: {', '.join(unknown)}")
    return ids


def main(wanted: Sequence[str]) -> int:
    unnoticed = 0
    with tempfile.TemporaryDirectory(prefix="e2a-doors-") as folder:
        scratch = Path(folder)
        for part in ("src", "tests", "pyproject.toml"):
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, scratch / part)
        for row in all_operations():
            for door in doors(row) if not wanted or row.id in wanted else ():
                who = notice(door, scratch)
                unnoticed += who is None
                sys.stdout.write(f"{door.operation} {door.kind}: {who or 'NOBODY'}\n")
                sys.stdout.flush()
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main(asked(sys.argv[1:])))
