"""The first exchange of each protocol version with the command, line for line as it was recorded.

`python -m tests.mcp.test_handshakes` records anew; look at what has changed before it is committed.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import Any

import pytest

from .conftest import SAME_CODE

pytestmark = pytest.mark.anyio

RECORDED = Path(__file__).parent / "data" / "handshakes.json"
ENVIRONMENT = {"E2A_API_URL": "http://127.0.0.1:9", "E2A_API_KEY": "e2a_agt_of_nobody"}
"""A key that tells its scope: the handshake needs no mailbox."""
VOLATILE = {"instructions": "...", "version": "...", "src": "..."}
"""Members whose text changes with a release."""
PATIENCE_SECONDS = 60


async def exchange(sent: list[Any]) -> list[Any]:
    """What the command answers to each message that has an id."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "e2a_mcp"),
        env={**os.environ, **SAME_CODE, **ENVIRONMENT},
        stdin=PIPE,
        stdout=PIPE,
        stderr=DEVNULL,
        limit=2**20,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    answers = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        for message in sent:
            process.stdin.write(json.dumps(message).encode() + b"\n")
            await process.stdin.drain()
            answers.append(stable(json.loads(await process.stdout.readline())) if "id" in message else None)
        process.stdin.close()
        await process.wait()
    return answers


def stable(value: Any) -> Any:
    if isinstance(value, list):
        return [stable(item) for item in value]
    if isinstance(value, dict):
        return {name: VOLATILE.get(name) or stable(item) for name, item in value.items()}
    return value


def recorded() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("version", recorded())
async def test_a_handshake_is_as_it_was(version: str) -> None:
    lines = recorded()[version]
    answers = await exchange([line["sent"] for line in lines])
    assert answers == [line["answered"] for line in lines]


def test_every_version_is_recorded_and_promises_no_more_than_happens() -> None:
    assert list(recorded()) == ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"]
    for version, lines in recorded().items():
        result = lines[0]["answered"]["result"]
        assert version == result.get("protocolVersion") or version in result["supportedVersions"]
        for listed in ("tools", "prompts", "resources"):
            assert result["capabilities"][listed]["listChanged"] is False


async def record() -> None:
    lines = recorded()
    for exchanged in lines.values():
        answers = await exchange([line["sent"] for line in exchanged])
        exchanged[:] = [
            {"sent": line["sent"], "answered": answer}
            for line, answer in zip(exchanged, answers, strict=True)
        ]
    RECORDED.write_text(json.dumps(lines, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(record())
