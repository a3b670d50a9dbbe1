"""The public API of `e2a_core`: which names there are, and a description of them that a change shows in."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

from e2a_core.contract.engine import GROUPS
from e2a_core.settings import Settings

__all__ = ["NAMES", "PINNED", "described"]

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")

PINNED = Path(__file__).parent / "data" / "public_api.txt"

MODULES = {
    "e2a_core.contract.engine": ["Engine", "Session"],
    "e2a_core.local.engine": ["LocalEngine", "open_local_engine"],
    "e2a_core.remote.engine": ["RemoteEngine", "open_remote_engine"],
    **{protocol.__module__: [protocol.__name__] for protocol in GROUPS.values()},
    "e2a_core.contract.base": ["Page"],
    "e2a_core.contract.events": ["EventEnvelope", "Events"],
    "e2a_core.errors": ["E2AError", "SettingsError"],
    "e2a_core.settings": ["Settings", "load_settings", "setting_names"],
    "e2a_core.signing.auth_headers": [
        "AuthClaim",
        "AuthHeaderError",
        "body_hash",
        "sign_headers",
        "verify_auth_headers",
    ],
}
NAMES = [(module, name) for module, names in MODULES.items() for name in names]


def described() -> str:
    lines = []
    for module, name in sorted(NAMES):
        found = getattr(importlib.import_module(module), name)
        lines.append(f"{module}.{name}{_shape(found)}")
        lines += [f"    {member}" for member in _members(found)]
    return _ADDRESS.sub("", "\n".join(lines)) + "\n"


def _shape(found: Any) -> str:
    if inspect.isclass(found):
        bases = [base.__name__ for base in found.__bases__ if base is not object]
        return f"({', '.join(bases)})" if bases else ""
    return str(inspect.signature(found))


def _members(found: Any) -> list[str]:
    if found is Settings:
        return [f"{item.name}: {item.type}" for item in dataclasses.fields(found)]
    if not inspect.isclass(found):
        return []
    members = []
    for name, value in vars(found).items():
        if name.startswith("_"):
            continue
        if inspect.isfunction(value):
            members.append(f"{name}{inspect.signature(value)}")
        elif isinstance(value, property):
            members.append(f"{name}: property")
    return sorted(members)
