"""What the chart renders, started: the commands and configurations of its pods as processes of this machine.

There is no cluster here, so this plays its part: names are resolved through the rendered Services to the pods that they
select, variables are expanded as the kubelet does. A real Redis stands for the built-in one, with its rendered arguments.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

import charts
import harness
from charts import GATEWAY, READ, REDIS, SANDBOX, SANDBOX_VALUES, TRADE, find, matches, of_kind, render
from redis_server import Redis
from test_grpc_client import resting_buy
from tidegate.v1 import account_pb2, account_pb2_grpc, operations_pb2, operations_pb2_grpc, trading_pb2
from tidegate.v1 import trading_pb2_grpc
from wired import Wired, first_order_id

ADMIN = 9464


@pytest.fixture(scope="module")
def docs() -> list[charts.Doc]:
    # One process of each Deployment; how several share a Redis is proved elsewhere.
    return render([SANDBOX_VALUES])


@pytest.fixture(scope="module")
def cluster(docs: list[charts.Doc], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wired]:
    directory = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        wired = Wired(directory, stack)
        redis = Redis(directory, [*charts.pod_of(docs, REDIS)["containers"][0]["args"], "--dir", str(directory)])
        stack.enter_context(redis.process)
        wired.put(REDIS, 6379, redis.address)

        def resolve(host: str, port: int) -> str:
            """The address behind a Service's name: some pod that it selects, at the port that it points to."""
            spec = find(docs, "Service", host)["spec"]
            entry = next(entry for entry in spec["ports"] if entry["port"] == port)
            behind = [
                (name, doc["spec"]["template"])
                for name, doc in of_kind(docs, "Deployment").items()
                if matches({"matchLabels": spec["selector"]}, doc["spec"]["template"]["metadata"]["labels"])
            ]
            [(name, pod)] = behind
            ports = {p["name"]: p["containerPort"] for p in pod["spec"]["containers"][0]["ports"]}
            target = entry.get("targetPort", port)
            return wired.at(name, ports.get(target, target))

        for name in (SANDBOX, READ, TRADE, GATEWAY):
            variables = charts.environment_of(docs, name)
            # The address of a pod has a free port for every listener; here all share one, so the bound one is told.
            advertise = variables.pop("TIDEGATE__EXECUTOR__ADVERTISE", None)
            assert advertise == ("127.0.0.1:50052" if name in (READ, TRADE) else None)
            wired.start(name, charts.arguments_of(docs, name), charts.config_of(docs, name), variables, resolve)
        yield wired


@pytest.fixture(scope="module")
def channel(cluster: Wired) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(cluster.at(GATEWAY, 50051)) as channel:
        operations = operations_pb2_grpc.OperationsServiceStub(channel)

        def open_lanes() -> bool:
            lanes = operations.ListLanes(operations_pb2.ListLanesRequest(), timeout=10, wait_for_ready=True).lanes
            return len(lanes) == 4 and all(lane.state == operations_pb2.LANE_STATE_OPEN for lane in lanes)

        harness.wait_until("the four lanes to be open", open_lanes)
        yield channel


def test_a_call_passes_the_gateway_and_both_pools_to_the_sandbox(channel: grpc.Channel) -> None:
    account, trading = account_pb2_grpc.AccountServiceStub(channel), trading_pb2_grpc.TradingServiceStub(channel)
    order_id = first_order_id(trading, resting_buy)

    def open_orders() -> list[str]:
        return [o.order_id for o in account.GetOpenOrders(account_pb2.GetOpenOrdersRequest(), timeout=10).orders]

    assert open_orders() == [order_id]
    cancelled = trading.CancelOrder(trading_pb2.CancelOrderRequest(order_id=order_id), timeout=10)
    assert cancelled.accepted.count == 1
    assert open_orders() == []


def test_each_pool_owns_its_own_lanes(channel: grpc.Channel) -> None:
    operations = operations_pb2_grpc.OperationsServiceStub(channel)
    lanes = operations.ListLanes(operations_pb2.ListLanesRequest(), timeout=10).lanes
    owners = {pool: {lane.owner for lane in lanes if lane.pool == pool} for pool in ("read", "trade")}
    assert len(owners["read"]) == len(owners["trade"]) == 1 and owners["read"] != owners["trade"]


@pytest.mark.parametrize("name", [GATEWAY, READ, TRADE, SANDBOX])
def test_the_rendered_probes_are_answered(name: str, docs: list[charts.Doc], cluster: Wired, channel: grpc.Channel) -> None:
    container = charts.pod_of(docs, name)["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        get = container[probe]["httpGet"]
        assert harness.http_status(f"http://{cluster.at(name, ports[get['port']])}{get['path']}") == 200, probe


def test_every_pod_ends_well_within_its_grace_period(docs: list[charts.Doc], cluster: Wired, channel: grpc.Channel) -> None:
    """The last test of the file: it stops what the others use. The order is that of an uninstallation: all at once."""
    for name in (GATEWAY, READ, TRADE, SANDBOX):
        cluster.processes[name].terminate()
    for name in (GATEWAY, READ, TRADE, SANDBOX):
        grace_s = charts.pod_of(docs, name).get("terminationGracePeriodSeconds", 30)
        assert cluster.processes[name].wait(timeout_s=grace_s) == 0, cluster.processes[name].tail()
