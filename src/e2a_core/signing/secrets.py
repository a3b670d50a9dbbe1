"""The deployment's signing secrets: the first signs, every one verifies, so a secret can be rotated."""

from __future__ import annotations

from typing import Self

__all__ = ["Secrets"]


class Secrets(tuple[bytes, ...]):
    """One or more secrets, newest first; usable wherever a sequence of secrets is asked for."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """From the comma-separated setting; raises ValueError when no secret is left.

        The bytes are taken literally: a secret written in hex is not decoded.
        """
        found = cls(part.strip().encode() for part in text.split(",") if part.strip())
        if not found:
            raise ValueError("at least one signing secret is needed")
        return found

    @property
    def signing(self) -> bytes:
        """The secret that signs."""
        return self[0]

    def __repr__(self) -> str:
        return f"Secrets({len(self)} hidden)"
