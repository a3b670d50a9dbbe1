"""Which mail a model may answer by itself: never a machine's or the agent's own, and never without end."""

from __future__ import annotations

from e2a_core.clock import Clock
from e2a_core.contract.message_views import MessageView
from e2a_core.mail.addresses import normalize_addr_spec
from e2a_core.sliding import SlidingWindows
from e2a_mcp.owner import OwnerMail, is_proven

__all__ = ["Guard"]

WINDOW_SECONDS = 3600.0
PER_CONVERSATION = 5
"""Answers within the window: a conversation of two people is slower, one of two machines is not."""
PER_AUTHOR = 20
"""For a machine that begins a new conversation with each mail."""


class Guard:
    """Decides for the inbox `agent`; `any_sender` lets in mail whose author is not proven."""

    def __init__(self, agent: str, *, any_sender: bool, clock: Clock) -> None:
        self._agent = normalize_addr_spec(agent)
        self._any_sender = any_sender
        self._answers: SlidingWindows[str] = SlidingWindows(clock)

    def refusal(self, view: MessageView) -> str | None:
        """Returns why the message gets no answer, or None if it may get one."""
        if (
            view.direction != "inbound"
            or _mailbox(normalize_addr_spec(view.header_from or "")) == self._agent
        ):
            return "the agent wrote it"
        if view.auto_submitted is not None or view.delivery_report is not None or OwnerMail(view).automatic:
            return "a machine or a list sent it"
        if view.answered:
            return "it is answered"
        if not self._any_sender and not is_proven(view):
            return "its author did not pass DMARC; --any-sender lets it in"
        for key, most in self._keys(view):
            if len(self._answers.within(key, WINDOW_SECONDS)) >= most:
                return f"{most} answers an hour are the most for {key}"
        return None

    def answered(self, view: MessageView) -> None:
        """Counts an answer."""
        for key, _ in self._keys(view):
            self._answers.count(key)

    def _keys(self, view: MessageView) -> list[tuple[str, int]]:
        keys = [(normalize_addr_spec(view.header_from or ""), PER_AUTHOR)]
        # A conversation may get its id with the first answer; the thread has had its own before.
        conversation = view.thread_id or view.conversation_id
        return [(conversation, PER_CONVERSATION), *keys] if conversation else keys


def _mailbox(address: str) -> str:
    """The address without a tag, which belongs to the same inbox."""
    local, at, domain = address.rpartition("@")
    return local.partition("+")[0] + at + domain
