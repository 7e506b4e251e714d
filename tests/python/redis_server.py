"""A real Redis of a test's own."""

import socket
from pathlib import Path

import harness
from collector import free_port


class Redis:
    """The running server. It keeps nothing on disk."""

    def __init__(self, directory: Path, arguments: list[str] | None = None) -> None:
        self.port = free_port()
        own = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(directory)]
        argv = ["redis-server", *own, *(arguments or ["--save", "", "--appendonly", "no"])]
        self.process = harness.Process("redis", argv, directory)
        harness.wait_until("redis to listen", self._listens)

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"127.0.0.1:{self.port}"

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
