"""A sandbox of a test's own, and its raw side: signed requests made by hand, statistics, log, switches."""

import base64
import hashlib
import hmac
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness

_KEYS_FILE = harness.ROOT / "services/sandbox/sandbox-keys.json"


@dataclass(frozen=True)
class Key:
    """A built-in key of the sandbox."""

    api_key: str
    secret: str


def entry(label: str) -> dict[str, Any]:
    """All that the sandbox's file says of a built-in key."""
    for entry in json.loads(_KEYS_FILE.read_text(encoding="utf-8"))["keys"]:
        if entry["label"] == label:
            return entry
    raise KeyError(label)


def key(label: str) -> Key:
    """The built-in key of this label."""
    found = entry(label)
    return Key(found["api_key"], found["secret"])


class Sandbox:
    """A running sandbox."""

    def __init__(self, directory: Path, **options: object) -> None:
        self.ca_file = directory / "ca.pem"
        self.process = _start(directory, {"ca_out": str(self.ca_file), **options})
        self.url = f"http://{self.process.address('sandbox', 'rest')}"
        self.tls_url = f"https://{self.process.address('sandbox', 'rest-tls')}"
        harness.wait_until("the certificate authority is written", self._ca_is_whole)

    def _ca_is_whole(self) -> bool:
        return self.ca_file.exists() and "END CERTIFICATE" in self.ca_file.read_text()

    def stop(self) -> None:
        self.process.stop()

    def get(self, path: str, tls: ssl.SSLContext | None = None) -> Any:
        """GET, and the answer's JSON."""
        base = self.tls_url if tls else self.url
        with urllib.request.urlopen(base + path, timeout=harness.DEADLINE_S, context=tls) as reply:
            return json.load(reply)

    def signed(self, by: Key, endpoint: str, nonce: int | None = None, **parameters: str) -> Any:
        """A private call signed here, from Kraken's description and not by any client's code. Returns the envelope."""
        nonce = time.time_ns() // 1000 if nonce is None else nonce
        path = f"/0/private/{endpoint}"
        body = urllib.parse.urlencode({"nonce": nonce, **parameters})
        digest = hashlib.sha256(f"{nonce}{body}".encode()).digest()
        signature = hmac.new(base64.b64decode(by.secret), path.encode() + digest, hashlib.sha512).digest()
        headers = {
            "API-Key": by.api_key,
            "API-Sign": base64.b64encode(signature).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        request = urllib.request.Request(self.url + path, data=body.encode(), headers=headers, method="POST")
        with urllib.request.urlopen(request, timeout=harness.DEADLINE_S) as reply:
            return json.load(reply)

    def switch(self, **changes: object) -> None:
        """Changes delays, tier or faults while it runs. What it does not know it refuses."""
        request = urllib.request.Request(
            self.url + "/sandbox/switches",
            data=json.dumps(changes).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=harness.DEADLINE_S) as reply:
            reply.read()

    def deposit(self, **payment: str) -> str:
        """Lets somebody pay an account. Returns the deposit's id."""
        request = urllib.request.Request(
            self.url + "/sandbox/deposits",
            data=json.dumps(payment).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=harness.DEADLINE_S) as reply:
            return json.load(reply)["refid"]

    def refusals(self, by: Key) -> dict[str, int]:
        """How often this key was refused, by cause."""
        return self.get("/sandbox/stats")["by_key"].get(by.api_key, {}).get("refusals", {})

    def log(self, by: Key) -> list[dict[str, Any]]:
        """What the sandbox wrote down of every request of this key, oldest first."""
        return [entry for entry in self.get("/sandbox/log")["entries"] if entry["key"] == by.api_key]


def _start(directory: Path, options: dict[str, object]) -> harness.Process:
    """The one place that knows how a sandbox is started."""
    anywhere = "127.0.0.1:0"
    tables = {"sandbox": {"listen": anywhere, "tls_listen": anywhere, **options}, "admin": {"listen": anywhere}}
    file = harness.config(directory, "sandbox", tables)
    return harness.tidegate("sandbox", ["sandbox", "--config", str(file)], directory)
