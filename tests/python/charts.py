"""Renders the Helm chart and answers questions about the result, as a cluster would answer them."""

import ipaddress
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import harness

CHART = harness.ROOT / "helm/tidegate"
SANDBOX_VALUES = CHART / "ci/sandbox-values.yaml"
HA_VALUES = CHART / "ci/ha-values.yaml"

RELEASE = "tg"
NAMESPACE = "trading"
FULLNAME = "tg-tidegate"
"""First part of the names of all objects of the release that is rendered here."""

GATEWAY, SANDBOX, REDIS = f"{FULLNAME}-gateway", f"{FULLNAME}-sandbox", f"{FULLNAME}-redis"
READ, TRADE, FUND = (f"{FULLNAME}-executor-{pool}" for pool in ("read", "trade", "fund"))
"""Names of the Deployments."""

_HELM = harness.ROOT / ".venv/bin/helm"

Doc = dict[str, Any]

VALUES: dict[str, list[Path]] = {"default": [], "sandbox": [SANDBOX_VALUES], "ha": [HA_VALUES]}
"""The three sets of values that come with the chart."""

KEY: Doc = {"account": "main", "permissions": ["query-funds"]}
"""A key in its shortest form."""
REAL: Doc = {
    "accounts": {"main": {}},
    "redis": {"url": "redis://redis.example:6380/1"},
    "executors": {"read": {"existingSecret": "keys-read", "keys": {"desk-read": KEY}}},
}
"""The least that runs with a real key."""


def merged(base: Any, change: Any) -> Any:
    """`base` with `change` in it, as Helm merges values."""
    if isinstance(base, dict) and isinstance(change, dict):
        return base | {key: merged(base.get(key), value) for key, value in change.items()}
    return change


class Refused(Exception):
    """Helm did not render. The text is what a person at the keyboard sees."""


def helm(
    arguments: Sequence[str], values_files: Sequence[Path] = (), set_values: Mapping[str, Any] | None = None
) -> str:
    """Runs helm with values: those of the files in their order, then `set_values`, nested as in a file. The latter go
    through standard input, so that no label or text needs the escapes of `--set`."""
    argv = [str(_HELM), *arguments]
    for path in values_files:
        argv += ["--values", str(path)]
    if set_values is not None:
        argv += ["--values", "-"]
    done = subprocess.run(argv, input=json.dumps(set_values or {}), capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(done.stdout + done.stderr)
    return done.stdout


def render(
    values_files: Sequence[Path] = (), set_values: Mapping[str, Any] | None = None, chart: Path = CHART
) -> list[Doc]:
    """Every object of the release."""
    text = helm(["template", RELEASE, str(chart), "--namespace", NAMESPACE], values_files, set_values)
    return [doc for doc in yaml.safe_load_all(text) if doc]


def schema() -> Doc:
    """The schema of the values."""
    return json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))


def notes(values_files: Sequence[Path] = (), set_values: Mapping[str, Any] | None = None) -> str:
    """What Helm says after an installation. Helm shows it to clusters alone, so a copy of the chart renders it as the
    content of an object."""
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "tidegate"
        shutil.copytree(CHART, copy)
        text = (copy / "templates/NOTES.txt").read_text(encoding="utf-8")
        (copy / "templates/NOTES.txt").unlink()
        (copy / "templates/_notes.tpl").write_text('{{ define "notes" }}' + text + "{{ end }}", encoding="utf-8")
        (copy / "templates/notes.yaml").write_text(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: notes}\n"
            'data: {text: {{ include "notes" . | toJson }}}\n',
            encoding="utf-8",
        )
        return find(render(values_files, set_values, copy), "ConfigMap", "notes")["data"]["text"]


def of_kind(docs: list[Doc], kind: str) -> dict[str, Doc]:
    """All objects of a kind by their names."""
    found = [doc for doc in docs if doc["kind"] == kind]
    by_name = {doc["metadata"]["name"]: doc for doc in found}
    assert len(by_name) == len(found), f"two objects of kind {kind} have the same name"
    return by_name


def find(docs: list[Doc], kind: str, name: str) -> Doc:
    """One object."""
    return of_kind(docs, kind)[name]


def config_of(docs: list[Doc], name: str) -> str:
    """The configuration file of a role, by the name of its Deployment, which is that of its ConfigMap, too."""
    return find(docs, "ConfigMap", name)["data"]["config.toml"]


def pod_of(docs: list[Doc], name: str) -> Doc:
    """The pod template's spec of a Deployment."""
    return find(docs, "Deployment", name)["spec"]["template"]["spec"]


def arguments_of(docs: list[Doc], name: str) -> list[str]:
    """What the container of a Deployment gives to its entrypoint, which is the binary."""
    return pod_of(docs, name)["containers"][0]["args"]


def environment_of(docs: list[Doc], name: str, pod_ip: str = "127.0.0.1") -> dict[str, str]:
    """The variables of a Deployment's container, expanded as the kubelet does."""
    variables: dict[str, str] = {}
    for entry in pod_of(docs, name)["containers"][0].get("env", []):
        if "valueFrom" in entry:
            assert entry["valueFrom"] == {"fieldRef": {"fieldPath": "status.podIP"}}, entry
            variables[entry["name"]] = pod_ip
        else:
            variables[entry["name"]] = re.sub(r"\$\((\w+)\)", lambda found: variables[found[1]], entry["value"])
    return variables


@dataclass(frozen=True)
class Place:
    """An end of a connection: a pod, or an address outside of the cluster."""

    labels: Mapping[str, str] = field(default_factory=dict)
    namespace: str = NAMESPACE
    ip: str | None = None

    @staticmethod
    def of(docs: list[Doc], deployment: str) -> "Place":
        """A pod of a Deployment."""
        return Place(find(docs, "Deployment", deployment)["spec"]["template"]["metadata"]["labels"])


def reaches(docs: list[Doc], source: Place, target: Place, port: int, protocol: str = "TCP") -> bool:
    """Whether the NetworkPolicies let a connection through, by the rules of Kubernetes: a pod that no policy selects
    is open; else some rule of some policy must allow it, on both sides."""
    return leaves(docs, source, target, port, protocol) and enters(docs, target, source, port, protocol)


def leaves(docs: list[Doc], source: Place, target: Place, port: int, protocol: str = "TCP") -> bool:
    """The source's side of `reaches`."""
    return _allowed(docs, source, "Egress", target, port, protocol)


def enters(docs: list[Doc], target: Place, source: Place, port: int, protocol: str = "TCP") -> bool:
    """The target's side of `reaches`: one fence must hold where the other is missing."""
    return _allowed(docs, target, "Ingress", source, port, protocol)


def matches(selector: Doc, labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects. Only what the chart uses is known here."""
    assert set(selector) <= {"matchLabels"}, selector
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def _allowed(docs: list[Doc], pod: Place, direction: str, other: Place, port: int, protocol: str) -> bool:
    if pod.ip is not None or pod.namespace != NAMESPACE:
        return True  # no policy of ours selects it
    policies = [policy["spec"] for policy in of_kind(docs, "NetworkPolicy").values()]
    chosen = [spec for spec in policies if matches(spec["podSelector"], pod.labels)]
    fences = [spec for spec in chosen if direction in spec["policyTypes"]]
    side = "to" if direction == "Egress" else "from"
    return not fences or any(
        _rule_allows(rule, side, other, port, protocol) for spec in fences for rule in spec[direction.lower()] or []
    )


def _rule_allows(rule: Doc, side: str, other: Place, port: int, protocol: str) -> bool:
    assert set(rule) <= {side, "ports"}, rule
    # Without the list every port is meant, and an empty one is the same.
    ports = rule.get("ports") or []
    if ports and not any(entry["port"] == port and entry["protocol"] == protocol for entry in ports):
        return False
    # A rule without peers allows every one.
    return not rule.get(side) or any(_is_peer(peer, other) for peer in rule[side])


def _is_peer(peer: Doc, place: Place) -> bool:
    if "ipBlock" in peer:
        # Addresses of pods are not for ipBlock to select.
        return place.ip is not None and _in_block(peer["ipBlock"], place.ip)
    if place.ip is not None:
        return False
    if "namespaceSelector" in peer:
        named = matches(peer["namespaceSelector"], {"kubernetes.io/metadata.name": place.namespace})
    else:
        named = place.namespace == NAMESPACE
    return named and matches(peer.get("podSelector", {}), place.labels)


def _in_block(block: Doc, ip: str) -> bool:
    address = ipaddress.ip_address(ip)
    excepted = any(address in ipaddress.ip_network(cidr) for cidr in block.get("except", []))
    return address in ipaddress.ip_network(block["cidr"]) and not excepted
