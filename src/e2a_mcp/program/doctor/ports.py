"""The listeners: they answer as ours, or their addresses are free to take."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx

from e2a_core.local.run_file import read_run_file
from e2a_core.settings import ListenAddress, Settings
from e2a_mcp.program.doctor.deployment import http_client
from e2a_mcp.program.doctor.finding import Cause, Finding, fail, passed, quoted
from e2a_mcp.program.doctor.limits import NETWORK_SECONDS

__all__ = ["Run", "check_ports", "running_listeners"]

Run = Mapping[str, Any]
"""`run.json`: the addresses that the listeners of a home really have."""

UNPRIVILEGED_PORT = 1024
GREETING_OCTETS = 512
"""RFC 5321 section 4.5.3.1.5: the length of a reply line."""


class _Listener(NamedTuple):
    id: str
    setting: str
    address: ListenAddress


async def running_listeners(settings: Settings) -> Run:
    """What the process that serves the home says of its listeners; empty if none does, or if it was killed."""
    run = read_run_file(settings.home) or {}
    url = urlsplit(str(run.get("http", "")))
    host, _, port = str(run.get("smtp", "")).rpartition(":")
    places = [(url.hostname, url.port), (host.strip("[]"), int(port) if port.isdecimal() else None)]
    taken = await asyncio.gather(*(_is_taken(host, port) for host, port in places if host and port))
    return run if any(taken) else {}


async def _is_taken(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(NETWORK_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


async def check_ports(settings: Settings, run: Run) -> list[Finding]:
    """The SMTP and the HTTP listener."""
    smtp = _Listener("port.smtp", "E2A_SMTP_LISTEN", settings.smtp_listen)
    http = _Listener("port.http", "E2A_HTTP_LISTEN", settings.http_listen)
    return list(await asyncio.gather(_smtp(smtp, run, settings), _http(http, run)))


async def _smtp(listener: _Listener, run: Run, settings: Settings) -> Finding:
    host, _, port = str(run.get("smtp", "")).rpartition(":")
    if not port.isdecimal():
        return _free(listener)
    place = str(run["smtp"])
    try:
        greeting = await _greeting(host.strip("[]"), int(port))
    except TimeoutError:
        return _silent(listener, place)
    except OSError:
        return _free(listener)
    if not greeting.startswith("220 ") or settings.hostname not in greeting:
        return _other(listener, place, f"it greets with {quoted(greeting)}")
    return passed(listener.id, f"listens and greets as {settings.hostname}", target=place)


async def _greeting(host: str, port: int) -> str:
    async with asyncio.timeout(NETWORK_SECONDS):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            line = await reader.readline()
            writer.write(b"QUIT\r\n")
            with suppress(ConnectionError):
                await reader.read(GREETING_OCTETS)
        finally:
            writer.close()
    return line[:GREETING_OCTETS].decode("utf-8", "replace").strip()


async def _http(listener: _Listener, run: Run) -> Finding:
    url = str(run.get("http", ""))
    if not urlsplit(url).hostname:
        return _free(listener)
    try:
        async with asyncio.timeout(NETWORK_SECONDS), http_client(url) as client:
            answer = await client.get(f"{url}/readyz")
    except (TimeoutError, httpx.TimeoutException):
        return _silent(listener, url)
    except (httpx.HTTPError, OSError):
        return _free(listener)
    if answer.status_code == 200:
        return passed(listener.id, "listens and is ready", target=url)
    if answer.status_code == 503:
        return fail(
            listener.id,
            "not_ready",
            f"listens, but is not ready: {quoted(answer.text)}",
            "see the log of e2a serve",
            cause=Cause.TRANSIENT,
            target=url,
        )
    return _other(listener, url, f"/readyz answers {answer.status_code}")


def _silent(listener: _Listener, place: str) -> Finding:
    return fail(
        listener.id,
        "not_answering",
        f"takes connections and says nothing within {NETWORK_SECONDS:.0f} seconds",
        "see the log of e2a serve; restart it if it hangs",
        cause=Cause.TRANSIENT,
        target=place,
    )


def _other(listener: _Listener, place: str, what: str) -> Finding:
    return fail(
        listener.id,
        "port_taken",
        f"another program is there: {what}",
        f"stop that program, or set {listener.setting} to another address",
        target=place,
    )


def _free(listener: _Listener) -> Finding:
    """Takes the address for a moment, without listening."""
    address, place = listener.address, str(listener.address)
    try:
        family, _, _, _, where = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the listener does: what an earlier connection left in TIME_WAIT is not in its way.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as problem:
        return _not_free(listener, problem)
    return passed(listener.id, "nothing listens here now, and e2a serve can take it", target=place)


def _not_free(listener: _Listener, problem: OSError) -> Finding:
    address, place, setting = listener.address, str(listener.address), listener.setting
    if problem.errno == errno.EADDRINUSE:
        return _other(listener, place, "the address is in use, and not by this home")
    if problem.errno in {errno.EACCES, errno.EPERM} and address.port < UNPRIVILEGED_PORT:
        return fail(
            listener.id,
            "no_privilege",
            f"this user may not take a port below {UNPRIVILEGED_PORT}",
            "give the service CAP_NET_BIND_SERVICE, "
            f"or set {setting} to a higher port and redirect {address.port} to it",
            target=place,
        )
    return fail(
        listener.id,
        "address_unusable",
        f"cannot be taken: {problem.strerror or problem}",
        f"set {setting} to an address of this machine",
        target=place,
    )
