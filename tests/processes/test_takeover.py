"""Several processes on one home: one runs the listeners, and another as soon as that one is gone."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from e2a_core.contract.messages import MessageQuery
from e2a_core.local.engine import open_local_engine
from e2a_core.local.run_file import read_run_file
from e2a_core.settings import load_settings
from mcp import Client, StdioServerParameters, stdio_client
from tests.processes.serving import ASSISTANT, Correspondent, Server, environment, rows
from tests.support.dns import DnsServer
from tests.support.smtp_client import letter, submit
from tests.support.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.apart, pytest.mark.timeout(300)]

SERVERS = 10
TAKEOVER_SECONDS = 5.0
"""It takes well below one; the bound leaves room for a machine that does other things."""

FIRST_LINE = "this process runs the listeners"


class StdioServer:
    """An `e2a-mcp` that a host has started, and the host's end of it."""

    def __init__(self, environ: dict[str, str], log: Path) -> None:
        self._environ = environ
        self._log = log
        self._done = asyncio.Event()
        self._ready: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._host())
        self.client: Client

    async def start(self) -> None:
        self.client = await self._ready

    @property
    def took_over(self) -> int:
        """How often it began to run the listeners."""
        return self._log.read_text().count(FIRST_LINE)

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        async with asyncio.timeout(30):
            result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, result
        content: dict[str, Any] = result.structured_content
        return content

    async def close(self) -> None:
        self._done.set()
        await asyncio.wait([self._task])

    async def _host(self) -> None:
        """The client's contexts have to be left by the task that entered them."""
        parameters = StdioServerParameters(command=sys.executable, args=["-m", "e2a_mcp"], env=self._environ)
        with self._log.open("w", encoding="utf-8") as log:
            try:
                async with Client(stdio_client(parameters, errlog=log)) as client:
                    self._ready.set_result(client)
                    await self._done.wait()
            except Exception as problem:  # noqa: BLE001 - handed to whoever waits
                if not self._ready.done():
                    self._ready.set_exception(problem)


@asynccontextmanager
async def stdio_servers(environ: dict[str, str], folder: Path) -> AsyncIterator[list[StdioServer]]:
    async with AsyncExitStack() as stack:
        servers = []
        for number in range(SERVERS):
            server = StdioServer(environ, folder / f"{number}.log")
            stack.push_async_callback(server.close)
            servers.append(server)
        await asyncio.gather(*(server.start() for server in servers))
        yield servers


async def test_ten_stdio_servers_share_a_fresh_home(tmp_path: Path, dns: DnsServer) -> None:
    home = tmp_path / "home"
    async with stdio_servers(environment(home, dns), tmp_path) as servers:
        listings = await asyncio.gather(*(server.client.list_tools() for server in servers))
        assert len({len(listing.tools) for listing in listings}) == 1
        selves = await asyncio.gather(*(server.call("whoami") for server in servers))
        assert {me["agent_email"] for me in selves} == {ASSISTANT}
        sent = await asyncio.gather(
            *(
                server.call("send_message", to=["bob@example.org"], subject=f"from {number}", text="Hello.")
                for number, server in enumerate(servers)
            )
        )
        assert len({result["message_id"] for result in sent}) == SERVERS
        outbound = "SELECT count(*) FROM messages WHERE direction = 'outbound' AND delivery_status = 'sent'"
        await until(lambda: rows(home, outbound) == [(SERVERS,)])
        await until(lambda: read_run_file(home))
        assert sum(server.took_over for server in servers) == 1
        for table in ("accounts", "agents", "domains"):
            assert rows(home, f"SELECT count(*) FROM {table}") == [(1,)]
        assert len(list(home.glob("secret*"))) == 1

        await take_over_under_load(home, servers)


async def take_over_under_load(home: Path, servers: list[StdioServer]) -> None:
    """The leader is killed while mail comes in."""
    followers = [server for server in servers if not server.took_over]
    sender = Correspondent(lambda: address_of(home))
    async with asyncio.TaskGroup() as lanes:
        for lane in range(3):
            lanes.create_task(sender.keep_sending(lane))
        await sender.until_acknowledged(20)
        before = leader_of(home)
        assert before is not None
        killed = time.monotonic()
        os.kill(before, signal.SIGKILL)
        after = await until(lambda: pid if (pid := leader_of(home)) != before else None)
        seconds = time.monotonic() - killed
        print(f"takeover {seconds:.3f} s")  # noqa: T201
        await sender.until_acknowledged(20)
        sender.stop()
    assert after is not None
    assert seconds < TAKEOVER_SECONDS
    assert sum(server.took_over for server in followers) == 1
    inbound = "SELECT email_message_id FROM messages WHERE direction = 'inbound'"
    assert Counter(found for (found,) in rows(home, inbound)) == Counter(sender.acknowledged)
    listings = await asyncio.gather(*(server.call("list_messages", limit=1) for server in followers))
    assert len({listing["messages"][0]["id"] for listing in listings}) == 1


async def test_a_leader_told_to_stop_finishes_the_message_in_its_hands(
    tmp_path: Path, dns: DnsServer
) -> None:
    home = tmp_path / "home"
    environ = environment(home, dns)
    first = Server(environ)
    address = await first.smtp()
    second = Server(environ)
    try:

        async def stop_first() -> None:
            first.terminate()
            await until_refused(address)
            assert first.exit_code is None

        content = letter(message_id="<in-flight@example.org>")
        exchange = await submit(
            address,
            content,
            mail_from="alice@example.org",
            recipients=[ASSISTANT],
            before_content=stop_first,
        )
        assert exchange.accepted
        next_address = await second.smtp()
        await until(lambda: first.exit_code is not None)
        assert first.exit_code == 0
        exchange = await submit(next_address, content, mail_from="alice@example.org", recipients=[ASSISTANT])
        assert exchange.accepted
        assert rows(home, "SELECT email_message_id FROM messages") == [("<in-flight@example.org>",)]
        second.terminate()
        await until(lambda: second.exit_code is not None)
        assert second.exit_code == 0
        assert read_run_file(home) is None
    finally:
        first.close()
        second.close()


async def test_servers_take_over_one_after_the_other(tmp_path: Path, dns: DnsServer) -> None:
    home = tmp_path / "home"
    environ = environment(home, dns)
    servers = [Server(environ) for _ in range(4)]
    try:
        for _ in range(3):
            leader = await leader_among(servers, home)
            await leader.kill()
            servers.remove(leader)
        await leader_among(servers, home)
        sender = Correspondent(lambda: address_of(home))
        await sender.send("<last@example.org>")
    finally:
        for server in servers:
            server.close()


async def test_who_cannot_listen_reads_on_and_leaves_the_home_to_others(
    tmp_path: Path, dns: DnsServer
) -> None:
    home = tmp_path / "home"
    nowhere = "192.0.2.1:2525"  # of no interface of any machine (RFC 5737)
    engine = await open_local_engine(load_settings(environment(home, dns, smtp_listen=nowhere)))
    server = Server(environment(home, dns))
    try:
        await server.leading()
        await Correspondent(lambda: address_of(home)).send("<one@example.org>")
        session = await engine.home_session()
        page = await session.messages.list(ASSISTANT, MessageQuery())
        assert len(page.items) == 1
        assert not engine.holds_lease
    finally:
        server.close()
        await engine.close()


async def leader_among(servers: list[Server], home: Path) -> Server:
    by_pid = {server.pid: server for server in servers}
    return await until(lambda: by_pid.get(leader_of(home) or 0), TAKEOVER_SECONDS)


async def until_refused(address: tuple[str, int]) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(*address)
            except ConnectionRefusedError:
                return
            except ConnectionResetError:  # it was in the queue of a socket just closed
                continue
            writer.close()


def leader_of(home: Path) -> int | None:
    return (read_run_file(home) or {}).get("pid")


def address_of(home: Path) -> tuple[str, int] | None:
    run = read_run_file(home)
    if run is None:
        return None
    host, _, port = run["smtp"].rpartition(":")
    return host, int(port)
