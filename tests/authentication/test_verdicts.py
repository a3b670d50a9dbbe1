from __future__ import annotations

import pytest

from e2a_core.authentication import verdicts
from e2a_core.authentication.replay import Answers
from e2a_core.authentication.resolver import NameNotFound, Resolver
from e2a_core.authentication.verdicts import Verdicts
from tests.authentication.helpers import SetClock
from tests.support.dns import DnsServer

pytestmark = pytest.mark.anyio

NAME = "a.example"


class Evaluator:
    """Finds the address of `NAME`, and counts how often it had to run to the end."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, answers: Answers) -> str:
        try:
            found = answers.get(NAME, "A").addresses[0]
        except NameNotFound:
            found = "nothing"
        self.runs += 1
        return found


async def test_a_verdict_is_found_once_while_its_answers_last() -> None:
    clock, evaluator, subject = SetClock(), Evaluator(), Verdicts[str]()
    with DnsServer({NAME: {"A": ["192.0.2.1"]}}, ttl=60) as server:
        resolver = Resolver(server.address, clock)
        for _ in range(3):
            assert await subject.find("question", resolver, evaluator) == "192.0.2.1"
        assert evaluator.runs == 1
        assert await subject.find("another", resolver, evaluator) == "192.0.2.1"
        assert evaluator.runs == 2
        clock.advance(61)
        assert await subject.find("question", resolver, evaluator) == "192.0.2.1"
        assert evaluator.runs == 3


async def test_a_verdict_falls_with_the_answer_it_was_found_by() -> None:
    clock, evaluator, subject = SetClock(), Evaluator(), Verdicts[str]()
    with DnsServer({NAME: {"A": ["192.0.2.1"]}}, ttl=60) as server:
        resolver = Resolver(server.address, clock)
        assert await subject.find("question", resolver, evaluator) == "192.0.2.1"
        server.zones = {NAME: {"A": ["192.0.2.2"]}}
        clock.advance(61)
        assert (await resolver.lookup(NAME, "A")).addresses == ("192.0.2.2",)
        assert await subject.find("question", resolver, evaluator) == "192.0.2.2"
        server.zones = {}
        clock.advance(61)
        assert await subject.find("question", resolver, evaluator) == "nothing"


async def test_what_was_found_by_an_absence_is_found_anew() -> None:
    evaluator, subject = Evaluator(), Verdicts[str]()
    with DnsServer({}) as server:
        resolver = Resolver(server.address, SetClock())
        for _ in range(2):
            assert await subject.find("question", resolver, evaluator) == "nothing"
    assert evaluator.runs == 2


async def test_a_verdict_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdicts, "MAX_VERDICTS", 2)
    evaluator, subject = Evaluator(), Verdicts[str]()
    with DnsServer({NAME: {"A": ["192.0.2.1"]}}) as server:
        resolver = Resolver(server.address, SetClock())
        for question in (1, 2, 3, 3, 2, 1):
            await subject.find(question, resolver, evaluator)
    assert evaluator.runs == 4
