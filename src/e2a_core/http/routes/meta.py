"""What anybody may ask: the deployment's description, its health, and a word of feedback."""

from __future__ import annotations

import json
import logging
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, StringConstraints
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from e2a_core.contract.deployment import DeploymentInfoView
from e2a_core.contract.engine import Engine
from e2a_core.contract.errors import ErrorEnvelope
from e2a_core.errors import PayloadTooLarge, RateLimited, RequestTimeout
from e2a_core.http.body import read_body
from e2a_core.http.envelope import answer
from e2a_core.http.limits import FEEDBACK, RequestLimits, client_address
from e2a_core.http.routing import PublicRoute

__all__ = ["router"]

MAX_FEEDBACK_BYTES = 64 * 1024

router = APIRouter(
    tags=["meta"],
    route_class=PublicRoute,
    responses={status: {"model": ErrorEnvelope} for status in (500, 503)},
)
log = logging.getLogger("e2a.feedback")


class Feedback(BaseModel):
    """Unknown members are tolerated: the form is older than the field somebody may add to it."""

    email: Annotated[str, StringConstraints(max_length=254)] | None = None
    category: Literal["bug", "feature", "general"] = "general"
    message: Annotated[str, StringConstraints(min_length=1, max_length=5000)]


@router.get("/v1/info", operation_id="get_info", response_model=DeploymentInfoView)
async def get_info(request: Request) -> Response:
    engine: Engine = request.app.state.engine
    return answer(await engine.info())


@router.api_route("/api/health", methods=["GET", "HEAD"], include_in_schema=False)
async def health() -> Response:
    return answer({"status": "ok"})


@router.post("/api/feedback", include_in_schema=False)
async def feedback(request: Request) -> Response:
    """Taken and counted in the log; its words are a person's and stay out of it."""
    limits: RequestLimits = request.app.state.limits
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
