"""The Helm chart's NetworkPolicies: who reaches whom, and nobody else."""

import tomllib

import pytest

import charts
from charts import GATEWAY, HA_VALUES, READ, REAL, REDIS, SANDBOX, SANDBOX_VALUES, TRADE
from charts import Doc, Place, merged, of_kind, render

CALLER = Place({"tidegate/caller": "true"})
STRANGER = Place({"app": "other"})
PROMETHEUS = Place({"app": "prometheus"}, namespace="monitoring")
NAME_SERVER = Place({"k8s-app": "kube-dns"}, namespace="kube-system")
KRAKEN = Place(ip="104.16.1.1")
INSIDE = Place(ip="10.96.0.1")
A_REDIS = Place({"app": "redis"})


def test_the_fences_of_real_keys() -> None:
    docs = render([HA_VALUES])
    gateway, read, trade = (Place.of(docs, name) for name in (GATEWAY, READ, TRADE))
    allowed = [
        (CALLER, gateway, 50051),
        (gateway, read, 50052),
        (gateway, trade, 50052),
        (read, KRAKEN, 443),
        (trade, Place(ip="2606:4700::1"), 443),
        (trade, A_REDIS, 6379),
        *((PROMETHEUS, target, 9464) for target in (gateway, read)),
    ]
    fenced = [
        (STRANGER, gateway, 50051),
        (Place({"tidegate/caller": "false"}), gateway, 50051),
        (Place({"tidegate/caller": "true"}, namespace="elsewhere"), gateway, 50051),
        (CALLER, gateway, 9464),
        (CALLER, read, 50052),
        (PROMETHEUS, gateway, 50051),
        (PROMETHEUS, trade, 50052),
        (gateway, A_REDIS, 6379),
        (gateway, KRAKEN, 443),
        (gateway, read, 9464),
        (read, gateway, 50051),
        (read, INSIDE, 443),
        (read, Place(ip="169.254.169.254"), 443),
        (read, Place(ip="fd00::1"), 443),
        (read, STRANGER, 443),
        (read, KRAKEN, 80),
    ]
    assert [case for case in allowed if not charts.reaches(docs, *case)] == []
    assert [case for case in fenced if charts.reaches(docs, *case)] == []
    for pod in (gateway, read, trade):
        assert charts.reaches(docs, pod, NAME_SERVER, 53, "UDP") and charts.reaches(docs, pod, NAME_SERVER, 53)
        assert charts.reaches(docs, pod, Place(ip="169.254.20.10"), 53, "UDP")
        assert not charts.reaches(docs, pod, KRAKEN, 53, "UDP") and not charts.reaches(docs, pod, NAME_SERVER, 443)


def test_executors_reach_sentinels_and_whom_they_name() -> None:
    redis = {"url": "", "sentinels": {"a": "s-0:26379", "b": "s-1:26380"}, "sentinelMaster": "desk"}
    docs = render(set_values=merged(REAL, {"redis": redis}))
    read = Place.of(docs, READ)
    for port, reached in ((26379, True), (26380, True), (6379, True), (6380, False)):
        assert charts.reaches(docs, read, A_REDIS, port) == reached, port


def test_each_side_holds_without_the_other() -> None:
    docs = render([SANDBOX_VALUES])
    gateway, read, trade, sandbox, redis = (Place.of(docs, name) for name in (GATEWAY, READ, TRADE, SANDBOX, REDIS))
    pods = (gateway, read, trade, sandbox, redis, CALLER, STRANGER, PROMETHEUS, NAME_SERVER)
    doors = [(gateway, 50051), (read, 50052), (trade, 50052), (sandbox, 8480), (redis, 6379)]
    doors += [(pod, 9464) for pod in (gateway, read, trade, sandbox, redis)] + [(read, 22), (gateway, 22)]
    entering = {
        (50051, "gateway"): [CALLER],
        (50052, "executor"): [gateway],
        (8480, "sandbox"): [read, trade],
        (6379, "redis"): [read, trade],
        **{(9464, component): [PROMETHEUS] for component in ("gateway", "executor", "sandbox")},
    }
    leaving = {
        (50052, "executor"): [gateway],
        (8480, "sandbox"): [read, trade],
        (6379, "redis"): [read, trade],
    }
    ours = (gateway, read, trade, sandbox, redis)
    for door, port in doors:
        which = (port, door.labels["app.kubernetes.io/component"])
        assert [pod for pod in pods if charts.enters(docs, door, pod, port)] == entering.get(which, []), which
        assert [pod for pod in ours if charts.leaves(docs, pod, door, port)] == leaving.get(which, []), which


def test_the_fences_of_the_trial() -> None:
    docs = render([SANDBOX_VALUES])
    gateway, read, sandbox, redis = (Place.of(docs, name) for name in (GATEWAY, READ, SANDBOX, REDIS))
    allowed = [(read, sandbox, 8480), (read, redis, 6379), (gateway, read, 50052), (PROMETHEUS, sandbox, 9464)]
    fenced = [
        *((source, sandbox, 8480) for source in (gateway, CALLER, STRANGER)),
        *((source, redis, 6379) for source in (gateway, CALLER, STRANGER)),
        *((source, KRAKEN, 443) for source in (gateway, read, sandbox, redis)),
        (read, A_REDIS, 6379),
        (sandbox, redis, 6379),
        (sandbox, NAME_SERVER, 53),
        (PROMETHEUS, redis, 6379),
    ]
    assert [case for case in allowed if not charts.reaches(docs, *case)] == []
    assert [case for case in fenced if charts.reaches(docs, *case)] == []


def test_the_values_move_the_fences() -> None:
    values = merged(
        REAL,
        {
            "allowUnauthenticated": True,
            "gateway": {
                "callerSelector": {
                    "podSelector": {"matchLabels": {"tidegate/caller": None, "desk": "one"}},
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "strategies"}},
                }
            },
            "kraken": {"restUrl": "https://kraken.example:8443", "networkPolicy": {"cidrs": ["198.51.100.0/24"]}},
            "networkPolicy": {"metricsFrom": []},
            "traces": {"otlpEndpoint": "http://collector.observe:4317"},
        },
    )
    docs = render(set_values=values)
    gateway, read = Place.of(docs, GATEWAY), Place.of(docs, READ)
    assert charts.reaches(docs, Place({"desk": "one"}, namespace="strategies"), gateway, 50051)
    assert not charts.reaches(docs, Place({"desk": "one"}), gateway, 50051)
    assert not charts.reaches(docs, CALLER, gateway, 50051)
    assert charts.reaches(docs, read, Place(ip="198.51.100.7"), 8443)
    assert not charts.reaches(docs, read, KRAKEN, 8443)
    assert charts.reaches(docs, read, A_REDIS, 6380) and not charts.reaches(docs, read, A_REDIS, 6379)
    assert not charts.reaches(docs, PROMETHEUS, gateway, 9464)
    collector = Place({"app": "collector"}, namespace="observe")
    assert all(charts.reaches(docs, pod, collector, 4317) for pod in (gateway, read))
    assert not charts.reaches(render(set_values=REAL), read, collector, 4317)


@pytest.mark.parametrize(
    ("change", "target", "port"),
    [
        ({"kraken": {"restUrl": ""}}, KRAKEN, 443),
        ({"kraken": {"restUrl": "https://kraken.example/"}}, KRAKEN, 443),
        ({"kraken": {"restUrl": "http://kraken.example"}}, KRAKEN, 80),
        ({"kraken": {"restUrl": "http://kraken.example:8480/"}}, KRAKEN, 8480),
        ({"redis": {"url": "redis://redis.example"}}, A_REDIS, 6379),
        ({"redis": {"url": "redis://redis.example/1", "networkPolicy": {"port": 7000}}}, A_REDIS, 6379),
        ({"redis": {"url": "redis://redis.example:6390/1"}}, A_REDIS, 6390),
        ({"redis": {"url": "", "existingSecret": "s"}}, A_REDIS, 6379),
        ({"redis": {"url": "", "existingSecret": "s", "networkPolicy": {"port": 7000}}}, A_REDIS, 7000),
    ],
)
def test_executors_reach_the_port_that_their_url_names(change: Doc, target: Place, port: int) -> None:
    docs = render(set_values=merged(REAL, change))
    read = Place.of(docs, READ)
    ports = [p for p in (80, 443, 6379, 6380, 6390, 7000, 8480) if charts.reaches(docs, read, target, p)]
    # Redis may be at any address, so its port is open towards Kraken, too.
    others = [6380] if target is KRAKEN else []
    assert ports == sorted([port, *others])


def test_redis_can_be_fenced_by_its_place() -> None:
    place = {"networkPolicy": {"to": [{"podSelector": {"matchLabels": {"app": "redis"}}}]}}
    docs = render(set_values=merged(REAL, {"redis": place}))
    read = Place.of(docs, READ)
    assert charts.reaches(docs, read, A_REDIS, 6380)
    assert not charts.reaches(docs, read, STRANGER, 6380) and not charts.reaches(docs, read, KRAKEN, 6380)


def test_without_policies_nothing_is_fenced() -> None:
    docs = render(set_values=merged(REAL, {"networkPolicy": {"enabled": False}, "allowUnauthenticated": True}))
    assert of_kind(docs, "NetworkPolicy") == {}


def test_nobody_is_served_without_a_name_unless_told_so() -> None:
    closed, opened = render(set_values=REAL), render(set_values=merged(REAL, {"allowUnauthenticated": True}))
    assert tomllib.loads(charts.config_of(closed, GATEWAY))["gateway"]["listen"] == "127.0.0.1:50051"
    assert not charts.reaches(closed, CALLER, Place.of(closed, GATEWAY), 50051)
    gateway = tomllib.loads(charts.config_of(opened, GATEWAY))["gateway"]
    assert gateway["listen"] == "0.0.0.0:50051" and gateway["allow_unauthenticated_off_loopback"] is True
