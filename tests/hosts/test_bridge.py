"""Hosts that can only start a command, or cannot refer to a key, reach a deployment elsewhere all the same."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from e2a_mcp.program.hosts.table import HOSTS
from mcp import Client, StdioServerParameters, stdio_client
from tests.hosts.samples import User, member_of
from tests.support.serving import ASSISTANT, serving

pytestmark = [pytest.mark.slow, pytest.mark.anyio]

BARE = {"HOME", "PATH", "LANG", "TMPDIR"}
"""What hosts hand on of their environment."""


def agent_key(environment: dict[str, str]) -> str:
    made = subprocess.run(
        [Path(sys.executable).parent / "e2a", "keys", "create", "--agent", ASSISTANT, "--name", "desktop"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return str(json.loads(made.stdout)["key"])


async def test_what_is_installed_is_a_session_at_the_deployment(tmp_path: Path) -> None:
    user = User(tmp_path / "user")
    user.folder.mkdir()
    with serving(tmp_path, f"sqlite:///{tmp_path}/e2a.db") as served:
        key = agent_key(dict(served.environment))
        (user.folder / "e2a-home/hosts").mkdir(parents=True)
        (user.folder / "e2a-home/hosts/api-key").write_text(f"{key}\n")
        for host in ("claude-desktop", "zed"):
            path = user.with_sample(host)
            before = path.read_bytes()
            done = user.run(host, "--http", f"{served.url}/mcp")
            assert (done.returncode, "put the key" in done.stderr) == (0, False), done.stderr
            assert key not in done.stdout + path.read_text()
            member = member_of(HOSTS[host], path.read_bytes())
            environment = {name: value for name, value in served.environment.items() if name in BARE}
            parameters = StdioServerParameters(
                command=member["command"], args=member["args"], env={**environment, **member["env"]}
            )
            async with Client(stdio_client(parameters)) as client:
                told = (await client.call_tool("whoami", {})).structured_content
                assert told is not None
                assert ASSISTANT in json.dumps(told)
            assert user.run(host, "--undo").returncode == 0
            assert path.read_bytes() == before
