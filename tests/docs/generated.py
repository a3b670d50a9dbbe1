"""The parts of the documentation that are the code's own words: `python -m tests.docs.generated` writes them anew.

Each stands between `<!-- generated: NAME -->` and `<!-- end -->` in one file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from e2a_core.contract import limits
from e2a_core.contract.operation import FILES_OCTETS, Hints
from e2a_core.mail.headers import MAX_HEADER_BYTES
from e2a_core.setting_sources import FILE
from e2a_core.settings import Settings
from e2a_mcp.prompts import ACCOUNT_PROMPTS, AGENT_PROMPTS
from e2a_mcp.resources import REVIEWS_URI, templates
from e2a_mcp.schema import input_schema
from e2a_mcp.tool import Tool
from e2a_mcp.tools import ACCOUNT_TOOLS, AGENT_TOOLS, LEGACY_ACCOUNT_TOOLS, LEGACY_AGENT_TOOLS
from tests.docs.command_line import Documented, of_deployments
from tests.docs.public_api import PINNED, described
from tests.promises.manifest import DIVERGENCES

__all__ = ["BLOCKS", "ROOT", "blocks_in", "written"]

ROOT = Path(__file__).parents[2]

_BLOCK = re.compile(r"(<!-- generated: ([a-z-]+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def settings_table() -> str:
    rows = [
        [f"`{item.metadata['env']}`", _default(item), item.metadata["meaning"]] for item in fields(Settings)
    ]
    return _table(["setting", "default", "meaning"], rows)


def secret_files_list() -> str:
    return "".join(
        f"- `{item.metadata['env']}{FILE}`\n" for item in fields(Settings) if item.metadata["secret"]
    )


def _default(item: Any) -> str:
    if item.default is MISSING:
        return "the platform's user data folder"
    if item.default is None or item.default in ("", ()):
        return "empty"
    if isinstance(item.default, bool):
        return f"`{str(item.default).lower()}`"
    return f"`{item.default}`"


def tools_table() -> str:
    scopes = (("agent", AGENT_TOOLS), ("account", ACCOUNT_TOOLS))
    rows = [[f"`{tool.name}`", scope, tool.title] for scope, tools in scopes for tool in tools]
    return _table(["tool", "scope", "what it does"], rows)


def tools_reference(tools: Sequence[Tool[Any]]) -> str:
    return "\n".join(_tool(tool) for tool in tools)


def _tool(tool: Tool[Any]) -> str:
    schema = input_schema(tool.arguments)
    required = schema.get("required", [])
    rows = [
        [f"`{name}`", _type(part), _given(tool.arguments, name, required), _cell(part.get("description"))]
        for name, part in schema.get("properties", {}).items()
        if name not in tool.hidden
    ]
    inputs = _table(["input", "type", "default", "note"], rows) if rows else "No inputs.\n"
    answers = ", ".join(f"`{name}`" for name in tool.output.get("required", ()))
    told = _hints(tool.hints) + (f" Always in the answer: {answers}." if answers else "")
    return f"### `{tool.name}`\n\n{tool.description}\n\n{told}\n\n{inputs}"


def _hints(hints: Hints) -> str:
    effect = "Reads only" if hints.read_only else "Destructive" if hints.destructive else "Changes something"
    parts = [effect, "idempotent" if hints.idempotent else "not idempotent"]
    if hints.open_world:
        parts.append("reaches the outside world")
    return ", ".join(parts) + "."


def _type(part: Mapping[str, Any]) -> str:
    if "enum" in part:
        return " or ".join(f"`{value}`" for value in part["enum"])
    if "const" in part:
        return f"`{str(part['const']).lower()}`"
    if part.get("type") == "array":
        return f"list of {_type(part['items'])}"
    return str(part.get("type", "any"))


def _given(arguments: type[BaseModel], name: str, required: Sequence[str]) -> str:
    if name in required:
        return "required"
    value = arguments.model_fields[name].default
    if value is None or value == "":
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def legacy_table() -> str:
    scopes = (("agent", LEGACY_AGENT_TOOLS), ("account", LEGACY_ACCOUNT_TOOLS))
    rows = [
        [
            f"`{tool.name}`",
            scope,
            re.sub(r"\b([a-z]+_[a-z_]+)", r"`\1`", tool.description.removeprefix("Deprecated: ")),
        ]
        for scope, tools in scopes
        for tool in tools
    ]
    return _table(["old name", "scope", "now"], rows)


def resources_table() -> str:
    rows = [[f"`{item.uri_template}`", _cell(item.description)] for item in templates]
    return _table(
        ["resource", "content"], [*rows, [f"`{REVIEWS_URI}`", "The review queue; account scope only."]]
    )


def prompts_table() -> str:
    rows = [
        [
            f"`{prompt.listed.name}`",
            scope,
            _cell(prompt.listed.description),
            ", ".join(f"`{argument.name}`" for argument in prompt.listed.arguments or []),
        ]
        for scope, prompts in (("agent", AGENT_PROMPTS), ("account", ACCOUNT_PROMPTS))
        for prompt in prompts
    ]
    return _table(["prompt", "scope", "what it asks for", "arguments"], rows)


def behaviour_differences_table() -> str:
    rows = [[divergence.there, divergence.here] for divergence in DIVERGENCES.values()]
    return _table(["elsewhere", "here"], rows)


def api_differences_table() -> str:
    """The reasons why the served OpenAPI document differs from what clients were made from, and where it does."""
    references = {"openapi-2026-07": "the document of July 2026", "client-5.8.1": "the client 5.8.1"}
    found: dict[str, list[str]] = {}
    for name, title in references.items():
        text = (ROOT / f"tests/http/data/{name}.differences.json").read_text(encoding="utf-8")
        for entry in json.loads(text):
            found.setdefault(entry["reason"], []).append(title)
    rows = [[reason, " and ".join(titles)] for reason, titles in found.items()]
    return _table(["difference", "from"], rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


def sizes_table() -> str:
    rows = [
        ["one attachment", _size(limits.MAX_ATTACHMENT_BYTES), "`payload_too_large`"],
        ["all attachments of a message", _size(limits.MAX_ATTACHMENTS_BYTES), "`payload_too_large`"],
        ["files given with a message", str(limits.MAX_ATTACHMENTS), "`invalid_request`"],
        ["text, and HTML", f"{limits.MAX_BODY_CHARS:,} characters each", "`invalid_request`"],
        [
            "attachments, texts and subject together, before they are encoded",
            _size(limits.MAX_COMPOSED_BYTES),
            "`payload_too_large`",
        ],
        ["body of a call with attachments, over `/v1` or `/mcp`", _size(FILES_OCTETS), "413"],
        ["the composed message, in base64", f"below {_size(limits.MAX_MESSAGE_OCTETS)}", "never reached"],
        [
            "a message over SMTP",
            f"`E2A_SMTP_MAX_MESSAGE_BYTES`, {_size(_default_of('smtp_max_message_bytes'))}",
            "552",
        ],
        ["header section of a message over SMTP", _size(MAX_HEADER_BYTES), "552"],
        ["what the upstream relay takes", "the `SIZE` it announces", "failed, 5.3.4, with both sizes"],
        ["recipients of a message", str(limits.MAX_RECIPIENTS), "`too_many_recipients`"],
    ]
    return _table(["what", "at most", "beyond that"], rows)


def _size(octets: int) -> str:
    mebibytes, rest = divmod(octets, 1 << 20)
    return f"{octets >> 10} KiB" if rest else f"{mebibytes} MiB"


def _default_of(name: str) -> int:
    [default] = [item.default for item in fields(Settings) if item.name == name]
    assert isinstance(default, int)
    return default


def commands_reference() -> str:
    return "\n".join(_documented(command) for command in of_deployments())


def _documented(command: Documented) -> str:
    rows = [[f"`{name}`", _cell(meaning) or _name_in_words(name)] for name, meaning in command.options]
    options = _table(["argument or option", "meaning"], rows) if rows else ""
    return f"### `{command.words}`\n\n{command.summary}\n" + (f"\n{options}" if options else "")


def _name_in_words(option: str) -> str:
    """Stands where the name says all."""
    words = option.strip("-").replace("-", " ").lower()
    return f"{words[0].upper()}{words[1:]}."


BLOCKS: Mapping[str, Callable[[], str]] = {
    "settings": settings_table,
    "secret-files": secret_files_list,
    "sizes": sizes_table,
    "tools": tools_table,
    "agent-tools": lambda: tools_reference(AGENT_TOOLS),
    "account-tools": lambda: tools_reference(ACCOUNT_TOOLS),
    "legacy-tools": legacy_table,
    "resources": resources_table,
    "prompts": prompts_table,
    "behaviour-differences": behaviour_differences_table,
    "api-differences": api_differences_table,
    "commands": commands_reference,
}


def blocks_in(text: str) -> dict[str, str]:
    """The generated blocks of a document as they stand, by name."""
    return {name: content for _, name, content, _ in _BLOCK.findall(text)}


def written(text: str) -> str:
    """`text` with its generated blocks as the code has them now."""
    return _BLOCK.sub(lambda found: found[1] + BLOCKS[found[2]]() + found[4], text)


def server_json(text: str) -> str:
    """`text` with the environment of the package as the settings have it now."""
    document = json.loads(text)
    for package in document["packages"]:
        package["environmentVariables"] = [_variable(item) for item in fields(Settings)]
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def llms_txt() -> str:
    """The index of the documentation for models, as https://llmstxt.org has it, made of the one for people."""
    index = (ROOT / "docs/index.md").read_text(encoding="utf-8")
    title, what = index.split("\n\n")[:2]
    rows = re.findall(r"^\| \[([^]]+)\]\(([^)]+)\) \| (.*) \|$", index, re.MULTILINE)
    pages = [f"- [{name}]({_RAW}/docs/{page}): {content}" for name, page, content in rows]
    first = f"To set it up on a person's computer, follow [setup.md]({_RAW}/docs/setup.md); it needs no other page."
    quoted = "> " + what.replace("\n", "\n> ")
    readme = f"- [README]({_RAW}/README.md): How to run it, and what keeps it safe."
    return (
        "\n\n".join([title, quoted, first, "## Documentation\n", ""]).rstrip()
        + "\n\n"
        + "\n".join([readme, *pages])
        + "\n"
    )


_RAW = "https://raw.githubusercontent.com/Mnexa-AI/e2a-mcp/main"


def bundle_manifest(text: str) -> str:
    """`text` with the tools of an agent as they are now."""
    document = json.loads(text)
    document["tools"] = [{"name": tool.name, "description": tool.title} for tool in AGENT_TOOLS]
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _variable(item: Any) -> dict[str, Any]:
    """A setting as an input of the registry's schema, for hosts that make a form of it."""
    variable: dict[str, Any] = {"name": item.metadata["env"], "description": item.metadata["meaning"]}
    annotation = get_type_hints(Settings)[item.name]
    kinds = {annotation, *get_args(annotation)}
    formats = [name for kind, name in _FORMATS.items() if kind in kinds]
    variable["format"] = formats[0] if formats else "string"
    if get_origin(annotation) is Literal:
        variable["choices"] = [choice for choice in get_args(annotation) if choice]
    if item.default not in (MISSING, None, "", ()):
        variable["default"] = _default(item).strip("`")
    if item.metadata["secret"]:
        variable["isSecret"] = True
    return variable


_FORMATS = {bool: "boolean", int: "number", float: "number", Path: "filepath"}


if __name__ == "__main__":
    server = ROOT / "server.json"
    server.write_text(server_json(server.read_text(encoding="utf-8")), encoding="utf-8")
    manifest = ROOT / "bundle/manifest.json"
    manifest.write_text(bundle_manifest(manifest.read_text(encoding="utf-8")), encoding="utf-8")
    (ROOT / "docs/llms.txt").write_text(llms_txt(), encoding="utf-8")
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        path.write_text(written(path.read_text(encoding="utf-8")), encoding="utf-8")
    PINNED.parent.mkdir(exist_ok=True)
    PINNED.write_text(described(), encoding="utf-8")
