"""The MCP server of one scope: tools, resources and prompts over one engine session at a time.

It is built once and serves any number of callers; each request finds the session of its own caller.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import anyio.lowlevel
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
    NotificationParams,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    ServerCapabilities,
)

from e2a_core.contract.engine import Session
from e2a_core.contract.principal import Scope
from e2a_core.errors import InvalidCursor
from e2a_core.observer import Observer
from e2a_mcp.completion import complete
from e2a_mcp.dispatch import ToolBox
from e2a_mcp.events import DialectChoice, add_events
from e2a_mcp.icons import ICONS, WEBSITE
from e2a_mcp.instructions import ACCOUNT_INSTRUCTIONS, AGENT_INSTRUCTIONS
from e2a_mcp.prompts import ACCOUNT_PROMPTS, AGENT_PROMPTS, MailPrompt, get_prompt
from e2a_mcp.resources import list_resources, read_resource, review_page_template, templates
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

_Method = Literal[
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "server/discover",
    "tools/list",
]

CATALOGUE = CacheHint(3_600_000, "private")
"""For tools, prompts and templates: they change only with a release, but depend on the credential's scope."""
FRESH = CacheHint(0, "private")
_CACHE_HINTS: Mapping[_Method, CacheHint] = {
    "tools/list": CATALOGUE,
    "prompts/list": CATALOGUE,
    "resources/templates/list": CATALOGUE,
    "server/discover": CATALOGUE,
    "resources/list": FRESH,
    "resources/read": FRESH,
}


def build_server(
    scope: Scope,
    sessions: Sessions,
    services: Services,
    observer: Observer,
    *,
    profiles: Profiles = lambda context: frozenset(),
    legacy_tools: bool = False,
    subscribe: bool = True,
    streams: bool = True,
    events_dialect: DialectChoice = "auto",
    tell_of_inboxes: bool = False,
    on_listed: Callable[[], object] = lambda: None,
    opened: Callable[[], Awaitable[object]] = anyio.lowlevel.checkpoint,
    recheck_seconds: float = RECHECK_SECONDS,
) -> Server[Any]:
    """Returns a server for `scope`.

    `sessions` returns the engine session of a request, `profiles` the profiles it asked for. `subscribe` offers
    `resources/subscribe`, which needs a lasting connection, and `streams` offers `events/stream`, whose answer carries
    notifications. With `tell_of_inboxes` an account is told when its list of inboxes changes, once `opened` has
    returned. `events_dialect` numbers the errors of events. `on_listed` is called when a client lists the tools. The
    credential of a subscriber is checked again every `recheck_seconds`.
    """
    account = scope == "account"
    handlers = _Handlers(
        _toolbox(account, services, observer, legacy_tools),
        (*AGENT_PROMPTS, *ACCOUNT_PROMPTS) if account else AGENT_PROMPTS,
        sessions,
        services,
        profiles,
        on_listed,
        account=account,
    )
    subscriptions = Subscriptions(sessions, opened=opened, observer=observer, recheck_seconds=recheck_seconds)
    server = _server(handlers, subscriptions, account=account, subscribe=subscribe)
    add_events(
        server,
        sessions,
        dialect=events_dialect,
        streams=streams,
        recheck_seconds=recheck_seconds,
        observer=observer,
    )
    server.tells_of_inboxes = account and tell_of_inboxes
    if server.tells_of_inboxes and subscribe:
        server.add_notification_handler(
            "notifications/initialized", NotificationParams, subscriptions.initialized
        )
    return server


def _server(
    handlers: _Handlers, subscriptions: Subscriptions, *, account: bool, subscribe: bool
) -> _MailServer:
    return _MailServer(
        "e2a",
        version=VERSION,
        title="e2a mailbox",
        description="Authenticated email for an AI agent",
        website_url=WEBSITE,
        icons=ICONS,
        instructions=ACCOUNT_INSTRUCTIONS if account else AGENT_INSTRUCTIONS,
        lifespan=subscriptions.lifespan,
        cache_hints=_CACHE_HINTS,
        # No argument travels in a header, so there is no header to compare with.
        get_tool_input_schema=lambda name: None,
        on_list_tools=handlers.list_tools,
        on_call_tool=handlers.call_tool,
        on_list_resources=handlers.list_resources,
        on_list_resource_templates=handlers.list_resource_templates,
        on_read_resource=handlers.read_resource,
        on_subscribe_resource=subscriptions.subscribe if subscribe else None,
        on_unsubscribe_resource=subscriptions.unsubscribe if subscribe else None,
        on_subscriptions_listen=subscriptions.listen,
        on_list_prompts=handlers.list_prompts,
        on_get_prompt=handlers.get_prompt,
        on_completion=handlers.complete,
    )


class _MailServer(Server[Any]):
    """The server, which promises only notifications that it sends: those on resources and, for some, on their list."""

    tells_of_inboxes = False

    @cached_property
    def server_info_stamp(self) -> dict[str, Any]:
        """What every answer says of the server. The base copies it for each one; here no answer is written into."""
        return super().server_info_stamp

    def get_capabilities(self, *args: Any, **options: Any) -> ServerCapabilities:
        found = super().get_capabilities(*args, **options)
        for listed in (found.tools, found.prompts):
            if listed is not None:
                listed.list_changed = False
        if found.resources is not None:
            # Who cannot subscribe to resources has no connection to be told on.
            found.resources.list_changed = self.tells_of_inboxes and bool(found.resources.subscribe)
        return found


class _Handlers:
    """The methods of the protocol, each with the session of the request's caller."""

    def __init__(
        self,
        tools: ToolBox,
        prompts: Sequence[MailPrompt],
        sessions: Sessions,
        services: Services,
        profiles: Profiles,
        on_listed: Callable[[], object],
        *,
        account: bool,
    ) -> None:
        self._tools = tools
        self._account = account
        self._prompts = {prompt.listed.name: prompt for prompt in prompts}
        self._sessions = sessions
        self._services = services
        self._profiles = profiles
        self._on_listed = on_listed

    async def list_tools(self, context: Context, params: PaginatedRequestParams | None) -> ListToolsResult:
        _require_first_page(context, params)
        self._on_listed()
        return ListToolsResult(tools=self._tools.listing(self._profiles(context)))

    async def call_tool(self, context: Context, params: CallToolRequestParams) -> Any:
        profiles = self._profiles(context)
        return await self._tools.call(context, self._sessions, profiles, params.name, params.arguments)

    async def list_resources(
        self, context: Context, params: PaginatedRequestParams | None
    ) -> ListResourcesResult:
        with protocol_error(context.protocol_version):
            return await list_resources(await self._sessions(context), params.cursor if params else None)

    async def list_resource_templates(
        self, context: Context, params: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        _require_first_page(context, params)
        found = [*templates, review_page_template] if self._account else templates
        return ListResourceTemplatesResult(resource_templates=found)

    async def read_resource(self, context: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        with protocol_error(context.protocol_version):
            call = Call(await self._sessions(context), self._services, context.session.report_progress)
            return await read_resource(call, params.uri, context.protocol_version)

    async def list_prompts(
        self, context: Context, params: PaginatedRequestParams | None
    ) -> ListPromptsResult:
        _require_first_page(context, params)
        return ListPromptsResult(prompts=[prompt.listed for prompt in self._prompts.values()])

    async def get_prompt(self, context: Context, params: GetPromptRequestParams) -> GetPromptResult:
        return get_prompt(self._prompts, params.name, params.arguments, self._services.ids)

    async def complete(self, context: Context, params: CompleteRequestParams) -> CompleteResult:
        with protocol_error(context.protocol_version):
            return CompleteResult(completion=await complete(await self._sessions(context), params))


def _require_first_page(context: Context, params: PaginatedRequestParams | None) -> None:
    """Raises `MCPError` for the cursor of a list that has one page."""
    with protocol_error(context.protocol_version):
        if params is not None and params.cursor is not None:
            raise InvalidCursor("the list has one page")


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
