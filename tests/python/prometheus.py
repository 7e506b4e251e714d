"""A real Prometheus for one test: it scrapes what it is told to and answers expressions."""

import json
import math
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import harness

_PORT_TAKEN = "address already in use"
_ATTEMPTS = 5

Sample = tuple[dict[str, str], float]
"""Labels and value of one series."""


class Prometheus:
    """A running Prometheus with all its files in `directory`."""

    def __init__(
        self, directory: Path, targets: list[str], rules: Path | None = None, interval_ms: int = 200
    ) -> None:
        """Scrapes `targets` (`host:port`) as job `tidegate` and evaluates `rules`, both every `interval_ms`."""
        every = f"{interval_ms}ms"
        configuration = {
            "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
            "scrape_configs": [{"job_name": "tidegate", "static_configs": [{"targets": targets}]}],
            "rule_files": [str(rules)] if rules else [],
        }
        # JSON is YAML.
        file = directory / "prometheus.yml"
        file.write_text(json.dumps(configuration), encoding="utf-8")

        def argv(port: int) -> list[str]:
            data, address = directory / f"data-{port}", f"127.0.0.1:{port}"
            options = {"config.file": file, "storage.tsdb.path": data, "web.listen-address": address}
            return ["prometheus", *(f"--{name}={value}" for name, value in options.items())]

        ready = "Server is ready to receive web requests."
        self.process, port = on_a_free_port("prometheus", argv, directory, ready)
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, path: str, **parameters: str) -> Any:
        """GET of its API; the answer's `data`."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}{query}", timeout=harness.DEADLINE_S) as reply:
            return json.load(reply)["data"]

    def query(self, expression: str) -> list[Sample]:
        """What an expression that is a vector gives now, without series that are no number."""
        found = self.ask("query", query=expression)["result"]
        samples = [(entry["metric"], float(entry["value"][1])) for entry in found]
        return [(labels, value) for labels, value in samples if not math.isnan(value)]

    def rules(self) -> list[dict[str, Any]]:
        """All rules with their state: `health`, and for alerts `state` and `alerts`."""
        return [rule for group in self.ask("rules")["groups"] for rule in group["rules"]]

    def stop(self) -> None:
        self.process.stop()

    def __enter__(self) -> "Prometheus":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _free_port() -> int:
    """A port that nobody has at this moment. Somebody may take it in the next, so whoever uses it tries again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def on_a_free_port(
    name: str, argv: Callable[[int], list[str]], directory: Path, ready: str
) -> tuple[harness.Process, int]:
    """Starts a program that cannot say which port its port 0 became, once it says `ready`. Returns it and its port."""
    for attempt in range(_ATTEMPTS):
        port = _free_port()
        process = harness.Process(f"{name}-{attempt}", argv(port), directory)

        def verdict() -> str | None:
            said = process.tail(200).lower()
            return next((words for words in (ready.lower(), _PORT_TAKEN) if words in said), None)

        # What it says itself is believed, not who answers at the port: that may be the one who took it.
        if harness.wait_until(f"{name} is ready, or says why not", verdict) != _PORT_TAKEN:
            return process, port
        process.stop()
    raise RuntimeError(f"{name} found its port taken {_ATTEMPTS} times")
