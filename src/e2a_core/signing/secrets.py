"""The deployment's signing secrets. The first signs and all verify, so that secrets can be rotated."""

from __future__ import annotations

from typing import Self

__all__ = ["Secrets"]


class Secrets(tuple[bytes, ...]):
    """One or more secrets, newest first."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the comma-separated setting. Raises ValueError if it contains no secret.

        Secrets are used literally: a secret written in hex is not decoded.
        """
        found = cls(part.strip().encode() for part in text.split(",") if part.strip())
        if not found:
            raise ValueError("at least one signing secret is needed")
        return found

    @property
    def signing(self) -> bytes:
        """The secret used for signing."""
        return self[0]

    def __repr__(self) -> str:
        return f"Secrets({len(self)} hidden)"
