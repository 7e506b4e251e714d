"""Starts the product as its users do: real processes, real sockets, nothing shared with a developer's own run.

Every listener is bound to port 0 and announces itself on standard output in one line
(`listening role=sandbox what=rest addr=127.0.0.1:41234`); nothing here waits for a length of time, only for
such a line or another condition, with a deadline.
"""

import json
import os
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))

DEADLINE_S = 30
"""How long a condition may take before the test fails. Far above what any takes on a slow machine."""

_POLL_S = 0.02
_LISTENING = re.compile(r"^listening role=(\S+) what=(\S+) addr=(\S+)\s*$")

T = TypeVar("T")


def wait_until(what: str, probe: Callable[[], T | None], deadline_s: float = DEADLINE_S) -> T:
    """Asks `probe` until it answers something true, and returns that. Fails by name after the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        if answer := probe():
            return answer
        if time.monotonic() > end:
            raise TimeoutError(f"gave up after {deadline_s} s: {what}")
        time.sleep(_POLL_S)


def http_status(url: str) -> int:
    """The status with which a page answers."""
    try:
        with urllib.request.urlopen(url, timeout=DEADLINE_S) as reply:
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


class Process:
    """One running program of ours. Its output goes to a log file and is searched for listeners."""

    running: list["Process"] = []
    """All that run now, so that a failed test can show what they said last."""

    def __init__(self, name: str, argv: list[str], directory: Path, environment: dict[str, str] | None = None) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._addresses: dict[tuple[str, str], str] = {}
        self._ended = False
        self._news = threading.Condition()
        try:
            # A session of its own: an interrupt at the keyboard reaches pytest, which then stops the process.
            self._process = subprocess.Popen(
                argv,
                cwd=directory,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,
            )
        except FileNotFoundError:
            raise RuntimeError(f"{argv[0]} does not exist; `make test` builds it, or: cargo build -p tidegate") from None
        self._reader = threading.Thread(target=self._read, name=f"output of {name}", daemon=True)
        self._reader.start()
        Process.running.append(self)

    def _read(self) -> None:
        with open(self.log, "w", encoding="utf-8") as log:
            for line in self._process.stdout or ():
                log.write(line)
                log.flush()
                if found := _LISTENING.match(line):
                    with self._news:
                        self._addresses[found[1], found[2]] = found[3]
                        self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def address(self, role: str, what: str) -> str:
        """`host:port` of a listener, once it is bound."""
        with self._news:
            known = self._news.wait_for(lambda: (role, what) in self._addresses or self._ended, timeout=DEADLINE_S)
            if (role, what) in self._addresses:
                return self._addresses[role, what]
        why = "it ended first" if known else f"nothing within {DEADLINE_S} s"
        raise RuntimeError(f"{self.name} never listened as role={role} what={what}: {why}\n{self.tail()}")

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def terminate(self) -> None:
        """Asks it to end, and does not wait."""
        self._process.send_signal(signal.SIGTERM)

    def wait(self, timeout_s: float = DEADLINE_S) -> int:
        """Waits for an end that was brought about before, and returns the exit code."""
        code = self._process.wait(timeout=timeout_s)
        self.stop()
        return code

    def tail(self, lines: int = 30) -> str:
        """The last lines of its output."""
        try:
            return "\n".join(self.log.read_text(encoding="utf-8").splitlines()[-lines:])
        except FileNotFoundError:
            return "(no output)"

    def stop(self) -> None:
        """Asks it to end and makes sure that it did."""
        if self in Process.running:
            Process.running.remove(self)
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout=DEADLINE_S)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._reader.join(timeout=10)

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def config(directory: Path, name: str, tables: dict[str, dict[str, object]]) -> Path:
    """Writes a configuration file. Values are texts, whole numbers and truth values: what JSON and TOML share."""
    lines = []
    for table, members in tables.items():
        lines.append(f"[{table}]")
        lines += [f"{member} = {json.dumps(value, ensure_ascii=False)}" for member, value in members.items()]
    path = directory / f"{name}.toml"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def tidegate(
    name: str, arguments: list[str], directory: Path, environment: dict[str, str] | None = None
) -> Process:
    """Starts the binary that `cargo build -p tidegate` made."""
    return Process(name, [str(TARGET / "debug" / "tidegate"), *arguments], directory, environment)


def prepare_store(file: Path) -> None:
    """Tells the empty Redis of a configuration that it has lost nothing, as an operator does before the first start."""
    binary = TARGET / "debug" / "tidegate"
    done = subprocess.run([binary, "store", "init", "--config", file], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
