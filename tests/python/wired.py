"""Starts configurations that were written for a cluster as processes of this machine, wired as the cluster wires them.

A configuration names others by the names of services and listens on fixed ports of all addresses. Here every listener
gets a free port of loopback, and every name is replaced by the address of the process that stands behind it, as the
caller resolves it. Nothing else of a configuration is changed.
"""

import re
import tomllib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import harness
from tidegate.v1 import trading_pb2, trading_pb2_grpc

LISTENERS = {"gateway": "grpc", "executor": "grpc", "admin": "http", "sandbox": "rest"}
"""Table of a configuration -> what its listener is called in the line that announces it."""

Resolve = Callable[[str, int], str]
"""From a name and a port to the address of whoever stands behind it."""

_NAMED = re.compile(r'"((?:http|redis)://)?([a-z0-9][a-z0-9.-]*):(\d+)([^"]*)"')


def first_order_id(trading: trading_pb2_grpc.TradingServiceStub, order: Callable[[], trading_pb2.AddOrderRequest]) -> str:
    """Places an order on a cluster whose store nobody prepared, and returns its id at the exchange.

    For 15 s such a store may be one that has lost its memory: orders whose ids are born then are not sent.
    """
    placed: list[str] = []

    def is_placed() -> bool:
        reply = trading.AddOrder(order(), timeout=5)
        if reply.WhichOneof("outcome") == "unresolved":
            assert reply.unresolved.reason == "CLAIM_LOST", reply
        placed.extend(reply.accepted.order_ids)
        return bool(placed)

    harness.wait_until("an order to be placed", is_placed)
    [order_id] = placed
    return order_id


class Wired:
    """The processes, and who listens where."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._addresses: dict[tuple[str, int], str] = {}
        self.processes: dict[str, harness.Process] = {}

    def at(self, name: str, port: int) -> str:
        """Address of a process's listener, by the port that its configuration says."""
        return self._addresses[name, port]

    def put(self, name: str, port: int, address: str) -> None:
        """Makes known what is no process of ours."""
        self._addresses[name, port] = address

    def start(
        self, name: str, arguments: list[str], config: str, variables: dict[str, str], resolve: Resolve
    ) -> harness.Process:
        """Starts one process with its configuration; `--config`'s file is replaced by the wired one."""
        tables = tomllib.loads(config)
        ports = {
            (table, what): int(tables[table]["listen"].rsplit(":", 1)[1])
            for table, what in LISTENERS.items()
            if "listen" in tables.get(table, {})
        }

        def replaced(found: re.Match[str]) -> str:
            scheme, host, port, rest = found.groups()
            if host == "0.0.0.0":
                return f'"127.0.0.1:0{rest}"'
            return f'"{scheme or ""}{resolve(host, int(port))}{rest}"'

        file = self._directory / f"{name}.toml"
        file.write_text(_NAMED.sub(replaced, config), encoding="utf-8")
        at = arguments.index("--config") + 1
        own = [*arguments[:at], str(file), *arguments[at + 1 :]]
        process = self._stack.enter_context(harness.tidegate(name, own, self._directory, variables))
        for (table, what), port in ports.items():
            # A role binds its own listeners only.
            if table in ("admin", arguments[0]):
                self._addresses[name, port] = process.address(table, what)
        self.processes[name] = process
        return process
