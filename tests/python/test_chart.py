"""The Helm chart: what it renders is valid, safe, and fits together."""

import json
import tomllib
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import utils as kubernetes_schemas

import charts
import harness
from charts import CHART, FULLNAME, FUND, GATEWAY, HA_VALUES, KEY, READ, REAL, REDIS, SANDBOX, SANDBOX_VALUES, TRADE
from charts import Doc, Place, find, merged, of_kind, pod_of, render

every_render = pytest.mark.parametrize("values", charts.VALUES.values(), ids=charts.VALUES.keys())


# What it renders is valid


@every_render
def test_lint_finds_nothing(values: list[Path]) -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in charts.helm(["lint", "--strict", str(CHART)], values)


@every_render
def test_every_object_is_valid_in_the_three_newest_kubernetes(values: list[Path]) -> None:
    docs = [doc for doc in render(values) if not doc["apiVersion"].startswith("monitoring.coreos.com/")]
    versions = set(kubernetes_schemas.all_versions())
    newest = sorted(versions, key=lambda version: [int(number) for number in version.split(".")])[-3:]
    assert len(newest) == 3 and len(docs) > 5
    for version in newest:
        for doc in docs:
            kubernetes_validate.validate(doc, version, strict=True)


@every_render
def test_every_object_says_what_it_belongs_to(values: list[Path]) -> None:
    for doc in render(values):
        labels = doc["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "tidegate" and labels["app.kubernetes.io/instance"] == charts.RELEASE
        assert doc["metadata"]["name"].startswith(FULLNAME) and len(doc["metadata"]["name"]) <= 63


def test_what_is_there_depends_on_the_values() -> None:
    assert set(of_kind(render(), "Deployment")) == {GATEWAY}
    sandbox = render([SANDBOX_VALUES])
    assert set(of_kind(sandbox, "Deployment")) == {GATEWAY, READ, TRADE, SANDBOX, REDIS}
    assert {doc["kind"] for doc in sandbox}.isdisjoint({"ServiceMonitor", "PrometheusRule", "Secret"})
    ha = of_kind(render([HA_VALUES]), "Deployment")
    assert {name: doc["spec"]["replicas"] for name, doc in ha.items()} == {GATEWAY: 3, READ: 2, TRADE: 2, FUND: 2}


def test_names_stay_short_enough_for_a_service() -> None:
    pool = {"p" * 20: {"existingSecret": "keys", "keys": {"desk-read": KEY}}}
    docs = charts.helm(["template", "r" * 53, str(CHART)], set_values=REAL | {"executors": pool})
    names = {doc["metadata"]["name"] for doc in yaml.safe_load_all(docs) if doc}
    assert max(map(len, names)) == 63


def test_the_image_is_taken_by_digest_or_tag() -> None:
    def image(**values: str) -> str:
        return pod_of(render(set_values={"image": values}), GATEWAY)["containers"][0]["image"]

    workspace = tomllib.loads((harness.ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]
    version = workspace["package"]["version"]
    digest = "sha256:" + "0" * 64
    assert image() == f"tidegate:{version}"
    assert image(repository="images.example:5000/tidegate", tag="9") == "images.example:5000/tidegate:9"
    assert image(tag="9", digest=digest) == f"tidegate@{digest}"


# What it renders is safe


@every_render
def test_pods_have_no_privilege_and_no_token(values: list[Path]) -> None:
    for name in of_kind(docs := render(values), "Deployment"):
        pod = pod_of(docs, name)
        assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False
        assert not {"serviceAccountName", "hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True and security["seccompProfile"] == {"type": "RuntimeDefault"}
        user = 999 if name == REDIS else 65532
        assert security["runAsUser"] == security["runAsGroup"] == security["fsGroup"] == user
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "runAsNonRoot": True,
                "capabilities": {"drop": ["ALL"]},
            }
        assert all(set(volume) - {"name"} <= {"configMap", "secret", "emptyDir"} for volume in pod["volumes"])


@every_render
def test_pods_have_probes_requests_and_time_to_finish(values: list[Path]) -> None:
    for name in of_kind(docs := render(values), "Deployment"):
        pod = pod_of(docs, name)
        (container,) = pod["containers"]
        assert set(container["resources"]["requests"]) == {"cpu", "memory"}
        probes = {kind: container[f"{kind}Probe"] for kind in ("startup", "liveness", "readiness")}
        if name == REDIS:
            assert all(probe["tcpSocket"] == {"port": "redis"} for probe in probes.values())
            continue
        assert {kind: probe["httpGet"] for kind, probe in probes.items()} == {
            "startup": {"path": "/livez", "port": "http"},
            "liveness": {"path": "/livez", "port": "http"},
            "readiness": {"path": "/readyz", "port": "http"},
        }
        assert pod["terminationGracePeriodSeconds"] == 5 + 65 + 10 > 60


def test_the_kill_comes_after_the_configured_end() -> None:
    docs = render([SANDBOX_VALUES], {"shutdown": {"delaySeconds": 20, "graceSeconds": 100}})
    for name in (GATEWAY, READ):
        config = tomllib.loads(charts.config_of(docs, name))
        assert config["shutdown"] == {"delay_ms": 20_000, "grace_ms": 100_000}
        assert pod_of(docs, name)["terminationGracePeriodSeconds"] == 130


def secrets(docs: list[Doc], name: str) -> dict[str, list[str]]:
    """Secret -> entries that the pods of a Deployment mount. No variable may come from one."""
    pod = pod_of(docs, name)
    assert "secret" not in json.dumps([container.get("env", []) for container in pod["containers"]]).lower()
    assert not any("envFrom" in container for container in pod["containers"])
    found = {volume["name"]: volume["secret"] for volume in pod["volumes"] if "secret" in volume}
    mounts = {mount["name"]: mount for container in pod["containers"] for mount in container["volumeMounts"]}
    assert all(secret["defaultMode"] == 0o440 and mounts[name]["readOnly"] for name, secret in found.items())
    return {secret["secretName"]: [item["key"] for item in secret["items"]] for secret in found.values()}


def test_keys_are_mounted_by_their_own_pool_alone() -> None:
    docs = render([HA_VALUES])
    redis = {"tidegate-redis": ["url"]}
    assert secrets(docs, GATEWAY) == {}
    assert secrets(docs, READ) == {"tidegate-keys-read": ["desk-ledger", "desk-read", "hedge-read"]} | redis
    assert secrets(docs, TRADE) == {"tidegate-keys-trade": ["desk-trade", "hedge-trade"]} | redis
    assert secrets(docs, FUND) == {"tidegate-keys-fund": ["desk-fund", "desk-fund-otp"]} | redis
    assert all(secrets(render([SANDBOX_VALUES]), name) == {} for name in (GATEWAY, READ, TRADE, SANDBOX, REDIS))


def test_configurations_name_the_keys_of_their_own_pool_and_those_that_look_for_its_orders() -> None:
    docs = render([HA_VALUES])
    configs = {name: tomllib.loads(charts.config_of(docs, name)) for name in (GATEWAY, READ, TRADE, FUND)}
    assert "keys" not in configs[GATEWAY]
    for name, own, others in (
        (READ, {"desk-read", "desk-ledger", "hedge-read"}, set()),
        (TRADE, {"desk-trade", "hedge-trade"}, {"desk-read", "hedge-read"}),
        (FUND, {"desk-fund"}, set()),
    ):
        keys, pool = configs[name]["keys"], configs[name]["executor"]["pool"]
        mine = {label: key for label, key in keys.items() if key["pool"] == pool}
        assert (set(mine), set(keys) - set(mine)) == (own, others)
        mounts = {mount["mountPath"] for mount in pod_of(docs, name)["containers"][0]["volumeMounts"]}
        files = [entry[member] for entry in mine.values() for member in ("file", "otp_file", "totp_file") if member in entry]
        assert all(str(Path(file).parent) in mounts for file in files) and files
        entries = [entry for secret, entries in secrets(docs, name).items() if "keys" in secret for entry in entries]
        assert sorted(Path(file).name for file in files) == sorted(entries)


# What it renders fits together


@every_render
def test_services_lead_to_the_pods_of_one_deployment_and_to_ports_they_have(values: list[Path]) -> None:
    docs = render(values)
    served: set[tuple[str, str]] = set()
    for service in of_kind(docs, "Service").values():
        selector = {"matchLabels": service["spec"]["selector"]}
        chosen = [n for n in of_kind(docs, "Deployment") if charts.matches(selector, Place.of(docs, n).labels)]
        assert len(chosen) == 1, service["metadata"]["name"]
        ports = {port["name"] for port in pod_of(docs, chosen[0])["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
        served |= {(chosen[0], port["targetPort"]) for port in service["spec"]["ports"]}
    everything = {
        (name, port["name"])
        for name in of_kind(docs, "Deployment")
        for port in pod_of(docs, name)["containers"][0]["ports"]
    }
    assert served == everything


@every_render
def test_budgets_and_spreads_count_the_pods_of_one_deployment(values: list[Path]) -> None:
    docs = render(values)
    executors = {name for name in of_kind(docs, "Deployment") if "-executor-" in name}
    budgets = of_kind(docs, "PodDisruptionBudget")
    assert set(budgets) == {GATEWAY} | executors
    for name, budget in budgets.items():
        selector = find(docs, "Deployment", name)["spec"]["selector"]
        assert budget["spec"]["selector"] == selector and budget["spec"]["maxUnavailable"] == 1
        assert charts.matches(selector, Place.of(docs, name).labels)
        (spread,) = pod_of(docs, name)["topologySpreadConstraints"]
        assert spread["labelSelector"] == selector and spread["topologyKey"] == "kubernetes.io/hostname"
    assert of_kind(render(values, {"podDisruptionBudget": {"enabled": False}}), "PodDisruptionBudget") == {}


def test_executors_are_found_behind_headless_services_and_say_where_they_are() -> None:
    docs = render([HA_VALUES])
    executors = tomllib.loads(charts.config_of(docs, GATEWAY))["gateway"]["executors"]
    assert executors == {"read": f"{READ}:50052", "trade": f"{TRADE}:50052", "fund": f"{FUND}:50052"}
    for address in executors.values():
        name, port = address.split(":")
        service = find(docs, "Service", name)["spec"]
        assert service["clusterIP"] == "None" and service["publishNotReadyAddresses"] is True
        assert int(port) in [entry["port"] for entry in service["ports"]]
        assert charts.environment_of(docs, name, "10.1.2.3")["TIDEGATE__EXECUTOR__ADVERTISE"] == "10.1.2.3:50052"


def test_pools_take_defaults_and_replace_them_as_a_whole() -> None:
    docs = render(
        set_values=merged(
            REAL,
            {
                "executorDefaults": {"replicas": 3, "nodeSelector": {"disk": "fast"}, "podLabels": {"team": "desk"}},
                "executors": {"trade": {"replicas": 0, "topologySpreadConstraints": [], "nodeSelector": {}}},
            },
        )
    )
    read, trade = find(docs, "Deployment", READ)["spec"], find(docs, "Deployment", TRADE)["spec"]
    assert (read["replicas"], trade["replicas"]) == (3, 0)
    assert read["template"]["spec"]["nodeSelector"] == {"disk": "fast"}
    assert not {"nodeSelector", "topologySpreadConstraints"} & set(trade["template"]["spec"])
    assert Place.of(docs, TRADE).labels["team"] == "desk"


def test_labels_of_the_values_cannot_replace_those_that_select() -> None:
    docs = render([SANDBOX_VALUES], {"gateway": {"podLabels": {"app.kubernetes.io/component": "redis", "team": "a"}}})
    assert Place.of(docs, GATEWAY).labels["app.kubernetes.io/component"] == "gateway"
    assert Place.of(docs, GATEWAY).labels["team"] == "a"


def checksums(*changes: Doc) -> dict[str, str]:
    """Deployment -> checksum of its configuration, of the render for high availability with changes."""
    values: Doc = {}
    for change in changes:
        values = merged(values, change)
    found = of_kind(render([HA_VALUES], values), "Deployment")
    return {name: doc["spec"]["template"]["metadata"]["annotations"]["checksum/config"] for name, doc in found.items()}


@pytest.mark.parametrize(
    ("change", "restarted"),
    [
        ({"gateway": {"quotaPerSecond": 7}}, {GATEWAY}),
        ({"executors": {"fund": {"queueLenMax": 7}}}, {FUND}),
        ({"executors": {"trade": {"keys": {"desk-trade": {"tags": ["slow"]}}}}}, {TRADE}),
        ({"log": {"filter": "debug"}}, {GATEWAY, READ, TRADE, FUND}),
        ({"kraken": {"egress": "other"}}, {READ, TRADE, FUND}),
        ({"gateway": {"replicas": 9, "podAnnotations": {"a": "b"}}}, set()),
        ({"executorDefaults": {"resources": {"requests": {"cpu": "1"}}}}, set()),
        ({"gateway": {"podAnnotations": {"checksum/config": "mine"}}}, set()),
    ],
)
def test_a_change_of_a_configuration_restarts_who_reads_it_and_nobody_else(change: Doc, restarted: set[str]) -> None:
    before, after = checksums(), checksums(change)
    assert {name for name in before if before[name] != after[name]} == restarted


# Watching


def test_what_is_watched_is_what_the_repository_has() -> None:
    for copy, original in (
        ("overview.json", "deploy/grafana/overview.json"),
        ("rules.yaml", "deploy/prometheus/rules/tidegate.yaml"),
    ):
        same = (CHART / "files" / copy).read_bytes() == (harness.ROOT / original).read_bytes()
        assert same, f"copy {original} to helm/tidegate/files/{copy}: a chart reads no file outside of itself"


def test_the_objects_of_the_prometheus_operator_have_their_shape() -> None:
    docs = render([HA_VALUES])
    monitor, rule = find(docs, "ServiceMonitor", FULLNAME), find(docs, "PrometheusRule", FULLNAME)
    assert monitor["apiVersion"] == rule["apiVersion"] == "monitoring.coreos.com/v1"
    assert monitor["metadata"]["labels"]["release"] == rule["metadata"]["labels"]["release"] == "prometheus"
    assert set(monitor["spec"]) == {"jobLabel", "namespaceSelector", "selector", "endpoints"}
    assert monitor["spec"]["endpoints"] == [{"port": "http", "path": "/metrics", "interval": "15s"}]
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": [charts.NAMESPACE]}
    # Every Deployment is scraped, through one service.
    scraped = []
    for name, service in of_kind(docs, "Service").items():
        if "http" in [port["name"] for port in service["spec"]["ports"]]:
            assert charts.matches(monitor["spec"]["selector"], service["metadata"]["labels"])
            scraped.append(name.removesuffix("-metrics"))
    assert sorted(scraped) == sorted(of_kind(docs, "Deployment"))
    original = (harness.ROOT / "deploy/prometheus/rules/tidegate.yaml").read_text(encoding="utf-8")
    assert rule["spec"] == yaml.safe_load(original) and rule["spec"]["groups"]


def test_the_dashboard_is_where_grafana_looks() -> None:
    dashboard = find(render([HA_VALUES]), "ConfigMap", f"{FULLNAME}-dashboard")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    original = json.loads((harness.ROOT / "deploy/grafana/overview.json").read_text(encoding="utf-8"))
    assert json.loads(dashboard["data"]["tidegate-overview.json"]) == original


# What it says afterwards


def test_notes_say_what_to_do_next() -> None:
    empty, trial, real = charts.notes(), charts.notes([SANDBOX_VALUES]), charts.notes([HA_VALUES])
    for named in ("NOT COMPLETE", "accounts.", "executors.", "redis.builtin.enabled", "allowUnauthenticated to true"):
        assert named in empty
    assert f"port-forward deployment/{GATEWAY} 50051" in empty and "WARNING" not in empty
    assert "WARNING: allowUnauthenticated is true" in trial and 'tidegate/caller: "true"' in trial
    assert "WARNING: the built-in Redis" in trial and "no order reaches the exchange" in trial
    assert "create secret generic tidegate-keys-fund --from-file=desk-fund=" in real
    assert "--from-file=desk-fund-otp=" in real and "Secret tidegate-redis: redis://" in real
    assert "NOT COMPLETE" not in trial + real and "sandbox" not in real
    unfenced = charts.notes([SANDBOX_VALUES], {"networkPolicy": {"enabled": False}})
    assert "everybody in the\ncluster may use every key" in unfenced
