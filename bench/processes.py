"""Child processes of the benchmark: started, waited for with a time limit, and always ended."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Child", "child", "run_child"]

ROOT = Path(__file__).resolve().parent.parent
READY_SECONDS = 30.0
STOP_SECONDS = 15.0
RUN_SECONDS = 900.0


class Child:
    """A running child process. Its standard output is read here, its standard error goes to a file."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log
        self._received = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    def line(self, seconds: float = READY_SECONDS) -> str:
        """Returns the next line of its output.

        Raises RuntimeError with its log if it ends, or writes nothing within `seconds`.
        """
        stdout = self.process.stdout
        assert stdout is not None
        deadline = time.monotonic() + seconds
        while b"\n" not in self._received:
            ready, _, _ = select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(stdout.fileno(), 65536) if ready else b""
            if not chunk:
                why = "ended" if ready else f"said nothing for {seconds:g} s"
                raise RuntimeError(
                    f"{self.process.args!r} {why}: {self._log.read_text(errors='replace')[-4000:]}"
                )
            self._received += chunk
        line, _, self._received = self._received.partition(b"\n")
        return line.decode()

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def processor_seconds(self) -> float:
        """Returns the processor time that all its threads have used; 0 on a system without /proc."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mebibytes(self) -> float:
        listed = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(self.pid)], capture_output=True, check=True, text=True
        )
        return int(listed.stdout) / 1024

    def stop(self) -> None:
        """Asks it to stop, and kills it if it does not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


@contextmanager
def child(arguments: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None) -> Iterator[Child]:
    """Runs `python ARGUMENTS` in the project's root for the time of the block; `env` adds to a clean environment."""
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**_environment(), **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            bufsize=0,
        )
        started = Child(process, log)
        try:
            yield started
        finally:
            started.stop()


def run_child(arguments: Sequence[str], *, seconds: float = RUN_SECONDS) -> str:
    """Runs `python ARGUMENTS` to its end and returns its output."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{arguments!r} failed: {done.stderr[-4000:]}")
    return done.stdout


def _environment() -> dict[str, str]:
    """Returns this process's environment without settings of the product."""
    return {name: value for name, value in os.environ.items() if not name.startswith("E2A_")}
