"""Traces: one connected trace for each call, through two processes, at a real collector; and no harm without one."""

import secrets
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

import harness
import sandbox as sandboxes
from collector import Collector, Span
from sandbox import Sandbox
from test_grpc_client import resting_buy
from tidegate.v1 import account_pb2, account_pb2_grpc, trading_pb2_grpc

LOOPBACK = {"listen": "127.0.0.1:0"}
KEYS = ["sandbox-read", "sandbox-trade"]


def _key(label: str) -> dict[str, object]:
    """The table of a sandbox key, with the permissions that the sandbox's own file says."""
    entry = sandboxes.entry(label)
    return {"account": "main", "sandbox": True, "permissions": entry["permission_tokens"]}


class House:
    """A gateway and an executor as two processes, which send their spans to one address."""

    def __init__(self, directory: Path, at: Sandbox, endpoint: str, stack: ExitStack) -> None:
        common = {"admin": LOOPBACK, "accounts.main": {"tier": "wide"}, "traces": {"otlp_endpoint": endpoint}}
        executor = {
            **common,
            "executor": LOOPBACK,
            "kraken": {"rest_url": at.url},
            **{f"keys.{label}": _key(label) for label in KEYS},
        }
        path = harness.config(directory, "executor", executor)
        self.executor = stack.enter_context(
            harness.tidegate("executor", ["executor", "--config", str(path)], directory)
        )
        address = self.executor.address("executor", "grpc")
        gateway = {**common, "gateway": {**LOOPBACK, "quota_per_s": 100_000}, "gateway.executors": {"one": address}}
        path = harness.config(directory, "gateway", gateway)
        self.gateway = stack.enter_context(harness.tidegate("gateway", ["gateway", "--config", str(path)], directory))
        self.channel = stack.enter_context(grpc.insecure_channel(self.gateway.address("gateway", "grpc")))
        self.account = account_pb2_grpc.AccountServiceStub(self.channel)
        self.trading = trading_pb2_grpc.TradingServiceStub(self.channel)

    def balance(self, parent: str | None = None) -> None:
        metadata = [("traceparent", parent)] if parent else []
        self.account.GetBalance(account_pb2.GetBalanceRequest(), timeout=10, metadata=metadata)

    def stop(self) -> None:
        """Ends both; at its end a process sends the spans that it still has."""
        self.gateway.stop()
        self.executor.stop()


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Budgets are not what is tested here."""
    running = Sandbox(tmp_path_factory.mktemp("wide"), tier="wide")
    yield running
    running.stop()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def _parent(sampled: bool = True) -> tuple[str, str, str]:
    trace, span = secrets.token_hex(16), secrets.token_hex(8)
    return trace, span, f"00-{trace}-{span}-{'01' if sampled else '00'}"


def _assert_connected(spans: list[Span], root_parent: str) -> None:
    """Every span hangs on another of its trace, but for the one that hangs on the strategy's own."""
    ids = {span.id for span in spans}
    roots = [span for span in spans if span.parent not in ids]
    assert [(root.name, root.parent) for root in roots] == [(roots[0].name, root_parent)], spans


def test_one_connected_trace_for_each_call(tmp_path: Path, wide: Sandbox, stack: ExitStack) -> None:
    collector = Collector(tmp_path)
    stack.enter_context(collector.process)
    house = House(tmp_path, wide, collector.endpoint, stack)
    house.balance()  # waits until the lane is open, so that the calls below find it so

    reads = [_parent() for _ in range(20)]
    with ThreadPoolExecutor(len(reads)) as callers:
        list(callers.map(house.balance, (header for _, _, header in reads)))
    order_trace, order_span, header = _parent()
    order = resting_buy()
    house.trading.AddOrder(order, timeout=10, metadata=[("traceparent", header)])
    unsampled, _, header = _parent(sampled=False)
    house.balance(header)
    house.stop()

    expected = Counter(["policy", "hop", "queue", "kraken", "sign"])
    whole = sum(expected.values()) + 2

    def arrived() -> list[Span] | None:
        spans = collector.spans()
        traced = {order_trace, *(trace for trace, _, _ in reads)}
        return spans if sum(span.trace in traced for span in spans) >= whole * len(traced) else None

    spans = harness.wait_until("all traces", arrived)
    for trace, parent in [*((trace, span) for trace, span, _ in reads), (order_trace, order_span)]:
        own = [span for span in spans if span.trace == trace]
        _assert_connected(own, parent)
        method = "AddOrder" if trace == order_trace else "GetBalance"
        assert Counter(span.name for span in own) == expected + Counter([method, method]), own
        services = {span.name: span.service for span in own}
        assert services["policy"] == services["hop"] == "tidegate-gateway"
        assert services["queue"] == services["kraken"] == services["sign"] == "tidegate-executor"
        assert all(span.attributes.get("outcome") for span in own if span.name == "kraken"), own
    kraken = next(span for span in spans if span.trace == order_trace and span.name == "kraken")
    assert kraken.attributes["request_id"] == order.context.request_id
    assert kraken.attributes["endpoint"] == "AddOrder"
    # The strategy's decision not to trace is kept; a call without a context has a trace of its own.
    assert not [span for span in spans if span.trace == unsampled]
    assert [span for span in spans if span.name == "GetBalance" and not span.parent]
    text = collector.text()
    for label in KEYS:  # the public half of a sandbox key is its label
        assert sandboxes.key(label).secret not in text


@pytest.mark.parametrize("collector", ["gone", "silent"])
def test_a_collector_that_is_gone_or_slow_costs_no_call(
    collector: str, tmp_path: Path, wide: Sandbox, stack: ExitStack
) -> None:
    listener = stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    if collector == "silent":
        # Connections are taken by the kernel, and never a word is said.
        listener.listen(1)
    house = House(tmp_path, wide, f"http://127.0.0.1:{listener.getsockname()[1]}", stack)
    # More than what the queue for spans holds: three at the gateway for each call.
    with ThreadPoolExecutor(16) as callers:
        list(callers.map(lambda _: house.balance(), range(1_500)))
    house.trading.AddOrder(resting_buy(), timeout=10)
    house.stop()
    assert "panicked" not in house.gateway.tail(1_000) + house.executor.tail(1_000)
