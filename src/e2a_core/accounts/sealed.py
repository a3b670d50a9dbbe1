"""Answers that carry a secret, given once, or again to a repeat with the same idempotency key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from e2a_core.accounts import idempotency
from e2a_core.contract.base import Request, View
from e2a_core.core import Core
from e2a_core.errors import IdempotencyKeyReuse
from e2a_core.store.statement import Statement

__all__ = ["answered_once"]

Answer = TypeVar("Answer", bound=View)


async def answered_once(
    core: Core,
    account_id: str,
    key: str | None,
    route: str,
    request: Request,
    status: int,
    make: Callable[[], tuple[Answer, Sequence[Statement]]],
) -> Answer:
    """Commits what `make` returns and answers it; a repeat with `key` gets the first answer, which is kept sealed.

    Raises `IdempotencyInFlight`, and `IdempotencyKeyReuse` if the key was used for another request.
    """
    if not key:
        answer, statements = make()
        await core.db.write(statements)
        return answer
    # The cipher takes longer to load than all else here, and few requests bring an idempotency key.
    from e2a_core.accounts.sealing import seal, unseal

    fingerprint = idempotency.fingerprint_of(route, request)
    async with idempotency.claimed(core, account_id, idempotency.REQUESTS, key, fingerprint) as claim:
        answer, statements = make()
        if claim.stored is not None:
            body = unseal(claim.stored.body, core.secrets)
            if body is None:
                raise IdempotencyKeyReuse("the answer was sealed with a secret no longer configured")
            return type(answer).model_validate_json(body)
        sealed = seal(answer.model_dump_json(), core.secrets)
        await core.db.write([*statements, idempotency.complete(claim, status, sealed)])
        return answer
