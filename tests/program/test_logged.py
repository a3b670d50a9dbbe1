"""What commands do to a home without its contract is in the audit log too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from anyio import to_thread

from e2a_core.audit.verify import verify
from e2a_core.contract.audit import AuditQuery
from e2a_core.local.engine import open_local_engine
from e2a_core.settings import load_settings

pytestmark = pytest.mark.anyio


def run(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "e2a_mcp.program.e2a", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


async def test_keys_and_moves_of_commands_are_logged(tmp_path: Path) -> None:
    environment = {"E2A_HOME": str(tmp_path / "home")}
    made = json.loads(
        await to_thread.run_sync(run, environment, "bootstrap", "--email", "ann@example.org", "--json")
    )
    await to_thread.run_sync(
        run, environment, "account", "--email", "ann@example.org", "--new-email", "ann@example.com"
    )
    engine = await open_local_engine(load_settings(environment))
    try:
        session = await engine.session(made["api_key"])
        moved, key = (await session.audit.list(AuditQuery())).items
        assert (key.operation, key.actor, key.door) == ("create_api_key", "home", "command")
        assert key.subjects == {"id": session.principal.credential_id}
        assert (moved.operation, moved.subjects) == ("move_account", {"email": "ann@example.com"})
        assert (await verify(engine.core, made["account_id"])).broken is None
    finally:
        await engine.close()
