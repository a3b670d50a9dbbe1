"""constraints.txt holds one exact set of packages with hashes, for what pyproject.toml asks for, and no addresses."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.documents import ROOT

TEXT = (ROOT / "constraints.txt").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
_HASH = r"--hash=sha256:[0-9a-f]{64}"


def entries() -> dict[str, list[tuple[Requirement, str]]]:
    """The requirements by name, each with its hashes; a name has several where versions of Python differ."""
    found: dict[str, list[tuple[Requirement, str]]] = {}
    lines = (line for line in TEXT.replace("\\\n", "").splitlines() if not line.startswith("#"))
    for line in lines:
        requirement, _, hashes = line.partition(" --hash=")
        parsed = Requirement(requirement.strip())
        found.setdefault(canonicalize_name(parsed.name), []).append((parsed, f"--hash={hashes}"))
    return found


def asked_for() -> list[Requirement]:
    extras = PROJECT["optional-dependencies"].values()
    named = [*PROJECT["dependencies"], *(name for extra in extras for name in extra)]
    return [item for item in map(Requirement, named) if item.name != PROJECT["name"]]


def test_every_package_has_one_version_and_hashes() -> None:
    for versions in entries().values():
        for requirement, hashes in versions:
            assert re.fullmatch(r"==[^*,]+", str(requirement.specifier))
            assert requirement.url is None
            assert re.fullmatch(rf"({_HASH}\s*)+", hashes)


def test_it_has_no_addresses() -> None:
    assert not re.search(r"://|^\s*-{1,2}(?!hash=)\w|\.(com|org|net|io)\b", TEXT, re.MULTILINE)


def test_it_has_what_is_asked_for() -> None:
    found = entries()
    for wanted in asked_for():
        for requirement, _ in found[canonicalize_name(wanted.name)]:
            [pinned] = requirement.specifier
            assert wanted.specifier.contains(pinned.version), f"{wanted}: run scripts/lock"
