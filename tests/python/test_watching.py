"""Dashboard, alerts and runbook against the product: a real Prometheus, and every expression must give data."""

import json
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import promql_parser
import pytest
import yaml

import harness
import sandbox as exchange
from prometheus import Prometheus, on_a_free_port
from test_grpc_client import act, resting_buy
from tidegate.v1 import account_pb2, account_pb2_grpc, trading_pb2, trading_pb2_grpc

DEPLOY = harness.ROOT / "deploy"
RULES = DEPLOY / "prometheus/rules/tidegate.yaml"
RUNBOOK = DEPLOY / "RUNBOOK.md"
DASHBOARD = json.loads((DEPLOY / "grafana/overview.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
ALERTS = [rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]

DEADLINE_S = 60
"""How long a panel may stay empty under load."""

DAY_S = 24 * 3600


def expressions() -> list[tuple[str, str]]:
    """Every expression of every panel with its variables replaced, by title.

    Where a panel has a zero to show while nothing has happened yet, that zero would hide a misspelt metric, so the part
    before it is listed as well.
    """
    found = []
    for panel in PANELS:
        for target in panel["targets"]:
            text = target["expr"].replace("$__rate_interval", "5s").replace("$job", ".+")
            name = f"{panel['title']} {target['refId']}"
            found.append((name, text))
            parsed = promql_parser.parse(text)
            if isinstance(parsed, promql_parser.BinaryExpr) and str(parsed.op) == "or":
                found.append((f"{name} without its zero", parsed.lhs.prettify()))
    return found


def selectors(text: str) -> tuple[set[str], set[str]]:
    """Names of the metrics in an expression, and of all labels that it selects, groups or joins by."""
    metrics, labels = set(), set()

    def visit(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            metrics.add(node.name)
            labels.update(matcher.name for matcher in node.matchers.matchers)
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            labels.update(node.modifier.labels)
        if isinstance(node, promql_parser.BinaryExpr) and node.modifier:
            labels.update(node.modifier.matching.labels if node.modifier.matching else ())
            labels.update(node.modifier.group_labels or ())

    promql_parser.walk(promql_parser.parse(text), visit)
    return metrics, labels


@dataclass(frozen=True)
class Watched:
    """A tidegate under load, and the Prometheus that scrapes it."""

    prometheus: Prometheus
    admin: str

    def scrape(self) -> str:
        """What Prometheus sees."""
        with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=harness.DEADLINE_S) as reply:
            return reply.read().decode()


def key_that_expires(directory: Path, in_s: int) -> dict[str, Any]:
    """One more key of the sandbox, with an end; as tidegate's configuration wants it. Writes `more-keys.json`, too."""
    pair = exchange.key("sandbox-read")
    key = {
        "label": "expiring",
        "api_key": "expiring",
        "secret": pair.secret,
        "account": "main",
        "permission_tokens": ["query-ledger"],
        "nonce_unit": "us",
        "valid_until": int(time.time()) + in_s,
    }
    (directory / "more-keys.json").write_text(json.dumps({"keys": [key]}), encoding="utf-8")
    (directory / "expiring.key").write_text(f"expiring\n{pair.secret}\n", encoding="utf-8")
    return {"account": "main", "file": str(directory / "expiring.key"), "permissions": ["query-ledger"]}


def tidegate_config(directory: Path, expiring: dict[str, Any], **more: dict[str, object]) -> Path:
    """A desk with three keys on free ports; `more` are further tables."""
    anywhere = {"listen": "127.0.0.1:0"}
    sandbox_key = {"account": "main", "sandbox": True}
    tables: dict[str, dict[str, object]] = {
        "gateway": anywhere,
        "admin": anywhere,
        "accounts.main": {"tier": "pro"},
        "keys.sandbox-read": {
            **sandbox_key, "permissions": ["query-funds", "query-open-trades", "query-closed-trades"]
        },
        "keys.sandbox-trade": {**sandbox_key, "permissions": ["modify-trades", "close-trades"]},
        "keys.expiring": expiring,
        **more,
    }
    return harness.config(directory, "all", tables)


class Load:
    """Strategies that read, place, cancel and ask for nonsense, until it is stopped."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address)
        grpc.channel_ready_future(self._channel).result(timeout=harness.DEADLINE_S)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._read, self._trade)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        account = account_pb2_grpc.AccountServiceStub(self._channel)
        while not self._over.is_set():
            # Less time than the counter needs for a point, so that some are refused.
            _ask(lambda: account.GetBalance(account_pb2.GetBalanceRequest(), timeout=0.5))

    def _trade(self) -> None:
        trading = trading_pb2_grpc.TradingServiceStub(self._channel)
        while not self._over.is_set():
            placed = _ask(lambda: trading.AddOrder(resting_buy(), timeout=5))
            if placed and placed.WhichOneof("outcome") == "accepted":
                cancel = trading_pb2.CancelOrderRequest(order_id=placed.accepted.order_ids[0])
                _ask(lambda: trading.CancelOrder(cancel, timeout=5))
            refused = resting_buy()
            refused.volume = "1000000"
            _ask(lambda: trading.AddOrder(refused, timeout=5))
            _ask(lambda: trading.AddOrder(trading_pb2.AddOrderRequest(pair="XBT/USD"), timeout=5))
            _ask(lambda: trading.CancelAll(trading_pb2.CancelAllRequest(context=act()), timeout=5))

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(timeout=harness.DEADLINE_S)
        self._channel.close()


def _ask(call: Any) -> Any:
    """A call whose refusal is part of the load."""
    try:
        return call()
    except grpc.RpcError:
        return None


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """`tidegate all` with its sandbox, whose answers to every cancel are lost, a load, and a Prometheus."""
    directory = tmp_path_factory.mktemp("watched")
    expiring = key_that_expires(directory, in_s=30 * DAY_S)
    inside = {"listen": "127.0.0.1:0", "keys_file": str(directory / "more-keys.json")}
    config = tidegate_config(directory, expiring, sandbox=inside)
    with harness.tidegate("all", ["all", "--config", str(config)], directory) as process:
        exchange_url = f"http://{process.address('sandbox', 'rest')}/sandbox/switches"
        fault = {"endpoint": "CancelOrder", "count": 1_000_000, "execute_then_http_status": 502}
        body = json.dumps({"faults": [fault]}).encode()
        request = urllib.request.Request(exchange_url, body, {"Content-Type": "application/json"}, method="POST")
        urllib.request.urlopen(request, timeout=harness.DEADLINE_S).close()
        load = Load(process.address("gateway", "grpc"))
        try:
            admin = process.address("admin", "http")
            with Prometheus(directory, [admin], RULES) as prometheus:
                yield Watched(prometheus, admin)
        finally:
            load.stop()


@pytest.mark.parametrize("arguments", [["check", "rules", RULES.name], ["test", "rules", "tidegate.test.yaml"]])
def test_promtool_accepts_the_rules(arguments: list[str]) -> None:
    done = subprocess.run(["promtool", *arguments], cwd=RULES.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tested_by_name() -> None:
    tests = yaml.safe_load((RULES.parent / "tidegate.test.yaml").read_text(encoding="utf-8"))["tests"]
    cases = [case for test in tests for case in test.get("alert_rule_test", [])]
    fires = {case["alertname"] for case in cases if case["exp_alerts"]}
    assert fires == {alert["alert"] for alert in ALERTS}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_how_urgent_it_is_and_where_to_read(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert {"summary", "description", "runbook_url"} == set(alert["annotations"])
    path, anchor = alert["annotations"]["runbook_url"].split("#")
    assert harness.ROOT / path == RUNBOOK
    headings = re.findall(r"^#+ (.+)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    assert anchor in {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert anchor == alert["alert"].lower()


def test_the_runbook_speaks_of_panels_and_log_lines_that_exist() -> None:
    text = re.sub(r"\s+", " ", RUNBOOK.read_text(encoding="utf-8"))
    titles = set(re.findall(r'"([^"]+\?)"', text))
    assert titles, "no panel is named"
    assert titles <= {panel["title"] for panel in PANELS}
    sources = "".join(path.read_text(encoding="utf-8") for path in (harness.ROOT / "services").rglob("*.rs"))
    code = re.sub(r"\\\n\s*|\s+", " ", sources).replace("  ", " ")
    lines = re.findall(r"[Ll]og line `([^`]+)`", text)
    assert lines, "no log line is named"
    assert [line for line in lines if line not in code] == []


def test_the_dashboard_keeps_its_identity() -> None:
    assert DASHBOARD["uid"] == "tidegate-overview"
    variables = {variable["name"]: variable["type"] for variable in DASHBOARD["templating"]["list"]}
    assert variables == {"datasource": "datasource", "job": "query"}
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in DASHBOARD["panels"]]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_a_panel_asks_explains_and_uses_the_variables(panel: dict[str, Any]) -> None:
    assert panel["title"].endswith("?")
    assert "Good: " in panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"] and panel["fieldConfig"]["defaults"]["thresholds"]
    for asked in (panel, *panel["targets"]):
        assert asked["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    for target in panel["targets"]:
        assert set(re.findall(r"\$\w+", target["expr"])) <= {"$job", "$__rate_interval"}
        assert target["expr"].count("tidegate_") == target["expr"].count('job=~"$job"')


def test_no_two_panels_lie_on_each_other() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] >= 0 and place["w"] > 0 and place["h"] > 0 and place["x"] + place["w"] <= 24
        for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])):
            other = taken.setdefault(cell, panel["title"])
            assert other == panel["title"], f"{other} and {panel['title']} share {cell}"


@pytest.mark.parametrize(("name", "expression"), expressions(), ids=lambda value: value)
def test_a_panel_has_data_under_load(watched: Watched, name: str, expression: str) -> None:
    harness.wait_until(f"{name}: {expression}", lambda: watched.prometheus.query(expression), DEADLINE_S)


def test_metrics_and_labels_exist(watched: Watched) -> None:
    texts = [expression for _, expression in expressions()] + [alert["expr"] for alert in ALERTS]
    metrics = set().union(*(selectors(text)[0] for text in texts))
    labels = set().union(*(selectors(text)[1] for text in texts))

    def missing() -> set[str]:
        shown = re.findall(r"^(\w+)(?:\{(.*)\})? ", watched.scrape(), re.MULTILINE)
        # What Prometheus adds, and what a cluster may.
        known = {name for _, inner in shown for name in re.findall(r'(\w+)="', inner)}
        known |= {"job", "instance", "namespace"}
        return (metrics - {name for name, _ in shown}) | (labels - known)

    assert len(metrics) > 10
    harness.wait_until(f"all exist of {sorted(metrics)}, {sorted(labels)}", lambda: not missing(), DEADLINE_S)


def hurried(directory: Path) -> Path:
    """The rules with seconds for minutes, so that a test lives through them. Only times change."""
    text = RULES.read_text(encoding="utf-8")
    for window, short in (("[15m]", "[5s]"), ("[5m]", "[3s]"), ("[2m]", "[2s]")):
        assert window in text
        text = text.replace(window, short)
    assert "> 300" in text
    text = text.replace("> 300", "> 2")
    file = directory / "hurried.yaml"
    file.write_text(re.sub(r"^( +for:) \w+$", r"\1 600ms", text, flags=re.MULTILINE), encoding="utf-8")
    return file


def test_each_alert_fires_for_its_real_cause_and_not_before(tmp_path: Path) -> None:
    with ExitStack() as running:
        expiring = key_that_expires(tmp_path, in_s=3 * DAY_S)
        kraken = exchange.Sandbox(tmp_path, keys_file=str(tmp_path / "more-keys.json"))
        running.callback(kraken.stop)
        ready = "Ready to accept connections"
        redis, port = on_a_free_port(
            "redis", lambda port: ["redis-server", "--port", str(port), "--bind", "127.0.0.1"], tmp_path, ready
        )
        running.enter_context(redis)
        tables = {
            "executor": {"listen": "127.0.0.1:0"},
            "kraken": {"rest_url": kraken.url},
            "store": {"redis_url": f"redis://127.0.0.1:{port}/0"},
            "keys.sandbox-expired": {"account": "main", "sandbox": True, "permissions": ["query-funds"]},
        }
        config = tidegate_config(tmp_path, expiring, **tables)
        harness.prepare_store(config)
        process = running.enter_context(harness.tidegate("all", ["all", "--config", str(config)], tmp_path))
        admin = process.address("admin", "http")
        load = Load(process.address("gateway", "grpc"))
        running.callback(load.stop)
        prometheus = running.enter_context(Prometheus(tmp_path, [admin], hurried(tmp_path)))

        def firing(name: str) -> set[str]:
            """Lanes of an alert that fires, or what takes their place where it is not about lanes."""
            found = prometheus.query(f'ALERTS{{alertname="{name}", alertstate="firing"}}')
            return {labels.get("lane") or labels.get("account") or labels["instance"] for labels, _ in found}

        def fires(name: str, expected: set[str]) -> None:
            harness.wait_until(f"{name} fires for {expected}", lambda: firing(name) == expected, DEADLINE_S)

        fires("TidegateKeyNearExpiry", {"expiring"})
        fires("TidegateLaneNotOpen", {"sandbox-expired"})
        # The load reads as fast as the counter allows.
        fires("TidegateBudgetNearlySpent", {"sandbox-read"})
        assert all(rule["health"] == "ok" for rule in prometheus.rules())

        assert not firing("TidegateIntentUnresolved")
        kraken.switch(faults=[{"endpoint": "AddOrder", "http_status": 502}])
        fires("TidegateIntentUnresolved", {"main"})

        assert not firing("TidegateNonceUnexplained")
        ahead = time.time_ns() // 1000 + 60_000_000
        kraken.signed(exchange.key("sandbox-trade"), "CancelAll", nonce=ahead)
        fires("TidegateNonceUnexplained", {"sandbox-trade"})

        assert not firing("TidegateKrakenUnreachable")
        kraken.stop()
        fires("TidegateKrakenUnreachable", {admin})

        assert not firing("TidegateStoreDown")
        redis.stop()
        fires("TidegateStoreDown", {admin})

        assert not firing("TidegateLaneOwner")
        load.stop()
        process.stop()
        fires("TidegateLaneOwner", {"expiring", "sandbox-expired", "sandbox-read", "sandbox-trade"})
