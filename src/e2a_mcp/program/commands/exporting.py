"""`e2a export`: everything the account holds, as one JSON file."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from e2a_core.errors import SettingsError
from e2a_core.http.pages.words import count_words
from e2a_mcp.program.commands.acting import HERE, Acting, Where, act
from e2a_mcp.program.commands.progress import counting
from e2a_mcp.program.commands.reading import STANDARD_INPUT

__all__ = ["export"]

FILE_MODE = 0o600


def export(
    file: Annotated[
        Path,
        Parameter(
            help="The file to write, which must not exist; `-` is standard output.", allow_leading_hyphen=True
        ),
    ],
    /,
    *,
    where: Where = HERE,
) -> int:
    """Write everything the account holds as JSON, including the trash but no secrets."""

    async def work(it: Acting) -> None:
        if file == STANDARD_INPUT:
            it.output.json((await it.session.account.export()).to_wire())
            return
        opened = _created(file)
        with os.fdopen(opened, "wb") as written, counting("exporting", None):
            try:
                content = await it.session.account.export()
                written.write(content.to_json() + b"\n")
            except BaseException:
                file.unlink(missing_ok=True)
                raise
        sys.stderr.write(
            f"e2a: {count_words(len(content.messages), 'message')} of "
            f"{count_words(len(content.agents), 'inbox', 'inboxes')} saved in {file}\n"
        )

    return act(where, work)


def _created(file: Path) -> int:
    """A descriptor of a new file for its owner alone. Raises `SettingsError`."""
    try:
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    except OSError as problem:
        raise SettingsError(f"{file} cannot be written: {problem.strerror}") from None
