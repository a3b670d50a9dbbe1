"""Keys for agents. A key's text is in the result that makes it and nowhere else."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, Field

from e2a_core.contract.api_keys import (
    APIKeyView,
    CreateAPIKeyRequest,
    CreateAPIKeyResponse,
    DeleteApiKeyResult,
)
from e2a_mcp.schema import Arguments, object_schema, view_properties
from e2a_mcp.tool import Call, Hints, Reply, Tool
from e2a_mcp.tools.arguments import Confirmed, PageArguments
from e2a_mcp.tools.outputs import listed, listing

__all__ = ["TOOLS"]


class CreateApiKey(Arguments):
    agent_email: Annotated[str, Field(min_length=1)]
    name: Annotated[str, Field(max_length=200)] | None = None
    expires_at: AwareDatetime | None = None


class DeleteApiKey(Arguments):
    id: Annotated[str, Field(min_length=1)]
    confirm: Confirmed


async def list_api_keys(call: Call, arguments: PageArguments) -> Reply:
    page = await call.session.api_keys.list(cursor=arguments.cursor, limit=arguments.limit)
    return listed("api_keys", page)


async def create_api_key(call: Call, arguments: CreateApiKey) -> Reply:
    # Never an account key: what passes through a model's context must not be able to approve its mail.
    request = CreateAPIKeyRequest(
        name=arguments.name,
        scope="agent",
        agent_email=arguments.agent_email,
        expires_at=arguments.expires_at,
    )
    return Reply((await call.session.api_keys.create(request)).to_wire())


async def delete_api_key(call: Call, arguments: DeleteApiKey) -> Reply:
    return Reply((await call.session.api_keys.delete(arguments.id)).to_wire())


TOOLS: tuple[Tool[Any], ...] = (
    Tool(
        "list_api_keys",
        "List API keys",
        "The account's keys, without their text.",
        PageArguments,
        listing("api_keys", object_schema(view_properties(APIKeyView), ["id", "key_prefix", "scope"])),
        list_api_keys,
        Hints(read_only=True, idempotent=True),
    ),
    Tool(
        "create_api_key",
        "Create an agent's API key",
        "Make a key bound to one inbox. Its text is shown this once.",
        CreateApiKey,
        object_schema(view_properties(CreateAPIKeyResponse), ["id", "key"]),
        create_api_key,
        Hints(),
    ),
    Tool(
        "delete_api_key",
        "Revoke an API key",
        "End a key at once. Revoking this session's own key ends the session.",
        DeleteApiKey,
        object_schema(view_properties(DeleteApiKeyResult), ["deleted", "id"]),
        delete_api_key,
        Hints(destructive=True, idempotent=True),
    ),
)
