"""The MCP server of one scope: tools, resources and prompts over one engine session at a time.

It is built once and serves any number of callers; each request finds the session of its own caller.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp_types import (
    CallToolRequestParams,
    CompleteRequestParams,
    CompleteResult,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
)

from e2a_core.contract.engine import Session
from e2a_core.contract.principal import Scope
from e2a_core.observer import Observer
from e2a_mcp.completion import complete
from e2a_mcp.dispatch import ToolBox
from e2a_mcp.instructions import ACCOUNT_INSTRUCTIONS, AGENT_INSTRUCTIONS
from e2a_mcp.prompts import ACCOUNT_PROMPTS, AGENT_PROMPTS, get_prompt
from e2a_mcp.resources import list_resources, read_resource, templates
from e2a_mcp.results import protocol_error
from e2a_mcp.subscriptions import RECHECK_SECONDS, Subscriptions
from e2a_mcp.tool import Call, Services, Tool
from e2a_mcp.tools import (
    ACCOUNT_TOOLS,
    AGENT_TOOLS,
    LEGACY_ACCOUNT_TOOLS,
    LEGACY_AGENT_TOOLS,
    UNLISTED_AGENT_TOOLS,
)
from e2a_mcp.version import VERSION

__all__ = ["Profiles", "Sessions", "build_server"]

Context = ServerRequestContext[Any]
Sessions = Callable[[Context], Awaitable[Session]]
Profiles = Callable[[Context], frozenset[str]]

CATALOGUE = CacheHint(3_600_000, "private")
"""For tools, prompts and templates: they change only with a release, but depend on the credential's scope."""
FRESH = CacheHint(0, "private")


def build_server(
    scope: Scope,
    sessions: Sessions,
    services: Services,
    observer: Observer,
    *,
    profiles: Profiles = lambda context: frozenset(),
    legacy_tools: bool = False,
    subscribe: bool = True,
    on_listed: Callable[[], object] = lambda: None,
    recheck_seconds: float = RECHECK_SECONDS,
) -> Server[Any]:
    """Returns a server for `scope`.

    `sessions` returns the engine session of a request, `profiles` the profiles it asked for. `subscribe` offers
    `resources/subscribe`, which needs a lasting connection. `on_listed` is called when a client lists the tools. The
    credential of a subscriber is checked again every `recheck_seconds`.
    """
    account = scope == "account"
    tools = _toolbox(account, services, observer, legacy_tools)
    prompts = {
        prompt.listed.name: prompt
        for prompt in ((*AGENT_PROMPTS, *ACCOUNT_PROMPTS) if account else AGENT_PROMPTS)
    }
    subscriptions = Subscriptions(sessions, recheck_seconds=recheck_seconds)

    async def list_tools(context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        on_listed()
        return ListToolsResult(tools=tools.listing(profiles(context)))

    async def call_tool(context: Context, params: CallToolRequestParams) -> Any:
        return await tools.call(context, sessions, profiles(context), params.name, params.arguments)

    async def resources(context: Context, params: PaginatedRequestParams | None) -> ListResourcesResult:
        with protocol_error(context.protocol_version):
            return ListResourcesResult(resources=await list_resources(await sessions(context)))

    async def resource_templates(
        context: Context, params: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(resource_templates=templates)

    async def read(context: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        with protocol_error(context.protocol_version):
            call = Call(await sessions(context), services, context.session.report_progress)
            return await read_resource(call, params.uri, context.protocol_version)

    async def list_prompts(context: Context, params: PaginatedRequestParams | None) -> ListPromptsResult:
        return ListPromptsResult(prompts=[prompt.listed for prompt in prompts.values()])

    async def prompt(context: Context, params: GetPromptRequestParams) -> GetPromptResult:
        return get_prompt(prompts, params.name, params.arguments)

    async def completion(context: Context, params: CompleteRequestParams) -> CompleteResult:
        with protocol_error(context.protocol_version):
            return CompleteResult(completion=await complete(await sessions(context), params))

    return Server(
        "e2a",
        version=VERSION,
        title="e2a mailbox",
        description="Authenticated email for an AI agent",
        instructions=ACCOUNT_INSTRUCTIONS if account else AGENT_INSTRUCTIONS,
        lifespan=subscriptions.lifespan,
        cache_hints={
            "tools/list": CATALOGUE,
            "prompts/list": CATALOGUE,
            "resources/templates/list": CATALOGUE,
            "server/discover": CATALOGUE,
            "resources/list": FRESH,
            "resources/read": FRESH,
        },
        # No tool has an argument that travels in a header, so there is nothing to compare with the headers.
        get_tool_input_schema=lambda name: None,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=resources,
        on_list_resource_templates=resource_templates,
        on_read_resource=read,
        on_subscribe_resource=subscriptions.subscribe if subscribe else None,
        on_unsubscribe_resource=subscriptions.unsubscribe if subscribe else None,
        on_subscriptions_listen=subscriptions.listen,
        on_list_prompts=list_prompts,
        on_get_prompt=prompt,
        on_completion=completion,
    )


def _toolbox(account: bool, services: Services, observer: Observer, legacy_tools: bool) -> ToolBox:
    listed: Sequence[Tool[Any]] = AGENT_TOOLS
    legacy: Sequence[Tool[Any]] = LEGACY_AGENT_TOOLS
    unlisted: Sequence[Tool[Any]] = UNLISTED_AGENT_TOOLS
    if account:
        listed = (*AGENT_TOOLS, *ACCOUNT_TOOLS)
        legacy = (*LEGACY_AGENT_TOOLS, *LEGACY_ACCOUNT_TOOLS)
        unlisted = ()
    if legacy_tools:
        return ToolBox((*listed, *legacy), unlisted, services, observer, whole=account)
    return ToolBox(listed, (*unlisted, *legacy), services, observer, whole=account)
