"""Handles `tools/call`: validates the arguments, runs the tool, shapes the result and counts the call."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp_types import Tool as ListedTool
from mcp_types import ToolAnnotations

from e2a_core.contract.engine import Session
from e2a_core.errors import E2AError, InternalError, NotFound
from e2a_core.observer import Observer
from e2a_mcp.icons import ICONS
from e2a_mcp.profiles import in_profiles
from e2a_mcp.results import ERROR_SCHEMA, failure, success
from e2a_mcp.schema import input_schema, output_schema, validated
from e2a_mcp.tool import Call, Services, Tool

__all__ = ["ToolBox"]

Sessions = Callable[[ServerRequestContext[Any]], Awaitable[Session]]

_log = logging.getLogger(__name__)


class ToolBox:
    """The tools of one scope, built once.

    `listed` tools are in `tools/list`, in this order; `unlisted` tools can be called but are not listed. With `whole`
    the listing includes the hidden arguments of the tools.
    """

    def __init__(
        self,
        listed: Sequence[Tool[Any]],
        unlisted: Sequence[Tool[Any]],
        services: Services,
        observer: Observer,
        *,
        whole: bool,
    ) -> None:
        self._services = services
        self._observer = observer
        self._tools = {tool.name: tool for tool in (*listed, *unlisted)}
        hidden = () if services.attachment_roots else ("path",)
        # An agent's session has one inbox, so that naming it would only cost context.
        self._listed = {
            tool.name: _listed(tool, (*(() if whole else (*tool.hidden, "email")), *hidden))
            for tool in listed
        }

    def listing(self, profiles: frozenset[str]) -> list[ListedTool]:
        """Returns what `tools/list` shows to a session with these profiles."""
        return [shown for name, shown in self._listed.items() if in_profiles(name, profiles)]

    async def call(
        self,
        context: ServerRequestContext[Any],
        sessions: Sessions,
        profiles: frozenset[str],
        name: str,
        arguments: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """Returns the result of one call. A failure is a result too, so that the model reads it."""
        started = self._services.clock.monotonic()
        tool = self._tools.get(name) if in_profiles(name, profiles) else None
        outcome = "ok"
        try:
            if tool is None:
                raise self._unknown(name, profiles)
            given = validated(tool.arguments, arguments or {}, self._services.clock.now())
            call = Call(await sessions(context), self._services, context.session.report_progress)
            return success(await tool.run(call, given))
        except E2AError as problem:
            outcome = problem.code
            return failure(problem, request_id=_request_id(context))
        except Exception:  # noqa: BLE001 - the top-level handler of a call; the reason goes to the log
            outcome = InternalError.code
            _log.exception("tool %s failed", tool.name if tool else "unknown")
            hidden = InternalError("the call failed inside the server; its log has the reason")
            return failure(hidden, request_id=_request_id(context))
        finally:
            seconds = self._services.clock.monotonic() - started
            # An unknown name is text of the caller, which must not become a metric label.
            self._observer.tool(name if tool else "unknown", outcome, seconds)

    def _unknown(self, name: str, profiles: frozenset[str]) -> NotFound:
        names = [tool.name for tool in self.listing(profiles)]
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"tools: {', '.join(names)}"
        return UnknownTool(f"there is no tool of that name here; {hint}")


def _request_id(context: ServerRequestContext[Any]) -> str | None:
    """Returns the id of the HTTP request, or None over stdio."""
    scope = getattr(context.request, "scope", None)
    return scope.get("e2a.request_id") if scope else None


class UnknownTool(NotFound):
    """The caller's scope has no tool of this name; a tool of another scope gives the same error."""

    code = "unknown_tool"


@cache
def _listed(tool: Tool[Any], hidden: tuple[str, ...]) -> ListedTool:
    """Servers are made for each scope and era, and most of their listings are the same."""
    hints = tool.hints
    return ListedTool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=input_schema(tool.arguments, hidden=hidden, brief=tool.brief),
        icons=ICONS,
        output_schema=output_schema(tool.output, ERROR_SCHEMA),
        annotations=ToolAnnotations(
            title=tool.title,
            read_only_hint=hints.read_only,
            destructive_hint=hints.destructive,
            idempotent_hint=hints.idempotent,
            open_world_hint=hints.open_world,
        ),
    )
