"""Runs `e2a` in processes of its own, forked from one that has imported the program: a start takes a tenth of the time.

A child has the arguments, environment, folder and descriptors it is given, and ends as the interpreter ends. What a
fork would hide (the start itself, options of the interpreter, variables that Python reads) is tried by tests that start
the program.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import pkgutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import IO, Any

__all__ = ["Forked", "fork_e2a", "run_e2a"]

SECONDS = 60.0
ROOT = Path(__file__).parents[2]
WORD = 64
"""Octets of a number on the socket."""
DESCRIPTORS = 5
"""With a request: the three of the process, the file that says what to run, and the socket for the answer."""
PRELOADED = (
    "e2a_core.local.engine",
    "e2a_core.remote.engine",
    "e2a_mcp.program.commands",
    "e2a_mcp.program.doctor",
    "e2a_mcp.program.e2a",
)


class Forked:
    """One run of the program. `wait` returns its exit status, negative for the signal that ended it."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.pid = int(connection.recv(WORD))

    def wait(self, timeout: float = SECONDS) -> int:
        """Raises `subprocess.TimeoutExpired`; the process is killed then."""
        self._connection.settimeout(timeout)
        with self._connection:
            try:
                return int(self._connection.recv(WORD))
            except TimeoutError:
                os.kill(self.pid, signal.SIGKILL)
                raise subprocess.TimeoutExpired("e2a", timeout) from None


def run_e2a(
    environment: Mapping[str, str], *arguments: str, stdin: str = "", timeout: float = SECONDS
) -> subprocess.CompletedProcess[str]:
    """`e2a` with its output, as `subprocess.run` returns it."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode())
        given.seek(0)
        status = fork_e2a(environment, arguments, given, out, err).wait(timeout)
        return subprocess.CompletedProcess(["e2a", *arguments], status, _text(out), _text(err))


def fork_e2a(
    environment: Mapping[str, str], arguments: Sequence[str], stdin: Any, stdout: Any, stderr: Any
) -> Forked:
    """Starts `e2a` in the folder of the caller, with these files or descriptors."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    request = {"arguments": arguments, "environment": dict(environment), "folder": str(Path.cwd())}
    descriptors = [item if isinstance(item, int) else item.fileno() for item in (stdin, stdout, stderr)]
    with theirs, tempfile.TemporaryFile() as told:
        told.write(json.dumps(request).encode())
        told.seek(0)
        socket.send_fds(_parent(), [b"."], [*descriptors, told.fileno(), theirs.fileno()])
    return Forked(ours)


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


@cache
def _parent() -> socket.socket:
    """The connection to the process that forks, which ends with this one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())], cwd=ROOT, pass_fds=[theirs.fileno()]
        )
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def _serve(connection: socket.socket) -> list[str] | None:
    """Forks until the connection ends, and returns None; returns the arguments to run in each child."""
    _preload()
    # Nobody waits for those who watch.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, WORD, DESCRIPTORS)
        if not message:
            return None
        if os.fork() == 0:
            connection.close()
            return _watched(*descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _watched(stdin: int, stdout: int, stderr: int, told: int, answer: int) -> list[str]:
    """Starts the process of the request and tells its id, then its exit status; returns in that process alone."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    start, started = os.pipe()
    with socket.socket(fileno=answer) as waiting:
        pid = os.fork()
        if pid == 0:
            os.close(started)
            os.read(start, 1)
            os.close(start)
            with os.fdopen(told, "rb") as request:
                return _become(json.load(request), (stdin, stdout, stderr))
        for descriptor in (start, stdin, stdout, stderr, told):
            os.close(descriptor)
        waiting.send(str(pid).encode())
        os.close(started)
        waiting.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
    os._exit(0)


def _become(request: Mapping[str, Any], descriptors: Sequence[int]) -> list[str]:
    """Makes this process what the request asks for, and returns the arguments."""
    for standard, descriptor in enumerate(descriptors):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, "utf-8", "backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["e2a", *request["arguments"]]
    return list(request["arguments"])


def _preload() -> None:
    for name in PRELOADED:
        module = import_module(name)
        for inner in pkgutil.iter_modules(getattr(module, "__path__", ())):
            import_module(f"{name}.{inner.name}")
    gc.collect()
    gc.freeze()


def _main(descriptor: int) -> int:
    arguments = _serve(socket.socket(fileno=descriptor))
    if arguments is None:
        return 0
    from e2a_mcp.program.e2a import main

    return main(arguments)


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1])))
