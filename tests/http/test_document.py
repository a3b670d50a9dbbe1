"""The served OpenAPI document: what it says of the API, and how it differs from what clients were made from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from e2a_core.contacts.importing import MAX_ROWS
from e2a_core.contract.limits import MAX_RECIPIENTS
from e2a_core.messages.lifecycle import REASONS
from tests.http.shapes import compare, shapes_of

pytestmark = pytest.mark.anyio

DATA = Path(__file__).parent / "data"


def load(name: str) -> Any:
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture
def database_kind() -> str:
    """The document is the same over every database."""
    return "sqlite"


@pytest.mark.parametrize("reference", ["openapi-2026-07", "client-5.8.1"])
async def test_every_difference_is_listed_and_every_listed_one_exists(
    reference: str, browser: httpx.AsyncClient
) -> None:
    ours = shapes_of((await browser.get("/v1/openapi.json")).json())
    if reference.startswith("client"):
        # The client's signatures name its parameters without their types.
        ours = {name: {at: _untyped(at, kind) for at, kind in shape.items()} for name, shape in ours.items()}
    listed = [line for entry in load(f"{reference}.differences") for line in entry["differences"]]
    found = compare(load(reference), ours)
    assert len(listed) == len(set(listed))
    unlisted = {line for line in found - set(listed) if not adds_an_operation(line)}
    assert {"unlisted": unlisted, "gone": set(listed) - found} == {"unlisted": set(), "gone": set()}


def adds_an_operation(line: str) -> bool:
    """Whether a difference is an operation of our own, which takes nothing from anybody."""
    return line.startswith("+ ") and line.count(" ") == 1


def _untyped(at: str, kind: str) -> str:
    return "any" if at.startswith(("query.", "header.")) else kind


async def test_it_is_served_as_what_it_is(browser: httpx.AsyncClient) -> None:
    response = await browser.get("/v1/openapi.json")
    assert response.headers["content-type"] == "application/openapi+json"
    document = response.json()
    assert document["openapi"].startswith("3.1")
    for methods in document["paths"].values():
        for operation in methods.values():
            protected = operation["operationId"] != "getInfo"
            assert ("security" in operation) == protected
            assert {"500", "503"} <= operation["responses"].keys()
            reads = "requestBody" in operation
            assert ({"408", "415"} <= operation["responses"].keys()) == reads


async def test_it_says_what_may_be_left_empty_and_how_long_lists_are(browser: httpx.AsyncClient) -> None:
    document = (await browser.get("/v1/openapi.json")).json()
    listing = document["paths"]["/v1/contacts"]
    assert {item["name"] for item in listing["get"]["parameters"] if item.get("allowEmptyValue")} >= {"limit"}
    [confirm] = document["paths"]["/v1/domains/{domain}"]["delete"]["parameters"][1:]
    assert "allowEmptyValue" not in confirm
    members = document["components"]["schemas"]["ImportContactsRequest"]["properties"]
    assert (members["contacts"]["minItems"], members["contacts"]["maxItems"]) == (1, MAX_ROWS)
    mail = document["components"]["schemas"]["SendEmailRequest"]["properties"]
    assert mail["to"]["maxItems"] == MAX_RECIPIENTS


async def test_it_says_how_callers_prove_themselves_and_names_operations_as_clients_do(
    browser: httpx.AsyncClient,
) -> None:
    document = (await browser.get("/v1/openapi.json")).json()
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    named = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            named[operation["operationId"]] = f"{method.upper()} {path}"
            assert operation.get("security", [{"bearer": []}]) == [{"bearer": []}]
    assert named["listApiKeys"] == "GET /v1/account/api-keys"
    assert named["replyToMessage"] == "POST /v1/agents/{email}/messages/{id}/reply"
    assert named["putAgentProtection"] == "PUT /v1/agents/{email}/protection"
    assert all(name.isalpha() and name[0].islower() for name in named)


async def test_it_describes_what_limits_say(browser: httpx.AsyncClient) -> None:
    document = (await browser.get("/v1/openapi.json")).json()
    answers = document["paths"]["/v1/agents/{email}/messages"]["post"]["responses"]
    for status, model, members in (
        ("402", "LimitExceeded", {"resource", "limit", "current"}),
        ("413", "PayloadTooLarge", {"scope", "actual_bytes", "max_bytes"}),
        ("429", "RateLimited", {"retry_after_seconds"}),
    ):
        schema = answers[status]["content"]["application/json"]["schema"]
        assert schema == {"$ref": f"#/components/schemas/{model}Envelope"}, status
        details = document["components"]["schemas"][f"{model}Details"]
        assert set(details["required"]) == members
    assert answers["429"]["headers"].keys() == {"Retry-After", "X-Request-Id"}
    polled = document["paths"]["/v1/agents/{email}/messages"]["get"]["responses"]["200"]["headers"]
    assert polled.keys() == {"RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "X-Request-Id"}
    for header in polled.values():
        assert header["$ref"].rpartition("/")[2] in document["components"]["headers"]


async def test_bounds_are_those_of_json_schema_and_closed_sets_are_closed(browser: httpx.AsyncClient) -> None:
    response = await browser.get("/v1/openapi.json")
    document = response.json()
    for keyword in ("ge", "le", "gt", "lt", "const", "max_length", "min_length"):
        assert f'"{keyword}":' not in response.text, keyword
    [limit] = [
        item["schema"]
        for item in document["paths"]["/v1/agents"]["get"]["parameters"]
        if item["name"] == "limit"
    ]
    assert (limit["minimum"], limit["maximum"]) == (1, 100)
    schemas = document["components"]["schemas"]
    assert schemas["MessageView"]["properties"]["direction"]["enum"] == ["inbound", "outbound"]
    transition = schemas["MessageLifecycleTransition"]["properties"]
    for stage, outcome, _ in REASONS.values():
        assert stage in transition["stage"]["enum"]
        assert outcome in transition["outcome"]["enum"]
    gate = schemas["ProtectionGateView"]["properties"]
    assert (gate["allowlist"]["maxItems"], gate["policy"]["type"]) == (1000, "string")
    assert schemas["ProtectionGate"]["properties"]["policy"]["anyOf"][0]["enum"] == [
        "open",
        "allowlist",
        "domain",
    ]


async def test_it_is_served_as_yaml_too(browser: httpx.AsyncClient) -> None:
    response = await browser.get("/v1/openapi.yaml")
    assert response.headers["content-type"] == "application/openapi+yaml"
    assert yaml.safe_load(response.text) == (await browser.get("/v1/openapi.json")).json()


async def test_the_page_lists_the_operations_and_loads_nothing(browser: httpx.AsyncClient) -> None:
    response = await browser.get("/v1/docs")
    assert response.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    document = (await browser.get("/v1/openapi.json")).json()
    for path in document["paths"]:
        assert f"<code>{path}</code>" in response.text
    assert "<script" not in response.text
    assert "http://" not in response.text
    assert "https://" not in response.text
