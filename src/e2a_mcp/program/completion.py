"""`e2a completion`: what a shell needs to complete commands and options."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from e2a_mcp.program.output import result_as_is

__all__ = ["completion"]


def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="The shell it is for.")], /
) -> int:
    """Print the completion of a shell, for the file it reads them from."""
    from e2a_mcp.program.e2a import application

    result_as_is(application().generate_completion(shell=shell).rstrip("\n"))
    return 0
