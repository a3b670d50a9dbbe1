from __future__ import annotations

import pytest

from e2a_core.authentication.replay import Answers, replay
from e2a_core.authentication.resolver import NameNotFound, Resolver, TemporaryFailure
from tests.authentication.helpers import SetClock, resolving
from tests.support.dns import DnsServer

pytestmark = pytest.mark.anyio


async def test_an_answer_stays_the_same_within_an_evaluation_that_the_cache_forgets() -> None:
    with DnsServer({f"{n}.example": {"A": ["192.0.2.1"]} for n in "abc"}, ttl=0) as server:
        runs = 0

        def evaluator(answers: Answers) -> list[str]:
            nonlocal runs
            runs += 1
            return [answers.get(f"{n}.example", "A").addresses[0] for n in "abc"]

        assert await replay(Answers(Resolver(server.address, SetClock())), evaluator) == ["192.0.2.1"] * 3
        assert runs == 4
        assert set(server.queries.values()) == {1}


async def test_needed_names_are_asked_for_together() -> None:
    with resolving({f"{n}.example": {"A": ["192.0.2.1"]} for n in "abc"}) as resolver:
        runs = 0

        def evaluator(answers: Answers) -> int:
            nonlocal runs
            runs += 1
            answers.need([f"{n}.example" for n in "abc"], "A")
            return len(answers.get("a.example", "A").addresses)

        assert await replay(Answers(resolver), evaluator) == 1
        assert runs == 2


async def test_a_failure_reaches_the_evaluator() -> None:
    def evaluator(answers: Answers) -> str:
        try:
            answers.get("missing.example", "A")
        except NameNotFound:
            return "void"
        return "found"

    with resolving({}) as resolver:
        assert await replay(Answers(resolver), evaluator) == "void"
        assert await replay(Answers(resolver), evaluator) == "void"


async def test_an_evaluator_that_never_has_enough_is_stopped() -> None:
    numbers = iter(range(10**6))

    def evaluator(answers: Answers) -> None:
        answers.get(f"n{next(numbers)}.example", "A")

    with resolving({}) as resolver, pytest.raises(TemporaryFailure):
        await replay(Answers(resolver), evaluator)
