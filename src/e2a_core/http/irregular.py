"""What the API answers besides its operations: its health, and a word of feedback."""

from __future__ import annotations

import json
import logging
from typing import Annotated, Literal

from pydantic import BaseModel, StringConstraints
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from e2a_core.errors import PayloadTooLarge, RateLimited, RequestTimeout
from e2a_core.http.answers import answer
from e2a_core.http.edge import read_body
from e2a_core.http.limits import FEEDBACK, RequestLimits, client_address

__all__ = ["irregular_routes"]

MAX_FEEDBACK_BYTES = 64 * 1024

log = logging.getLogger("e2a.feedback")


class Feedback(BaseModel):
    """Unknown members are tolerated: the form is older than a field that may be added to it."""

    email: Annotated[str, StringConstraints(max_length=254)] | None = None
    category: Literal["bug", "feature", "general"] = "general"
    message: Annotated[str, StringConstraints(min_length=1, max_length=5000)]


def irregular_routes(limits: RequestLimits) -> list[Route]:
    async def health(request: Request) -> Response:
        return answer({"status": "ok"})

    async def feedback(request: Request) -> Response:
        """Taken and counted in the log; its words are a person's and stay out of it."""
        try:
            limits.spend(request, FEEDBACK, client_address(request))
            given = Feedback.model_validate(json.loads(await read_body(request, MAX_FEEDBACK_BYTES + 1)))
        except RateLimited as refused:
            retry = {"Retry-After": str(refused.retry_after_seconds or 1)}
            return PlainTextResponse("Too Many Requests\n", 429, retry)
        except RequestTimeout:
            return PlainTextResponse("Request Timeout\n", 408)
        except (PayloadTooLarge, ValueError, RecursionError):
            return PlainTextResponse("Bad Request\n", 400)
        log.info("feedback (%s): %d characters", given.category, len(given.message))
        return answer({"status": "ok"})

    return [Route("/api/health", health), Route("/api/feedback", feedback, methods=["POST"])]
