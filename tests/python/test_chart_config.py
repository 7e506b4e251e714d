"""The Helm chart's configurations: the binary accepts them, and they say what the values say."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

import charts
import harness
from charts import CHART, GATEWAY, READ, REAL, REDIS, SANDBOX, SANDBOX_VALUES, TRADE
from charts import Doc, merged, of_kind, pod_of, render

every_render = pytest.mark.parametrize("values", charts.VALUES.values(), ids=charts.VALUES.keys())


def check(docs: list[Doc], directory: Path) -> None:
    """Lets the binary judge every configuration, with the variables of the pod that reads it."""
    names = [name for name in of_kind(docs, "Deployment") if name != REDIS]
    for name in names:
        file = directory / f"{name}.toml"
        file.write_text(charts.config_of(docs, name), encoding="utf-8")
        done = subprocess.run(
            [str(harness.TARGET / "debug/tidegate"), "config", "check", str(file)],
            env=charts.environment_of(docs, name),
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert {n for n, doc in of_kind(docs, "ConfigMap").items() if "config.toml" in doc["data"]} == set(names)


EXTREMES = {
    "lowest": {
        "gateway": {"quotaPerSecond": 1, "quotaBurst": 1, "maxInFlight": 1},
        "shutdown": {"delaySeconds": 0, "graceSeconds": 61},
        "traces": {"otlpEndpoint": "http://collector:4317", "samplePercent": 0},
        "accounts": {"main": {"tier": {"max": 6, "decayPerSecond": "0.001"}, "tradingTier": "pro"}},
        "executors": {"read": {"queueLenMax": 1, "keys": {"desk-read": {"window": 0, "totp": True}}}},
    },
    "highest": {
        "allowUnauthenticated": True,
        "deployment": {"name": "d" * 48},
        "gateway": {
            "quotaPerSecond": 1_000_000,
            "quotaBurst": 1_000_000,
            "maxInFlight": 100_000,
            "allowCancelAll": True,
            "allowDecideIntents": True,
        },
        "shutdown": {"delaySeconds": 60, "graceSeconds": 120},
        "accounts": {"main": {"tier": {"max": 1_000_000, "decayPerSecond": "1000000"}, "iban": 'odd "\\ <&> \u00e9'}},
        "kraken": {"restUrl": "https://kraken.example:8443/"},
        "executors": {
            "read": {
                "queueLenMax": 100_000,
                "allowEditOrder": True,
                "keys": {
                    "desk-read": {
                        "permissions": ["modify-trades", "query-open-trades", "query-closed-trades"],
                        "window": 2**53 - 1,
                        "allowPlacingWithWindow": True,
                        "tags": ["a", "b"],
                        "otp": True,
                        "nonceUnit": "ns",
                    }
                },
            }
        },
    },
}


@every_render
def test_the_binary_accepts_every_configuration(values: list[Path], tmp_path: Path) -> None:
    check(render(values), tmp_path)


@pytest.mark.parametrize("change", EXTREMES.values(), ids=EXTREMES.keys())
def test_the_binary_accepts_what_the_schema_allows_at_most(change: Doc, tmp_path: Path) -> None:
    check(docs := render(set_values=merged(REAL, change)), tmp_path)
    key = tomllib.loads(charts.config_of(docs, READ))["keys"]["desk-read"]
    assert key["window"] == change["executors"]["read"]["keys"]["desk-read"]["window"]
    account = tomllib.loads(charts.config_of(docs, READ))["accounts"]["main"]
    assert account.get("iban") == change["accounts"]["main"].get("iban")


def test_roles_are_started_with_the_file_that_is_mounted() -> None:
    docs = render([SANDBOX_VALUES])
    for name, role in ((GATEWAY, "gateway"), (READ, "executor"), (TRADE, "executor"), (SANDBOX, "sandbox")):
        assert charts.arguments_of(docs, name) == [role, "--config", "/etc/tidegate/config.toml"]
        pod = pod_of(docs, name)
        assert {"name": "config", "configMap": {"name": name}} in pod["volumes"]
        mount = {"name": "config", "mountPath": "/etc/tidegate", "readOnly": True}
        assert mount in pod["containers"][0]["volumeMounts"]
        ports = {port["name"]: port["containerPort"] for port in pod["containers"][0]["ports"]}
        config = tomllib.loads(charts.config_of(docs, name))
        listener = {"gateway": "grpc", "executor": "grpc", "sandbox": "rest"}[role]
        assert config[role]["listen"] == f"0.0.0.0:{ports[listener]}"
        assert config["admin"]["listen"] == f"0.0.0.0:{ports['http']}"


@pytest.mark.parametrize(
    ("redis", "store"),
    [
        ({"url": "redis://r.example:6380/1"}, {"redis_url": "redis://r.example:6380/1"}),
        (
            {"existingSecret": "s", "profile": "trial", "waitReplicas": 1},
            {"redis_url_file": "/run/secrets/tidegate-redis/url", "profile": "trial", "wait_replicas": 1},
        ),
        (
            {
                "sentinels": {"a": "s-0:26379", "b": "s-1:26379"},
                "sentinelMaster": "desk",
                "user": "tidegate",
                "existingSecret": "s",
                "existingSecretCaKey": "ca.crt",
                "existingSecretSentinelKey": "sentinel-password",
                "tls": True,
            },
            {
                "sentinels": {"a": "s-0:26379", "b": "s-1:26379"},
                "sentinel_master": "desk",
                "user": "tidegate",
                "password_file": "/run/secrets/tidegate-redis/url",
                "sentinel_password_file": "/run/secrets/tidegate-redis/sentinel",
                "ca_file": "/run/secrets/tidegate-redis/ca.pem",
                "tls": True,
            },
        ),
        ({"cluster": {"a": "redis-0:6390"}}, {"cluster": {"a": "redis-0:6390"}, "tls": False}),
        (
            {"builtin": {"enabled": True}, "prefix": "p"},
            {"redis_url": f"redis://{REDIS}:6379/0", "prefix": "p", "profile": "trial"},
        ),
    ],
)
def test_each_way_to_redis(redis: Doc, store: Doc) -> None:
    docs = render(set_values=REAL | {"redis": redis})
    usual = {"prefix": "tidegate", "profile": "strict"}
    assert tomllib.loads(charts.config_of(docs, READ))["store"] == usual | store
    assert "store" not in tomllib.loads(charts.config_of(docs, GATEWAY))


BREAK_GLASS = {
    "redis": {"url": "", "sentinels": {"a": "s-0:26379"}, "sentinelMaster": "desk"},
    "executors": {
        "night": {
            "existingSecret": "keys-night",
            "keys": {"desk-night": {"account": "main", "permissions": ["close-trades"], "breakGlass": True}},
        }
    },
}


def test_a_break_glass_key_is_one_process_s_own(tmp_path: Path) -> None:
    check(docs := render(set_values=merged(REAL, BREAK_GLASS)), tmp_path)
    night = READ.replace("read", "night")
    config = tomllib.loads(charts.config_of(docs, night))
    assert config["keys"]["desk-night"]["break_glass"] == config["executor"]["name"] == "night"
    deployments = of_kind(docs, "Deployment")
    assert deployments[night]["spec"]["strategy"] == {"type": "Recreate"}
    assert deployments[night]["spec"]["replicas"] == 1
    assert deployments[READ]["spec"]["strategy"]["type"] == "RollingUpdate"
    assert "name" not in tomllib.loads(charts.config_of(docs, READ))["executor"]


def sandbox_keys() -> dict[str, Doc]:
    """The built-in keys of the sandbox by label."""
    text = (harness.ROOT / "services/sandbox/sandbox-keys.json").read_text(encoding="utf-8")
    return {key["label"]: key for key in json.loads(text)["keys"]}


def test_the_trial_describes_the_keys_of_the_sandbox_as_they_are() -> None:
    values = yaml.safe_load(SANDBOX_VALUES.read_text(encoding="utf-8"))
    keys = {label: key for pool in values["executors"].values() for label, key in pool["keys"].items()}
    assert set(keys) == {"sandbox-read", "sandbox-read-2", "sandbox-trade", "sandbox-trade-2"}
    for label, key in keys.items():
        known = sandbox_keys()[label]
        facts = (known["account"], known["permission_tokens"], known["nonce_unit"], known["nonce_window"])
        assert (key["account"], key["permissions"], key["nonceUnit"], key["window"]) == facts


def test_the_chart_knows_every_key_and_permission() -> None:
    listed = re.search(r'define "tidegate.sandboxKeys" -}}\n(.*)\n', (CHART / "templates/_checks.tpl").read_text())
    assert listed and listed[1].split() == list(sandbox_keys())
    permissions = charts.schema()["definitions"]["key"]["properties"]["permissions"]["items"]["enum"]
    assert permissions == sandbox_keys()["sandbox-all"]["permission_tokens"]
