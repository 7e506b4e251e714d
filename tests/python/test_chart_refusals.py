"""The Helm chart's values: each is explained, and what is wrong is refused by name before anything is installed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

import charts
from charts import CHART, KEY, REAL, Doc, merged, render

WRONG = [
    ({"gatway": {}}, "Additional property gatway"),
    ({"gateway": {"replica": 2}}, "gateway: Additional property replica"),
    ({"gateway": {"service": {"type": "LoadBalancer"}}}, "gateway.service.type"),
    ({"gateway": {"service": {"port": 70_000}}}, "gateway.service.port"),
    ({"gateway": {"replicas": -1}}, "gateway.replicas"),
    ({"gateway": {"quotaPerSecond": 0}}, "gateway.quotaPerSecond"),
    ({"gateway": {"maxInFlight": "many"}}, "gateway.maxInFlight"),
    ({"gateway": {"callerSelector": {"podSelector": {"matchLabels": {"tidegate/caller": None}}}}}, "matchLabels"),
    ({"gateway": {"callerSelector": {"ipBlock": {}}}}, "gateway.callerSelector: Additional property ipBlock"),
    ({"gateway": {"resources": {"requests": {"cpus": 1}}}}, "gateway.resources.requests: Additional property cpus"),
    ({"gateway": {"topologySpreadConstraints": [{"labelSelector": {}}]}}, "Additional property labelSelector"),
    ({"image": {"digest": "latest"}}, "image.digest"),
    ({"allowUnauthenticated": "yes"}, "allowUnauthenticated"),
    ({"deployment": {"name": "Main Desk"}}, "deployment.name"),
    ({"accounts": {"Main": {}}}, "accounts: Property name of \"Main\""),
    ({"accounts": {"main": {"tier": "gold"}}}, "accounts.main.tier"),
    ({"accounts": {"main": {"tier": {"max": 20, "decayPerSecond": 0.5}}}}, "accounts.main.tier"),
    ({"accounts": {"main": {"tier": {"max": 20, "decayPerSecond": "0.00"}}}}, "accounts.main.tier"),
    ({"executors": {"Read": {}}}, "Read"),
    ({"executors": {"a-pool-with-a-long-name": {}}}, "a-pool-with-a-long-name"),
    ({"executors": {"read": {"replicas": 1.5}}}, "executors.read.replicas"),
    ({"executors": {"read": {"keys": {"desk read": KEY}}}}, "desk read"),
    ({"executors": {"read": {"keys": {"k": {"account": "main"}}}}}, "permissions is required"),
    ({"executors": {"read": {"keys": {"k": KEY | {"permissions": ["query"]}}}}}, "executors.read.keys.k.permissions.0"),
    ({"executors": {"read": {"keys": {"k": KEY | {"nonceUnit": "s"}}}}}, "executors.read.keys.k.nonceUnit"),
    ({"executors": {"read": {"keys": {"k": KEY | {"window": -1}}}}}, "executors.read.keys.k.window"),
    ({"executors": {"read": {"keys": {"k": KEY | {"file": "f"}}}}}, "executors.read.keys.k: Additional property file"),
    ({"redis": {"url": "redis://user:password@redis.example"}}, "redis.url"),
    ({"redis": {"sentinels": {"a": "redis://s:26379"}}}, "redis.sentinels.a"),
    ({"redis": {"cluster": {"A": "r:6379"}}}, "redis.cluster: Property name of \"A\""),
    ({"redis": {"networkPolicy": {"to": [{"pod": {}}]}}}, "redis.networkPolicy.to.0: Additional property pod"),
    ({"kraken": {"restUrl": "api.kraken.com"}}, "kraken.restUrl"),
    ({"kraken": {"networkPolicy": {"cidrs": ["everywhere"]}}}, "kraken.networkPolicy.cidrs.0"),
    ({"sandbox": {"tier": "rich"}}, "sandbox.tier"),
    ({"shutdown": {"graceSeconds": 60}}, "shutdown.graceSeconds"),
    ({"traces": {"samplePercent": 101}}, "traces.samplePercent"),
    ({"traces": {"otlpEndpoint": "collector:4317"}}, "traces.otlpEndpoint"),
    ({"serviceMonitor": {"interval": "often"}}, "serviceMonitor.interval"),
]


@pytest.mark.parametrize(("change", "named"), WRONG, ids=[f"{n}-{named}" for n, (_, named) in enumerate(WRONG)])
def test_the_schema_refuses_by_name(change: Doc, named: str) -> None:
    with pytest.raises(charts.Refused) as refused:
        render(set_values=merged(REAL, change))
    text = str(refused.value)
    assert "values don't meet the specifications of the schema(s)" in text and named in text


IN_SANDBOX = {"sandbox": {"enabled": True}, "redis": {"builtin": {"enabled": True}}, "accounts": {"main": {}}}
FORBIDDEN = {
    "open to all": (
        {"networkPolicy": {"enabled": False}},
        ["networkPolicy.enabled: false leaves", "set allowUnauthenticated to true"],
    ),
    "headless port": (
        {"gateway": {"service": {"type": "Headless", "port": 443}}},
        ["gateway.service.port: 443 cannot be translated by a headless service"],
    ),
    "no redis": (
        merged(REAL, {"redis": {"url": ""}}),
        ["redis: executors share", "redis.url", "redis.existingSecret", "redis.builtin.enabled"],
    ),
    "two of redis": (
        merged(REAL, {"redis": {"existingSecret": "s"}}),
        ["redis: redis.url and redis.existingSecret are all given"],
    ),
    "sentinels without a name": (
        merged(REAL, {"redis": {"url": "", "sentinels": {"a": "s:26379"}, "user": "u"}}),
        ["redis.sentinelMaster: is missing", "redis.user: u needs a password; set redis.existingSecret"],
    ),
    "a cluster and a server": (
        merged(REAL, {"redis": {"cluster": {"a": "r:6379"}, "existingSecretCaKey": "ca"}}),
        [
            "redis: redis.url and redis.cluster are all given",
            "redis.existingSecret: is missing; entries of it are named",
            "redis.existingSecretCaKey: is for TLS; set redis.tls to true",
        ],
    ),
    "a server with a cluster's settings": (
        merged(REAL, {"redis": {"sentinelMaster": "m", "tls": True}}),
        ["redis.sentinelMaster: and redis.existingSecretSentinelKey are for redis.sentinels", "redis.user: and redis.tls"],
    ),
    "a break-glass key that is none": (
        merged(REAL, {"executors": {"read": {"replicas": 2, "keys": {"desk-read": {"breakGlass": True}}}}}),
        [
            "executors.read.keys.desk-read.breakGlass: such a key may cancel and do nothing else",
            "executors.read.replicas: must be 1, because desk-read is a break-glass key",
        ],
    ),
    "two exchanges": (
        merged(REAL, {"sandbox": {"enabled": True}, "kraken": {"restUrl": "https://k.example"}}),
        ["kraken.restUrl: is given as well as sandbox.enabled"],
    ),
    "plain text to Kraken": ({"kraken": {"restUrl": "http://api.kraken.com"}}, ["kraken.restUrl: must be https://"]),
    "no account": (REAL | {"accounts": {}}, ["gateway.defaultAccount: main must be one of accounts: none yet"]),
    "unknown account": (
        merged(REAL, {"executors": {"read": {"keys": {"desk-read": {"account": "man"}}}}}),
        ["executors.read.keys.desk-read.account: man must be one of accounts: main"],
    ),
    "no secret": (
        merged(REAL, {"executors": {"read": {"existingSecret": ""}}}),
        ["executors.read.existingSecret: is missing; the keys desk-read must come from a Secret"],
    ),
    "one secret for two": (
        merged(REAL, {"executors": {"trade": {"existingSecret": "keys-read", "keys": {"desk-trade": KEY}}}}),
        ["executors.trade.existingSecret: keys-read is the Secret of pool read"],
    ),
    "secret of redis": (
        merged(REAL, {"redis": {"url": "", "existingSecret": "keys-read"}}),
        ["executors.read.existingSecret: keys-read is the Secret of Redis"],
    ),
    "one key in two pools": (
        merged(REAL, {"executors": {"trade": {"existingSecret": "keys-trade", "keys": {"desk-read": KEY}}}}),
        ["executors.trade.keys.desk-read: this label is in pool read, too"],
    ),
    "window": (
        merged(REAL, {"executors": {"read": {"keys": {"desk-read": {"permissions": ["modify-trades"], "window": 5}}}}}),
        ["executors.read.keys.desk-read.window: a window on a key that places orders"],
    ),
    "orders that nobody could find": (
        merged(REAL, {"executors": {"read": {"keys": {"desk-read": {"permissions": ["modify-trades"]}}}}}),
        ["accounts.main: desk-read places orders, and no key of the account can find out what became of them"],
    ),
    "password beside a key": (
        merged(REAL, {"executors": {"read": {"keys": {"desk-read": {"otp": True}, "desk-read-otp": KEY}}}}),
        ["executors.read.keys.desk-read.otp: its password would be in the entry desk-read-otp"],
    ),
    "seed beside a key": (
        merged(REAL, {"executors": {"read": {"keys": {"desk-read": {"totp": True}, "desk-read-totp": KEY}}}}),
        ["executors.read.keys.desk-read.totp: its seed would be in the entry desk-read-totp"],
    ),
    "two second factors": (
        merged(REAL, {"executors": {"read": {"keys": {"desk-read": {"otp": True, "totp": True}}}}}),
        ["executors.read.keys.desk-read.totp: a key has a password (otp) or an authenticator app (totp), not both"],
    ),
    "not a key of the sandbox": (
        IN_SANDBOX | {"executors": {"read": {"keys": {"desk-read": KEY}}}},
        ["executors.read.keys.desk-read: the sandbox has no such key; it has sandbox-read, "],
    ),
}


@pytest.mark.parametrize(("values", "said"), FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_what_does_not_go_together_is_refused_by_name(values: Doc, said: list[str]) -> None:
    with pytest.raises(charts.Refused) as refused:
        render(set_values=values)
    assert [text for text in said if text not in str(refused.value)] == []


def test_all_mistakes_are_said_at_once() -> None:
    three = {
        "networkPolicy": {"enabled": False},
        "redis": {"url": ""},
        "executors": {"read": {"existingSecret": ""}},
    }
    with pytest.raises(charts.Refused) as refused:
        render(set_values=merged(REAL, three))
    for begin in ("networkPolicy.enabled: ", "redis: ", "executors.read.existingSecret: "):
        assert str(refused.value).count(f"\n{begin}") == 1


def test_no_object_of_the_schema_takes_what_it_does_not_know() -> None:
    opened = []

    def walk(node: Any, path: str) -> None:
        if isinstance(node, dict):
            if node.get("type") == "object" and node.get("additionalProperties", True) is True:
                opened.append(path)
            for key, value in node.items():
                walk(value, f"{path}/{key}")
        elif isinstance(node, list):
            for number, value in enumerate(node):
                walk(value, f"{path}/{number}")

    walk(charts.schema(), "")
    kinds = ("nodeAffinity", "podAffinity", "podAntiAffinity")
    affinities = [f"/definitions/affinity/properties/{kind}" for kind in kinds]
    # Three are Kubernetes's own, and the last is put there by Helm itself.
    assert sorted(opened) == sorted([*affinities, "/properties/global"])


def documented(node: yaml.Node, rules: Doc, path: str = "") -> Iterator[tuple[str, int]]:
    """Every value of values.yaml that the schema knows by name, with the line of its key."""
    rules = charts.schema()["definitions"][rules["$ref"].rsplit("/", 1)[1]] if "$ref" in rules else rules
    assert isinstance(node, yaml.MappingNode)
    names = {key.value for key, _ in node.value}
    assert names == set(rules["properties"]) - {"global"}, f"{path}: values and schema differ"
    for key, value in node.value:
        inner = rules["properties"][key.value]
        inner = charts.schema()["definitions"][inner["$ref"].rsplit("/", 1)[1]] if "$ref" in inner else inner
        here = f"{path}.{key.value}".lstrip(".")
        # Resources and selectors are known from Kubernetes; what the chart made up is explained one by one.
        if "properties" in inner and key.value not in {"resources", "affinity", "callerSelector"}:
            yield from documented(value, inner, here)
        else:
            yield here, key.start_mark.line


def test_every_value_is_explained() -> None:
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    lines = text.splitlines()
    values = dict(documented(yaml.compose(text), charts.schema()))
    assert len(values) > 60
    for path, line in values.items():
        comment = line
        while comment > 0 and lines[comment - 1].lstrip().startswith("#"):
            comment -= 1
        assert any("# -- " in entry for entry in lines[comment:line]), f"{path} has no comment"
