"""The registry's description of this server says what the code says."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from string import Formatter
from typing import Any

import jsonschema
import pytest

from e2a_core.settings import Settings
from e2a_mcp.version import VERSION

ROOT = Path(__file__).parents[2]

# The rules of the registry's schema of 2025-12-11 for the members that are used here, closed against misspelling.
INPUT: dict[str, Any] = {
    "description": {"type": "string"},
    "isRequired": {"type": "boolean"},
    "isSecret": {"type": "boolean"},
    "placeholder": {"type": "string"},
    "value": {"type": "string"},
}
VARIABLES = {
    "type": "object",
    "additionalProperties": {"type": "object", "properties": INPUT, "additionalProperties": False},
}
NAMED_INPUTS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {**INPUT, "name": {"type": "string"}, "variables": VARIABLES},
        "required": ["name"],
        "additionalProperties": False,
    },
}
PACKAGE = {
    "type": "object",
    "properties": {
        "registryType": {"const": "pypi"},
        "registryBaseUrl": {"const": "https://pypi.org"},
        "identifier": {"type": "string"},
        "version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
        "runtimeHint": {"const": "uvx"},
        "transport": {"const": {"type": "stdio"}},
        "environmentVariables": NAMED_INPUTS,
    },
    "required": ["registryType", "identifier", "transport"],
    "additionalProperties": False,
}
REMOTE = {
    "type": "object",
    "properties": {
        "type": {"const": "streamable-http"},
        "url": {"type": "string"},
        "headers": NAMED_INPUTS,
        "variables": VARIABLES,
    },
    "required": ["type", "url"],
    "additionalProperties": False,
}
SERVER = {
    "type": "object",
    "properties": {
        "$schema": {"const": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"},
        "name": {
            "type": "string",
            "minLength": 3,
            "maxLength": 200,
            "pattern": r"^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$",
        },
        "title": {"type": "string", "minLength": 1, "maxLength": 100},
        "description": {"type": "string", "minLength": 1, "maxLength": 100},
        "version": {"type": "string", "maxLength": 255},
        "websiteUrl": {"type": "string", "format": "uri"},
        "repository": {"type": "object", "required": ["url", "source"]},
        "packages": {"type": "array", "items": PACKAGE, "minItems": 1},
        "remotes": {"type": "array", "items": REMOTE, "minItems": 1},
    },
    "required": ["$schema", "name", "description", "version"],
    "additionalProperties": False,
}


@pytest.fixture
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "server.json").read_text(encoding="utf-8"))
    return loaded


def test_it_follows_the_schema(document: dict[str, Any]) -> None:
    jsonschema.Draft7Validator(SERVER).validate(document)


def test_versions_and_names_agree(document: dict[str, Any]) -> None:
    (package,) = document["packages"]
    assert document["version"] == package["version"] == VERSION
    assert package["identifier"] == "e2a-mcp"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (owned,) = re.findall(r"mcp-name: (\S+)", readme)
    assert owned == document["name"]


def test_the_environment_is_that_of_the_settings(document: dict[str, Any]) -> None:
    (package,) = document["packages"]
    listed = [
        (item["name"], item["description"], item.get("isSecret", False))
        for item in package["environmentVariables"]
    ]
    declared = [
        (item.metadata["env"], item.metadata["meaning"], item.metadata["secret"]) for item in fields(Settings)
    ]
    assert listed == declared


def test_every_variable_of_a_template_is_declared(document: dict[str, Any]) -> None:
    def names(template: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(template) if name}

    (remote,) = document["remotes"]
    assert names(remote["url"]) == set(remote["variables"])
    (header,) = remote["headers"]
    assert header["name"] == "Authorization"
    assert header["value"].startswith("Bearer ")
    assert names(header["value"]) == set(header["variables"])
    assert header["variables"]["api_key"]["isSecret"] is True
