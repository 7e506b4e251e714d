"""A real OTLP collector (rotel) that writes down the spans it gets, and a reader of what it wrote."""

import re
import socket
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

import harness

_AGENT = Path(sysconfig.get_paths()["purelib"]) / "rotel" / "rotel-agent"
_FIELD = re.compile(r"^    (Trace ID|Parent ID|ID|Name)\s*: ?(\S*)$")
_ATTRIBUTE = re.compile(r"^     -> (\S+): \w+\((.*)\)$")


@dataclass
class Span:
    """One span as the collector got it."""

    service: str = ""
    trace: str = ""
    parent: str = ""
    id: str = ""
    name: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


def free_port() -> int:
    """A port that nobody listens on now. The collector cannot choose one itself and say which."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Collector:
    """The running collector."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        argv = [str(_AGENT), "start", "--exporter", "blackhole", "--debug-log", "traces"]
        argv += ["--debug-log-verbosity", "detailed", "--otlp-grpc-endpoint", f"127.0.0.1:{self.port}"]
        argv += ["--otlp-http-endpoint", f"127.0.0.1:{free_port()}"]
        self.process = harness.Process("collector", argv, directory)
        harness.wait_until("the collector to listen", self._listens)

    @property
    def endpoint(self) -> str:
        """What goes into `traces.otlp_endpoint`."""
        return f"http://127.0.0.1:{self.port}"

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def text(self) -> str:
        """Everything that it wrote."""
        return self.process.log.read_text(encoding="utf-8")

    def spans(self) -> list[Span]:
        """Every span so far."""
        spans: list[Span] = []
        service, in_resource = "", False
        for line in self.text().splitlines():
            if line.startswith("Resource attributes"):
                in_resource = True
            elif line.startswith("ScopeSpans"):
                in_resource = False
            elif re.match(r"^Span #\d+$", line):
                spans.append(Span(service=service))
            elif found := _FIELD.match(line):
                name = found[1].lower().replace(" id", "")
                setattr(spans[-1], name, found[2])
            elif found := _ATTRIBUTE.match(line):
                if in_resource and found[1] == "service.name":
                    service = found[2]
                elif not in_resource and spans:
                    spans[-1].attributes.setdefault(found[1], found[2])
        return spans
