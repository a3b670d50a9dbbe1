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

SCHEMA = json.loads(
    (Path(__file__).parent / "data" / "server-2025-12-11.schema.json").read_text(encoding="utf-8")
)


@pytest.fixture
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / "server.json").read_text(encoding="utf-8"))
    return loaded


def test_it_follows_the_schema(document: dict[str, Any]) -> None:
    jsonschema.Draft7Validator(SCHEMA).validate(document)


def test_the_schema_refuses_what_the_registry_would() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(SCHEMA).validate({"name": "no namespace", "version": "1"})


def test_versions_and_names_agree(document: dict[str, Any]) -> None:
    (package,) = document["packages"]
    assert document["version"] == package["version"] == VERSION
    assert package["identifier"] == "e2a-mcp"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (owned,) = re.findall(r"mcp-name: (\S+)", readme)
    assert owned == document["name"]


def test_the_environment_is_that_of_the_settings(document: dict[str, Any]) -> None:
    """A host can make a form of it: each default and choice is what the settings take."""
    (package,) = document["packages"]
    inputs = {item["name"]: item for item in package["environmentVariables"]}
    assert list(inputs) == [item.metadata["env"] for item in fields(Settings)]
    for item in fields(Settings):
        told, parse = inputs[item.metadata["env"]], item.metadata["parse"]
        assert (told["description"], told.get("isSecret", False)) == (
            item.metadata["meaning"],
            item.metadata["secret"],
        )
        if "default" in told:
            assert parse(told["default"]) == item.default
        for choice in told.get("choices", ()):
            assert parse(choice) == choice


def test_inputs_have_kinds(document: dict[str, Any]) -> None:
    inputs = {item["name"]: item for item in document["packages"][0]["environmentVariables"]}
    assert inputs["E2A_ENV"] | {"description": ""} == {
        "name": "E2A_ENV",
        "description": "",
        "format": "string",
        "choices": ["development", "production"],
        "default": "development",
    }
    assert inputs["E2A_HOME"]["format"] == inputs["E2A_SMTP_TLS_CERT"]["format"] == "filepath"
    assert inputs["E2A_SMTP_MAX_MESSAGE_BYTES"]["format"] == "number"
    assert inputs["E2A_API_KEY"]["isSecret"] is True


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
