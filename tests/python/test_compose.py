"""The compose file: what it names exists, its configurations are good, and started as it starts them they serve a call.

There is no container engine here, so the services of our own image run as processes, with their names resolved as the
network of the compose file does; Redis and Prometheus are the real ones, with the settings of the compose file.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

import harness
from redis_server import Redis
from test_grpc_client import resting_buy
from tidegate.v1 import account_pb2, account_pb2_grpc, operations_pb2, operations_pb2_grpc, trading_pb2_grpc
from wired import Wired, first_order_id

DEPLOY = harness.ROOT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service["image"] == "tidegate"]


def _mounts(name: str) -> dict[str, Path]:
    """Path inside of the container -> path here, of everything that is mounted from the repository."""
    mounts = (volume.split(":") for volume in SERVICES[name].get("volumes", []))
    return {inside: (DEPLOY / here).resolve() for here, inside, *_ in mounts if here.startswith("./")}


def _config(name: str) -> Path:
    """The configuration file that a service of ours starts with."""
    command = SERVICES[name]["command"]
    return _mounts(name)[command[command.index("--config") + 1]]


def test_everything_that_is_named_exists() -> None:
    for name, service in SERVICES.items():
        assert set(service.get("depends_on", [])) <= set(SERVICES), name
        for inside, here in _mounts(name).items():
            assert here.exists(), f"{name}: {inside} is mounted from {here}"
        # Loopback only: nothing asks callers who they are.
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert re.fullmatch(r"tidegate|[\w./-]+:[\w.-]*\d[\w.-]*", service["image"]), f"{name}: no version is pinned"
    build = SERVICES["gateway"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).exists()
    named = {host for name in OURS for host in re.findall(r'"(?:\w+://)?([a-z][a-z-]*):\d+', _config(name).read_text())}
    assert named == {"executor-read", "executor-trade", "redis", "sandbox", "collector"}
    assert named <= set(SERVICES)
    scraped = yaml.safe_load((DEPLOY / "compose/prometheus.yaml").read_text())["scrape_configs"][0]["dns_sd_configs"][0]
    assert set(scraped["names"]) == {name for name in OURS if name != "sandbox"}


@pytest.mark.parametrize("name", OURS)
def test_each_configuration_is_accepted_and_each_role_is_started(name: str) -> None:
    argv = [str(harness.TARGET / "debug/tidegate"), "config", "check", str(_config(name))]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert SERVICES[name]["command"][0] == name.split("-")[0]
    assert SERVICES[name]["cap_drop"] == ["ALL"] and SERVICES[name]["read_only"] is True


def test_every_process_may_finish_its_calls_before_it_is_killed() -> None:
    for name in OURS:
        text = _config(name).read_text()
        waits_ms = sum(int(n) for n in re.findall(r"^(?:delay|grace)_ms = (\d+)$", text, re.MULTILINE))
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) * 1_000 > waits_ms, name


def test_prometheus_reads_its_configuration_and_the_rules(tmp_path: Path) -> None:
    mounts = _mounts("prometheus")
    text = mounts["/etc/prometheus/prometheus.yaml"].read_text()
    # The paths of the container, as they are here.
    text = text.replace("/etc/prometheus/rules", str(mounts["/etc/prometheus/rules"]))
    (tmp_path / "prometheus.yaml").write_text(text)
    argv = ["promtool", "check", "config", str(tmp_path / "prometheus.yaml")]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0 and re.search(r"SUCCESS: \d+ rules found", done.stdout), done


def test_grafana_finds_the_dashboard_and_prometheus() -> None:
    mounts = _mounts("grafana")
    source = yaml.safe_load(mounts["/etc/grafana/provisioning/datasources/tidegate.yaml"].read_text())
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
    provider = yaml.safe_load(mounts["/etc/grafana/provisioning/dashboards/tidegate.yaml"].read_text())
    path = provider["providers"][0]["options"]["path"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (mounts[path] / Path(home).relative_to(path)).exists()


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Wired]:
    with ExitStack() as stack:
        wired = Wired(tmp_path, stack)
        redis = Redis(tmp_path, SERVICES["redis"]["command"][1:])
        stack.enter_context(redis.process)
        wired.put("redis", 6379, redis.address)
        # Nobody listens there; that costs no call.
        wired.put("collector", 4317, "127.0.0.1:9")
        for name in ("sandbox", "executor-read", "executor-trade", "gateway"):
            config = _config(name).read_text()
            # In a network of its own a process has one name for itself; here it says where it listens.
            config = re.sub(r"^advertise = .*\n", "", config, flags=re.MULTILINE)
            wired.start(name, SERVICES[name]["command"], config, {}, wired.at)
        yield wired


def test_started_as_it_says_it_serves_a_call(network: Wired) -> None:
    with grpc.insecure_channel(network.at("gateway", 50051)) as channel:
        operations = operations_pb2_grpc.OperationsServiceStub(channel)

        def open_lanes() -> bool:
            # A store that nobody prepared may be one that was lost, so the first owners wait some seconds.
            lanes = operations.ListLanes(operations_pb2.ListLanesRequest(), timeout=10, wait_for_ready=True).lanes
            return len(lanes) == 4 and all(lane.state == operations_pb2.LANE_STATE_OPEN for lane in lanes)

        harness.wait_until("the four lanes to be open", open_lanes)
        account = account_pb2_grpc.AccountServiceStub(channel)
        balances = account.GetBalance(account_pb2.GetBalanceRequest(), timeout=20, wait_for_ready=True).balances
        assert balances["XXBT"] == "100.0000000000"
        trading = trading_pb2_grpc.TradingServiceStub(channel)
        assert first_order_id(trading, resting_buy)
