"""The starters: templates that come with the program, to be copied into an account and edited there.

`masters/catalogue.toml` describes them. Text and HTML content are in files named by alias; the HTML content is put
into a common layout.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = ["STARTER_VERSION", "Starter", "Variable", "starters"]

STARTER_VERSION = "1.0.0"
_CONTENT = "<!-- content -->\n"
_FOOTER = "\n-- \n{{company_name}}\n{{company_address}}\nQuestions: {{support_email}}\n"
"""Begins with the signature separator of RFC 3676 section 4.3, so that mail readers can hide it."""


@dataclass(frozen=True, slots=True)
class Variable:
    name: str
    required: bool
    raw: bool
    description: str
    example: str


@dataclass(frozen=True, slots=True)
class Starter:
    alias: str
    name: str
    description: str
    subject: str
    text: str
    html: str
    variables: tuple[Variable, ...]


@cache
def starters() -> Mapping[str, Starter]:
    """All starters by alias, sorted by alias."""
    folder = resources.files(__package__) / "masters"
    catalogue = tomllib.loads((folder / "catalogue.toml").read_text(encoding="utf-8"))
    layout = (folder / "layout.html").read_text(encoding="utf-8")
    common = catalogue["common"]
    found = {}
    for alias, entry in sorted(catalogue["starters"].items()):
        inside = (folder / f"{alias}.html").read_text(encoding="utf-8")
        found[alias] = Starter(
            alias=alias,
            name=entry["name"],
            description=entry["description"],
            subject=entry["subject"],
            text=(folder / f"{alias}.txt").read_text(encoding="utf-8") + _FOOTER,
            html=layout.replace(_CONTENT, inside),
            variables=tuple(_variable(item) for item in [*entry["variables"], *common]),
        )
    return found


def _variable(entry: Mapping[str, object]) -> Variable:
    return Variable(
        name=str(entry["name"]),
        required=bool(entry.get("required", True)),
        raw=bool(entry.get("raw", False)),
        description=str(entry["description"]),
        example=str(entry["example"]),
    )
